//! Work for lanes, for tests that need any.

use super::sample_time;
use jiff::Timestamp;
use lodge_domain::{BrandName, ConversationId, Lane, NewWork, WorkId, WorkKind};

/// Work being described; [`SampleWork::build`] ends the description.
#[derive(Clone, Debug)]
pub struct SampleWork(NewWork);

/// Forward work about `subject`, due at [`sample_time`], outside any conversation.
#[must_use]
pub fn sample_work(subject: &str) -> SampleWork {
    SampleWork(NewWork {
        id: WorkId::of(subject, WorkKind::Forward.as_str(), 0),
        lane: Lane::Forward,
        kind: WorkKind::Forward,
        brand: BrandName::unbranded(),
        conversation: None,
        subject: subject.to_owned(),
        sequence: None,
        payload: String::new(),
        due: sample_time(),
    })
}

impl SampleWork {
    /// Its queue and kind, and with them its id.
    #[must_use]
    pub fn lane(mut self, lane: Lane, kind: WorkKind) -> Self {
        self.0.id = WorkId::of(&self.0.subject, kind.as_str(), 0);
        self.0.lane = lane;
        self.0.kind = kind;
        self
    }

    /// Whose it is.
    #[must_use]
    pub fn brand(mut self, brand: &BrandName) -> Self {
        self.0.brand = brand.clone();
        self
    }

    /// The conversation whose order it keeps.
    #[must_use]
    pub fn conversation(mut self, conversation: &ConversationId) -> Self {
        self.0.conversation = Some(conversation.clone());
        self
    }

    /// Not before this.
    #[must_use]
    pub fn due(mut self, due: Timestamp) -> Self {
        self.0.due = due;
        self
    }

    /// Whatever else it needs.
    #[must_use]
    pub fn payload(mut self, payload: &str) -> Self {
        self.0.payload = payload.to_owned();
        self
    }

    /// The work.
    #[must_use]
    pub fn build(self) -> NewWork {
        self.0
    }
}
