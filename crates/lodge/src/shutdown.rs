//! Ends softly on the first signal, at once on the second.

use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two ways to end.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Close the doors, finish what is under way.
    pub soft: CancellationToken,
    /// Drop everything; leases end by themselves and the work comes back.
    pub hard: CancellationToken,
}

impl Shutdown {
    /// How long a soft end may take before it becomes a hard one.
    pub const GRACE: Duration = Duration::from_secs(28);

    /// Listens for SIGTERM and SIGINT until the process ends.
    ///
    /// # Errors
    /// Where the system refuses to tell us about signals.
    pub fn listen() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let tokens = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            tracing::info!(
                "stopping: doors close, what is under way is finished; a second signal ends at once"
            );
            tokens.soft.cancel();
            tokio::select! {
                _ = term.recv() => tracing::warn!("second signal: ending at once"),
                _ = int.recv() => tracing::warn!("second signal: ending at once"),
                () = tokio::time::sleep(Self::GRACE) => tracing::warn!("not finished in time: ending at once"),
            }
            tokens.hard.cancel();
        });
        Ok(shutdown)
    }
}
