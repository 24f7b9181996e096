//! Contacts of conversations that the core has closed.

use super::StoreUnderTest;
use super::steps::{PROGRAM, Scene, scene};
use crate::{SampleContact, sample_contact};
use lodge_domain::ports::Clock;
use lodge_domain::{ConversationChange, ConversationStatus, Flag, Placement, Receipt, SignedDuration};
use std::collections::BTreeSet;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn answer(id: &str) -> SampleContact {
    sample_contact().id(id).in_reply_to("<1@example.com>")
}

async fn closed(s: &Scene, window: Option<SignedDuration>) -> Receipt {
    let first = s.accept(sample_contact()).await;
    let reopen_until = window.map(|window| s.clock.now() + window);
    let status = Some(ConversationStatus::Closed);
    s.change(&first.conversation, ConversationChange { status, reopen_until, ..Default::default() }).await;
    first
}

/// A person's contact within the window opens it again, once.
pub async fn reopened_in_time(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = closed(&s, Some(HOUR)).await;
    let receipt = s.accept(answer("<2@b>")).await;
    assert_eq!((receipt.placement, receipt.reopens), (Placement::Appended, true));
    let conversation = s.conversation(&first.conversation).await;
    assert_eq!((conversation.status, conversation.reopen_until), (ConversationStatus::Open, None));
    let next = s.accept(answer("<3@b>")).await;
    assert_eq!((next.placement, next.reopens), (Placement::Appended, false));
}

/// The last moment of the window is still in it.
pub async fn reopening_ends_with_its_window(t: &dyn StoreUnderTest) {
    let s = scene(t);
    closed(&s, Some(HOUR)).await;
    s.clock.advance(HOUR);
    assert!(s.accept(answer("<2@b>")).await.reopens);
}

/// A person's contact after the window founds a conversation that says what it follows.
pub async fn late_contact_follows(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = closed(&s, Some(HOUR)).await;
    s.clock.advance(HOUR + SignedDuration::from_micros(1));
    let receipt = s.accept(answer("<2@b>").in_reply_to("<0@b>")).await;
    assert_eq!((receipt.placement, receipt.sequence), (Placement::New, 1));
    assert_eq!(receipt.follows, Some(first.reference.clone()));
    assert_eq!((receipt.suggested_parent, receipt.reopens), (None, false));
    assert_eq!(receipt.matched.as_deref(), Some("IfParticipant <1@example.com>"));
    let stranger = sample_contact().id("<3@b>").from("eve@evil.example").signed_key("<1@example.com>");
    let founder = s.accept(stranger).await;
    assert_eq!((founder.placement, founder.follows), (Placement::New, Some(first.reference)));
    assert_eq!(founder.flags, BTreeSet::<Flag>::new(), "a founder is no newcomer");
    assert_eq!(s.conversation(&founder.conversation).await.participants.len(), 1);
    assert_eq!(s.conversation(&first.conversation).await.status, ConversationStatus::Closed);
}

/// Closed without a window is closed for good.
pub async fn closed_without_a_window_follows(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = closed(&s, None).await;
    assert_eq!(s.accept(answer("<2@b>")).await.follows, Some(first.reference));
}

/// A program's contact joins and opens nothing, in time or late.
pub async fn programs_leave_it_closed(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = closed(&s, Some(HOUR)).await;
    let receipt = s.accept(answer("<2@b>").automated(PROGRAM)).await;
    assert_eq!((receipt.placement, receipt.reopens), (Placement::Appended, false));
    s.clock.advance(HOUR + HOUR);
    let receipt = s.accept(answer("<3@b>").ours()).await;
    assert_eq!((receipt.placement, receipt.sequence), (Placement::Appended, 3));
    assert_eq!(s.conversation(&first.conversation).await.status, ConversationStatus::Closed);
}

/// Pending and solved conversations just go on.
pub async fn other_statuses_continue(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.accept(sample_contact()).await;
    let mut number = 1;
    for status in [ConversationStatus::Pending, ConversationStatus::Solved, ConversationStatus::Open] {
        let change = ConversationChange { status: Some(status), ..Default::default() };
        s.change(&first.conversation, change).await;
        number += 1;
        let receipt = s.accept(answer(&format!("<{number}@b>"))).await;
        assert_eq!((receipt.placement, receipt.reopens), (Placement::Appended, false));
        assert_eq!(s.conversation(&first.conversation).await.status, status);
    }
}

/// The window belongs to the closing and goes with it.
pub async fn another_status_clears_the_window(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = closed(&s, Some(HOUR)).await;
    let reopen_until = Some(s.clock.now() + HOUR);
    let window_alone = ConversationChange { reopen_until, ..Default::default() };
    let pending = Some(ConversationStatus::Pending);
    s.change(&first.conversation, ConversationChange { status: pending, reopen_until, ..Default::default() })
        .await;
    assert_eq!(s.conversation(&first.conversation).await.reopen_until, None);
    s.change(&first.conversation, window_alone).await;
    assert_eq!(s.conversation(&first.conversation).await.reopen_until, None, "no status, no window");
}
