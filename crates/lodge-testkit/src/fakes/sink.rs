//! A core that remembers what it was sent and answers as it was told to.

use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::ports::{SinkAnswer, TicketSink};
use lodge_domain::{DeliveryError, EventId};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Takes every event, unless a scripted answer comes first.
#[derive(Default)]
pub struct RecordingSink {
    script: Mutex<VecDeque<Result<SinkAnswer, DeliveryError>>>,
    received: Mutex<Vec<(EventId, Bytes)>>,
}

impl RecordingSink {
    /// A core that takes everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers the next forward without an answer of its own with `answer`.
    pub fn answer_next(&self, answer: Result<SinkAnswer, DeliveryError>) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
    }

    /// Every forward so far, failed ones included, in order.
    #[must_use]
    pub fn received(&self) -> Vec<(EventId, Bytes)> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl TicketSink for RecordingSink {
    async fn forward(&self, event: &EventId, body: Bytes) -> Result<SinkAnswer, DeliveryError> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).push((event.clone(), body));
        let scripted = self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        scripted.unwrap_or_else(|| Ok(SinkAnswer::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sample_contact, samples::sample_time};

    #[tokio::test]
    async fn it_answers_by_the_script_and_then_takes_everything() {
        let sink = RecordingSink::new();
        let event = sample_contact().candidate(sample_time()).envelope;
        sink.answer_next(Err(DeliveryError::later("no")));
        assert!(sink.forward(&event, Bytes::from_static(b"1")).await.is_err());
        assert!(sink.forward(&event, Bytes::from_static(b"1")).await.is_ok());
        assert_eq!(sink.received().len(), 2);
    }
}
