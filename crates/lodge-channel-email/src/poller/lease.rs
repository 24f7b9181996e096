//! One holder a mailbox among all gateways (A14). Saves work; two holders at once are harmless.

use super::task::Mailbox;
use lodge_domain::ports::Lease;
use std::time::Duration;

const TTL: Duration = Duration::from_secs(30);
const RENEW: Duration = Duration::from_secs(10);

/// Waits until this gateway holds the mailbox; `None` once the house closes.
pub(super) async fn win(mailbox: &Mailbox) -> Option<Lease> {
    let context = &mailbox.context;
    let (name, holder) = (mailbox.lease_name(), mailbox.holder());
    while !context.shutdown.is_cancelled() {
        match context.leases.acquire(&name, &holder, TTL).await {
            Ok(Some(lease)) => return Some(lease),
            Ok(None) => tracing::debug!(inbox = %context.inbox.name, "another gateway reads this mailbox"),
            Err(error) => mailbox.health.fails(format!("the store does not lend the mailbox: {error}")),
        }
        tokio::select! {
            () = tokio::time::sleep(RENEW) => {}
            () = context.shutdown.cancelled() => {}
        }
    }
    None
}

/// Prolongs the lease until somebody else holds it. A store that does not answer ends nothing: it will not accept either.
pub(super) async fn hold(mailbox: &Mailbox, lease: &Lease) {
    loop {
        tokio::time::sleep(RENEW).await;
        match mailbox.context.leases.acquire(&lease.name, &lease.holder, TTL).await {
            Ok(Some(held)) if held.fence == lease.fence => {}
            Ok(_) => return,
            Err(error) => tracing::debug!(inbox = %mailbox.context.inbox.name, %error, "lease not prolonged"),
        }
    }
}

/// Gives the lease back, so that another gateway need not wait for its end.
pub(super) async fn give_back(mailbox: &Mailbox, lease: &Lease) {
    if let Err(error) = mailbox.context.leases.release(lease).await {
        tracing::debug!(inbox = %mailbox.context.inbox.name, %error, "lease not given back; it ends by itself");
    }
}
