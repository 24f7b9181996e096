//! Runs the doors' tasks: each restarts alone, with a growing delay, until the house closes.

use lodge_channel::{Backoff, Task};
use lodge_domain::ports::Entropy;
use lodge_telemetry::sampling::Sampler;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts `task` and keeps it running until `close` is cancelled; `hard` drops it where it stands.
pub fn keep_running(
    tracker: &TaskTracker,
    task: Task,
    close: CancellationToken,
    hard: CancellationToken,
    entropy: Arc<dyn Entropy>,
) {
    let name = task.name.clone();
    tracker.spawn(async move {
        tokio::select! {
            () = run(task, &close, &*entropy) => tracing::debug!(task = name, "task ended"),
            () = hard.cancelled() => tracing::warn!(task = name, "task dropped"),
        }
    });
}

async fn run(task: Task, close: &CancellationToken, entropy: &dyn Entropy) {
    const STEADY: Duration = Duration::from_secs(60);
    let Some(backoff) = Backoff::new(Duration::from_secs(1), Duration::from_secs(60)) else { return };
    let mut failures = 0;
    while !close.is_cancelled() {
        let started = tokio::time::Instant::now();
        // A panic ends this future's own task, not the house.
        let ended = tokio::spawn(task.start()).await;
        if close.is_cancelled() {
            return;
        }
        match ended {
            Ok(Ok(())) => tracing::warn!(task = task.name, "task ended by itself and is started again"),
            Ok(Err(error)) => tracing::warn!(task = task.name, %error, "task failed and is started again"),
            Err(_) => tracing::error!(task = task.name, "task panicked and is started again"),
        }
        failures = if started.elapsed() > STEADY { 1 } else { failures + 1 };
        let delay = backoff.delay(failures, entropy.number());
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = close.cancelled() => return,
        }
    }
}

/// Tells every few seconds how many log lines were left out, for as long as the process lives.
pub fn tell_left_out(sampler: Sampler) {
    const EVERY: Duration = Duration::from_secs(10);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            sampler.tell();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_failing_task_is_started_again_and_a_panic_harms_nobody() {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let task = Task::new("test", move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(run != 1, "the second run panics");
                Err(lodge_channel::TaskError("first".to_owned()))
            }
        });
        let tracker = TaskTracker::new();
        let (close, hard) = (CancellationToken::new(), CancellationToken::new());
        keep_running(&tracker, task, close.clone(), hard, Arc::new(crate::system::SystemEntropy));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(runs.load(Ordering::SeqCst) >= 3);
        close.cancel();
        tracker.close();
        tracker.wait().await;
    }
}
