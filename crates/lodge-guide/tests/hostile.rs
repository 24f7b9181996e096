//! Strangers write what they like: nothing panics, every chat ends, every state stays small, and nothing they say is
//! ever more than text.
#![expect(clippy::unwrap_used, reason = "what the helpers of a test cannot do fails the test")]

use lodge_guide::dialogue::{BUILT_IN, Guide, Known, Learned, MOST_STATE, Outcome, Reason, State};
use lodge_guide::{Articles, Turn};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

static GUIDE: LazyLock<Guide> = LazyLock::new(|| Guide::parse(BUILT_IN).unwrap());
static WORKSHOP: LazyLock<Guide> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/chat/guide/workshop.toml");
    Guide::parse(&std::fs::read_to_string(file).unwrap()).unwrap()
});
static ARTICLES: LazyLock<Articles> = LazyLock::new(|| {
    Articles::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/articles")).unwrap()
});

fn advance(guide: &Guide, state: &State, said: &str) -> Turn {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let turn = guide.advance(state, said, Some(&ARTICLES), now);
    assert_eq!(turn, guide.advance(state, said, Some(&ARTICLES), now));
    let json = serde_json::to_string(&turn.state).unwrap();
    assert!(json.len() <= MOST_STATE, "{} bytes", json.len());
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), turn.state);
    for line in &turn.say {
        assert!(!line.text.is_empty() && line.text.chars().count() <= 8_000);
    }
    if turn.outcome == Outcome::Continue {
        let last = turn.say.last().and_then(|line| line.choices.last()).unwrap();
        assert!(["Talk to a person", "Mit einem Menschen sprechen"].contains(&last.as_str()), "{last}");
    }
    turn
}

/// Says `all`, again and again, until the guide is over; how many messages that took.
fn until_over(guide: &Guide, all: &[String]) -> (u32, Turn) {
    let mut turn = guide.begin("en", Known::default());
    for count in 1..=100 {
        let said = &all[usize::try_from(count).unwrap() % all.len()];
        turn = advance(guide, &turn.state, said);
        if turn.outcome != Outcome::Continue {
            return (count, turn);
        }
    }
    panic!("it goes on for ever: {all:?}");
}

/// What strangers write: anything, words that mean something to the guide, and attacks.
fn said() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "\\PC{0,80}",
        1 => any::<String>(),
        3 => prop::sample::select(vec![
            "yes", "no", "skip", "1", "2", "4", "Something else", "An order or a delivery", "ann@example.com", "Ann Lee",
            "where is my parcel", "refund", "password", "can I pay by invoice when the delivery is late", "4711",
        ]).prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            "\" OR 1=1", "NEAR(", "*", "col:", "{{7*7}}", "{name}", "${jndi:x}", "%n%s", "\u{202e}evil", "\0", "<script>",
            "'); DROP TABLE articles;--", "\u{feff}\u{200b}", "{email}{phone}{topic}",
        ]).prop_map(str::to_owned),
        1 => (1_usize..4_000).prop_map(|count| "\u{1f600}\"\\".repeat(count)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_chat_ends_and_every_state_is_small(all in prop::collection::vec(said(), 1..12)) {
        let (count, _) = until_over(&GUIDE, &all);
        prop_assert!(count <= 30);
        let (count, _) = until_over(&WORKSHOP, &all);
        prop_assert!(count <= 12);
    }

    #[test]
    fn a_person_is_there_at_any_time(all in prop::collection::vec(said(), 0..8)) {
        let mut turn = GUIDE.begin("en", Known::default());
        for said in &all {
            turn = advance(&GUIDE, &turn.state, said);
            if turn.outcome != Outcome::Continue {
                return Ok(());
            }
        }
        let turn = advance(&GUIDE, &turn.state, "Talk to a person");
        let Outcome::HandOver(learned) = turn.outcome else { panic!("nobody comes") };
        prop_assert_eq!(learned.reason, Reason::AskedForAPerson);
        prop_assert_eq!(learned.said.last().map(String::as_str), Some("Talk to a person"));
    }

    #[test]
    fn t39_t46_names_are_only_names(name in "[a-z{}$%<>\u{202a}-\u{202e}\u{200b}\u{7}]{1,60}") {
        let known = Known { name: Some(name), ..Known::default() };
        let mut turn = GUIDE.begin("en", known);
        for said in ["xyz", "Something else", "Skip", "ann@example.com"] {
            for line in &turn.say {
                let is_hidden = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}' | '\u{7}');
                let has_hidden = line.text.contains(is_hidden);
                prop_assert!(!has_hidden);
            }
            turn = advance(&GUIDE, &turn.state, said);
        }
    }

    #[test]
    fn guides_that_are_no_guides_are_refused(text in "\\PC{0,200}") {
        prop_assert!(Guide::parse(&text).is_err());
    }
}

#[test]
fn t39_a_name_of_a_megabyte_is_no_name_and_a_template_is_shown_as_it_is() {
    let known = Known { name: Some("x".repeat(1 << 20)), email: Some("no address".to_owned()), phone: None };
    let turn = GUIDE.begin("en", known);
    assert!(serde_json::to_string(&turn.state).unwrap().len() < 1_024);
    assert_eq!(turn.state.known().email, None);
    let known = Known { name: Some("{{7*7}}{email}".to_owned()), ..Known::default() };
    let mut turn = GUIDE.begin("en", known);
    for said in ["xyz", "Something else", "Skip"] {
        turn = advance(&GUIDE, &turn.state, said);
    }
    assert!(turn.say.last().unwrap().text.starts_with("Thank you, {{7*7}}{email}. By which"));
}

#[test]
fn who_left_midway_has_said_something() {
    let turn = GUIDE.begin("de", Known::default());
    assert_eq!(Learned::from_state(&turn.state).said, Vec::<String>::new());
    let turn = advance(&GUIDE, &turn.state, "Mein Wasserkocher tropft");
    let learned = Learned::from_state(&turn.state);
    assert_eq!((learned.reason, learned.topic.as_deref()), (Reason::Left, Some("Mein Wasserkocher tropft")));
    assert_eq!(learned.language, "de");
    assert!(turn.state.last_said().is_some());
}

#[test]
fn a_guide_may_be_changed_while_people_are_in_it() {
    let turn = GUIDE.begin("en", Known::default());
    let turn = advance(&WORKSHOP, &turn.state, "my bicycle");
    let Outcome::HandOver(learned) = turn.outcome else { panic!("it goes on at a step that is gone") };
    assert_eq!((learned.reason, learned.said), (Reason::GaveUp, vec!["my bicycle".to_owned()]));
}

#[test]
fn after_a_hand_over_the_bot_is_silent() {
    let turn = GUIDE.begin("en", Known::default());
    let over = advance(&GUIDE, &turn.state, "agent please");
    let after = GUIDE.advance(&over.state, "hello?", None, jiff::Timestamp::UNIX_EPOCH);
    assert!(after.say.is_empty() && matches!(after.outcome, Outcome::HandOver(_)));
}
