//! Every metric of Lodge, in one page. Labels are `channel`, `provider`, `inbox`, `lane`, `reason`, `article`: words of ours or of
//! the configuration, never of a contact, so that their number is bounded.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use prometheus_client::registry::Registry;
use std::sync::LazyLock;

/// An inbox and its door.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InboxLabels {
    /// The kind of door.
    pub channel: String,
    /// The company or protocol behind it.
    pub provider: String,
    /// The inbox's name.
    pub inbox: String,
}

/// An inbox, and a fixed phrase that says why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabels {
    /// The inbox's name.
    pub inbox: String,
    /// A fixed phrase.
    pub reason: String,
}

/// An inbox, and one of the operator's articles.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ArticleLabels {
    /// The inbox's name.
    pub inbox: String,
    /// The article's id: the name of the operator's own file.
    pub article: String,
}

/// A lane of work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LaneLabels {
    /// The lane.
    pub lane: String,
}

/// A lane, and how its work ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabels {
    /// The lane.
    pub lane: String,
    /// `done`, `retry`, `dead`, `lease lost`.
    pub outcome: String,
}

macro_rules! catalogue {
    ($($(#[doc = $doc:literal])+ $field:ident: $kind:ty = $name:literal;)*) => {
        /// All metrics.
        pub struct Catalogue {
            registry: Registry,
            $($(#[doc = $doc])+ pub $field: $kind,)*
        }

        impl Catalogue {
            fn new() -> Self {
                let mut registry = Registry::with_prefix("lodge");
                $(let $field: $kind = New::new(); registry.register($name, concat!($($doc),+).trim(), $field.clone());)*
                Self { registry, $($field,)* }
            }
        }
    };
}

/// How each kind of metric starts.
trait New {
    fn new() -> Self;
}

impl<L: Clone + std::hash::Hash + Eq> New for Family<L, Counter> {
    fn new() -> Self {
        Self::default()
    }
}

impl<L: Clone + std::hash::Hash + Eq> New for Family<L, Gauge> {
    fn new() -> Self {
        Self::default()
    }
}

impl New for Gauge {
    fn new() -> Self {
        Self::default()
    }
}

impl New for Histogram {
    fn new() -> Self {
        Self::new(prometheus_client::metrics::histogram::exponential_buckets(0.001, 2.0, 20))
    }
}

catalogue! {
    /// Contacts accepted.
    contacts_accepted: Family<InboxLabels, Counter> = "contacts_accepted";
    /// Contacts that were known already.
    contacts_duplicate: Family<InboxLabels, Counter> = "contacts_duplicate";
    /// Contacts looked at without anything to file, by reason.
    contacts_skipped: Family<ReasonLabels, Counter> = "contacts_skipped";
    /// Later additions to contacts, by what became of them.
    supplements: Family<ReasonLabels, Counter> = "supplements";
    /// Questions that an article answered, without a ticket.
    questions_answered: Family<ArticleLabels, Counter> = "questions_answered";
    /// Contacts put into quarantine.
    contacts_quarantined: Family<InboxLabels, Counter> = "contacts_quarantined";
    /// Contacts that were kept and told to the core as a number only, because their sender sent too many.
    contacts_collapsed: Family<InboxLabels, Counter> = "contacts_collapsed";
    /// Contacts whose original was left at its source, because an allowance of bytes was used up.
    contacts_over_bytes: Family<InboxLabels, Counter> = "contacts_over_bytes";
    /// Acknowledgments sent.
    acknowledgments_sent: Family<InboxLabels, Counter> = "acknowledgments_sent";
    /// Acknowledgments held back, by reason.
    acknowledgments_suppressed: Family<ReasonLabels, Counter> = "acknowledgments_suppressed";
    /// Acknowledgments that may have gone out and are never repeated.
    acknowledgments_in_doubt: Family<InboxLabels, Counter> = "acknowledgments_in_doubt";
    /// Work settled, by lane and outcome.
    work_settled: Family<OutcomeLabels, Counter> = "work_settled";
    /// Work waiting, by lane.
    lane_depth: Family<LaneLabels, Gauge> = "lane_depth";
    /// Age of the oldest work, by lane, in seconds.
    lane_oldest_seconds: Family<LaneLabels, Gauge> = "lane_oldest_seconds";
    /// Whether a lane is parked because nothing can get through (1) or not (0).
    lane_parked: Family<LaneLabels, Gauge> = "lane_parked";
    /// Dead letters kept.
    dead_letters: Gauge = "dead_letters";
    /// Whether an inbox is healthy (1) or not (0).
    inbox_healthy: Family<InboxLabels, Gauge> = "inbox_healthy";
    /// When an inbox last worked, in seconds since 1970.
    inbox_last_success_seconds: Family<InboxLabels, Gauge> = "inbox_last_success_timestamp_seconds";
    /// From accepted to taken over by the core, in seconds.
    forward_latency_seconds: Histogram = "forward_latency_seconds";
    /// From handed over by a door to durable, in seconds.
    accept_latency_seconds: Histogram = "accept_latency_seconds";
    /// Refused requests of doors, by reason.
    refusals: Family<ReasonLabels, Counter> = "refusals";
    /// Times the shared store had forgotten what it had confirmed.
    store_losses: Gauge = "store_losses";
}

/// The metrics of this process.
pub fn metrics() -> &'static Catalogue {
    static METRICS: LazyLock<Catalogue> = LazyLock::new(Catalogue::new);
    &METRICS
}

impl Catalogue {
    /// The exposition text (OpenMetrics 1.0).
    ///
    /// # Errors
    /// Never in practice: writing into a string does not fail.
    pub fn expose(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn metrics_are_exposed_under_our_prefix() {
        let labels = super::ReasonLabels { inbox: "support".to_owned(), reason: "auto-submitted".to_owned() };
        super::metrics().acknowledgments_suppressed.get_or_create(&labels).inc();
        let text = super::metrics().expose().unwrap();
        assert!(text.contains("lodge_acknowledgments_suppressed_total{inbox=\"support\""), "{text}");
    }
}
