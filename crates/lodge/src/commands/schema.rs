//! `lodge schema` and `lodge config-reference`.

use crate::cli::print;
use crate::config;
use clap::ValueEnum;
use std::process::ExitCode;

/// What to print.
#[derive(clap::Args)]
pub struct Arguments {
    /// The document.
    document: Document,
}

#[derive(Clone, Copy, ValueEnum)]
enum Document {
    /// What the core receives.
    TicketEvent,
    /// The configuration.
    Config,
}

/// Prints a JSON Schema.
///
/// # Errors
/// Where standard output is closed.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let schema = match arguments.document {
        Document::TicketEvent => schemars::schema_for!(lodge_domain::TicketEvent).to_value(),
        Document::Config => config::schema(),
    };
    print(&serde_json::to_string_pretty(&schema)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the configuration reference.
///
/// # Errors
/// Where standard output is closed.
pub fn reference() -> anyhow::Result<ExitCode> {
    print(config::reference().trim_end())?;
    Ok(ExitCode::SUCCESS)
}
