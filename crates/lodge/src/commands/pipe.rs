//! `lodge pipe`: one mail from standard input, as a mail server hands it over.

use super::{configuration, inbox};
use crate::cli::{ConfigArg, Temporary, Usage, complain};
use crate::compose::{Building, open_store};
use bytes::Bytes;
use lodge_channel::Arrival;
use std::process::ExitCode;
use tokio::io::AsyncReadExt;

/// Where the mail goes.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    /// The inbox it counts for.
    #[arg(long)]
    inbox: String,
}

/// More than this is refused for good: the sender's server is to say so.
const MOST_BYTES: u64 = 150 << 20;

/// Takes one mail in. Every failure but wrong usage is temporary: the mail server keeps the mail and tries again.
///
/// # Errors
/// Wrong usage or configuration; [`Temporary`] for everything else.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let checked = configuration(arguments.config.config.as_deref())?;
    let inbox = inbox(&checked, &arguments.inbox)?;
    let mut raw = Vec::new();
    let read = tokio::io::stdin().take(MOST_BYTES + 1).read_to_end(&mut raw).await;
    let size = read.map_err(|error| Temporary(format!("standard input cannot be read: {error}")))?;
    if size == 0 {
        return Err(Usage("there is no mail on standard input".to_owned()).into());
    }
    if size as u64 > MOST_BYTES {
        complain("the mail is larger than 150 MiB, the most a pipe takes");
        return Ok(ExitCode::FAILURE);
    }
    let temporary = |error: anyhow::Error| Temporary(format!("{error:#}"));
    let store = open_store(&checked, false).await.map_err(temporary)?;
    let building = Building::new(checked, store).await.map_err(temporary)?;
    building.pipeline().ask_always();
    let Some(importer) = building.importer(&inbox)? else {
        return Err(
            Usage(format!("mails cannot go into inbox `{}`: it is no mail inbox", arguments.inbox)).into()
        );
    };
    let arrival = Arrival { received_at: Some(building.clock().now()), backfill: false };
    let inbound =
        importer.read(Bytes::from(raw), arrival).await.map_err(|error| Temporary(error.to_string()))?;
    let outcomes = building.intake().accept(vec![inbound]).await;
    outcomes.map_err(|refusal| Temporary(refusal.to_string()))?;
    Ok(ExitCode::SUCCESS)
}
