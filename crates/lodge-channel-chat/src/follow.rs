//! Follows the changes of the brand's timelines and wakes the sockets they concern: those of this process, whoever said
//! something on whatever gateway.

use crate::desk::Desk;
use lodge_channel::{Health, TaskError};
use std::sync::Arc;
use std::time::Duration;

/// How long one look waits for news.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait after the store did not answer.
const TROUBLE: Duration = Duration::from_millis(500);

/// Runs until the house closes.
pub(crate) async fn follow(desk: Arc<Desk>, health: Arc<Health>) -> Result<(), TaskError> {
    let mut cursor = None;
    loop {
        let look = desk.timelines.changes(&desk.inbox.brand, cursor.as_ref(), PATIENCE);
        let found = tokio::select! {
            found = look => found,
            () = desk.shutdown.cancelled() => return Ok(()),
        };
        match found {
            Ok(changes) => {
                health.works();
                if changes.missed {
                    desk.registry.ring_all();
                }
                changes.changed.iter().for_each(|timeline| desk.registry.ring(timeline));
                changes.hints.iter().for_each(|(timeline, hint)| desk.registry.hint(timeline, hint));
                cursor = Some(changes.next);
            }
            Err(error) => {
                health.fails(format!("sessions hear of nothing new: {error}"));
                tokio::select! {
                    () = tokio::time::sleep(TROUBLE) => {}
                    () = desk.shutdown.cancelled() => return Ok(()),
                }
            }
        }
    }
}
