//! What all sockets of an inbox share.

use crate::bot::Bot;
use crate::config::{ChatSettings, FRAME, MESSAGE_WINDOW};
use crate::crowd::Crowd;
use crate::identity::IdentityKeys;
use crate::origins::Origins;
use crate::protocol::Limits;
use crate::registry::Registry;
use jiff::Timestamp;
use lodge_channel::{Client, Context, FileLinks};
use lodge_domain::ports::{Blobs, Clock, Entropy, InboxState, Intake, Leases, Timelines};
use lodge_domain::{Hours, InboxId, InboxName, KeyRing, NodeName};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What all sockets of an inbox share.
pub(crate) struct Desk {
    pub(crate) inbox: InboxId,
    pub(crate) settings: ChatSettings,
    pub(crate) origins: Origins,
    pub(crate) ask: Vec<&'static str>,
    pub(crate) identities: IdentityKeys,
    pub(crate) hours: Option<Hours>,
    pub(crate) bot: Option<Bot>,
    pub(crate) node: NodeName,
    pub(crate) state: Arc<dyn InboxState>,
    pub(crate) leases: Arc<dyn Leases>,
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) timelines: Arc<dyn Timelines>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) files: Arc<dyn FileLinks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) shutdown: CancellationToken,
}

impl Desk {
    /// The desk of an inbox.
    pub(crate) fn new(
        settings: &ChatSettings,
        identities: IdentityKeys,
        bot: Option<Bot>,
        context: Context,
    ) -> Arc<Self> {
        let hours = settings.hours.as_ref().and_then(|name| context.hours.get(name).cloned());
        Arc::new(Self {
            inbox: context.inbox,
            ask: settings.ask.iter().map(|ask| ask.as_str()).collect(),
            settings: settings.clone(),
            origins: Origins::new(&settings.origins),
            identities,
            hours,
            bot,
            node: context.node,
            state: context.state,
            leases: context.leases,
            intake: context.intake,
            timelines: context.timelines,
            blobs: context.blobs,
            files: context.files,
            clock: context.clock,
            entropy: context.entropy,
            keys: context.keys,
            registry: Arc::default(),
            crowd: Arc::default(),
            shutdown: context.shutdown,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            text: self.settings.text,
            frame: FRAME,
            messages: self.settings.messages,
            seconds: MESSAGE_WINDOW.as_secs(),
            upload_bytes: self.settings.upload_bytes,
            attachments: self.settings.attachments,
        }
    }

    /// Whether somebody is there, and when somebody is there next.
    pub(crate) fn presence(&self) -> (bool, Option<Timestamp>) {
        let Some(hours) = &self.hours else { return (true, None) };
        let now = self.now();
        if hours.is_open(now) { (true, None) } else { (false, hours.next_open(now)) }
    }

    /// The inbox that answers visitors who left.
    pub(crate) fn continue_by(&self) -> Option<&InboxName> {
        self.settings.continue_by.as_ref()
    }

    /// Counts a new session of a household (T55); how long to wait where there are too many.
    pub(crate) fn may_begin(&self, client: Option<Client>) -> Result<(), Duration> {
        let Some(client) = client else { return Ok(()) };
        self.crowd.begin(client, self.now(), &self.settings)
    }
}
