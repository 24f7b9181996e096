//! A gateway with an inbox of a provider that only a test speaks like.

use super::rig::{PUBLIC, hotline, inbox};
use crate::calls::Calls;
use crate::desk::Desk;
use crate::dialect::Dialect;
use crate::filing::Policy;
use crate::recordings::Recordings;
use lodge_channel::webhook::Desk as WebhookDesk;
use lodge_domain::ports::Clock;
use lodge_testkit::{ManualClock, MemoryBlobs, ModelStore, RecordingIntake, SeededEntropy};
use std::sync::Arc;

pub(super) struct Invented {
    pub(super) webhooks: WebhookDesk,
    pub(super) desk: Arc<Desk>,
    pub(super) intake: Arc<RecordingIntake>,
    pub(super) blobs: Arc<MemoryBlobs>,
}

impl Invented {
    pub(super) fn of(dialect: Arc<dyn Dialect>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        let state = Arc::new(ModelStore::new(Arc::clone(&clock), Arc::new(SeededEntropy::new(1))));
        let blobs = Arc::new(MemoryBlobs::new(Arc::clone(&clock)));
        let intake = Arc::new(RecordingIntake::new());
        let calls = Arc::new(Calls::new(inbox(), state.clone(), Arc::clone(&clock)));
        let recordings = Arc::new(Recordings {
            inbox: inbox(),
            dialect: Arc::clone(&dialect),
            delete: false,
            intake: intake.clone(),
            state,
            calls: Arc::clone(&calls),
            blobs: blobs.clone(),
            clock: Arc::clone(&clock),
            wake: tokio::sync::Notify::new(),
        });
        let desk = Arc::new(Desk {
            inbox: inbox(),
            provider: "invented",
            base: format!("{PUBLIC}/hooks/page"),
            dialogue: hotline(),
            dialect,
            policy: Policy { missed: true, abandoned: true, anonymous: true },
            texts: false,
            intake: intake.clone(),
            calls,
            clock: Arc::clone(&clock),
            recordings,
        });
        let public = Some(PUBLIC.to_owned());
        let webhooks = WebhookDesk::new(inbox().name, public, desk.clone(), intake.clone(), clock);
        Self { webhooks, desk, intake, blobs }
    }
}
