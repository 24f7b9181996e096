//! A small pool of threads that understand mail: a stack large enough for any tree, a deadline, and no panic that leaves.
//!
//! As many mails are in work as there are threads; who comes then waits. A thread that misses its deadline is given up:
//! another takes its place at once, and it ends by itself when the library lets go of it.

use super::contact::understand;
use super::limits;
use super::surroundings::{Arrival, Surroundings, Understood};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

const STACK: usize = 64 * 1024 * 1024;

/// Why a mail was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// It took longer than [`limits::SECONDS`].
    #[error("not understood in time")]
    Timeout,
    /// A library panicked over it.
    #[error("a parser panicked")]
    Panic,
    /// No thread could be had.
    #[error("no thread to understand it on")]
    NoThread,
}

type Work = Box<dyn FnOnce() -> Understood + Send>;

struct Job {
    work: Work,
    answer: oneshot::Sender<Result<Understood, Poison>>,
    given_up: Arc<AtomicBool>,
}

/// The pool.
#[derive(Clone)]
pub struct Worker {
    jobs: SyncSender<Job>,
    queue: Arc<Mutex<Receiver<Job>>>,
    permits: Arc<Semaphore>,
    deadline: Duration,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Worker({} idle)", self.permits.available_permits())
    }
}

impl Worker {
    /// Starts `threads` threads (at least one).
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        Self::with_deadline(threads, Duration::from_secs(limits::SECONDS))
    }

    fn with_deadline(threads: usize, deadline: Duration) -> std::io::Result<Self> {
        let threads = threads.clamp(1, 64);
        let (jobs, queue) = sync_channel(threads);
        let worker = Self {
            jobs,
            queue: Arc::new(Mutex::new(queue)),
            permits: Arc::new(Semaphore::new(threads)),
            deadline,
        };
        for _ in 0..threads {
            worker.hire()?;
        }
        Ok(worker)
    }

    fn hire(&self) -> std::io::Result<()> {
        let queue = Arc::clone(&self.queue);
        let thread = std::thread::Builder::new().name("lodge-mail".to_owned()).stack_size(STACK);
        thread.spawn(move || serve(&queue)).map(drop)
    }

    /// Understands one mail; waits for a free thread first.
    ///
    /// # Errors
    /// Where it was not understood: [`super::unparsed`] makes a contact of it.
    pub async fn understand(
        &self,
        raw: Bytes,
        arrival: Arrival,
        surroundings: Arc<Surroundings>,
    ) -> Result<Understood, Poison> {
        self.run(Box::new(move || understand(&raw, &arrival, &surroundings))).await
    }

    async fn run(&self, work: Work) -> Result<Understood, Poison> {
        let _permit = self.permits.acquire().await.map_err(|_| Poison::NoThread)?;
        let (answer, answered) = oneshot::channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let job = Job { work, answer, given_up: Arc::clone(&given_up) };
        // There is a thread for every permit, so the queue has room for whoever holds one.
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Poison::NoThread,
        })?;
        match tokio::time::timeout(self.deadline, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Poison::Panic),
            Err(_) => {
                given_up.store(true, Ordering::SeqCst);
                self.hire().map_err(|_| Poison::NoThread)?;
                Err(Poison::Timeout)
            }
        }
    }
}

fn serve(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { work, answer, given_up }) = next else { return };
        let result = catch_unwind(AssertUnwindSafe(work)).map_err(|_| Poison::Panic);
        // Nobody may wait any more; the answer is dropped then.
        drop(answer.send(result));
        if given_up.load(Ordering::SeqCst) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::resume_unwind;

    #[tokio::test]
    async fn a12_one_poison_mail_stops_nobody() {
        // Resuming prints no backtrace, which alone can take longer than a deadline of a test.
        let bug = || resume_unwind(Box::new("a bug of a library"));
        let worker = Worker::with_deadline(1, Duration::from_millis(500)).unwrap();
        let slow = worker.run(Box::new(move || {
            std::thread::sleep(Duration::from_millis(1_000));
            bug()
        }));
        assert_eq!(slow.await.unwrap_err(), Poison::Timeout);
        assert_eq!(worker.run(Box::new(bug)).await.unwrap_err(), Poison::Panic);
        assert_eq!(worker.run(Box::new(bug)).await.unwrap_err(), Poison::Panic);
    }
}
