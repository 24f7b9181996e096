//! Providers' own bytes, and the answers we give, byte by byte.

use super::rig::{House, twilio_at};
use crate::dialect::{Addresses, Voices};
use crate::dialogue::{Line, Sound, Then, Turn};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/voice/twilio")
}

#[tokio::test]
async fn every_callback_of_the_provider_is_taken_and_none_makes_a_second_contact() {
    let house = House::new();
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|end| end == "form"));
    names.sort();
    assert!(names.len() >= 15, "{names:?}");
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let body = std::fs::read_to_string(&path).unwrap();
        let below = match name.split('_').next().unwrap() {
            "status" => "status",
            "recording" => "recording",
            "transcription" => "transcript",
            _ if name.contains("gather") || name.contains("record") => "turn/1",
            _ => "",
        };
        let (status, answer) = house.post_raw(below, body.trim()).await;
        assert!(status.is_success(), "{name}: {status} {answer}");
    }
    assert_eq!(house.contacts().len(), 1, "all of them are about one call");
}

/// Answers as they are kept; `LODGE_BLESS=1` writes them anew.
#[test]
fn answers_are_these_very_bytes() {
    let say = |text: &str| Line { what: Sound::Say(text.to_owned()), language: "en".to_owned() };
    let ears = crate::dialogue::Ears {
        keys: 1,
        speech: true,
        hints: vec!["billing".to_owned(), "R&D".to_owned()],
        seconds: 5,
    };
    let digits = crate::dialogue::Ears { keys: 10, speech: false, hints: Vec::new(), seconds: 5 };
    let play =
        Line { what: Sound::Play("https://cdn.example/a.mp3?x=1&y=2".to_owned()), language: "de".to_owned() };
    let turns = [
        ("menu", Turn { lines: vec![say("Press 1 & wait.")], then: Then::Listen(ears) }),
        ("digits", Turn { lines: vec![play], then: Then::Listen(digits) }),
        (
            "record",
            Turn {
                lines: vec![say("After the tone.")],
                then: Then::Record { seconds: 120, silence: 4, transcribe: true },
            },
        ),
        (
            "dial",
            Turn {
                lines: vec![say("One moment.")],
                then: Then::Dial { number: "+493012345".to_owned(), seconds: 20 },
            },
        ),
        (
            "confirm",
            Turn { lines: vec![say("Your reference is 4 8 2, 9 1 3, 6 0 5 7.")], then: Then::HangUp },
        ),
    ];
    let voices = BTreeMap::from([("en".to_owned(), "Polly.Joanna".to_owned())]);
    let dialect = twilio_at("http://127.0.0.1:9");
    for (name, turn) in turns {
        let addresses = Addresses { base: "https://gw.example.test/hooks/page", call: "CA1", turn: 3 };
        let answer = dialect.answer(&turn, &Voices(&voices), &addresses);
        let path = folder().join("answers").join(format!("{name}.xml"));
        if std::env::var_os("LODGE_BLESS").is_some() {
            std::fs::write(&path, &answer).unwrap();
        }
        assert_eq!(answer, std::fs::read_to_string(&path).unwrap(), "{name}");
    }
}
