//! The ticket events of `fixtures/ticketing/v1` are what this build makes, and fit the schema it publishes.
//!
//! `UPDATE_FIXTURES=1 cargo test -p lodge-pipeline --test golden` writes them anew: what changes then, changes for every
//! core that reads events.
#![cfg(test)]

mod shape;

use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::ticket::{AcknowledgmentState, LaterPart, Rating, ReplyState, SupplementKind};
use lodge_domain::{
    BlobRef, Channel, Conversation, ConversationStatus, Envelope, EventId, Flag, OriginClass, OutboundId,
    Placement, TicketEvent, Timestamp,
};
use lodge_pipeline::{Links, Live, Settings, Templates, founding_envelope, preview};
use lodge_testkit::sample_contact;
use lodge_testkit::samples::sample_time;
use lodge_triage::{InboxDefaults, Queues, RuleFile};
use serde_json::{Value, json};

const RULES: &str = r#"
[[rules]]
name = "login problems"
when = { text = "(?i)log ?in" }
set = { type = "incident", category = "access", priority = "high", queue = "tech", tags = ["vip"], respond_within = "4h", resolve_within = "2d" }
"#;

struct ExampleLinks;

impl Links for ExampleLinks {
    fn blob(&self, blob: &BlobRef, name: Option<&str>, _: &str, _: Timestamp) -> Option<String> {
        let start: String = blob.sha256.chars().take(12).collect();
        Some(format!("https://help.example.com/blobs/{start}-{}", name.unwrap_or("raw")))
    }
}

fn live() -> Live {
    let rules: RuleFile = toml::from_str(RULES).unwrap();
    let queues: Queues = toml::from_str("[general]\nfallback = true\n[tech]").unwrap();
    let rules = lodge_triage::compile(&rules.rules, &queues, &InboxDefaults::default()).unwrap();
    Live { rules, settings: Settings::default(), templates: Templates::default() }
}

fn envelope(sample: lodge_testkit::SampleContact) -> Envelope {
    founding_envelope(sample.build(), sample_time()).unwrap()
}

fn conversation(envelope: &Envelope) -> Conversation {
    Conversation {
        id: envelope.receipt.conversation.clone(),
        brand: envelope.contact.inbox.brand.clone(),
        reference: envelope.receipt.reference.clone(),
        inbox: envelope.contact.inbox.name.clone(),
        sequence: 5,
        status: ConversationStatus::Open,
        reopen_until: None,
        external_id: Some("T-42".to_owned()),
        participants: Vec::new(),
        return_path: None,
        queue: Some("tech".to_owned()),
        topic: None,
        last_contact_at: sample_time(),
        merged_into: None,
    }
}

fn contacts() -> Vec<(&'static str, TicketEvent)> {
    let blob = |byte: &str, size| BlobRef { sha256: byte.repeat(32), size };
    let first = envelope(
        sample_contact()
            .subject("Cannot log in")
            .text("I cannot log in since this morning.")
            .attachment("shot.png", "image/png", blob("5a", 48_213))
            .raw(blob("c0", 91_123))
            .with(|contact| contact.body.language = Some("en".to_owned())),
    );
    let facts = conversation(&first);
    let mut next =
        envelope(sample_contact().id("<2@example.com>").subject("Re: Cannot log in").text("Still nothing."));
    next.receipt.placement = Placement::Appended;
    next.receipt.conversation.clone_from(&facts.id);
    next.receipt.reference.clone_from(&facts.reference);
    next.receipt.sequence = 2;
    next.receipt.reopens = true;
    next.receipt.flags.insert(Flag::NewParticipant);
    let automated = envelope(
        sample_contact()
            .id("<3@example.com>")
            .automated(OriginClass::AutoReply)
            .subject("Out of office")
            .with(|contact| {
                contact.no_acknowledgment = vec!["auto-submitted: auto-replied".to_owned()];
            }),
    );
    let masked = envelope(
        sample_contact()
            .id("<4@example.com>")
            .unverified()
            .text("My card is 4111 1111 1111 1111.")
            .raw(blob("c1", 512)),
    );
    let call = envelope(
        sample_contact().id("call-7").door(Channel::Voice, "example").without_subject().with(|contact| {
            contact.acknowledges_inline = true;
            contact.details =
                json!({"call_id": "call-7", "digits": "2", "duration": 31}).as_object().unwrap().clone();
        }),
    );
    let mut split = envelope(sample_contact().id("<5@example.com>").failed().subject("About [#4829136057]"));
    split.receipt.suggested_parent = Some(facts.reference.clone());
    let live = live();
    let shown = |envelope, facts: Option<&Conversation>| preview(&live, &ExampleLinks, envelope, facts);
    vec![
        ("contact-new", shown(first, None)),
        ("contact-appended", shown(next, Some(&facts))),
        ("contact-automated", shown(automated, None)),
        ("contact-masked", shown(masked, None)),
        ("contact-call", shown(call, None)),
        ("contact-suggested-parent", shown(split, None)),
    ]
}

