//! The way back to a caller: a text message, where the caller agreed to that. Everybody else is to be called by a person,
//! and the reply's state says so.

use crate::contact::WayBack;
use crate::dialect::{Dialect, TextMessage};
use async_trait::async_trait;
use lodge_domain::delivery::{Announced, OutboundMessage};
use lodge_domain::ports::Replier;
use lodge_domain::{DeliveryError, Disposition, Sent};
use std::sync::Arc;

/// The longest text message, in characters: ten parts of one.
const LONGEST: usize = 1530;

/// Sends text messages through one inbox's provider.
pub(crate) struct CallReplier {
    pub(crate) dialect: Arc<dyn Dialect>,
    /// The number that sends, where it is not the one that was called.
    pub(crate) from: Option<String>,
}

#[async_trait]
impl Replier for CallReplier {
    fn announce(&self, _: &OutboundMessage) -> Announced {
        Announced::default()
    }

    async fn send(&self, message: &OutboundMessage) -> Result<Sent, DeliveryError> {
        let never = |words: &str| DeliveryError::new(Disposition::Never, words);
        let way: WayBack = serde_json::from_value(message.return_path.sealed.clone())
            .map_err(|_| never("read the way back of a call"))?;
        if !way.consent {
            let words = "send a text message: the caller did not agree to any, call them back by telephone";
            return Err(never(words));
        }
        let Some(from) = self.from.as_deref().or(way.from.as_deref()) else {
            return Err(never("send a text message: no number of ours is known"));
        };
        if message.text.chars().count() > LONGEST {
            return Err(never("send a text message: it is longer than 1530 characters"));
        }
        let text =
            TextMessage { id: &message.id, account: &way.account, from, to: &way.to, text: &message.text };
        let sent = self.dialect.text(&text).await?;
        tracing::debug!(reply = %text.id, "text message handed over");
        Ok(sent)
    }
}
