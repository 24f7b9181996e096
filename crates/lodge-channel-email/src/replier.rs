//! The way back by mail: composes what is to be said and hands it to the relay.

use crate::compose::{MailReturn, SenderIdentity, compose};
use crate::smtp::{FINAL_ANSWER, Outgoing, Pool, send};
use crate::tokens::message_id;
use crate::understand::message_id_key;
use async_trait::async_trait;
use bytes::Bytes;
use lettre::Address;
use lodge_domain::delivery::{Announced, OutboundKind, OutboundMessage, Sent};
use lodge_domain::ports::{BlobError, Blobs, Clock, Replier};
use lodge_domain::{
    DeliveryError, Disposition, HandleKind, InboxName, KeyRing, PartyHandle, ReturnPath, TraceKey,
};
use std::sync::Arc;

/// Sends through one relay in the name of one inbox.
pub(crate) struct MailReplier {
    pub(crate) inbox: InboxName,
    pub(crate) pool: Pool,
    pub(crate) sender: SenderIdentity,
    /// The envelope sender of acknowledgments; `None`: the null sender.
    pub(crate) acknowledge_from: Option<Address>,
    /// The relay's name, which tells whether it gives mail ids of its own.
    pub(crate) relay_host: String,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl MailReplier {
    async fn files(&self, message: &OutboundMessage) -> Result<Vec<(String, String, Bytes)>, DeliveryError> {
        let mut files = Vec::with_capacity(message.attachments.len());
        for file in &message.attachments {
            let content = self.blobs.read(&file.blob).await.map_err(|error| match error {
                BlobError::Unavailable(_) | BlobError::NoRoom(_) => {
                    DeliveryError::later(format!("read an attachment: {error}")).unanswered()
                }
                BlobError::Missing | BlobError::Damaged => {
                    DeliveryError::new(Disposition::Never, format!("read an attachment: {error}"))
                }
            })?;
            files.push((file.name.clone(), file.media_type.clone(), content));
        }
        Ok(files)
    }

    async fn outgoing(&self, message: &OutboundMessage) -> Result<Outgoing, DeliveryError> {
        let files = self.files(message).await?;
        let composed = compose(message, &self.sender, &self.keys, &files, self.clock.now())
            .map_err(|error| DeliveryError::new(Disposition::Never, format!("compose the mail: {error}")))?;
        let from = match (composed.envelope_from, message.kind) {
            (None, OutboundKind::Acknowledgment) => self.acknowledge_from.clone(),
            (from, _) => from.as_deref().map(address).transpose()?,
        };
        let to: Result<Vec<Address>, DeliveryError> = composed.to.iter().map(|to| address(to)).collect();
        Ok(Outgoing { from, to: to?, bytes: composed.bytes, final_answer: FINAL_ANSWER })
    }
}

fn address(text: &str) -> Result<Address, DeliveryError> {
    text.parse().map_err(|_| {
        DeliveryError::new(Disposition::Never, "address the mail: not an address that mail can be sent to")
    })
}

#[async_trait]
impl Replier for MailReplier {
    fn announce(&self, message: &OutboundMessage) -> Announced {
        let domain = &self.sender.message_id_domain;
        let id =
            message_id(&self.keys, &message.brand, message.kind, &message.conversation, &message.id, domain);
        Announced { keys: message_id_key(&id).into_iter().collect(), traces: vec![TraceKey(id)] }
    }

    /// To an address that was typed somewhere: nothing is answered, so nothing is quoted or threaded to.
    fn path_to(&self, party: &PartyHandle, _: Option<&str>) -> Option<ReturnPath> {
        if party.kind != HandleKind::Email || party.value.parse::<Address>().is_err() {
            return None;
        }
        let back = MailReturn {
            to: party.value.clone(),
            reply_to: None,
            alias: None,
            message_id: None,
            references: Vec::new(),
            subject: None,
            language: None,
            authenticated: false,
        };
        let sealed = serde_json::to_value(back).ok()?;
        Some(ReturnPath { inbox: self.inbox.clone(), sealed })
    }

    async fn send(&self, message: &OutboundMessage) -> Result<Sent, DeliveryError> {
        let mail = self.outgoing(message).await?;
        let taken = send(&self.pool, &mail).await?;
        let ids = relay_ids(&self.relay_host, &taken.answer);
        let keys = ids.iter().filter_map(|id| message_id_key(id)).collect();
        Ok(Sent {
            keys,
            traces: ids.into_iter().map(TraceKey).collect(),
            recipients: taken.recipients,
            unless_seen: None,
        })
    }
}

/// Ids that the relay gives a mail in place of ours, told in its last answer: Amazon SES writes
/// `250 Ok 0100018f…-000000` and sends the mail as `<0100018f…-000000@{region}.amazonses.com>`.
fn relay_ids(host: &str, answer: &str) -> Vec<String> {
    let host = host.to_ascii_lowercase();
    let Some(region) = host.strip_prefix("email-smtp.").and_then(|rest| rest.strip_suffix(".amazonaws.com"))
    else {
        return Vec::new();
    };
    let looks_right = |word: &&str| {
        word.len() >= 20 && word.contains('-') && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
    };
    let Some(id) = answer.split_whitespace().find(looks_right) else { return Vec::new() };
    // The first region's mail carries another name than its own.
    let mut ids = vec![format!("{id}@{region}.amazonses.com")];
    if region == "us-east-1" {
        ids.push(format!("{id}@email.amazonses.com"));
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::relay_ids;

    #[test]
    fn ids_that_a_relay_gives_are_recognised() {
        let answer = "Ok 0102018f7e5d1c2a-1b2c3d4e-0000-4000-8000-aabbccddeeff-000000";
        let id = "0102018f7e5d1c2a-1b2c3d4e-0000-4000-8000-aabbccddeeff-000000";
        assert_eq!(
            relay_ids("email-smtp.eu-west-1.amazonaws.com", answer),
            [format!("{id}@eu-west-1.amazonses.com")]
        );
        assert_eq!(relay_ids("email-smtp.us-east-1.amazonaws.com", answer).len(), 2);
        assert!(relay_ids("smtp.acme.example", answer).is_empty());
        assert!(relay_ids("email-smtp.eu-west-1.amazonaws.com", "2.0.0 Ok: queued").is_empty());
    }
}
