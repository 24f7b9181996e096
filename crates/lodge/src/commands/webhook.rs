//! `lodge webhook`: points a provider's webhook at this gateway, by the provider's own API.

use super::configuration;
use crate::cli::{ConfigArg, Usage, print};
use crate::compose::{Building, open_store};
use anyhow::Context as _;
use clap::Subcommand;
use lodge_channel::{Problem, Registrar};
use std::process::ExitCode;
use std::sync::Arc;

/// What to do with a webhook.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Points the provider's webhook of an inbox here.
    #[command(after_help = "Example:\n  lodge webhook register --inbox bot")]
    Register {
        /// The inbox.
        #[arg(long)]
        inbox: String,
    },
    /// Shows where the provider's webhook of an inbox points, and how it fares there.
    #[command(after_help = "Example:\n  lodge webhook status --inbox bot --json")]
    Status {
        /// The inbox.
        #[arg(long)]
        inbox: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Registers a webhook, or shows it.
///
/// # Errors
/// Where the configuration has problems, the provider has no API for it or refuses, or standard output is closed.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let checked = configuration(arguments.config.config.as_deref())?;
    let (name, json) = match &arguments.action {
        Action::Register { inbox } => (inbox.clone(), false),
        Action::Status { inbox, json } => (inbox.clone(), *json),
    };
    let inbox = super::inbox(&checked, &name)?;
    let address = match checked.server.public_url.as_deref() {
        Some(base) => format!("{}/hooks/{name}", base.trim_end_matches('/')),
        None => return Err(Usage("`[server] public_url` is missing: providers call that".to_owned()).into()),
    };
    let store = open_store(&checked, false).await?;
    let building = Building::new(checked, store).await?;
    let registrar: Arc<dyn Registrar> =
        inbox.door.registrar(&building.context(&inbox))?.with_context(|| {
            let provider = inbox.door.address();
            Usage(format!("{provider} has no API for this: enter {address} in the provider's console"))
        })?;
    let failed = |problem: Problem| anyhow::anyhow!("{}; {}", problem.reason, problem.remedy);
    match arguments.action {
        Action::Register { .. } => {
            let said = registrar.register(&address).await.map_err(failed)?;
            print(&format!("{address}: {said}"))?;
        }
        Action::Status { .. } => {
            let state = registrar.status().await.map_err(failed)?;
            if json {
                let all: serde_json::Map<_, _> =
                    state.into_iter().map(|(key, value)| (key, serde_json::Value::from(value))).collect();
                print(&serde_json::Value::from(all).to_string())?;
            } else {
                let mut table = super::table(&["what", "how"]);
                for (key, value) in state {
                    table.add_row([key, value]);
                }
                print(&table.to_string())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
