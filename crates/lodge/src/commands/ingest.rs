//! `lodge ingest`: archives through the whole pipeline, with a progress bar; resumable, since what is known is known.

mod archive;

use super::{configuration, inbox};
use crate::cli::{ConfigArg, Temporary, Usage, complain};
use crate::compose::{Building, open_store};
use archive::{Archive, Item};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use lodge_channel::{Arrival, Importer};
use lodge_domain::ports::{InboxState, Intake, Outcome};
use lodge_domain::{Inbound, InboxId, Placement, digest_parts};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What to take in.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    /// The inbox it counts for.
    #[arg(long)]
    inbox: String,
    /// Acknowledge what is new; by default an archive is never answered.
    #[arg(long)]
    acknowledge: bool,
    /// Start at the beginning of each path, even where an earlier run got further.
    #[arg(long)]
    restart: bool,
    /// `.eml` files, mbox files, Maildirs, or folders of `.eml` files.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// How many are read and understood at a time, and accepted in one go.
const BATCH: usize = 64;

#[derive(Default)]
struct Tally {
    new: u64,
    known: u64,
    other: u64,
}

/// Takes archives in.
///
/// # Errors
/// Wrong usage or configuration, or a store that does not take it; running it again goes on where it stopped.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let checked = configuration(arguments.config.config.as_deref())?;
    let inbox = inbox(&checked, &arguments.inbox)?;
    let store = open_store(&checked, false).await.map_err(|error| Temporary(format!("{error:#}")))?;
    let building = Building::new(checked, Arc::clone(&store)).await?;
    let Some(importer) = building.importer(&inbox)? else {
        return Err(Usage(format!(
            "archives cannot go into inbox `{}`: it is no mail inbox",
            arguments.inbox
        ))
        .into());
    };
    let mut archives = Vec::new();
    for path in &arguments.paths {
        archives.push(Archive::open(path).map_err(|error| Usage(format!("{}: {error}", path.display())))?);
    }
    let bar = ProgressBar::new(archives.iter().map(Archive::bytes).sum());
    let style = "{bar:30} {percent:>3}%  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut tally = Tally::default();
    let state: &dyn InboxState = &*store;
    for archive in archives {
        let progress = Progress::load(state, &inbox.id, &archive, arguments.restart).await?;
        let house = Work {
            importer: &*importer,
            intake: &*building.intake(),
            bar: &bar,
            acknowledge: arguments.acknowledge,
        };
        house.take_in(archive, progress, &mut tally).await?;
    }
    bar.finish_and_clear();
    let Tally { new, known, other } = tally;
    complain(&format!("{new} new, {known} known already, {other} without anything to file"));
    Ok(ExitCode::SUCCESS)
}

struct Work<'w> {
    importer: &'w dyn Importer,
    intake: &'w dyn Intake,
    bar: &'w ProgressBar,
    acknowledge: bool,
}

impl Work<'_> {
    async fn take_in(
        &self,
        archive: Archive,
        mut progress: Progress<'_>,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let mut items = archive.items(progress.done)?;
        self.bar.inc(items.skipped_bytes());
        loop {
            let batch: Vec<Item> = items.by_ref().take(BATCH).collect::<std::io::Result<_>>()?;
            let Some(last) = batch.last().map(|item| item.next) else { return Ok(()) };
            let size: u64 = batch.iter().map(|item| item.raw.len() as u64).sum();
            let inbound = self.understand(batch).await?;
            self.accept(inbound, tally).await?;
            progress.save(last).await?;
            self.bar.inc(size);
            self.bar.set_message(format!("{} new, {} known", tally.new, tally.known));
        }
    }

    async fn understand(&self, batch: Vec<Item>) -> anyhow::Result<Vec<Inbound>> {
        let arrival = Arrival { received_at: None, backfill: !self.acknowledge };
        let read = |item: Item| self.importer.read(Bytes::from(item.raw), arrival);
        let all: Vec<_> = stream::iter(batch.into_iter().map(read)).buffered(8).collect().await;
        all.into_iter().map(|one| one.map_err(|error| Temporary(error.to_string()).into())).collect()
    }

    async fn accept(&self, inbound: Vec<Inbound>, tally: &mut Tally) -> anyhow::Result<()> {
        let outcomes = self.intake.accept(inbound).await.map_err(|refusal| Temporary(refusal.to_string()))?;
        for outcome in outcomes {
            match outcome {
                Outcome::Accepted(receipt) if receipt.placement == Placement::Duplicate => tally.known += 1,
                Outcome::Accepted(_) => tally.new += 1,
                _ => tally.other += 1,
            }
        }
        Ok(())
    }
}

/// How far an archive was taken in, kept with the inbox. Losing it costs time, nothing else.
struct Progress<'p> {
    state: &'p dyn InboxState,
    inbox: InboxId,
    key: String,
    version: u64,
    done: u64,
}

impl<'p> Progress<'p> {
    async fn load(
        state: &'p dyn InboxState,
        inbox: &InboxId,
        archive: &Archive,
        restart: bool,
    ) -> anyhow::Result<Self> {
        let digest = digest_parts(&[archive.identity().as_bytes()]);
        let key = format!("ingest-{}", data_encoding::HEXLOWER.encode(digest.get(..16).unwrap_or_default()));
        let stored = state.load(inbox, &key).await?;
        let (version, done) = stored.map_or((0, 0), |stored| {
            let done = std::str::from_utf8(&stored.value).ok().and_then(|text| text.parse().ok());
            (stored.version, done.unwrap_or(0))
        });
        Ok(Self { state, inbox: inbox.clone(), key, version, done: if restart { 0 } else { done } })
    }

    async fn save(&mut self, done: u64) -> anyhow::Result<()> {
        let value = Bytes::from(done.to_string());
        // Somebody else takes the same archive in at the same time: both go on, what is known is known.
        if let Some(version) = self.state.save(&self.inbox, &self.key, self.version, value).await? {
            self.version = version;
        }
        Ok(())
    }
}
