//! Later additions: before or after their contact, once or often, over crashes.

use crate::house::{House, hours, seconds};
use lodge_domain::ports::{Clock, InboxState, Ledger, Lookup, Outcome, Refusal, StateValue, StoreError};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{
    Attachment, BlobRef, BrandName, EnvelopeId, Inbound, InboxId, InboxName, Placement, Receipt, Supplement,
    TraceKey,
};
use lodge_pipeline::Settings;
use lodge_testkit::{SampleContact, sample_contact};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn inbox() -> InboxId {
    InboxId { brand: BrandName::unbranded(), name: InboxName::parse("support").unwrap() }
}

fn call(n: u32) -> SampleContact {
    sample_contact().id(&format!("CA{n}")).text("please call me back")
}

fn id_of(sample: SampleContact) -> EnvelopeId {
    let contact = sample.build();
    EnvelopeId::of_contact(&contact.dedupe.digest(contact.brand()))
}

fn addition(n: u32, kind: SupplementKind, source: &str) -> Supplement {
    let Value::Object(details) = json!({"duration": 17, "text": "card 4111111111111111"}) else { panic!() };
    let sha256 = format!("{:0>64}", "4111111111111111");
    let recording = Attachment {
        name: Some("recording.wav".to_owned()),
        media_type: "audio/wav".to_owned(),
        blob: BlobRef { sha256, size: 9 },
        inline: false,
        judgement: None,
        content_id: None,
    };
    Supplement {
        inbox: inbox(),
        of: id_of(call(n)),
        kind,
        source: source.to_owned(),
        details,
        attachments: if kind == SupplementKind::Recording { vec![recording] } else { Vec::new() },
        trace_keys: vec![TraceKey(source.to_owned())],
        at: "2026-03-02T09:00:00Z".parse().unwrap(),
    }
}

async fn hand_in(house: &House, addition: &Supplement) -> Result<Outcome, Refusal> {
    let item = Inbound::Supplement(Box::new(addition.clone()));
    house.pipeline.intake().accept(vec![item]).await.map(|mut all| all.remove(0))
}

fn supplements(house: &House) -> Vec<Value> {
    house.events().into_iter().filter(|event| event["type"] == "contact.supplemented").collect()
}

#[tokio::test]
async fn i01_a_recording_after_its_contact_is_an_event_with_a_link_and_masked_words() {
    let house = House::new();
    let receipt = house.take(call(1)).await;
    let recording = addition(1, SupplementKind::Recording, "RE1/completed");
    for _ in 0..3 {
        assert_eq!(hand_in(&house, &recording).await.unwrap(), Outcome::Supplemented(recording.event()));
        house.work_off().await;
    }
    let events = supplements(&house);
    assert_eq!(events.len(), 1, "the same again changes nothing");
    let event = &events[0];
    assert_eq!((&event["of"], &event["kind"]), (&receipt.envelope.to_string().into(), &"recording".into()));
    assert_eq!((&event["ticket"]["sequence"], &event["details"]["duration"]), (&2.into(), &17.into()));
    assert_eq!(event["details"]["text"], "card ************1111");
    let files = &event["details"]["attachments"];
    assert_eq!(files[0]["sha256"], recording.attachments[0].blob.sha256.as_str(), "a hash is no card number");
    assert!(files[0]["href"].as_str().unwrap().contains("recording.wav"), "{files}");
    let history = house.pipeline.commands().history(&receipt.reference).await.unwrap();
    let told: Vec<_> = history.journal.iter().filter(|line| line.step == "supplemented").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let trace = TraceKey("RE1/completed".to_owned()).value().unwrap();
    let found = house.store.find(&BrandName::unbranded(), Lookup::Trace(trace)).await.unwrap();
    assert_eq!(found[0].receipt.envelope, receipt.envelope);
}

#[tokio::test]
async fn i01_what_comes_before_its_contact_waits_and_is_taken_up_by_the_accept() {
    let house = House::new();
    let early = [
        addition(1, SupplementKind::Recording, "RE1/completed"),
        addition(1, SupplementKind::Status, "completed"),
        addition(2, SupplementKind::Status, "completed"),
    ];
    for one in &early {
        assert_eq!(hand_in(&house, one).await.unwrap(), Outcome::Waits);
        assert_eq!(hand_in(&house, one).await.unwrap(), Outcome::Waits, "again");
    }
    house.work_off().await;
    assert!(house.events().is_empty());
    let receipt = house.take(call(1)).await;
    let events = supplements(&house);
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event["of"] == receipt.envelope.as_str()));
    assert_eq!(hand_in(&house, &early[0]).await.unwrap(), Outcome::Supplemented(early[0].event()));
    house.work_off().await;
    assert_eq!(supplements(&house).len(), 2);
    assert_eq!(house.pipeline.sweep_supplements().await.unwrap(), 1, "the other call's still waits");
}

#[tokio::test]
async fn i01_what_another_process_kept_is_taken_up_by_the_sweep() {
    let house = House::new();
    let early = addition(1, SupplementKind::Transcript, "TR1");
    assert_eq!(hand_in(&house, &early).await.unwrap(), Outcome::Waits);
    let next = house.restarted();
    next.take(call(1)).await;
    assert!(supplements(&next).is_empty(), "it does not know of it yet");
    assert_eq!(next.pipeline.sweep_supplements().await.unwrap(), 0);
    next.work_off().await;
    assert_eq!(supplements(&next).len(), 1);
    assert_eq!(house.pipeline.sweep_supplements().await.unwrap(), 0, "nor does the first do it again");
    next.work_off().await;
    assert_eq!(supplements(&next).len(), 1);
}

