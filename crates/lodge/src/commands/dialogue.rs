//! `lodge dialogue`: what is wrong with a dialogue, how it looks, and how it feels, before anybody calls.

use crate::cli::{Usage, complain, print};
use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use lodge_channel_voice::dialogue::{
    self, Call, Dialogue, Input, Message, Moment, Sound, Spoken, Then, Turn, advance,
};
use lodge_domain::ports::Clock;
use lodge_domain::{ConversationId, EnvelopeId, Reference};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What to do with a dialogue.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Prints everything that is wrong with it.
    #[command(after_help = "Example:\n  lodge dialogue check dialogues/hotline.toml")]
    Check {
        /// The dialogue.
        file: PathBuf,
    },
    /// Draws it as SVG.
    #[command(after_help = "Example:\n  lodge dialogue draw dialogues/hotline.toml > hotline.svg")]
    Draw {
        /// The dialogue.
        file: PathBuf,
    },
    /// Plays it in the terminal: type keys, or words, or nothing.
    #[command(after_help = "Example:\n  lodge dialogue try dialogues/hotline.toml")]
    Try {
        /// The dialogue.
        file: PathBuf,
    },
}

/// Works on a dialogue.
///
/// # Errors
/// Where the file cannot be read or standard output is closed.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Check { file } => check(&read(file)?),
        Action::Draw { file } => {
            print(dialogue::draw(&read(file)?).trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Try { file } => {
            let dialogue = read(file)?;
            let flaws = check(&dialogue)?;
            if flaws == ExitCode::SUCCESS { play(&dialogue) } else { Ok(flaws) }
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Dialogue> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    dialogue::read(&text).map_err(|error| Usage(format!("{}: {error}", file.display())).into())
}

fn check(dialogue: &Dialogue) -> anyhow::Result<ExitCode> {
    let flaws = dialogue::check(dialogue);
    for flaw in &flaws {
        print(&flaw.to_string())?;
    }
    complain(&format!("{} steps, {} problems", dialogue.step.len(), flaws.len()));
    Ok(if flaws.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// A call in the terminal; its ticket's number is an example.
fn play(dialogue: &Dialogue) -> anyhow::Result<ExitCode> {
    let example = ConversationId::founded_by(&EnvelopeId::of_report("dialogue", &["try"]));
    let reference = Reference::derive(&example, 0);
    let mut lines = std::io::stdin().lock().lines();
    let mut call = Call::begin(dialogue);
    let mut input = Input::Begin;
    loop {
        let now: Timestamp = crate::system::SystemClock.now();
        let (next, turn) = advance(dialogue, &call, &input, Moment { now, reference: Some(&reference) });
        call = next;
        say(&turn)?;
        match &turn.then {
            Then::HangUp | Then::File => break,
            Then::Listen(ears) => complain(if ears.speech { "(type keys or words)" } else { "(type keys)" }),
            Then::Record { seconds, .. } => complain(&format!("(records up to {seconds} s: type anything)")),
            Then::Dial { number, .. } => complain(&format!("(calls {number}: type y if somebody answers)")),
        }
        let Some(line) = lines.next() else { break };
        input = understood(line?.trim(), &turn.then);
    }
    print(&serde_json::to_string_pretty(&call.learned)?)?;
    Ok(ExitCode::SUCCESS)
}

fn say(turn: &Turn) -> std::io::Result<()> {
    for line in &turn.lines {
        match &line.what {
            Sound::Say(text) => print(text)?,
            Sound::Play(address) => print(&format!("♪ {address}"))?,
        }
    }
    Ok(())
}

fn understood(line: &str, then: &Then) -> Input {
    let keys = !line.is_empty() && line.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#'));
    match then {
        Then::Record { .. } => {
            let message = Message { id: "example".to_owned(), seconds: None };
            Input::Recorded((!line.is_empty()).then_some(message))
        }
        Then::Dial { .. } => Input::Operator(line == "y"),
        _ if keys => Input::Keys(line.to_owned()),
        _ if line.is_empty() => Input::Silence,
        _ => Input::Speech(Spoken { text: line.to_owned(), confidence: None }),
    }
}
