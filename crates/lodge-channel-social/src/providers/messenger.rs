//! Messenger of a Facebook page: messages of people to the page, and ours to them.

pub(crate) use super::meta::SCRATCH;
use super::meta::{Graph, Meta};
use super::meta_messaging::{answer, beyond_window, conversations, name_of};
use crate::heard::Heard;
use crate::pace::Pace;
use crate::speech::{Capabilities, FilesOut, Outgoing, Settings, Speech, Unit};
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_channel::fetch::MediaPolicy;
use lodge_channel::webhook::{Answer, Forged, Unverified, Verified};
use lodge_channel::{Context, Problem, Secret};
use lodge_domain::DeliveryError;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// What Messenger can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of the body",
    text: (2000, Unit::Characters),
    window: "24 h",
    public: false,
    files_in: true,
    files_out: FilesOut::All,
    changes: "edits",
    receipts: "delivered, read",
    registers: false,
    pace: Pace::new((50, 1), (10, 10)),
};

/// Messenger of a Facebook page.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Messenger(Meta);

impl Settings for Messenger {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.0.secrets()
    }

    fn account(&self) -> Option<String> {
        self.0.page_id.clone()
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        conversations(&self.0, body, "page", now)
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        Ok(Arc::new(Page { graph: self.0.connect(context)?, settings: self.0.clone() }))
    }
}

struct Page {
    graph: Graph,
    settings: Meta,
}

#[async_trait]
impl Speech for Page {
    fn handshake(&self, request: &Unverified) -> Option<Answer> {
        Some(self.graph.handshake(request))
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        self.graph.verify(request)
    }

    fn beyond_window(&self, ended: Timestamp, now: Timestamp) -> Result<(), String> {
        beyond_window(&self.settings, ended, now)
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        answer(&self.graph, outgoing).await
    }

    fn media_policy(&self) -> MediaPolicy {
        self.graph.media_policy()
    }

    async fn name_of(&self, account: &str) -> Option<String> {
        name_of(&self.graph, account).await
    }
}
