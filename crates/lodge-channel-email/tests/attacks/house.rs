//! An inbox that understands mails, over the model store.

use bytes::Bytes;
use lodge_channel_email::compose::MailReturn;
use lodge_channel_email::tokens::{self, ReplyAddress};
use lodge_channel_email::understand::{Arrival, Copies, OwnAddress, Surroundings, Understood, understand};
use lodge_domain::effect::{Applied, Effect, Step};
use lodge_domain::ports::{Clock, Ledger};
use lodge_domain::{
    BrandName, Candidate, Contact, Conversation, Inbound, InboxId, InboxName, KeyRing, Receipt, Timestamp,
};
use lodge_testkit::{ManualClock, ModelStore, SeededEntropy};
use std::sync::Arc;

/// What our own mail server says of a mail that really is from example.com.
pub(crate) const GENUINE: &str =
    "Authentication-Results: mx.acme.example; dmarc=pass header.from=example.com\r\n";

pub(crate) fn keys() -> KeyRing {
    KeyRing::new(&[(1, vec![7; 32])]).unwrap()
}

pub(crate) fn around() -> Surroundings {
    let inbox = InboxName::parse("support").unwrap();
    Surroundings {
        inbox: InboxId { brand: BrandName::unbranded(), name: inbox.clone() },
        provider: "imap".to_owned(),
        own: vec![OwnAddress { inbox, address: "support@acme.example".to_owned() }],
        reply_address: Some(ReplyAddress::plus("support@acme.example").unwrap()),
        authserv_ids: vec!["mx.acme.example".to_owned()],
        trusted_headers: false,
        copies: Copies::One,
        keys: Arc::new(keys()),
        message_id_domain: "acme.example".to_owned(),
        instance: "test".to_owned(),
    }
}

pub(crate) fn arrival() -> Arrival {
    let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    Arrival { received_at: now, now, backfill: false, truncated: None }
}

pub(crate) fn understood(raw: &[u8]) -> Understood {
    understand(&Bytes::copy_from_slice(raw), &arrival(), &around())
}

pub(crate) fn contact_of(raw: &[u8]) -> Contact {
    match understood(raw).inbound {
        Inbound::Contact(contact) => *contact,
        other => panic!("not a contact: {other:?}"),
    }
}

/// A store that accepts what comes by mail.
pub(crate) struct Desk {
    store: ModelStore,
    clock: Arc<ManualClock>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        Self { store: ModelStore::new(clock.clone(), Arc::new(SeededEntropy::new(1))), clock }
    }

    pub(crate) async fn take(&self, raw: &str) -> (Contact, Receipt) {
        let contact = contact_of(raw.as_bytes());
        let candidate = Candidate::new(&contact, self.clock.now()).unwrap();
        let receipt = self.store.accept(vec![candidate]).await.unwrap().remove(0);
        // As triage does: a conversation is found by its own names.
        let names =
            [tokens::conversation_key(&receipt.conversation), tokens::reference_key(&receipt.reference)];
        let keys = names.into_iter().flatten().collect();
        let effects = vec![Effect::Learn { conversation: receipt.conversation.clone(), keys }];
        let step = Step { brand: BrandName::unbranded(), guard: None, effects };
        assert_eq!(self.store.apply(step).await, Ok(Applied::Done));
        (contact, receipt)
    }

    pub(crate) async fn conversation(&self, receipt: &Receipt) -> Conversation {
        let brand = BrandName::unbranded();
        self.store.conversation(&brand, &receipt.conversation).await.unwrap().unwrap()
    }
}

pub(crate) fn handles(conversation: &Conversation) -> Vec<&str> {
    conversation.participants.iter().map(|(handle, _)| handle.value.as_str()).collect()
}

/// Where an agent's answer would go.
pub(crate) fn answers_go_to(conversation: &Conversation) -> String {
    let back: MailReturn =
        serde_json::from_value(conversation.return_path.as_ref().unwrap().sealed.clone()).unwrap();
    back.reply_to.unwrap_or(back.to)
}