fn later() -> Vec<(&'static str, TicketEvent)> {
    let first = envelope(sample_contact());
    let facts = conversation(&first);
    let of = first.receipt.envelope;
    let id = OutboundId::reply(&facts.id, "k1");
    let to = |state, text: &str| RecipientState {
        handle: "ann@example.com".to_owned(),
        state,
        text: Some(text.to_owned()),
    };
    let parts = [
        (
            "reply-sent",
            LaterPart::ReplyUpdated {
                reply: ReplyState {
                    id: id.clone(),
                    state: OutboundState::Sent,
                    in_doubt: false,
                    recipients: vec![to(OutboundState::Sent, "250 2.0.0 queued as 4XYZ")],
                },
            },
        ),
        (
            "reply-in-doubt",
            LaterPart::ReplyUpdated {
                reply: ReplyState {
                    id,
                    state: OutboundState::Failed,
                    in_doubt: true,
                    recipients: vec![to(OutboundState::Failed, "the process ended while it was being sent")],
                },
            },
        ),
        (
            "acknowledgment-bounced",
            LaterPart::AcknowledgmentUpdated {
                of: of.clone(),
                state: AcknowledgmentState::Bounced,
                reason: Some("550 5.1.1 no such user".to_owned()),
            },
        ),
        (
            "contact-supplemented",
            LaterPart::ContactSupplemented {
                of,
                kind: SupplementKind::Transcript,
                details: json!({"text": "Hello, I cannot log in."}).as_object().unwrap().clone(),
            },
        ),
        (
            "conversation-rated",
            LaterPart::ConversationRated {
                rating: Rating { score: 4, of: 5, comment: Some("quick".to_owned()) },
            },
        ),
    ];
    let event = |(at, (name, part)): (u64, (&'static str, LaterPart))| {
        let id = EventId::of_report("example", &[name]);
        (name, TicketEvent::later(id, &facts, 3 + at, part))
    };
    (0..).zip(parts).map(event).collect()
}

#[test]
fn j18_events_are_as_published_and_fit_their_schema() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/ticketing/v1");
    let schema = serde_json::to_value(schemars::schema_for!(TicketEvent)).unwrap();
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    for (name, event) in contacts().into_iter().chain(later()) {
        let path = folder.join(format!("{name}.json"));
        let made = serde_json::to_value(&event).unwrap();
        if update {
            std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&made).unwrap())).unwrap();
        }
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let published: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(made, published, "{name} changed");
        let read: TicketEvent = serde_json::from_value(published.clone()).unwrap();
        assert_eq!(read, event, "{name} does not read back");
        assert_eq!(shape::misfits(&schema, &published), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_schema_check_finds_what_does_not_fit() {
    let schema = serde_json::to_value(schemars::schema_for!(TicketEvent)).unwrap();
    let good = serde_json::to_value(&contacts()[0].1).unwrap();
    let mut spoilt = Vec::new();
    for (pointer, value) in
        [("/ticket/sequence", json!("one")), ("/channel", json!("fax")), ("/decision/tags", json!(5))]
    {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        spoilt.push(bad);
    }
    let mut missing = good;
    missing.as_object_mut().unwrap().remove("decision");
    spoilt.push(missing);
    for bad in spoilt {
        assert!(!shape::misfits(&schema, &bad).is_empty(), "{bad}");
    }
}
