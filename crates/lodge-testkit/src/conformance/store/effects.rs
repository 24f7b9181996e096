//! What a step changes, and what its repetition does not.

use super::StoreUnderTest;
use super::steps::{Scene, scene};
use crate::sample_contact;
use crate::samples::{key, sample_decision, sample_outbound, sample_work};
use bytes::Bytes;
use lodge_domain::delivery::OutboundState;
use lodge_domain::effect::{Applied, Effect, Guard, Step};
use lodge_domain::ports::{Clock, Lookup};
use lodge_domain::{
    ConversationChange, ConversationId, EventId, HandleKind, JournalLine, Lane, PartyHandle, TraceKey,
    WorkId, WorkKind,
};

fn step(s: &Scene, guard: Guard, effects: Vec<Effect>) -> Step {
    Step { brand: s.brand.clone(), guard: Some(guard), effects }
}

fn guard(key: u8, content: u8, value: &str) -> Guard {
    Guard { key: [key; 32], content: [content; 32], value: value.to_owned() }
}

fn line(s: &Scene, step: &str, text: &str) -> JournalLine {
    let (step, text) = (step.to_owned(), text.to_owned());
    JournalLine { subject: "evt_subject".to_owned(), at: s.clock.now(), step, text }
}

async fn journal(s: &Scene) -> Vec<JournalLine> {
    s.store.journal(&s.brand, &["evt_subject".to_owned()]).await.unwrap()
}

/// The first command under a key is applied; a repeat is answered with what the first kept.
pub async fn guard_makes_repeats_harmless(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let effects = || vec![Effect::Journal(line(&s, "asked", "once"))];
    let first = s.store.apply(step(&s, guard(1, 1, "rpl_1"), effects())).await.unwrap();
    assert_eq!(first, Applied::Done);
    s.clock.advance_secs(1);
    let other = vec![Effect::Journal(line(&s, "asked", "twice"))];
    let again = s.store.apply(step(&s, guard(1, 1, "rpl_2"), other)).await.unwrap();
    assert_eq!(again, Applied::Repeated("rpl_1".to_owned()));
    assert_eq!(journal(&s).await.len(), 1);
    let mut elsewhere = step(&s, guard(1, 2, "rpl_3"), Vec::new());
    elsewhere.brand = lodge_domain::BrandName::parse("other").unwrap();
    assert_eq!(s.store.apply(elsewhere).await.unwrap(), Applied::Done, "keys are a brand's own");
}

/// The same key with another content is refused.
pub async fn guard_tells_other_content(t: &dyn StoreUnderTest) {
    let s = scene(t);
    assert_eq!(s.store.apply(step(&s, guard(1, 1, "a"), Vec::new())).await.unwrap(), Applied::Done);
    let other = step(&s, guard(1, 2, "a"), vec![Effect::Journal(line(&s, "asked", "otherwise"))]);
    assert_eq!(s.store.apply(other).await.unwrap(), Applied::Conflict);
    assert!(journal(&s).await.is_empty());
}

/// An outbound record that changed meanwhile stops the whole step, guard included.
pub async fn stale_outbound_applies_nothing(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let conversation = s.accept(sample_contact()).await.conversation;
    let mut record = sample_outbound(&conversation, "k1");
    assert_eq!(s.apply(vec![Effect::Outbound(Box::new(record.clone()))]).await, Applied::Done);
    let with_line = |record| {
        let effects = vec![Effect::Journal(line(&s, "sent", "twice")), Effect::Outbound(Box::new(record))];
        s.store.apply(step(&s, guard(7, 7, "v"), effects))
    };
    assert_eq!(with_line(record.clone()).await.unwrap(), Applied::Stale, "the same version again");
    record.version = 3;
    assert_eq!(with_line(record.clone()).await.unwrap(), Applied::Stale, "one left out");
    assert!(journal(&s).await.is_empty());
    assert_eq!(s.store.outbound(&s.brand, &record.id).await.unwrap().unwrap().version, 1);
    record.version = 2;
    record.state = OutboundState::Sent;
    assert_eq!(with_line(record.clone()).await.unwrap(), Applied::Done, "a stale step leaves no guard");
    assert_eq!(s.store.outbound(&s.brand, &record.id).await.unwrap(), Some(record.clone()));
    let mut unknown = sample_outbound(&conversation, "k2");
    unknown.version = 2;
    assert_eq!(s.apply(vec![Effect::Outbound(Box::new(unknown))]).await, Applied::Stale, "no first one");
}

