//! The command line: data to standard output, talk to standard error, exit status 0, 1, 2 or 75.

use crate::commands;
use crate::config::Problems;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The gateway through which every customer contact becomes exactly one ticket.
#[derive(Parser)]
#[command(name = "lodge", version, about, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Example:\n  lodge demo        # see a mail become a ticket, in a browser, with nothing else installed"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration is.
#[derive(clap::Args, Clone, Debug)]
pub struct ConfigArg {
    /// The configuration; default `lodge.toml`, then `/etc/lodge/lodge.toml`.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the whole gateway with built-in stand-ins, and a page to play with.
    #[command(
        after_help = "Example:\n  lodge demo --listen 127.0.0.1:9000\n  # then open http://127.0.0.1:9000/sandbox"
    )]
    Demo(commands::demo::Arguments),
    /// Runs the gateway.
    #[command(after_help = "Example:\n  lodge run --config /etc/lodge/lodge.toml")]
    Run(commands::run::Arguments),
    /// Prints all configuration problems at once, each with file, line, reason and remedy.
    #[command(after_help = "Example:\n  lodge check --online")]
    Check(commands::check::Arguments),
    /// Turns one raw contact into the ticket event it would become; stores and sends nothing.
    #[command(
        after_help = "Example:\n  lodge normalize --channel email letter.eml\n  find mails -name '*.eml' | lodge normalize --channel email --batch --together"
    )]
    Normalize(commands::normalize::Arguments),
    /// Takes `.eml` files, mbox files and Maildirs through the whole pipeline.
    #[command(after_help = "Example:\n  lodge ingest --inbox support archive.mbox old/*.eml")]
    Ingest(commands::ingest::Arguments),
    /// Takes one mail from standard input; 0 only once it is durable, 75 on a failure of ours.
    #[command(after_help = "Example (a Postfix alias):\n  support: \"|/usr/bin/lodge pipe --inbox support\"")]
    Pipe(commands::pipe::Arguments),
    /// Shows everything that happened to one contact, with the reasons.
    #[command(
        after_help = "Example:\n  lodge trace 4829136057\n  lodge trace '<20261121090000@example.com>' --json"
    )]
    Trace(commands::trace::Arguments),
    /// Lists, shows, replays or discards what was given up or could not be understood.
    #[command(after_help = "Example:\n  lodge dead-letters list --json\n  lodge dead-letters replay --all")]
    DeadLetters(commands::dead_letters::Arguments),
    /// Prints the JSON Schema of ticket events or of the configuration.
    #[command(after_help = "Example:\n  lodge schema ticket-event > ticket-event.schema.json")]
    Schema(commands::schema::Arguments),
    /// Prints the configuration reference in Markdown.
    #[command(after_help = "Example:\n  lodge config-reference | less")]
    ConfigReference,
    /// Points a provider's webhook at this gateway, by the provider's own API.
    #[command(
        after_help = "Example:\n  lodge webhook register --inbox bot\n  lodge webhook status --inbox bot"
    )]
    Webhook(commands::webhook::Arguments),
    /// Checks, draws or plays a telephone dialogue.
    #[command(after_help = "Example:\n  lodge dialogue try dialogues/hotline.toml")]
    Dialogue(commands::dialogue::Arguments),
    /// Looks inside the store.
    #[command(after_help = "Example:\n  lodge store inspect --json")]
    Store(commands::store::Arguments),
}

/// A failure that is likely to go away (exit status 75).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Temporary(pub String);

/// Wrong usage or configuration (exit status 2).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            // A closed pipe is the only way this fails, and then nobody reads it.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        complain("the cryptography provider was installed twice");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("lodge").build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(dispatch(cli.command));
            // A blocking read that nobody waits for any more does not hold the process.
            runtime.shutdown_timeout(std::time::Duration::from_millis(500));
            result
        }
        Err(error) => Err(anyhow::Error::new(error).context("no threads can be started")),
    };
    match result {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(arguments) => commands::demo::run(arguments).await,
        Command::Run(arguments) => commands::run::run(arguments).await,
        Command::Check(arguments) => commands::check::run(arguments).await,
        Command::Normalize(arguments) => commands::normalize::run(arguments).await,
        Command::Ingest(arguments) => commands::ingest::run(arguments).await,
        Command::Pipe(arguments) => commands::pipe::run(arguments).await,
        Command::Trace(arguments) => commands::trace::run(arguments).await,
        Command::DeadLetters(arguments) => commands::dead_letters::run(arguments).await,
        Command::Schema(arguments) => commands::schema::run(&arguments),
        Command::Dialogue(arguments) => commands::dialogue::run(&arguments),
        Command::ConfigReference => commands::schema::reference(),
        Command::Webhook(arguments) => commands::webhook::run(arguments).await,
        Command::Store(arguments) => commands::store::run(arguments).await,
    }
}

fn report(error: &anyhow::Error) -> ExitCode {
    let io = error.downcast_ref::<std::io::Error>();
    if io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let mut text = String::new();
    for (at, cause) in error.chain().enumerate() {
        let words = cause.to_string();
        if at > 0 && text.contains(&words) {
            continue;
        }
        text.push_str(if at == 0 { "" } else { ": " });
        text.push_str(&words);
    }
    complain(&text);
    if error.is::<Problems>() || error.is::<Usage>() {
        ExitCode::from(2)
    } else if error.is::<Temporary>() {
        ExitCode::from(75)
    } else {
        ExitCode::FAILURE
    }
}

/// Says something on standard error; where nobody listens, nothing is lost.
pub fn complain(text: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr(), "lodge: {text}"));
}

/// Prints a line of data on standard output.
///
/// # Errors
/// Where standard output is closed.
pub fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")
}
