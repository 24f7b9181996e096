//! The answers we give, byte by byte: `fixtures/voice/PROVIDER/answers/`. Each is well-formed, and holds nothing that its
//! provider does not know.

use super::callbacks::blessing;
use super::phone::{Phone, folder, phones};
use super::reading::Reading;
use super::rig::{House, PUBLIC};
use crate::dialogue::{Ears, Line, Sound, Then, Turn};
use crate::places::Script;
use std::collections::BTreeMap;

fn turns(phone: &Phone) -> Vec<(&'static str, Turn)> {
    let say = |text: &str| Line { what: Sound::Say(text.to_owned()), language: "en".to_owned() };
    let german = |text: &str| Line { what: Sound::Say(text.to_owned()), language: "de".to_owned() };
    let hints = vec!["billing".to_owned(), "R&D".to_owned()];
    let ears = |keys, speech, hints: &[String]| {
        Then::Listen(Ears { keys, speech, hints: hints.to_vec(), seconds: 5 })
    };
    let play =
        Line { what: Sound::Play("https://cdn.example/a.mp3?x=1&y=2".to_owned()), language: "de".to_owned() };
    let record = |transcribe| Then::Record { seconds: 120, silence: 4, transcribe };
    let mut all = vec![
        ("menu", Turn { lines: vec![say("Press 1 & wait.")], then: ears(1, phone.has("says"), &hints) }),
        (
            "language",
            Turn { lines: vec![say("English: 1."), german("Für Deutsch: 2.")], then: ears(1, false, &[]) },
        ),
        ("digits", Turn { lines: vec![play], then: ears(10, false, &[]) }),
        ("consent", Turn { lines: vec![say("May we record you? Then press 1.")], then: ears(1, false, &[]) }),
        ("record", Turn { lines: vec![say("After the tone.")], then: record(phone.has("transcript")) }),
        ("record_only", Turn { lines: Vec::new(), then: record(false) }),
        ("goodbye", Turn { lines: vec![say("Goodbye <now>.")], then: Then::HangUp }),
        (
            "reference",
            Turn {
                lines: vec![say("Your reference is 4 8 2, 9 1 3, 6 0 5 7."), say("Goodbye.")],
                then: Then::HangUp,
            },
        ),
    ];
    if phone.has("says") {
        all.push(("speech", Turn { lines: vec![say("What happened?")], then: ears(0, true, &[]) }));
    }
    if phone.has("connected") {
        let number = "+493012345".to_owned();
        let dial = Then::Dial { number, seconds: 20 };
        all.push(("operator", Turn { lines: vec![say("One moment.")], then: dial }));
    }
    all
}

#[tokio::test]
async fn answers_are_these_very_bytes() {
    for phone in phones() {
        let voices = BTreeMap::from([("en".to_owned(), phone.text("voice").to_owned())]);
        let house = House::of(&phone);
        for (name, turn) in turns(&phone) {
            let base = format!("{PUBLIC}/hooks/page");
            let script = Script { base: &base, call: "CA1 &2", turn: 3, voices: &voices };
            let answer = house.works.desk.dialect.write(&turn, &script);
            Reading::of(&phone, &answer);
            let path =
                folder(&phone.provider).join("answers").join(format!("{name}.{}", phone.text("ending")));
            if blessing() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &answer).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert_eq!(answer, kept, "{}/{name}", phone.provider);
        }
    }
}
