//! Accept: known contacts, conflicts, references, and all that is written together.

use super::{StoreUnderTest, steps::scene};
use crate::sample_contact;
use crate::samples::key;
use lodge_domain::ports::{Clock, Lookup};
use lodge_domain::{BrandName, Flag, Lane, Placement, Reference, TraceKey, WorkId, WorkKind};
use std::collections::BTreeSet;

/// A contact without keys founds a conversation.
pub async fn new_contact(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let contact = sample_contact().build();
    let candidate = sample_contact().candidate(s.clock.now());
    let receipt = s.accept(sample_contact()).await;
    assert_eq!(receipt.envelope, candidate.envelope);
    assert_eq!(receipt.conversation, candidate.founds);
    assert_eq!(receipt.reference, candidate.references[0]);
    assert_eq!((receipt.sequence, receipt.placement), (1, Placement::New));
    assert_eq!((&receipt.suggested_parent, &receipt.follows, &receipt.matched), (&None, &None, &None));
    assert!(!receipt.reopens && receipt.flags.is_empty());
    assert_eq!(receipt.accepted_at, s.clock.now());
    let conversation = s.conversation(&receipt.conversation).await;
    assert_eq!(conversation.participants, [(contact.from.handle.clone(), contact.from.assurance)]);
    assert_eq!(conversation.return_path, contact.return_path);
    assert_eq!((conversation.sequence, conversation.topic), (1, contact.topic));
    assert_eq!(
        (conversation.inbox, conversation.last_contact_at),
        (contact.inbox.name.clone(), s.clock.now())
    );
    let found = s.store.find(&s.brand, Lookup::Envelope(receipt.envelope.clone())).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].contact, &found[0].receipt, &found[0].decision), (&contact, &receipt, &None));
}

/// The same contact again gets the first receipt, however much later.
pub async fn same_contact_again(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    s.clock.advance_secs(3600);
    let mut again = s.accept(sample_contact()).await;
    assert_eq!(again.placement, Placement::Duplicate);
    again.placement = Placement::New;
    assert_eq!(again, first);
    let answer = s.accept(sample_contact().id("<2@b>").in_reply_to("<1@example.com>")).await;
    let again = s.accept(sample_contact().id("<2@b>").in_reply_to("<1@example.com>")).await;
    assert_eq!((again.placement, again.sequence, &again.matched), (Placement::Duplicate, 2, &answer.matched));
    assert_eq!(s.conversation(&first.conversation).await.sequence, 2, "nothing is written");
    assert_eq!(s.claim(&Lane::Triage).await.len(), 1, "one at a time");
    assert_eq!(s.store.counts().await.unwrap().envelopes, 2);
}

/// The second of two equal candidates in one batch is a duplicate of the first.
pub async fn same_contact_twice_in_a_batch(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let candidate = || sample_contact().candidate(s.clock.now());
    let receipts = s.store.accept(vec![candidate(), candidate(), candidate()]).await.unwrap();
    let placements: Vec<_> = receipts.iter().map(|receipt| receipt.placement).collect();
    assert_eq!(placements, [Placement::New, Placement::Duplicate, Placement::Duplicate]);
    assert!(receipts.iter().all(|receipt| receipt.conversation == receipts[0].conversation));
    assert!(s.store.accept(Vec::new()).await.unwrap().is_empty(), "an empty batch");
}

/// Two machines that accept the same contact make one.
pub async fn same_contact_from_a_second_handle(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let second = t.second().await;
    let again = second.accept(vec![sample_contact().candidate(s.clock.now())]).await.unwrap();
    assert_eq!((again[0].placement, &again[0].envelope), (Placement::Duplicate, &first.envelope));
}

/// T: nobody suppresses a contact by using its id first.
pub async fn changed_content_is_a_conflict(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact().text("the attacker's words")).await;
    assert!(first.flags.is_empty());
    let second = s.accept(sample_contact()).await;
    assert_eq!((second.placement, &second.flags), (Placement::New, &BTreeSet::from([Flag::Conflict])));
    assert_ne!(second.conversation, first.conversation);
    let again = s.accept(sample_contact()).await;
    assert_eq!((again.placement, again.flags), (Placement::Duplicate, BTreeSet::from([Flag::Conflict])));
    let answer = s.accept(sample_contact().text("a third").in_reply_to("<1@example.com>")).await;
    assert_eq!((answer.placement, &answer.conversation), (Placement::Appended, &first.conversation));
    assert_eq!(answer.flags, BTreeSet::from([Flag::Conflict]));
}

/// Contacts of a source without ids are told apart by their content alone.
pub async fn sources_without_ids_never_conflict(t: &dyn StoreUnderTest) {
    let s = scene(t);
    for text in ["one", "two", "three"] {
        let receipt = s.accept(sample_contact().without_id().text(text)).await;
        assert_eq!((receipt.placement, receipt.flags.len()), (Placement::New, 0));
    }
}

/// A reference that another conversation has is passed over for the next derivation.
pub async fn reference_collision_takes_the_next(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let mut second = sample_contact().id("<2@b>").candidate(s.clock.now());
    second.references[0] = first.reference.clone();
    let wanted = second.references[1].clone();
    let receipt = s.store.accept(vec![second]).await.unwrap().remove(0);
    assert_eq!((receipt.placement, &receipt.reference), (Placement::New, &wanted));
    let found = s.store.by_reference(&s.brand, &wanted).await.unwrap().unwrap();
    assert_eq!(found.id, receipt.conversation);
    let first_found = s.store.by_reference(&s.brand, &first.reference).await.unwrap().unwrap();
    assert_eq!(first_found.id, first.conversation);
}

