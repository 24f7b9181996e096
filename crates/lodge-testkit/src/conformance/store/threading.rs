//! Which keys let whom join which conversation, and what joining changes.

use super::StoreUnderTest;
use super::steps::{PROGRAM, Scene, scene};
use crate::{SampleContact, sample_contact};
use lodge_domain::{
    Assurance, Flag, HandleKind, JoinCondition, PartyHandle, Placement, Receipt, SignedDuration, ThreadKey,
};
use std::collections::BTreeSet;

const FIRST: &str = "<1@example.com>";

fn second() -> SampleContact {
    sample_contact().id("<2@b>").text("And another thing.")
}

fn eve(contact: SampleContact) -> SampleContact {
    contact.from("eve@evil.example")
}

fn is_suggested(receipt: &Receipt, parent: &Receipt) {
    assert_eq!(receipt.placement, Placement::New);
    assert_eq!(receipt.suggested_parent, Some(parent.reference.clone()));
    assert_ne!(receipt.conversation, parent.conversation);
    assert_eq!(receipt.matched, None);
}

fn is_appended(receipt: &Receipt, parent: &Receipt) {
    assert_eq!(receipt.placement, Placement::Appended);
    assert_eq!((&receipt.conversation, &receipt.reference), (&parent.conversation, &parent.reference));
    assert_eq!((&receipt.suggested_parent, &receipt.follows), (&None, &None));
}

async fn way_back(s: &Scene, receipt: &Receipt) -> serde_json::Value {
    s.conversation(&receipt.conversation).await.return_path.unwrap().sealed["to"].clone()
}

/// A key we signed, carried by a participant.
pub async fn always_joins_a_participant(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let receipt = s.accept(second().signed_key(FIRST)).await;
    is_appended(&receipt, &first);
    assert_eq!((receipt.sequence, receipt.flags.len()), (2, 0));
    assert_eq!(receipt.matched.as_deref(), Some("Always <1@example.com>"));
}

/// A key we signed, carried by a stranger: joins, and changes nothing about who takes part.
pub async fn always_by_a_stranger(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let stranger = || eve(second()).signed_key(FIRST).introduces("mallory@evil.example");
    let receipt = s.accept(stranger()).await;
    is_appended(&receipt, &first);
    assert_eq!(receipt.flags, BTreeSet::from([Flag::NewParticipant]));
    let conversation = s.conversation(&first.conversation).await;
    assert_eq!(conversation.participants.len(), 1, "a newcomer adds nobody");
    assert_eq!(way_back(&s, &first).await, "ann@example.com", "nor changes the way back");
    let again = s.accept(stranger().id("<3@b>")).await;
    assert_eq!(again.flags, BTreeSet::from([Flag::NewParticipant]), "and stays a newcomer");
}

/// A key we signed joins even where a check of the sender failed.
pub async fn always_by_a_failed_stranger(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let receipt = s.accept(eve(second()).failed().signed_key(FIRST)).await;
    is_appended(&receipt, &first);
    let failed = s.accept(second().id("<3@b>").failed().from("ann@example.com").signed_key(FIRST)).await;
    is_appended(&failed, &first);
    assert!(failed.flags.is_empty());
    let ann = s.conversation(&first.conversation).await.participants.remove(0);
    assert_eq!(ann.1, Assurance::Authenticated, "assurance never sinks");
}

/// T: a guessed or copied id joins nothing.
pub async fn forged_reference_is_only_suggested(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let receipt = s.accept(eve(second()).in_reply_to(FIRST)).await;
    is_suggested(&receipt, &first);
    let conversation = s.conversation(&first.conversation).await;
    assert_eq!((conversation.sequence, conversation.participants.len()), (1, 1));
}

/// A stored key, carried by a participant.
pub async fn participant_joins(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let receipt = s.accept(second().in_reply_to(FIRST)).await;
    is_appended(&receipt, &first);
    let third = s.accept(sample_contact().id("<3@b>").in_reply_to("<2@b>")).await;
    is_appended(&third, &first);
    assert_eq!(third.sequence, 3);
}

/// Who is known as authenticated is not believed with less.
pub async fn lower_assurance_is_refused(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    is_suggested(&s.accept(second().unverified().in_reply_to(FIRST)).await, &first);
}

/// A failed check is never enough for a stored key, even where nothing better is known.
pub async fn failed_is_refused(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact().failed()).await;
    is_suggested(&s.accept(second().failed().in_reply_to(FIRST)).await, &first);
    assert_eq!(s.conversation(&first.conversation).await.return_path, None, "no way back was believed");
}

/// A participant seen with more is known with more from then on.
pub async fn assurance_rises(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact().unverified()).await;
    is_appended(&s.accept(second().unverified().in_reply_to(FIRST)).await, &first);
    is_appended(&s.accept(sample_contact().id("<3@b>").in_reply_to(FIRST)).await, &first);
    let refused = s.accept(sample_contact().id("<4@b>").unverified().in_reply_to(FIRST)).await;
    is_suggested(&refused, &first);
}

