//! What cases do again and again.

use super::StoreUnderTest;
use crate::SampleContact;
use lodge_domain::effect::{Applied, Effect, Step};
use lodge_domain::ports::{Clock, Store};
use lodge_domain::{
    BrandName, Claim, Conversation, ConversationChange, ConversationId, Lane, NewWork, OriginClass, Receipt,
    Settlement, WorkKind,
};
use std::sync::Arc;
use std::time::Duration;

/// How long cases lease claims.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// A store under test and the brand its case is in.
pub(super) struct Scene {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<crate::ManualClock>,
    pub(super) brand: BrandName,
}

pub(super) fn scene(under_test: &dyn StoreUnderTest) -> Scene {
    Scene { store: under_test.store(), clock: under_test.clock(), brand: BrandName::unbranded() }
}

/// An ordinary program's contact.
pub(super) const PROGRAM: OriginClass = OriginClass::AutoReply;

impl Scene {
    /// Accepts one contact now.
    pub(super) async fn accept(&self, contact: SampleContact) -> Receipt {
        let mut receipts = self.store.accept(vec![contact.candidate(self.clock.now())]).await.unwrap();
        assert_eq!(receipts.len(), 1, "one receipt for each candidate");
        receipts.remove(0)
    }

    /// Applies effects without a guard.
    pub(super) async fn apply(&self, effects: Vec<Effect>) -> Applied {
        self.store.apply(Step { brand: self.brand.clone(), guard: None, effects }).await.unwrap()
    }

    /// Changes the facts of a conversation.
    pub(super) async fn change(&self, conversation: &ConversationId, change: ConversationChange) {
        let conversation = conversation.clone();
        let effect = Effect::Change { conversation, change: Box::new(change) };
        assert_eq!(self.apply(vec![effect]).await, Applied::Done);
    }

    /// Lets later contacts of `from` land on `into`.
    pub(super) async fn merge(&self, from: &ConversationId, into: &ConversationId) {
        let merged_into = Some(into.clone());
        self.change(from, ConversationChange { merged_into, ..ConversationChange::default() }).await;
    }

    /// The facts of a conversation.
    pub(super) async fn conversation(&self, id: &ConversationId) -> Conversation {
        self.store.conversation(&self.brand, id).await.unwrap().unwrap()
    }

    /// Adds work.
    pub(super) async fn enqueue(&self, work: Vec<NewWork>) {
        let effects = work.into_iter().map(Effect::Enqueue).collect();
        assert_eq!(self.apply(effects).await, Applied::Done);
    }

    /// Claims all that can be claimed.
    pub(super) async fn claim(&self, lane: &Lane) -> Vec<Claim> {
        self.store.claim(lane, 1000, LEASE).await.unwrap()
    }

    /// Claims the one item that can be claimed.
    pub(super) async fn claim_one(&self, lane: &Lane) -> Claim {
        let mut claims = self.claim(lane).await;
        assert_eq!(claims.len(), 1, "one item can be claimed: {claims:?}");
        claims.remove(0)
    }

    /// Ends a claim.
    pub(super) async fn settle(
        &self,
        claim: &Claim,
        settlement: Settlement,
        effects: Vec<Effect>,
    ) -> Applied {
        let answers = self.store.settle(vec![(claim.clone(), settlement, effects)]).await.unwrap();
        assert_eq!(answers.len(), 1, "one answer for each claim");
        answers.into_iter().next().unwrap()
    }

    /// Ends a claim that is done.
    pub(super) async fn done(&self, claim: &Claim) {
        assert_eq!(self.settle(claim, Settlement::Done, Vec::new()).await, Applied::Done);
    }

    /// Gives a claim up.
    pub(super) async fn give_up(&self, claim: &Claim) {
        assert_eq!(self.settle(claim, dead(), Vec::new()).await, Applied::Done);
    }

    /// Does all work of the lane Triage.
    pub(super) async fn triage_all(&self) {
        loop {
            let claims = self.claim(&Lane::Triage).await;
            if claims.is_empty() {
                return;
            }
            for claim in &claims {
                self.done(claim).await;
            }
        }
    }
}

/// A settlement that gives up.
pub(super) fn dead() -> Settlement {
    Settlement::Dead { reason: "rejected".to_owned(), error: "422 unprocessable".to_owned() }
}

/// The subjects of claims.
pub(super) fn subjects(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.work.new.subject.as_str()).collect()
}

/// Forward work about `subject` within `conversation`.
pub(super) fn work_in(conversation: &ConversationId, subject: &str) -> NewWork {
    let work = crate::samples::sample_work(subject).lane(Lane::Forward, WorkKind::Forward);
    work.conversation(conversation).build()
}
