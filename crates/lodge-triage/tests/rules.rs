//! What is wrong with rules is said all at once; what is right stays fast.
#![expect(clippy::unwrap_used, reason = "what the helpers of a test cannot do fails the test")]

use lodge_domain::{Candidate, Envelope, InboxName, Placement, Priority, Receipt};
use lodge_testkit::samples::{SampleContact, sample_contact, sample_time};
use lodge_triage::{InboxDefault, InboxDefaults, QueueSettings, Queues, RuleFile, Rules, compile, evaluate};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn rules(text: &str) -> RuleFile {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn queues(names: &[&str]) -> Queues {
    Queues(names.iter().map(|name| ((*name).to_owned(), QueueSettings::default())).collect())
}

fn compiled(text: &str) -> Rules {
    compile(&rules(text).rules, &Queues::default(), &InboxDefaults::default()).unwrap()
}

fn envelope(sample: SampleContact) -> Envelope {
    let contact = sample.build();
    let candidate = Candidate::new(&contact, sample_time()).unwrap();
    let receipt = Receipt {
        envelope: candidate.envelope,
        conversation: candidate.founds,
        reference: candidate.references[0].clone(),
        sequence: 1,
        placement: Placement::New,
        suggested_parent: None,
        follows: None,
        reopens: false,
        flags: BTreeSet::new(),
        matched: None,
        accepted_at: sample_time(),
        entry: None,
    };
    Envelope { contact, receipt, decision: None }
}

#[test]
fn all_problems_are_found_at_once_each_with_a_remedy() {
    let file = rules(
        r#"
        [[rules]]
        name = "a"
        when = { subject = "(unclosed", channel = "fax", flag = "odd", any = [], inbox = "nowhere" }
        set = { queue = "nowhere" }
        [[rules]]
        name = "a"
        when = { text = '(?=look)', not = {}, queue = "elsewhere" }
        [[rules]]
        name = " "
        when = { from = "" }
        "#,
    );
    let inboxes = InboxDefaults(
        [(
            InboxName::parse("support").unwrap(),
            InboxDefault { queue: Some("lost".to_owned()), ..Default::default() },
        )]
        .into(),
    );
    let errors = compile(&file.rules, &queues(&["x", "y"]), &inboxes).unwrap_err();
    let found: Vec<(&str, &str)> = errors.iter().map(|e| (e.rule.as_str(), e.field.as_str())).collect();
    let expected = [
        ("queues", "fallback"),
        ("queues", "inbox.support.queue"),
        ("a", "set.queue"),
        ("a", "when.channel"),
        ("a", "when.inbox"),
        ("a", "when.flag"),
        ("a", "when.subject"),
        ("a", "when.any"),
        ("a", "name"),
        ("a", "when.queue"),
        ("a", "when.text"),
        ("a", "when.not"),
        (" ", "name"),
        (" ", "when.from"),
    ];
    assert_eq!(found, expected, "{errors:#?}");
    assert!(errors.iter().all(|error| !error.remedy.is_empty() && !error.problem.contains('\n')));
}

#[test]
fn unknown_keys_and_wrong_types_are_refused() {
    for bad in [
        "[[rules]]\nname='a'\nwhen={ colour='red' }",
        "[[rules]]\nname='a'\nset={ queu='x' }",
        "[[rules]]\nname='a'\nwhen={ subject=5 }",
        "[[rules]]\nname='a'\nset={ respond_within='soon' }",
        "[[rules]]\nname='a'\nset={ priority='highest' }",
        "[[rules]]\nwhen={}",
    ] {
        assert!(toml::from_str::<RuleFile>(bad).is_err(), "{bad}");
    }
}

#[test]
fn t27_patterns_that_explode_are_refused_and_greedy_ones_stay_linear() {
    let file = rules("[[rules]]\nname='a'\nwhen={ text='x{1000}{1000}' }");
    let errors = compile(&file.rules, &Queues::default(), &InboxDefaults::default()).unwrap_err();
    assert!(errors[0].problem.contains("grows beyond"), "{errors:?}");

    let rules = compiled("[[rules]]\nname='a'\nwhen={ text='(a+)+$' }\nset={ tags=['hit'] }");
    let hostile = envelope(sample_contact().text(&format!("{}!", "a".repeat(200_000))));
    let started = std::time::Instant::now();
    assert!(evaluate(&rules, &hostile, None).tags.is_empty());
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn the_fallback_is_implied_where_there_is_no_choice() {
    let none = compile(&[], &Queues::default(), &InboxDefaults::default()).unwrap();
    assert_eq!(none.fallback(), "general");
    let one = compile(&[], &queues(&["desk"]), &InboxDefaults::default()).unwrap();
    assert_eq!(one.fallback(), "desk");
    let mut two = queues(&["a", "b"]);
    two.0.values_mut().for_each(|queue| queue.fallback = true);
    assert_eq!(compile(&[], &two, &InboxDefaults::default()).unwrap_err().len(), 1);
}

#[test]
fn inbox_defaults_give_way_to_rules() {
    let default = InboxDefault {
        queue: Some("x".to_owned()),
        priority: Some(Priority::High),
        category: Some("shop".to_owned()),
        tags: vec!["web".to_owned()],
        kind: None,
    };
    let inbox = sample_contact().build().inbox.name;
    let mut all = queues(&["x", "y"]);
    all.0.get_mut("y").unwrap().fallback = true;
    let file = rules(
        "[[rules]]\nname='a'\nwhen={ category='shop', subject='(?i)urgent' }\nset={ priority='urgent' }",
    );
    let rules = compile(&file.rules, &all, &InboxDefaults([(inbox, default)].into())).unwrap();
    let plain = evaluate(&rules, &envelope(sample_contact().subject("hi")), None);
    assert_eq!((plain.queue.as_str(), plain.priority), ("x", Priority::High));
    assert_eq!(plain.reasons.iter().filter(|r| r.rule == "inbox default").count(), 2);
    let urgent = evaluate(&rules, &envelope(sample_contact().subject("URGENT")), None);
    assert_eq!((urgent.priority, urgent.tags), (Priority::Urgent, vec!["web".to_owned()]));
}

#[test]
fn evidence_is_short_and_on_one_line() {
    let rules = compiled("[[rules]]\nname='a'\nwhen={ text='(?s)secret.*end' }");
    let long = envelope(sample_contact().text(&format!("secret\n{}end", "x".repeat(500))));
    let because = &evaluate(&rules, &long, None).reasons[0].because;
    assert!(because.chars().count() < 70 && !because.contains('\n'), "{because}");
}

#[test]
fn a_thousand_rules_are_a_few_passes_over_the_text() {
    let mut text = String::new();
    for n in 0..1000 {
        let what = ["subject", "text"][n % 2];
        text.push_str(&format!(
            "[[rules]]\nname='r{n}'\nwhen={{ {what}='(?i)word{n}x|term{n}x' }}\nset={{ tags=['t{n}'] }}\n"
        ));
    }
    let rules = compiled(&text);
    let letter = envelope(sample_contact().subject("about WORD42x").text(&"Dear all, term7x. ".repeat(40)));
    assert_eq!(evaluate(&rules, &letter, None).tags, ["t42", "t7"]);
    let started = std::time::Instant::now();
    for _ in 0..20 {
        std::hint::black_box(evaluate(&rules, &letter, None));
    }
    let each = started.elapsed() / 20;
    // The goal is 100 µs in a release build; this guards against searching pattern by pattern.
    assert!(each.as_millis() < 20, "{each:?}");
    eprintln!("1,000 rules: {each:?}");
}

proptest! {
    #[test]
    fn j01_whatever_is_said_has_a_queue(subject in ".{0,40}", body in "(?s).{0,200}", pattern in "[a-z]{1,3}") {
        let rules = compiled(&format!(
            "[[rules]]\nname='a'\nwhen={{ any=[{{ subject='{pattern}' }}, {{ text='{pattern}' }}] }}\nset={{ tags=['hit'] }}"
        ));
        let decision = evaluate(&rules, &envelope(sample_contact().subject(&subject).text(&body)), None);
        prop_assert_eq!(decision.queue, "general");
        let hit = subject.contains(&pattern) || body.contains(&pattern);
        prop_assert_eq!(!decision.tags.is_empty(), hit);
    }
}
