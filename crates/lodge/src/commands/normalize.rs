//! `lodge normalize`: one raw contact in, one ticket event out, as if the store were empty.

use crate::cli::{Usage, print};
use crate::compose::{Building, open_scratch};
use crate::config::load_text;
use crate::system::Scratch;
use anyhow::Context as _;
use bytes::Bytes;
use lodge_channel::{Arrival, Importer};
use lodge_domain::ports::{Lookup, Outcome};
use lodge_domain::{BrandName, Channel, Inbound, Receipt};
use lodge_pipeline::founding_envelope;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// What to normalize.
#[derive(clap::Args)]
pub struct Arguments {
    /// `email` or `social`.
    #[arg(long)]
    channel: String,
    /// The provider, where the channel has several.
    #[arg(long)]
    provider: Option<String>,
    /// Reads file paths from standard input, one a line, and prints one event a line, in order.
    #[arg(long)]
    batch: bool,
    /// With `--batch`: all share one empty store, so that they thread.
    #[arg(long, requires = "batch")]
    together: bool,
    /// The raw contact; `-` or nothing for standard input.
    file: Option<PathBuf>,
}

/// Prints ticket events.
///
/// # Errors
/// Wrong usage, a file that cannot be read, or standard output is closed.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let channel = Channel::parse(&arguments.channel)
        .filter(|channel| crate::channels::entry(channel.as_str()).is_some())
        .with_context(|| {
            Usage(format!("there is no channel `{}`; this build has: email, social", arguments.channel))
        })?;
    let table = table(channel, arguments.provider.as_deref())?;
    let bench = Bench::open(&table, arguments.together).await?;
    if !arguments.batch {
        let raw = match arguments.file.as_deref().filter(|path| *path != Path::new("-")) {
            Some(path) => {
                std::fs::read(path).with_context(|| Usage(format!("{} cannot be read", path.display())))?
            }
            None => standard_input().await?,
        };
        let event = bench.event(Bytes::from(raw)).await?;
        print(&serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&event)?)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let list = String::from_utf8(standard_input().await?)
        .context(Usage("the list of paths is not UTF-8".to_owned()))?;
    for path in list.lines().filter(|line| !line.is_empty()) {
        let raw = std::fs::read(path).with_context(|| Usage(format!("{path} cannot be read")))?;
        print(&bench.event(Bytes::from(raw)).await?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The table of an inbox that reads raw originals of a channel and provider, without any secret's value.
fn table(channel: Channel, provider: Option<&str>) -> anyhow::Result<String> {
    if channel == Channel::Social {
        let known = || format!("name the provider: {}", lodge_channel_social::PROVIDERS.join(", "));
        let table = provider.and_then(lodge_channel_social::scratch);
        return table.with_context(|| Usage(known()));
    }
    if provider.is_some_and(|provider| provider != "imap") {
        return Err(Usage("the provider of channel `email` is `imap`".to_owned()).into());
    }
    Ok(format!("[inbox.inbox.{channel}]\n{}", lodge_channel_email::SCRATCH))
}

async fn standard_input() -> anyhow::Result<Vec<u8>> {
    let mut all = Vec::new();
    tokio::io::stdin().read_to_end(&mut all).await?;
    Ok(all)
}

/// A gateway in a scratch folder, for one inbox of the channel, that runs nothing by itself.
struct Bench {
    _folder: Scratch,
    building: Building,
    importer: Arc<dyn Importer>,
    /// Whether contacts thread with those before them.
    together: bool,
}

impl Bench {
    async fn open(table: &str, together: bool) -> anyhow::Result<Self> {
        let folder = Scratch::new()?;
        let text = format!(
            "[server]\npublic_url = \"https://lodge.example\"\n[blobs]\nurl = \"file:blobs\"\n\
             [store]\nurl = \"embedded:store\"\n{table}"
        );
        // What a provider's table names is read, has the form that some ask for, and is never used here.
        std::fs::write(folder.path().join("secret"), "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")?;
        let checked = load_text(&folder.path().join("lodge.toml"), &text).check()?;
        let store = open_scratch(&checked).await?;
        let building = Building::new(checked, store).await?;
        let inbox = building.checked().inboxes.values().next().context("the scratch inbox is there")?;
        let importer = building.importer(inbox)?.context("the channel has raw originals")?;
        Ok(Self { building, importer, together, _folder: folder })
    }

    async fn event(&self, raw: Bytes) -> anyhow::Result<String> {
        let inbound = self.importer.read(raw, Arrival { received_at: None, backfill: false }).await?;
        let contact = self.building.as_contact(inbound)?;
        if !self.together {
            let envelope = founding_envelope(contact, self.building.clock().now())?;
            return self.building.preview(envelope, None);
        }
        let outcome = self
            .building
            .intake()
            .accept(vec![Inbound::Contact(Box::new(contact))])
            .await?
            .into_iter()
            .next();
        let Some(Outcome::Accepted(receipt)) = outcome else { anyhow::bail!("the contact was not accepted") };
        self.preview(&receipt).await
    }

    async fn preview(&self, receipt: &Receipt) -> anyhow::Result<String> {
        let (brand, store) = (BrandName::unbranded(), self.building.store());
        let found = store.find(&brand, Lookup::Envelope(receipt.envelope.clone())).await?;
        let envelope = found.into_iter().next().context("what was accepted is there")?;
        let conversation = store.conversation(&brand, &receipt.conversation).await?;
        self.building.preview(envelope, conversation.as_ref())
    }
}
