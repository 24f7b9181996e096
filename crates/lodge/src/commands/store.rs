//! `lodge store inspect`.

use super::configuration;
use crate::cli::{ConfigArg, print};
use crate::compose::open_store;
use clap::Subcommand;
use serde_json::json;
use std::process::ExitCode;

/// What to do with the store.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Counts what is there, and says what an accepted contact survives.
    #[command(after_help = "Example:\n  lodge store inspect --json")]
    Inspect {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Looks inside the store.
///
/// # Errors
/// Where the configuration has problems, the store does not answer, or standard output is closed.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let checked = configuration(arguments.config.config.as_deref())?;
    let Action::Inspect { json } = arguments.action;
    let store = open_store(&checked, false).await?;
    let counts = store.counts().await?;
    let survives = store.check().await?;
    if json {
        let lanes: Vec<_> = counts
            .lanes
            .iter()
            .map(|lane| json!({"lane": lane.lane, "depth": lane.depth, "oldest": lane.oldest}))
            .collect();
        let all = json!({
            "envelopes": counts.envelopes, "conversations": counts.conversations, "events": counts.events,
            "dead_letters": counts.dead_letters, "lanes": lanes, "durability": survives,
        });
        print(&all.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = super::table(&["what", "how many", "oldest"]);
    let rows = [
        ("contacts", counts.envelopes),
        ("conversations", counts.conversations),
        ("events in the feed", counts.events),
        ("dead letters", counts.dead_letters),
    ];
    for (what, number) in rows {
        table.add_row([what.to_owned(), number.to_string(), String::new()]);
    }
    for lane in &counts.lanes {
        let oldest = lane.oldest.map(|at| at.to_string()).unwrap_or_default();
        table.add_row([format!("waiting: {}", lane.lane), lane.depth.to_string(), oldest]);
    }
    print(&table.to_string())?;
    print(&survives)?;
    Ok(ExitCode::SUCCESS)
}
