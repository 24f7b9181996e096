//! `lodge dead-letters`.

use super::{configuration, table};
use crate::cli::{ConfigArg, Usage, complain, print};
use crate::compose::{Building, open_store};
use clap::Subcommand;
use lodge_domain::EnvelopeId;
use lodge_domain::ports::DeadLetter;
use lodge_pipeline::dead_letter::Selection;
use lodge_pipeline::{DeadLetterDesk, Facets};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;

/// What to do with what was given up.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists them, oldest first.
    #[command(after_help = "Example:\n  lodge dead-letters list --json")]
    List {
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Shows one whole.
    #[command(after_help = "Example:\n  lodge dead-letters show wrk_…")]
    Show {
        /// A work id or event id.
        id: String,
    },
    /// Tries them again; ids stay, so that nothing is doubled.
    #[command(after_help = "Example:\n  lodge dead-letters replay --since 2h")]
    Replay {
        /// Work ids or event ids.
        ids: Vec<String>,
        /// Those given up within this time, such as `2h`, or since a time such as `2026-11-21T09:00:00Z`.
        #[arg(long, conflicts_with = "ids")]
        since: Option<String>,
        /// All of them.
        #[arg(long, conflicts_with_all = ["ids", "since"])]
        all: bool,
    },
    /// Removes them for good.
    #[command(after_help = "Example:\n  lodge dead-letters discard wrk_…")]
    Discard {
        /// Work ids or event ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// Works on dead letters.
///
/// # Errors
/// Where the configuration has problems, the store does not answer, an id is unknown, or standard output is closed.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let checked = configuration(arguments.config.config.as_deref())?;
    let store = open_store(&checked, false).await?;
    let desk = DeadLetterDesk::new(Facets::of(&store));
    let all = desk.list().await?;
    match arguments.action {
        Action::List { json: true } => print(&Value::Array(all.iter().map(summary).collect()).to_string())?,
        Action::List { json: false } => list(&all)?,
        Action::Show { id } => {
            let letter = pick(&all, &id)?;
            let mut whole = summary(letter);
            whole["payload"] = json!(letter.work.payload);
            whole["conversation"] = json!(letter.work.conversation);
            print(&serde_json::to_string_pretty(&whole)?)?;
        }
        Action::Replay { ids, since, all: every } => {
            let done = desk.replay(&selection(&all, &ids, since.as_deref(), every)?).await?;
            let mut number = done.replayed.len();
            if !done.quarantined.is_empty() {
                let building = Building::new(checked.clone(), Arc::clone(&store)).await?;
                number += building.release(&done.quarantined).await?;
            }
            complain(&format!("{number} put back; a running gateway takes them up at once"));
        }
        Action::Discard { ids } => {
            for id in &ids {
                let letter = pick(&all, id)?;
                desk.discard(&letter.work.brand, &letter.work.id).await?;
            }
            complain(&format!("{} discarded", ids.len()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The event it is about.
fn event_of(letter: &DeadLetter) -> Option<&str> {
    EnvelopeId::parse(&letter.work.subject).map(|_| letter.work.subject.as_str())
}

fn summary(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.work.id, "event": event_of(letter), "subject": letter.work.subject, "kind": letter.work.kind.as_str(),
        "lane": letter.work.lane.to_string(), "brand": letter.work.brand, "reason": letter.reason, "error": letter.error,
        "attempts": letter.attempts, "at": letter.at,
    })
}

fn list(all: &[DeadLetter]) -> std::io::Result<()> {
    if all.is_empty() {
        complain("no dead letters");
        return Ok(());
    }
    let mut rows = table(&["id", "about", "what", "why", "attempts", "since"]);
    for letter in all {
        let why = format!("{}: {}", letter.reason, letter.error);
        let what = letter.work.kind.as_str().to_owned();
        let (id, about) = (letter.work.id.to_string(), letter.work.subject.clone());
        rows.add_row([id, about, what, why, letter.attempts.to_string(), letter.at.to_string()]);
    }
    print(&rows.to_string())
}

fn pick<'l>(all: &'l [DeadLetter], id: &str) -> anyhow::Result<&'l DeadLetter> {
    let fits = |letter: &&DeadLetter| letter.work.id.as_str() == id || letter.work.subject == id;
    all.iter().find(fits).ok_or_else(|| Usage(format!("there is no dead letter `{id}`")).into())
}

/// What the arguments ask to be replayed.
fn selection(
    all: &[DeadLetter],
    ids: &[String],
    since: Option<&str>,
    every: bool,
) -> anyhow::Result<Selection> {
    if every {
        return Ok(Selection::All);
    }
    if let Some(since) = since {
        return Ok(Selection::Since(point_in_time(since)?));
    }
    if ids.is_empty() {
        return Err(Usage("name ids, or use --since or --all".to_owned()).into());
    }
    let ids = ids.iter().map(|id| pick(all, id).map(|letter| letter.work.id.clone()));
    Ok(Selection::Ids(ids.collect::<anyhow::Result<_>>()?))
}

fn point_in_time(text: &str) -> anyhow::Result<jiff::Timestamp> {
    use lodge_domain::ports::Clock as _;
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let ago = lodge_triage::Span::parse(text).map(|span| crate::system::SystemClock.now() - span.duration());
    ago.ok_or_else(|| Usage(format!("`{text}` is neither a time nor a length such as `2h`")).into())
}