/// Small values that break where a test wants them to.
struct Frail {
    inner: Arc<dyn InboxState>,
    save: AtomicBool,
    list: AtomicBool,
}

#[async_trait::async_trait]
impl InboxState for Frail {
    async fn load(&self, inbox: &InboxId, key: &str) -> Result<Option<StateValue>, StoreError> {
        self.inner.load(inbox, key).await
    }

    async fn save(
        &self,
        inbox: &InboxId,
        key: &str,
        expected: u64,
        value: bytes::Bytes,
    ) -> Result<Option<u64>, StoreError> {
        match self.save.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("gone".to_owned())),
            false => self.inner.save(inbox, key, expected, value).await,
        }
    }

    async fn list(&self, inbox: &InboxId, prefix: &str) -> Result<Vec<(String, StateValue)>, StoreError> {
        match self.list.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("gone".to_owned())),
            false => self.inner.list(inbox, prefix).await,
        }
    }

    async fn remove(&self, inbox: &InboxId, key: &str) -> Result<(), StoreError> {
        self.inner.remove(inbox, key).await
    }
}

#[tokio::test]
async fn a_store_that_fails_between_refuses_or_is_caught_up_with() {
    let mut frail = None;
    let house = House::with(Settings::default(), |parts| {
        let inner = Arc::clone(&parts.store.state);
        let one = Arc::new(Frail { inner, save: AtomicBool::new(true), list: AtomicBool::new(false) });
        parts.store.state = Arc::clone(&one) as Arc<dyn InboxState>;
        frail = Some(one);
    });
    let frail = frail.unwrap();
    let early = addition(1, SupplementKind::Recording, "RE1/completed");
    assert!(matches!(hand_in(&house, &early).await, Err(Refusal::Unavailable { .. })), "nothing is promised");
    frail.save.store(false, Ordering::SeqCst);
    assert_eq!(hand_in(&house, &early).await.unwrap(), Outcome::Waits);
    frail.list.store(true, Ordering::SeqCst);
    let receipt = house.take(call(1)).await;
    assert_eq!(
        (receipt.placement, supplements(&house).len()),
        (Placement::New, 0),
        "the contact is not refused"
    );
    frail.list.store(false, Ordering::SeqCst);
    house.pipeline.sweep_supplements().await.unwrap();
    house.work_off().await;
    assert_eq!(supplements(&house).len(), 1);
}

#[tokio::test]
async fn what_waits_for_seven_days_in_vain_is_a_dead_letter_and_nothing_is_lost() {
    let house = House::new();
    let early = addition(1, SupplementKind::Recording, "RE1/completed");
    hand_in(&house, &early).await.unwrap();
    house.clock.advance(hours(7 * 24) - seconds(1));
    assert_eq!(house.pipeline.sweep_supplements().await.unwrap(), 1);
    house.clock.advance(seconds(2));
    assert_eq!(house.pipeline.sweep_supplements().await.unwrap(), 0);
    let letters = house.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].work.subject, early.event().to_string());
    let kept: Supplement = serde_json::from_str(&letters[0].work.payload).unwrap();
    assert_eq!(kept, early, "whole, so that a replay hands it in again");
}

#[tokio::test]
async fn news_from_a_clock_that_is_ahead_is_told_at_once() {
    let house = House::new();
    house.take(call(1)).await;
    let mut late = addition(1, SupplementKind::Status, "completed");
    late.at = house.clock.now() + hours(5);
    hand_in(&house, &late).await.unwrap();
    house.work_off().await;
    assert_eq!(supplements(&house).len(), 1);
}

/// What happens in a random order.
#[derive(Clone, Copy, Debug)]
enum Move {
    Contact(u32),
    Addition(u32, u32),
    Restart,
    Sweep,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        2 => (0..2u32).prop_map(Move::Contact),
        4 => (0..2u32, 0..3u32).prop_map(|(n, which)| Move::Addition(n, which)),
        1 => Just(Move::Restart),
        1 => Just(Move::Sweep),
    ];
    prop::collection::vec(one, 0..24)
}

async fn play(moves: &[Move]) -> (usize, usize) {
    let kinds = [SupplementKind::Recording, SupplementKind::Transcript, SupplementKind::Status];
    let mut houses = vec![House::new()];
    let mut known: Vec<Receipt> = Vec::new();
    let mut handed = std::collections::BTreeSet::new();
    for step in moves {
        let house = houses.last().unwrap();
        match *step {
            Move::Contact(n) => {
                let receipt = house.take(call(n)).await;
                known.retain(|one| one.envelope != receipt.envelope);
                known.push(receipt);
            }
            Move::Addition(n, which) => {
                hand_in(house, &addition(n, kinds[which as usize], &format!("s{which}"))).await.unwrap();
                handed.insert((n, which));
            }
            Move::Restart => houses.push(house.restarted()),
            Move::Sweep => {
                house.pipeline.sweep_supplements().await.unwrap();
            }
        }
    }
    let house = houses.last().unwrap();
    house.pipeline.sweep_supplements().await.unwrap();
    house.work_off().await;
    let expected =
        handed.iter().filter(|(n, _)| known.iter().any(|one| one.envelope == id_of(call(*n)))).count();
    let mut told: Vec<String> =
        houses.iter().flat_map(supplements).map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    let all = told.len();
    told.sort();
    told.dedup();
    assert_eq!(all, told.len(), "each is told once");
    (told.len(), expected)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn i01_in_any_order_and_however_often_each_addition_of_a_known_contact_is_told_once(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (told, expected) = runtime.block_on(play(&moves));
        prop_assert_eq!(told, expected);
    }
}
