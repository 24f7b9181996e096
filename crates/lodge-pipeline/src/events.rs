//! Everything noteworthy that happens here: each event logs and counts at once. Labels name inboxes and lanes, never people.

use crate::circuit::Halt;
use lodge_domain::{Contact, Lane};
use lodge_telemetry::catalogue::{
    ArticleLabels, InboxLabels, LaneLabels, OutcomeLabels, ReasonLabels, metrics,
};
use lodge_telemetry::redact::line;

/// The longest reason that becomes a label: doors' reasons are fixed phrases, but they may quote a header after a colon.
const LABEL_LENGTH: usize = 60;

pub(crate) fn labels(contact: &Contact) -> InboxLabels {
    InboxLabels {
        channel: contact.address.channel.to_string(),
        provider: contact.address.provider.clone(),
        inbox: contact.inbox.name.to_string(),
    }
}

fn reason(inbox: &str, reason: &str) -> ReasonLabels {
    let phrase = reason.split(':').next().unwrap_or(reason);
    ReasonLabels { inbox: inbox.to_owned(), reason: line(phrase, LABEL_LENGTH) }
}

pub(crate) struct ContactAccepted<'e> {
    pub(crate) labels: &'e InboxLabels,
    pub(crate) event: &'e str,
    pub(crate) duplicate: bool,
    pub(crate) placement: &'static str,
}

impl ContactAccepted<'_> {
    pub(crate) fn emit(self) {
        let family =
            if self.duplicate { &metrics().contacts_duplicate } else { &metrics().contacts_accepted };
        family.get_or_create(self.labels).inc();
        tracing::debug!(
            event = self.event,
            inbox = self.labels.inbox,
            placement = self.placement,
            "contact accepted"
        );
    }
}

pub(crate) struct ContactCollapsed<'e> {
    pub(crate) labels: &'e InboxLabels,
}

impl ContactCollapsed<'_> {
    pub(crate) fn emit(self) {
        metrics().contacts_collapsed.get_or_create(self.labels).inc();
        tracing::warn!(
            inbox = self.labels.inbox,
            "too many contacts of one sender: kept, and told as a number"
        );
    }
}

pub(crate) struct OverBytes<'e> {
    pub(crate) labels: &'e InboxLabels,
    pub(crate) label: &'e str,
}

impl OverBytes<'_> {
    pub(crate) fn emit(self) {
        metrics().contacts_over_bytes.get_or_create(self.labels).inc();
        tracing::warn!(inbox = self.labels.inbox, limit = self.label, "original left at its source");
    }
}

pub(crate) struct ContactSkipped<'e> {
    pub(crate) inbox: &'e str,
    pub(crate) reason: &'e str,
}

impl ContactSkipped<'_> {
    pub(crate) fn emit(self) {
        metrics().contacts_skipped.get_or_create(&reason(self.inbox, self.reason)).inc();
        tracing::info!(inbox = self.inbox, reason = line(self.reason, 200), "nothing to file");
    }
}

pub(crate) struct QuestionAnswered<'e> {
    pub(crate) inbox: &'e str,
    pub(crate) article: &'e str,
}

impl QuestionAnswered<'_> {
    pub(crate) fn emit(self) {
        let labels = ArticleLabels { inbox: self.inbox.to_owned(), article: self.article.to_owned() };
        metrics().questions_answered.get_or_create(&labels).inc();
        tracing::info!(inbox = self.inbox, article = self.article, "an article answered a question");
    }
}

pub(crate) struct Supplemented<'e> {
    pub(crate) inbox: &'e str,
    pub(crate) outcome: &'static str,
}

impl Supplemented<'_> {
    pub(crate) fn emit(self) {
        metrics().supplements.get_or_create(&reason(self.inbox, self.outcome)).inc();
        match self.outcome {
            "given up" => {
                tracing::error!(inbox = self.inbox, "a supplement's contact never came, kept as dead letter");
            }
            outcome => tracing::debug!(inbox = self.inbox, outcome, "supplement"),
        }
    }
}

pub(crate) struct Refused<'e> {
    pub(crate) inbox: &'e str,
    pub(crate) reason: &'static str,
    pub(crate) error: String,
}

