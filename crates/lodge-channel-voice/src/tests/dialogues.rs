//! Dialogues by themselves: what is found wrong with them, and what they do at each input.

use super::phone::Phone;
use super::rig::{Plan, hotline};
use crate::dialogue::{
    Call, Dialogue, Input, Moment, Sound, Spoken, Then, Turn, advance, check, draw, read, spelled,
};
use lodge_channel::Door;
use lodge_domain::{ConversationId, EnvelopeId, Reference, Timestamp};
use proptest::prelude::*;
use serde_json::json;

fn reference() -> Reference {
    Reference::derive(&ConversationId::founded_by(&EnvelopeId::of_report("x", &["y"])), 0)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn step(dialogue: &Dialogue, call: &Call, input: &Input) -> (Call, Turn) {
    let reference = reference();
    let moment = Moment { now: at("2026-11-25T10:00:00Z"), reference: Some(&reference) };
    advance(dialogue, call, input, moment)
}

fn flaws(text: &str) -> Vec<String> {
    check(&read(text).unwrap()).iter().map(ToString::to_string).collect()
}

#[test]
fn the_shipped_dialogue_has_no_flaw_and_can_be_drawn() {
    assert_eq!(check(&hotline()), []);
    let drawing = draw(&hotline());
    for name in hotline().step.keys() {
        assert!(drawing.contains(name.as_str()), "{name}");
    }
    assert!(drawing.starts_with("<svg") && drawing.contains("2 billing"));
}

#[test]
fn flaws_are_found_before_a_caller_finds_them() {
    let whole = |steps: &str| format!("start = \"a\"\nlanguages = [\"en\", \"de\"]\n{steps}");
    let end = "[step.end.goodbye]\n";
    for (steps, expected) in [
        ("[step.b.goodbye]\n".to_owned(), "there is no step \"a\""),
        (format!("[step.a.say]\nsay = {{ en = \"x\" }}\nnext = \"end\"\n{end}"), "says nothing in \"de\""),
        (
            format!("[step.a.say]\nsay = {{ en = \"x\", de = \"y\", fr = \"z\" }}\nnext = \"end\"\n{end}"),
            "\"fr\" is not among",
        ),
        (
            format!("[step.a.say]\nsay = {{ en = \"x\", de = \"y\" }}\nnext = \"gone\"\n{end}"),
            "leads to \"gone\"",
        ),
        (format!("[step.a.goodbye]\n{end}"), "no step leads to it"),
        (
            "[step.a.say]\nsay = { en = \"x\", de = \"y\" }\nnext = \"a\"\n".to_owned(),
            "no way leads from it to an end",
        ),
        (
            format!(
                "[step.a.hours]\nzone = \"Europe/Berlin\"\ndays = {{}}\nopen = \"a\"\nclosed = \"end\"\n{end}"
            ),
            "comes back to itself",
        ),
        (
            format!(
                "[step.a.hours]\nzone = \"Mars/Olympus\"\ndays = {{}}\nopen = \"end\"\nclosed = \"end\"\n{end}"
            ),
            "no time zone",
        ),
        (
            format!(
                "[step.a.hours]\nzone = \"UTC\"\ndays = {{ mon = [\"9-5\"] }}\nopen = \"end\"\nclosed = \"end\"\n{end}"
            ),
            "opening hours cannot be read",
        ),
        (
            format!("[step.a.operator]\nnumber = \"110\"\nnext = \"end\"\notherwise = \"end\"\n{end}"),
            "cannot be dialled",
        ),
        (
            format!("[step.a.confirm]\nsay = {{ en = \"x\", de = \"y\" }}\nnext = \"end\"\n{end}"),
            "does not say the reference",
        ),
        (
            format!(
                "[step.a.digits]\nname = \"n\"\nleast = 5\nmost = 4\nsay = {{ en = \"x\", de = \"y\" }}\nnext = \"end\"\n{end}"
            ),
            "numbers of digits",
        ),
        (
            format!("[step.a.menu]\nsay = {{ en = \"x\", de = \"y\" }}\nchoice = {{}}\n{end}"),
            "no usable keys",
        ),
    ] {
        let found = flaws(&whole(&steps));
        assert!(found.iter().any(|flaw| flaw.contains(expected)), "{expected}: {found:?}");
    }
    assert!(read("start = \"a\"\nlanguages = []\nstep = {}\nvoice = 1").is_err(), "unknown keys are errors");
}

/// What `lodge check` says of a dialogue's file, with this provider.
fn checked(provider: &str, extra: &serde_json::Value, text: Option<&str>) -> Vec<String> {
    let folder = std::env::temp_dir().join(format!("lodge-dialogues-{}-{provider}", std::process::id()));
    std::fs::create_dir_all(folder.join("dialogues")).unwrap();
    let file = folder.join("dialogues/asks.toml");
    drop(std::fs::remove_file(&file));
    if let Some(text) = text {
        std::fs::write(&file, text).unwrap();
    }
    let mut all = json!({"dialogue": "asks"});
    all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let found = Plan::of(&Phone::of(provider)).extra(all).settings().check_files(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(found.iter().all(|problem| problem.key == format!("{provider}.dialogue")), "{found:?}");
    found.into_iter().map(|problem| problem.reason).collect()
}

#[test]
fn a_dialogues_file_is_checked_with_the_configuration_and_with_what_its_provider_can_do() {
    let none = json!({});
    assert!(checked("twilio", &none, None)[0].contains("cannot be read"));
    assert!(checked("twilio", &none, Some("start = 1"))[0].contains("start"));
    let steps = |first: &str| format!("start = \"a\"\nlanguages = [\"en\"]\n{first}\n[step.end.goodbye]\n");
    let lost = steps("[step.a.say]\nsay = { en = \"x\" }\nnext = \"gone\"");
    assert!(checked("twilio", &none, Some(&lost)).iter().any(|flaw| flaw.contains("leads to \"gone\"")));
    let spoken = steps("[step.a.speech]\nname = \"b\"\nsay = { en = \"x\" }\nnext = \"end\"");
    assert!(checked("twilio", &none, Some(&spoken)).is_empty());
    assert!(checked("bandwidth", &none, Some(&spoken))[0].contains("cannot understand spoken words"));
    let texted = steps("[step.a.consent]\nabout = \"text-message\"\nsay = { en = \"x\" }\nnext = \"end\"");
    assert!(checked("bandwidth", &none, Some(&texted)).is_empty());
    let without = json!({"application_id": null});
    assert!(checked("bandwidth", &without, Some(&texted))[0].contains("cannot send text messages"));
}

const BILINGUAL: &str = r#"
start = "language"
languages = ["en", "de"]
[step.language.language]
say = { en = "For English press 1.", de = "Für Deutsch drücken Sie die 2." }
choice = { 1 = "en", 2 = "de" }
next = "hours"
[step.hours.hours]
zone = "Europe/Berlin"
days = { wed = ["09:00-12:00"] }
open = "operator"
closed = "message"
[step.operator.operator]
say = { en = "We connect you.", de = "Wir verbinden Sie." }
number = "+493012345"
next = "end"
otherwise = "message"
[step.message.record]
say = { en = "Leave a message.", de = "Hinterlassen Sie eine Nachricht." }
next = "end"
[step.end.goodbye]
"#;

#[test]
fn languages_opening_hours_and_operators_branch() {
    let dialogue = read(BILINGUAL).unwrap();
    assert_eq!(check(&dialogue), []);
    let (call, turn) = step(&dialogue, &Call::begin(&dialogue), &Input::Begin);
    assert_eq!(turn.lines.iter().map(|line| line.language.as_str()).collect::<Vec<_>>(), ["en", "de"]);
    // Wednesday, 11 o'clock in Berlin.
    let (call, turn) = step(&dialogue, &call, &Input::Keys("2".to_owned()));
    assert_eq!(turn.lines[0].what, Sound::Say("Wir verbinden Sie.".to_owned()));
    assert_eq!(turn.then, Then::Dial { number: "+493012345".to_owned(), seconds: 20 });
    let (missed, turn) = step(&dialogue, &call, &Input::Operator(false));
    assert!(matches!(turn.then, Then::Record { .. }) && missed.learned.operator == Some(false));
    let (spoken, turn) = step(&dialogue, &call, &Input::Operator(true));
    assert!(turn.then == Then::HangUp && spoken.ended);
    let late = Moment { now: at("2026-11-25T11:00:00Z"), reference: None };
    let (call, _) = advance(&dialogue, &Call::begin(&dialogue), &Input::Begin, late);
    let (_, turn) = advance(&dialogue, &call, &Input::Keys("1".to_owned()), late);
    assert!(matches!(turn.then, Then::Record { .. }), "closed at noon");
}

#[test]
fn a_reference_is_read_out_in_groups_and_a_confirmation_asks_for_filing_first() {
    let spoken = spelled(&Reference::parse("482 913 6057").unwrap_or_else(reference));
    assert_eq!(spoken.split(", ").map(|group| group.split(' ').count()).collect::<Vec<_>>(), [3, 3, 4]);
    let dialogue = hotline();
    let (call, _) = step(&dialogue, &Call::begin(&dialogue), &Input::Begin);
    let (call, _) = step(&dialogue, &call, &Input::Keys("1".to_owned()));
    let moment = Moment { now: at("2026-11-25T10:00:00Z"), reference: None };
    let (_, turn) = advance(&dialogue, &call, &Input::Recorded(None), moment);
    assert_eq!(turn.then, Then::File);
    let (_, turn) = step(&dialogue, &call, &Input::Recorded(None));
    assert_eq!((turn.then, turn.lines.len()), (Then::HangUp, 3), "said twice, then goodbye");
}

fn inputs() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Begin),
        "[0-9*#]{0,12}".prop_map(Input::Keys),
        ".{0,40}".prop_map(|text| Input::Speech(Spoken { text, confidence: None })),
        Just(Input::Silence),
        Just(Input::Recorded(None)),
        any::<bool>().prop_map(Input::Operator),
    ]
}

proptest! {
    #[test]
    fn whatever_a_caller_does_a_call_ends_and_the_same_is_the_same(all in prop::collection::vec(inputs(), 80)) {
        for dialogue in [hotline(), read(BILINGUAL).unwrap()] {
            let mut call = Call::begin(&dialogue);
            for input in &all {
                let once = step(&dialogue, &call, input);
                prop_assert_eq!(&once, &step(&dialogue, &call, input));
                call = once.0;
                let kept = serde_json::to_string(&call).unwrap();
                prop_assert_eq!(serde_json::from_str::<Call>(&kept).unwrap(), call.clone());
            }
            prop_assert!(call.ended);
        }
    }
}