/// A step may write two versions of one record.
pub async fn outbound_versions_within_a_step(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let conversation = s.accept(sample_contact()).await.conversation;
    let first = sample_outbound(&conversation, "k1");
    let mut second = first.clone();
    (second.version, second.state) = (2, OutboundState::Deferred);
    let both = vec![Effect::Outbound(Box::new(first.clone())), Effect::Outbound(Box::new(second.clone()))];
    assert_eq!(s.apply(both).await, Applied::Done);
    assert_eq!(s.store.outbound(&s.brand, &first.id).await.unwrap(), Some(second));
}

/// What was sent in a conversation, in the order it was asked for.
pub async fn outbound_is_listed_in_order(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let conversation = s.accept(sample_contact()).await.conversation;
    let elsewhere = s.accept(sample_contact().id("<2@b>")).await.conversation;
    let mut asked = Vec::new();
    for number in 0..4 {
        let mut record = sample_outbound(&conversation, &format!("k{number}"));
        record.created_at = s.clock.now();
        s.clock.advance_secs(1);
        asked.push(record.clone());
        s.apply(vec![Effect::Outbound(Box::new(record))]).await;
    }
    s.apply(vec![Effect::Outbound(Box::new(sample_outbound(&elsewhere, "k")))]).await;
    asked[1].version = 2;
    s.apply(vec![Effect::Outbound(Box::new(asked[1].clone()))]).await;
    assert_eq!(s.store.outbound_of(&s.brand, &conversation).await.unwrap(), asked);
}

fn record(s: &Scene, name: &str, conversation: &ConversationId) -> (EventId, Effect) {
    let event = EventId::of_report("reply.updated", &[name]);
    let part = Bytes::from(format!("{{\"type\":\"reply.updated\",\"name\":\"{name}\"}}"));
    let conversation = conversation.clone();
    (event.clone(), Effect::Record { event, conversation, part, at: s.clock.now() })
}

/// Later events are numbered with the contacts, each once, and announced in the lane Triage.
pub async fn record_numbers_without_gaps(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let (event, effect) = record(&s, "a", &first.conversation);
    s.apply(vec![effect.clone(), record(&s, "b", &first.conversation).1]).await;
    s.apply(vec![effect]).await;
    let next = s.accept(sample_contact().id("<2@b>").in_reply_to("<1@example.com>")).await;
    assert_eq!(next.sequence, 4);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let claim = s.claim_one(&Lane::Triage).await;
        seen.push((claim.work.new.kind, claim.work.new.sequence.unwrap()));
        if claim.work.new.subject == event.as_str() {
            assert_eq!(claim.work.new.id, WorkId::of(event.as_str(), "announce", 0));
            assert!(claim.work.new.payload.contains("\"name\":\"a\""));
            assert_eq!(claim.work.new.conversation.as_ref(), Some(&first.conversation));
        }
        s.done(&claim).await;
    }
    let announce = WorkKind::Announce;
    assert_eq!(seen, [(WorkKind::Triage, 1), (announce, 2), (announce, 3), (WorkKind::Triage, 4)]);
    s.apply(vec![record(&s, "a", &first.conversation).1]).await;
    assert!(s.claim(&Lane::Triage).await.is_empty(), "recorded once, also after its announcement is done");
}

