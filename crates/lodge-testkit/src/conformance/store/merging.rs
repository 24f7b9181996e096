//! C05: contacts of conversations that the core has merged.

use super::StoreUnderTest;
use super::steps::scene;
use crate::{SampleContact, sample_contact};
use lodge_domain::ports::Clock;
use lodge_domain::{Flag, Placement};
use std::collections::BTreeSet;

fn first(id: &str) -> SampleContact {
    sample_contact().id(id)
}

fn answer(id: &str, to: &str) -> SampleContact {
    sample_contact().id(id).in_reply_to(to)
}

/// Answers to the merged conversation are numbered in the survivor.
pub async fn contacts_land_on_the_survivor(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let (a, b) = (s.accept(first("<a@b>")).await, s.accept(first("<b@b>")).await);
    s.merge(&a.conversation, &b.conversation).await;
    let receipt = s.accept(answer("<2@b>", "<a@b>")).await;
    assert_eq!((&receipt.conversation, &receipt.reference), (&b.conversation, &b.reference));
    assert_eq!((receipt.placement, receipt.sequence), (Placement::Appended, 2));
    let merged = s.conversation(&a.conversation).await;
    assert_eq!((merged.merged_into, merged.sequence), (Some(b.conversation), 1));
}

/// A merge of a merge leads on.
pub async fn chains_are_followed(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let mut chain = Vec::new();
    for number in 0..6 {
        chain.push(s.accept(first(&format!("<c{number}@b>"))).await.conversation);
    }
    for pair in chain.windows(2) {
        s.merge(&pair[0], &pair[1]).await;
    }
    let receipt = s.accept(answer("<2@b>", "<c0@b>")).await;
    assert_eq!((&receipt.conversation, receipt.sequence), (&chain[5], 2));
}

/// Nothing is merged into itself, over however many merges.
pub async fn cycles_are_not_written(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let a = s.accept(first("<a@b>")).await.conversation;
    let b = s.accept(first("<b@b>")).await.conversation;
    let c = s.accept(first("<c@b>")).await.conversation;
    s.merge(&a, &a).await;
    assert_eq!(s.conversation(&a).await.merged_into, None);
    s.merge(&a, &b).await;
    s.merge(&b, &c).await;
    s.merge(&c, &a).await;
    s.merge(&b, &a).await;
    assert_eq!(s.conversation(&c).await.merged_into, None);
    assert_eq!(s.conversation(&b).await.merged_into, Some(c.clone()));
    assert_eq!(s.accept(answer("<2@b>", "<a@b>")).await.conversation, c);
}

/// A merge into a conversation that is not there is no merge.
pub async fn unknown_survivors_are_not_written(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let a = s.accept(first("<a@b>")).await;
    let of_another_brand = s.accept(first("<x@b>").brand("other")).await.conversation;
    let nowhere = first("<y@b>").candidate(s.clock.now()).founds;
    for survivor in [of_another_brand, nowhere] {
        s.merge(&a.conversation, &survivor).await;
    }
    assert_eq!(s.conversation(&a.conversation).await.merged_into, None);
}

/// The core may change its mind.
pub async fn a_later_merge_replaces(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let a = s.accept(first("<a@b>")).await.conversation;
    let b = s.accept(first("<b@b>")).await.conversation;
    let c = s.accept(first("<c@b>")).await.conversation;
    s.merge(&a, &b).await;
    s.merge(&a, &c).await;
    assert_eq!(s.accept(answer("<2@b>", "<a@b>")).await.conversation, c);
}

/// Who took part in the merged conversation goes on in the survivor, with what they are known by; strangers stay out.
pub async fn participants_come_along(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let a = s.accept(first("<a@b>")).await;
    let b = s.accept(first("<b@b>").from("bob@example.com")).await;
    let c = s.accept(first("<c@b>").from("cleo@example.com")).await;
    s.merge(&b.conversation, &c.conversation).await;
    s.merge(&a.conversation, &b.conversation).await;
    let joined = s.accept(answer("<2@b>", "<a@b>")).await;
    assert_eq!((&joined.conversation, joined.placement), (&c.conversation, Placement::Appended));
    assert_eq!(joined.flags, BTreeSet::new());
    let weaker = s.accept(answer("<3@b>", "<a@b>").unverified()).await;
    assert_eq!((weaker.placement, weaker.suggested_parent), (Placement::New, Some(c.reference.clone())));
    let stranger = s.accept(answer("<4@b>", "<a@b>").from("mallory@example.com")).await;
    assert_eq!((stranger.placement, stranger.suggested_parent), (Placement::New, Some(c.reference.clone())));
    let signed = s.accept(first("<5@b>").from("mallory@example.com").signed_key("<a@b>")).await;
    assert_eq!(
        (&signed.conversation, signed.flags),
        (&c.conversation, BTreeSet::from([Flag::NewParticipant]))
    );
}
