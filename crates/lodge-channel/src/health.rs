//! How an inbox fares, for `/readyz`, the metrics and the operator: since when, and why.

use jiff::Timestamp;
use lodge_domain::ports::Clock;
use lodge_domain::{ChannelAddress, InboxName};
use lodge_telemetry::catalogue::{InboxLabels, metrics};
use std::sync::{Arc, Mutex, PoisonError};

/// How an inbox, or a part of it, fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// The inbox.
    pub inbox: InboxName,
    /// Its door.
    pub address: ChannelAddress,
    /// Which part: `fetch`, `send`, ….
    pub part: &'static str,
    /// Since when it fails, and why with what to do; `None` while all is well.
    pub failing: Option<(Timestamp, String)>,
    /// When it last worked.
    pub last_success: Option<Timestamp>,
}

/// Where one part of an inbox reports.
pub struct Health {
    clock: Arc<dyn Clock>,
    report: Mutex<HealthReport>,
}

impl Health {
    /// A part that neither worked nor failed yet.
    #[must_use]
    pub fn new(
        inbox: InboxName,
        address: ChannelAddress,
        part: &'static str,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let report = HealthReport { inbox, address, part, failing: None, last_success: None };
        Arc::new(Self { clock, report: Mutex::new(report) })
    }

    /// It works. Logs the end of a failure.
    pub fn works(&self) {
        let now = self.clock.now();
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, _)) = report.failing.take() {
            tracing::info!(inbox = %report.inbox, part = report.part, %since, "inbox works again");
        }
        report.last_success = Some(now);
        let labels = labels(&report);
        metrics().inbox_healthy.get_or_create(&labels).set(1);
        metrics().inbox_last_success_seconds.get_or_create(&labels).set(now.as_second());
    }

    /// It fails, for this reason. Logs the first of a row.
    pub fn fails(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let since = report.failing.as_ref().map_or_else(|| self.clock.now(), |(since, _)| *since);
        if report.failing.as_ref().is_none_or(|(_, before)| *before != reason) {
            tracing::warn!(inbox = %report.inbox, part = report.part, %since, reason, "inbox fails");
        }
        report.failing = Some((since, reason));
        metrics().inbox_healthy.get_or_create(&labels(&report)).set(0);
    }

    /// How it fares.
    #[must_use]
    pub fn report(&self) -> HealthReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn labels(report: &HealthReport) -> InboxLabels {
    InboxLabels {
        channel: report.address.channel.to_string(),
        provider: report.address.provider.clone(),
        inbox: report.inbox.to_string(),
    }
}