/// A later event of a merged conversation is numbered in the survivor.
pub async fn record_lands_on_the_survivor(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let a = s.accept(sample_contact()).await.conversation;
    let b = s.accept(sample_contact().id("<2@b>")).await.conversation;
    s.merge(&a, &b).await;
    s.triage_all().await;
    s.apply(vec![record(&s, "a", &a).1]).await;
    let claim = s.claim_one(&Lane::Triage).await;
    assert_eq!((claim.work.new.conversation, claim.work.new.sequence), (Some(b), Some(2)));
}

/// A later event of no known conversation is nothing.
pub async fn record_of_an_unknown_conversation(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let founds = sample_contact().candidate(s.clock.now()).founds;
    assert_eq!(s.apply(vec![record(&s, "a", &founds).1]).await, Applied::Done);
    assert!(s.claim(&Lane::Triage).await.is_empty());
    s.accept(sample_contact()).await;
    s.apply(vec![record(&s, "a", &founds).1]).await;
    assert_eq!(s.conversation(&founds).await.sequence, 2, "once it is known it counts");
}

/// A published event never changes again.
pub async fn publish_freezes_bytes(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let event = EventId::of_report("x", &["1"]);
    let publish = |body: &'static str| Effect::Publish {
        event: event.clone(),
        conversation: None,
        body: Bytes::from_static(body.as_bytes()),
        at: s.clock.now(),
    };
    s.apply(vec![publish("{\"n\": 1}")]).await;
    s.apply(vec![publish("{\"n\": 2}")]).await;
    let page = s.store.read(None, 10).await.unwrap().unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].body, "{\"n\": 1}");
}

/// Keys learned later place contacts; those that are bound stay where they are.
pub async fn learned_keys_place_contacts(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let a = s.accept(sample_contact()).await.conversation;
    let b = s.accept(sample_contact().id("<2@b>")).await.conversation;
    let learn =
        |conversation: &ConversationId, keys| Effect::Learn { conversation: conversation.clone(), keys };
    s.apply(vec![learn(&a, vec![key("<sent@b>"), key("<2@b>")])]).await;
    s.apply(vec![learn(&b, vec![key("<sent@b>")])]).await;
    let first = s.accept(sample_contact().id("<3@b>").in_reply_to("<sent@b>")).await;
    assert_eq!(first.conversation, a);
    let second = s.accept(sample_contact().id("<4@b>").in_reply_to("<2@b>")).await;
    assert_eq!(second.conversation, b);
}

/// Trace keys bound later find their envelope.
pub async fn traced_keys_find_envelopes(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let envelope = s.accept(sample_contact()).await.envelope;
    let keys = vec![TraceKey("<ack@b>".to_owned()).value().unwrap()];
    let effect = Effect::Trace { envelope: envelope.clone(), keys: keys.clone() };
    s.apply(vec![effect.clone(), effect]).await;
    let found = s.store.find(&s.brand, Lookup::Trace(keys[0])).await.unwrap();
    assert_eq!((found.len(), &found[0].receipt.envelope), (1, &envelope));
}

/// A decision is found with its envelope; a later one replaces it.
pub async fn decisions_are_kept(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let envelope = s.accept(sample_contact()).await.envelope;
    for queue in ["first", "second"] {
        let decision = Box::new(sample_decision(queue));
        s.apply(vec![Effect::Decide { envelope: envelope.clone(), decision }]).await;
        let found = s.store.find(&s.brand, Lookup::Envelope(envelope.clone())).await.unwrap();
        assert_eq!(found[0].decision, Some(sample_decision(queue)));
    }
}

