//! Plays every chat in `fixtures/chat/guide/*.transcript`: what the visitor says is read from the file, and what the bot
//! says and learns must be what stands there. `fixtures/chat/guide/README.md` tells the format.
#![expect(clippy::unwrap_used, reason = "what the helpers of a test cannot do fails the test")]

use lodge_guide::dialogue::{BUILT_IN, Guide, Known, Learned, Outcome, State, Turn};
use lodge_guide::{Articles, Line};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The head of a transcript: `key: value` lines until an empty one.
#[derive(Default)]
struct Head {
    text: String,
    guide: Option<String>,
    language: String,
    known: Known,
    has_articles: bool,
    opens: bool,
}

fn head(transcript: &str) -> Head {
    let mut head = Head { has_articles: true, ..Head::default() };
    for line in transcript.lines().take_while(|line| !line.is_empty()) {
        writeln!(head.text, "{line}").unwrap();
        if line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("no `key: value`: {line}"));
        match key {
            "guide" => head.guide = Some(value.to_owned()),
            "language" => head.language = value.to_owned(),
            "name" => head.known.name = Some(value.to_owned()),
            "email" => head.known.email = Some(value.to_owned()),
            "phone" => head.known.phone = Some(value.to_owned()),
            "articles" => head.has_articles = value == "yes",
            "opens" => head.opens = value == "visitor",
            other => panic!("unknown key {other}"),
        }
    }
    head
}

fn play(transcript: &str, folder: &Path, articles: &Articles) -> String {
    let head = head(transcript);
    let text = match &head.guide {
        Some(name) => std::fs::read_to_string(folder.join(name)).unwrap(),
        None => BUILT_IN.to_owned(),
    };
    let guide = Guide::parse(&text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let articles = head.has_articles.then_some(articles);
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut out = head.text.clone() + "\n";
    let mut state: Option<State> = None;
    if !head.opens {
        let turn = guide.begin(&head.language, head.known.clone());
        state = Some(show(&mut out, &turn));
    }
    for said in transcript.lines().filter_map(|line| line.strip_prefix("> ")) {
        writeln!(out, "> {said}").unwrap();
        let said = said.replace("\\n", "\n").replace("\\u202e", "\u{202e}");
        let turn = match &state {
            Some(state) => {
                let turn = guide.advance(state, &said, articles, now);
                assert_eq!(turn, guide.advance(state, &said, articles, now), "the same words, another turn");
                turn
            }
            None => guide.open(&head.language, head.known.clone(), &said, articles, now),
        };
        state = Some(show(&mut out, &turn));
    }
    if let Some(state) = state.filter(|state| !state.is_over()) {
        learned(&mut out, &Learned::from_state(&state));
    }
    out
}

/// Writes a turn; its state comes back as it would from a store.
fn show(out: &mut String, turn: &Turn) -> State {
    turn.say.iter().for_each(|line| show_line(out, line));
    match &turn.outcome {
        Outcome::Continue => {}
        Outcome::HandOver(found) => learned(out, found),
        Outcome::Answered { article, question, learned: found } => {
            writeln!(out, "= answered by {}: {:?}", article.id, question).unwrap();
            learned(out, found);
        }
    }
    serde_json::from_str(&serde_json::to_string(&turn.state).unwrap()).unwrap()
}

fn show_line(out: &mut String, line: &Line) {
    let text = line.text.replace('\n', "\n  ").replace("\n  \n", "\n\n");
    writeln!(out, "< {text}").unwrap();
    if !line.choices.is_empty() {
        writeln!(out, "  [{}]", line.choices.join("] [")).unwrap();
    }
}

fn learned(out: &mut String, learned: &Learned) {
    writeln!(out, "= {}", learned.reason).unwrap();
    let facts = [
        ("name", &learned.name),
        ("email", &learned.email),
        ("phone", &learned.phone),
        ("topic", &learned.topic),
    ];
    for (key, value) in facts {
        if let Some(value) = value {
            writeln!(out, "  {key}: {value:?}").unwrap();
        }
    }
    for answer in &learned.answers {
        writeln!(out, "  {} ({}): {:?}", answer.step, answer.question, answer.answer).unwrap();
    }
    writeln!(out, "  said: {:?}", learned.said).unwrap();
    for offered in &learned.offered {
        writeln!(out, "  offered {}: {:?}", offered.article, offered.accepted).unwrap();
    }
    if learned.category.is_some() || learned.priority.is_some() || !learned.tags.is_empty() {
        writeln!(out, "  set: {:?} {:?} {:?}", learned.category, learned.priority, learned.tags).unwrap();
    }
}

#[test]
fn every_chat_goes_as_it_is_written() {
    let folder = root().join("fixtures/chat/guide");
    let articles = Articles::load(&root().join("config/articles")).unwrap();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "transcript"));
    files.sort();
    assert!(files.len() >= 10, "transcripts are missing");
    let mut different = Vec::new();
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        let played = play(&written, &folder, &articles);
        if played != written {
            let name = file.file_name().unwrap().to_owned();
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
            std::fs::write(&kept, &played).unwrap();
            different.push(format!("{}: now it goes as in {}", name.to_string_lossy(), kept.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