impl Refused<'_> {
    pub(crate) fn emit(self) {
        metrics().refusals.get_or_create(&reason(self.inbox, self.reason)).inc();
        tracing::warn!(
            inbox = self.inbox,
            reason = self.reason,
            error = line(&self.error, 300),
            "batch refused"
        );
    }
}

pub(crate) struct AcknowledgmentSuppressed<'e> {
    pub(crate) inbox: &'e str,
    pub(crate) event: &'e str,
    pub(crate) reason: &'e str,
}

impl AcknowledgmentSuppressed<'_> {
    pub(crate) fn emit(self) {
        metrics().acknowledgments_suppressed.get_or_create(&reason(self.inbox, self.reason)).inc();
        tracing::debug!(event = self.event, reason = line(self.reason, 200), "acknowledgment suppressed");
    }
}

pub(crate) struct AcknowledgmentEnded<'e> {
    pub(crate) labels: &'e InboxLabels,
    pub(crate) event: &'e str,
    pub(crate) in_doubt: bool,
}

impl AcknowledgmentEnded<'_> {
    pub(crate) fn emit(self) {
        if self.in_doubt {
            metrics().acknowledgments_in_doubt.get_or_create(self.labels).inc();
            tracing::warn!(event = self.event, "acknowledgment may have gone out, and is not repeated");
        } else {
            metrics().acknowledgments_sent.get_or_create(self.labels).inc();
            tracing::debug!(event = self.event, "acknowledgment sent");
        }
    }
}

pub(crate) struct WorkSettled<'e> {
    pub(crate) lane: &'e Lane,
    pub(crate) outcome: &'static str,
    pub(crate) subject: &'e str,
    pub(crate) error: Option<&'e str>,
}

impl WorkSettled<'_> {
    pub(crate) fn emit(self) {
        let lane = self.lane.to_string();
        metrics()
            .work_settled
            .get_or_create(&OutcomeLabels { lane: lane.clone(), outcome: self.outcome.to_owned() })
            .inc();
        let error = self.error.map(|error| line(error, 300)).unwrap_or_default();
        match self.outcome {
            "dead" => {
                tracing::error!(lane, subject = self.subject, error, "given up, kept among the dead letters");
            }
            "retry" => tracing::info!(lane, subject = self.subject, error, "deferred"),
            "lease lost" => {
                tracing::warn!(lane, subject = self.subject, "lease lost, somebody else goes on");
            }
            _ => tracing::trace!(lane, subject = self.subject, "settled"),
        }
    }
}

pub(crate) struct LaneHalted<'e> {
    pub(crate) lane: &'e Lane,
    pub(crate) halt: &'e Halt,
}

impl LaneHalted<'_> {
    pub(crate) fn emit(self) {
        let lane = self.lane.to_string();
        let why = line(&self.halt.why, 300);
        if self.halt.parked {
            metrics().lane_parked.get_or_create(&LaneLabels { lane: lane.clone() }).set(1);
            tracing::error!(lane, why, "lane parked: nothing gets through until an operator acts");
        } else {
            tracing::warn!(lane, why, "lane waits: the far side does not answer");
        }
    }
}

pub(crate) struct LaneResumed<'e> {
    pub(crate) lane: &'e Lane,
}

impl LaneResumed<'_> {
    pub(crate) fn emit(self) {
        let lane = self.lane.to_string();
        metrics().lane_parked.get_or_create(&LaneLabels { lane: lane.clone() }).set(0);
        tracing::info!(lane, "lane moves again");
    }
}

pub(crate) struct StoreTrouble<'e> {
    pub(crate) what: &'static str,
    pub(crate) lane: &'e Lane,
    pub(crate) error: String,
}

impl StoreTrouble<'_> {
    pub(crate) fn emit(self) {
        tracing::warn!(lane = %self.lane, error = line(&self.error, 300), "{} failed, trying again", self.what);
    }
}

pub(crate) struct TemplateFailed<'e> {
    pub(crate) language: &'e str,
    pub(crate) error: String,
}

impl TemplateFailed<'_> {
    pub(crate) fn emit(self) {
        tracing::error!(
            language = self.language,
            error = line(&self.error, 300),
            "template failed, the built-in text goes out"
        );
    }
}