/// Fields that a change does not name stay as they are.
pub async fn changes_are_kept(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let external_id = Some("T-1".to_owned());
    s.change(&first.conversation, ConversationChange { external_id, ..Default::default() }).await;
    let bob = PartyHandle::new(HandleKind::Email, "bob@example.com");
    let change = ConversationChange {
        queue: Some("parcels".to_owned()),
        participant: Some(bob.clone()),
        ..Default::default()
    };
    s.change(&first.conversation, change.clone()).await;
    s.change(&first.conversation, change).await;
    let conversation = s.conversation(&first.conversation).await;
    assert_eq!(conversation.external_id.as_deref(), Some("T-1"));
    assert_eq!(conversation.queue.as_deref(), Some("parcels"));
    assert_eq!(conversation.participants.len(), 2);
    assert_eq!(conversation.participation(&bob), Some(lodge_domain::Assurance::Unverified));
    let bobs = sample_contact().id("<2@b>").from("bob@example.com").in_reply_to("<1@example.com>");
    assert_eq!(s.accept(bobs).await.conversation, first.conversation);
}

/// A line equal in subject, step and text is kept once; lines come in order of time.
pub async fn journal_lines_are_kept_once(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let late = line(&s, "forwarded", "200");
    s.clock.advance_secs(-60);
    let early = line(&s, "triaged", "queue parcels");
    s.clock.advance_secs(3600);
    let repeated = line(&s, "forwarded", "200");
    let mut elsewhere = early.clone();
    elsewhere.subject = "evt_other".to_owned();
    let lines = [late.clone(), early.clone(), repeated, elsewhere.clone()];
    s.apply(lines.into_iter().map(Effect::Journal).collect()).await;
    assert_eq!(journal(&s).await, [early.clone(), late.clone()]);
    let both = ["evt_subject".to_owned(), "evt_other".to_owned()];
    assert_eq!(s.store.journal(&s.brand, &both).await.unwrap().len(), 3);
    assert!(s.store.journal(&s.brand, &[]).await.unwrap().is_empty());
}

/// Work whose id is pending stays as it was.
pub async fn enqueue_is_idempotent(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.enqueue(vec![sample_work("evt_a").payload("first").build()]).await;
    s.enqueue(vec![sample_work("evt_a").payload("second").build()]).await;
    let claim = s.claim_one(&Lane::Forward).await;
    assert_eq!(claim.work.new.payload, "first");
    s.enqueue(vec![sample_work("evt_a").payload("third").build()]).await;
    assert!(s.claim(&Lane::Forward).await.is_empty(), "also while it is claimed");
    s.done(&claim).await;
    s.enqueue(vec![sample_work("evt_a").payload("fourth").build()]).await;
    assert_eq!(s.claim_one(&Lane::Forward).await.work.new.payload, "fourth", "done is forgotten");
}

/// Effects about what is not there are nothing, and stop nothing.
pub async fn unknown_subjects_change_nothing(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let candidate = sample_contact().candidate(s.clock.now());
    let (envelope, conversation) = (candidate.envelope.clone(), candidate.founds.clone());
    let trace = TraceKey("<late@b>".to_owned()).value().unwrap();
    let change = Box::new(ConversationChange { queue: Some("q".to_owned()), ..Default::default() });
    let effects = vec![
        Effect::Decide { envelope: envelope.clone(), decision: Box::new(sample_decision("q")) },
        Effect::Learn { conversation: conversation.clone(), keys: vec![key("<late@b>")] },
        Effect::Trace { envelope, keys: vec![trace] },
        Effect::Change { conversation, change },
        Effect::Journal(line(&s, "asked", "about nothing")),
    ];
    assert_eq!(s.apply(effects).await, Applied::Done);
    assert_eq!(journal(&s).await.len(), 1);
    let receipt = s.accept(sample_contact()).await;
    assert_eq!(s.conversation(&receipt.conversation).await.queue, None);
    assert!(s.store.find(&s.brand, Lookup::Trace(trace)).await.unwrap().is_empty());
    let other = s.accept(sample_contact().id("<2@b>").registers("<late@b>")).await;
    let answer = s.accept(sample_contact().id("<3@b>").signed_key("<late@b>")).await;
    assert_eq!(answer.conversation, other.conversation, "the key was still free");
}
