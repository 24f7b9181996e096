//! A way back that remembers what went out and fares as it was told to.

use async_trait::async_trait;
use lodge_domain::delivery::{Announced, DeliveryError, OutboundMessage, Sent};
use lodge_domain::ports::Replier;
use lodge_domain::{ThreadKeyValue, TraceKey};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Sends everything, unless a scripted answer comes first. Announces one key a message, made of its id.
pub struct RecordingReplier {
    idempotent: bool,
    script: Mutex<VecDeque<Result<Sent, DeliveryError>>>,
    sent: Mutex<Vec<OutboundMessage>>,
}

impl RecordingReplier {
    /// A way back that does (`idempotent`) or does not recognise a repeated send.
    #[must_use]
    pub fn new(idempotent: bool) -> Self {
        Self { idempotent, script: Mutex::default(), sent: Mutex::default() }
    }

    /// Answers the next send without an answer of its own with `answer`.
    pub fn answer_next(&self, answer: Result<Sent, DeliveryError>) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
    }

    /// Every send so far, failed ones included, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<OutboundMessage> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Replier for RecordingReplier {
    fn announce(&self, message: &OutboundMessage) -> Announced {
        let id = format!("<{}@out.example>", message.id);
        let keys = ThreadKeyValue::new("message-id", &id).into_iter().collect();
        Announced { keys, traces: vec![TraceKey(id)] }
    }

    async fn send(&self, message: &OutboundMessage) -> Result<Sent, DeliveryError> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
        let scripted = self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        scripted.unwrap_or(Ok(Sent {
            keys: Vec::new(),
            traces: Vec::new(),
            recipients: Vec::new(),
            unless_seen: None,
        }))
    }

    fn is_idempotent(&self) -> bool {
        self.idempotent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{sample_message, sample_time};

    #[tokio::test]
    async fn it_fares_by_the_script_and_then_sends_everything() {
        let replier = RecordingReplier::new(false);
        let founds = crate::sample_contact().candidate(sample_time()).founds;
        let message = sample_message(&founds, "k1");
        replier.answer_next(Err(DeliveryError::later("no").doubtful()));
        assert!(replier.send(&message).await.is_err_and(|error| error.in_doubt));
        assert!(replier.send(&message).await.is_ok());
        assert_eq!(replier.sent(), [message.clone(), message.clone()]);
        assert_eq!(replier.announce(&message), replier.announce(&message));
        assert_eq!(replier.announce(&message).keys.len(), 1);
    }
}