/// Where every reference is taken the call fails and nothing of its batch is there.
pub async fn no_free_reference_writes_nothing(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let innocent = sample_contact().id("<2@b>").candidate(s.clock.now());
    let mut impossible = sample_contact().id("<3@b>").candidate(s.clock.now());
    impossible.references = vec![first.reference.clone()];
    assert!(s.store.accept(vec![innocent, impossible]).await.is_err());
    assert_eq!(s.store.counts().await.unwrap().envelopes, 1);
    let receipt = s.accept(sample_contact().id("<2@b>")).await;
    assert_eq!(receipt.placement, Placement::New, "the store goes on");
}

/// I12: the same keys and references mean nothing across brands.
pub async fn brands_share_nothing(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let ours = s.accept(sample_contact()).await;
    let theirs = s.accept(sample_contact().brand("other").id("<2@b>").signed_key("<1@example.com>")).await;
    assert_eq!((theirs.placement, &theirs.suggested_parent), (Placement::New, &None));
    let same_id = s.accept(sample_contact().brand("other")).await;
    assert_eq!((same_id.placement, same_id.flags.len()), (Placement::New, 0));
    let other = BrandName::parse("other").unwrap();
    assert_eq!(s.store.conversation(&other, &ours.conversation).await.unwrap(), None);
    assert_eq!(s.store.by_reference(&other, &ours.reference).await.unwrap(), None);
    for lookup in [Lookup::Envelope(ours.envelope.clone()), Lookup::Conversation(ours.conversation.clone())] {
        assert!(s.store.find(&other, lookup).await.unwrap().is_empty());
    }
    assert_eq!(s.store.brands().await.unwrap(), [BrandName::unbranded(), other]);
}

/// A key stays with the conversation that registered it first.
pub async fn first_writer_keeps_a_key(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact().registers("shared")).await;
    let second = s.accept(sample_contact().id("<2@b>").registers("shared")).await;
    assert_ne!(second.conversation, first.conversation);
    let answer = s.accept(sample_contact().id("<3@b>").signed_key("shared")).await;
    assert_eq!(answer.conversation, first.conversation);
}

/// A trace key finds every envelope that carries it.
pub async fn traces_find_envelopes(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact().trace("call-7")).await;
    let second = s.accept(sample_contact().id("<2@b>").trace("call-7")).await;
    let find = |text: &str| s.store.find(&s.brand, Lookup::Trace(TraceKey(text.to_owned()).value().unwrap()));
    let by_call: BTreeSet<_> =
        find("call-7").await.unwrap().into_iter().map(|found| found.receipt.envelope).collect();
    assert_eq!(by_call, BTreeSet::from([first.envelope.clone(), second.envelope]));
    let by_id = find("1@example.com").await.unwrap();
    assert_eq!((by_id.len(), &by_id[0].receipt.envelope), (1, &first.envelope));
    assert!(find("call-8").await.unwrap().is_empty());
}

/// The envelopes of a conversation come in the order of their sequence.
pub async fn envelopes_are_found_in_order(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    for id in ["<2@b>", "<3@b>", "<4@b>"] {
        s.accept(sample_contact().id(id).in_reply_to("<1@example.com>")).await;
    }
    s.accept(sample_contact().id("<elsewhere@b>")).await;
    let by_conversation = Lookup::Conversation(first.conversation.clone());
    for lookup in [by_conversation, Lookup::Reference(first.reference.clone())] {
        let found = s.store.find(&s.brand, lookup).await.unwrap();
        let sequences: Vec<_> = found.iter().map(|envelope| envelope.receipt.sequence).collect();
        assert_eq!(sequences, [1, 2, 3, 4]);
    }
    let unknown = Reference::derive(&first.conversation, 99);
    assert!(s.store.find(&s.brand, Lookup::Reference(unknown)).await.unwrap().is_empty());
}

/// I4: an accepted contact is work, in the same step.
pub async fn accept_enqueues_triage(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let receipt = s.accept(sample_contact()).await;
    let claim = s.claim_one(&Lane::Triage).await;
    let new = &claim.work.new;
    assert_eq!(new.id, WorkId::of(receipt.envelope.as_str(), "triage", 0));
    assert_eq!((new.kind, new.subject.as_str()), (WorkKind::Triage, receipt.envelope.as_str()));
    assert_eq!((&new.conversation, new.sequence), (&Some(receipt.conversation), Some(1)));
    assert_eq!((&new.brand, new.due), (&s.brand, receipt.accepted_at));
    assert_eq!((claim.work.attempts, claim.work.claims, claim.work.marked), (0, 1, false));
}

/// A later candidate of a batch sees what an earlier one wrote.
pub async fn a_batch_is_decided_in_order(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let now = s.clock.now();
    let answer = sample_contact().id("<2@b>").in_reply_to("<1@example.com>").candidate(now);
    let receipts = s.store.accept(vec![sample_contact().candidate(now), answer]).await.unwrap();
    assert_eq!(receipts[1].placement, Placement::Appended);
    assert_eq!((receipts[1].sequence, &receipts[1].conversation), (2, &receipts[0].conversation));
    let early = sample_contact().id("<4@b>").in_reply_to("<3@b>").candidate(now);
    let receipts = s.store.accept(vec![early, sample_contact().id("<3@b>").candidate(now)]).await.unwrap();
    assert!(receipts.iter().all(|receipt| receipt.placement == Placement::New), "in the order given");
    assert_eq!(key("<3@b>"), sample_contact().id("<3@b>").build().registers[0]);
}

/// A record of a megabyte comes back as it was.
pub async fn large_records(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let text = "ä€😀\"\\\u{1}".repeat(100_000);
    let receipt = s.accept(sample_contact().text(&text)).await;
    let found = s.store.find(&s.brand, Lookup::Envelope(receipt.envelope)).await.unwrap();
    assert!(found[0].contact.body.text == text, "byte for byte");
}
