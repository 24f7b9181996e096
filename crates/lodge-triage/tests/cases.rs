//! Runs every case in `fixtures/triage`.
#![expect(clippy::unwrap_used, reason = "what the helpers of a test cannot do fails the test")]

use lodge_domain::{
    Assurance, BlobRef, Candidate, Channel, Conversation, ConversationStatus, Envelope, Flag, OriginClass,
    Placement, Priority, Receipt, Recipient, RecipientRole, TicketType,
};
use lodge_testkit::samples::{sample_contact, sample_time};
use lodge_triage::{InboxDefaults, Queues, Rule, compile, evaluate, explain};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    queue: Queues,
    rules: Vec<Rule>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    contact: Described,
    expect: Expected,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Described {
    from: Option<String>,
    subject: Option<String>,
    text: Option<String>,
    channel: Option<Channel>,
    language: Option<String>,
    tier: Option<String>,
    path: Option<Vec<String>>,
    origin: Option<OriginClass>,
    assurance: Option<Assurance>,
    flags: Vec<Flag>,
    to: Vec<String>,
    attachments: Vec<String>,
    headers: BTreeMap<String, String>,
    conversation_queue: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    queue: String,
    priority: Option<Priority>,
    category: Option<String>,
    #[serde(rename = "type")]
    kind: Option<TicketType>,
    #[serde(default)]
    tags: Vec<String>,
    rules: Option<Vec<String>>,
    respond_hours: Option<i64>,
    resolve_hours: Option<i64>,
}

fn envelope(described: &Described) -> (Envelope, Option<Conversation>) {
    let mut sample = sample_contact();
    if let Some(from) = &described.from {
        sample = sample.from(from);
    }
    if let Some(subject) = &described.subject {
        sample = sample.subject(subject);
    }
    if let Some(text) = &described.text {
        sample = sample.text(text);
    }
    if let Some(class) = described.origin {
        sample = sample.automated(class);
    }
    for name in &described.attachments {
        sample =
            sample.attachment(name, "application/octet-stream", BlobRef { sha256: "0".repeat(64), size: 1 });
    }
    for (name, value) in &described.headers {
        sample = sample.header(name, value);
    }
    let contact = sample
        .with(|contact| {
            contact.flags.extend(described.flags.iter().copied());
            if let Some(channel) = described.channel {
                contact.address.channel = channel;
            }
            if let Some(assurance) = described.assurance {
                contact.from.assurance = assurance;
            }
            contact.body.language.clone_from(&described.language);
            if let Some(path) = &described.path {
                contact.details.insert("path".to_owned(), path.clone().into());
            }
            if let Some(tier) = &described.tier {
                contact.details.insert("tier".to_owned(), tier.clone().into());
            }
            contact.recipients.extend(described.to.iter().map(|handle| Recipient {
                name: None,
                handle: handle.clone(),
                role: RecipientRole::To,
            }));
        })
        .build();
    let candidate = Candidate::new(&contact, sample_time()).unwrap();
    let receipt = Receipt {
        envelope: candidate.envelope,
        conversation: candidate.founds.clone(),
        reference: candidate.references[0].clone(),
        sequence: 1,
        placement: if described.conversation_queue.is_some() { Placement::Appended } else { Placement::New },
        suggested_parent: None,
        follows: None,
        reopens: false,
        flags: BTreeSet::new(),
        matched: None,
        accepted_at: sample_time(),
        entry: None,
    };
    let conversation = described.conversation_queue.clone().map(|queue| Conversation {
        id: candidate.founds,
        brand: contact.inbox.brand.clone(),
        reference: receipt.reference.clone(),
        inbox: contact.inbox.name.clone(),
        sequence: 2,
        status: ConversationStatus::Open,
        reopen_until: None,
        external_id: None,
        participants: Vec::new(),
        return_path: None,
        queue: Some(queue),
        topic: None,
        last_contact_at: sample_time(),
        merged_into: None,
    });
    (Envelope { contact, receipt, decision: None }, conversation)
}

fn run(file: &str, text: &str) -> usize {
    let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let rules = compile(&file.rules, &file.queue, &InboxDefaults::default()).unwrap();
    for case in &file.cases {
        let (envelope, conversation) = envelope(&case.contact);
        let decision = evaluate(&rules, &envelope, conversation.as_ref());
        let name = &case.name;
        let expect = &case.expect;
        assert_eq!(decision.queue, expect.queue, "{name}: {decision:?}");
        assert_eq!(decision.priority, expect.priority.unwrap_or_default(), "{name}: {decision:?}");
        assert_eq!(decision.category, expect.category, "{name}");
        assert_eq!(decision.kind, expect.kind, "{name}");
        assert_eq!(decision.tags, expect.tags, "{name}");
        let hours =
            |at: Option<lodge_domain::Timestamp>| at.map(|at| at.duration_since(sample_time()).as_hours());
        assert_eq!(hours(decision.respond_by), expect.respond_hours, "{name}");
        assert_eq!(hours(decision.resolve_by), expect.resolve_hours, "{name}");
        if let Some(rules) = &expect.rules {
            let named: Vec<&String> = decision.reasons.iter().map(|reason| &reason.rule).collect();
            assert_eq!(named, rules.iter().collect::<Vec<_>>(), "{name}");
        }
        let explained = explain(&rules, &envelope, conversation.as_ref());
        assert_eq!(explained.len(), file.rules.len(), "{name}");
        for line in explained.iter().filter(|line| line.matched) {
            assert!(
                decision.reasons.iter().any(|r| r.rule == line.rule && r.because == line.because),
                "{name}"
            );
        }
    }
    file.cases.len()
}

#[test]
fn j01_j02_every_case_is_decided_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/triage");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            cases += run(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap());
        }
    }
    assert!(cases >= 10, "only {cases} cases were found");
}