/// The first key that decides wins; what is remembered on the way matters only where none does.
pub async fn strongest_key_decides(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let bobs = s.accept(sample_contact().id("<bob@b>").from("bob@example.com")).await;
    let anns = s.accept(sample_contact()).await;
    let ann_too = s.accept(sample_contact().id("<too@b>")).await;
    let receipt = s.accept(second().in_reply_to("<bob@b>").in_reply_to(FIRST).in_reply_to("<too@b>")).await;
    is_appended(&receipt, &anns);
    let lost = sample_contact().id("<3@b>").from("carol@example.com");
    is_suggested(
        &s.accept(lost.in_reply_to("<gone@b>").in_reply_to("<too@b>").in_reply_to("<bob@b>")).await,
        &ann_too,
    );
    assert_eq!(s.conversation(&bobs.conversation).await.sequence, 1);
}

fn on_topic(contact: SampleContact) -> SampleContact {
    contact.thread_key(JoinCondition::IfParticipantOnTopic, FIRST)
}

/// Another subject within thirty days continues, and says so.
pub async fn changed_topic_is_flagged(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let same = s.accept(on_topic(second())).await;
    is_appended(&same, &first);
    assert!(same.flags.is_empty());
    s.clock.advance(SignedDuration::from_hours(30 * 24));
    let other = s.accept(on_topic(sample_contact().id("<3@b>").subject("Invoice"))).await;
    is_appended(&other, &first);
    assert_eq!(other.flags, BTreeSet::from([Flag::SubjectChanged]));
    let stranger = s.accept(on_topic(eve(sample_contact().id("<4@b>")))).await;
    is_suggested(&stranger, &first);
}

/// Another subject after more than thirty idle days is another matter.
pub async fn changed_topic_after_thirty_days_starts_anew(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    s.clock.advance(SignedDuration::from_hours(30 * 24) + SignedDuration::from_secs(1));
    let other = s.accept(on_topic(second().subject("Invoice"))).await;
    is_suggested(&other, &first);
    assert!(other.flags.is_empty());
    let same = s.accept(on_topic(sample_contact().id("<3@b>"))).await;
    is_appended(&same, &first);
}

/// Where one of the topics is not known, nothing has changed.
pub async fn unknown_topic_continues(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    s.clock.advance(SignedDuration::from_hours(90 * 24));
    let receipt = s.accept(on_topic(second().without_subject())).await;
    is_appended(&receipt, &first);
    assert!(receipt.flags.is_empty());
}

/// A hint never joins, not even a participant.
pub async fn hints_only_suggest(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    is_suggested(&s.accept(second().thread_key(JoinCondition::Hint, FIRST)).await, &first);
    let both = sample_contact().id("<3@b>").thread_key(JoinCondition::Hint, "<2@b>").in_reply_to(FIRST);
    is_appended(&s.accept(both).await, &first);
}

/// Whom an authenticated participant brings along takes part, as unverified.
pub async fn introduced_by_the_authenticated(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact().introduces("bob@example.com").introduces("ann@example.com")).await;
    let bob = PartyHandle::new(HandleKind::Email, "bob@example.com");
    let conversation = s.conversation(&first.conversation).await;
    assert_eq!(conversation.participants.len(), 2);
    assert_eq!(conversation.participation(&bob), Some(Assurance::Unverified));
    let receipt = s.accept(second().from("bob@example.com").unverified().in_reply_to(FIRST)).await;
    is_appended(&receipt, &first);
    assert_eq!(way_back(&s, &first).await, "bob@example.com", "whoever wrote last");
    s.accept(sample_contact().id("<3@b>").in_reply_to(FIRST).introduces("carol@example.com")).await;
    assert_eq!(s.conversation(&first.conversation).await.participants.len(), 3);
}

/// Nobody else brings anybody along.
pub async fn introduced_by_others_are_strangers(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let unverified = s.accept(sample_contact().unverified().introduces("bob@example.com")).await;
    assert_eq!(s.conversation(&unverified.conversation).await.participants.len(), 1);
    let program = sample_contact().id("<2@b>").automated(PROGRAM).introduces("bob@example.com");
    let program = s.accept(program).await;
    assert_eq!(s.conversation(&program.conversation).await.participants.len(), 1);
}

/// A program's contact joins, and leaves the way back as it is.
pub async fn programs_keep_the_way_back(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let path = serde_json::json!({"to": "vacation@example.com"});
    let program = second().automated(PROGRAM).signed_key(FIRST);
    let program = program.with(|contact| contact.return_path.as_mut().unwrap().sealed = path);
    is_appended(&s.accept(program).await, &first);
    assert_eq!(way_back(&s, &first).await, "ann@example.com");
    let founder = s.accept(sample_contact().id("<3@b>").automated(PROGRAM)).await;
    let conversation = s.conversation(&founder.conversation).await;
    assert_eq!((conversation.return_path, conversation.participants.len()), (None, 1));
}

/// A contact that has no way back takes none away.
pub async fn contacts_without_a_way_back_keep_it(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    is_appended(&s.accept(second().without_return_path().in_reply_to(FIRST)).await, &first);
    assert_eq!(way_back(&s, &first).await, "ann@example.com");
}

/// The last of the keys that are looked at counts like the first.
pub async fn sixty_four_keys(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let mut contact = second();
    for number in 1..ThreadKey::MOST {
        contact = contact.in_reply_to(&format!("<unknown-{number}@b>"));
    }
    is_appended(&s.accept(contact.clone().in_reply_to(FIRST)).await, &first);
    let one_more = contact.id("<3@b>").in_reply_to("<unknown@b>").in_reply_to(FIRST);
    assert_eq!(s.accept(one_more).await.placement, Placement::New);
}
