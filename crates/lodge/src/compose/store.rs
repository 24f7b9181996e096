//! Opens the store that the configuration names.

use crate::config::{Checked, StoreUrl};
use crate::system::{SystemClock, SystemEntropy};
use anyhow::Context as _;
use lodge_domain::NodeName;
use lodge_domain::ports::Store;
use lodge_store_embedded::EmbeddedStore;
use lodge_store_redis::RedisStore;
use secrecy::ExposeSecret;
use std::sync::Arc;

/// How many callers may wait for the store; more are refused as busy.
const QUEUE: usize = 4096;

/// Opens the store. `run` takes the lock that lets one gateway run on an embedded store.
///
/// # Errors
/// Where it cannot be opened, with what to do.
pub async fn open_store(checked: &Checked, run: bool) -> anyhow::Result<Arc<dyn Store>> {
    open(checked, run, false).await
}

/// Opens an embedded store that nothing depends on: it is not synced to disk.
///
/// # Errors
/// Where it cannot be opened.
pub async fn open_scratch(checked: &Checked) -> anyhow::Result<Arc<dyn Store>> {
    open(checked, false, true).await
}

async fn open(checked: &Checked, run: bool, scratch: bool) -> anyhow::Result<Arc<dyn Store>> {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    match &checked.store {
        StoreUrl::Embedded(folder) => {
            let options = lodge_store_embedded::Options {
                clock,
                entropy,
                synchronous_off_for_scratch: scratch,
                queue: QUEUE,
                run_lock: run,
            };
            let folder = folder.clone();
            let store = tokio::task::spawn_blocking(move || EmbeddedStore::open(&folder, options)).await??;
            Ok(store)
        }
        StoreUrl::Redis(url) => {
            let node = if run { node(checked) } else { beside(checked)? };
            let options = lodge_store_redis::Options { clock, entropy, node, queue: QUEUE };
            let store = RedisStore::connect(url.expose_secret(), options).await?;
            if run {
                let freed = store.free_claims().await?;
                tracing::debug!(freed, "work that this gateway was at when it ended is taken up again");
            }
            Ok(store)
        }
    }
}

/// The name under which this process owns acknowledgments. One gateway at a time runs on an embedded store, whatever the
/// host is called by then.
#[must_use]
pub(super) fn node(checked: &Checked) -> NodeName {
    let name = match (&checked.store, &checked.server.node) {
        (_, Some(_)) => None,
        (StoreUrl::Embedded(_), None) => NodeName::parse("local"),
        // Several gateways may run on one machine; each has a port of its own.
        (StoreUrl::Redis(_), None) => {
            NodeName::parse(&format!("{}-{}", checked.node, checked.server.internal.port()))
        }
    };
    name.unwrap_or_else(|| checked.node.clone())
}

/// The name of a command beside a gateway: not the gateway's, whose commits it would disturb, and one of few, since the
/// store remembers each.
fn beside(checked: &Checked) -> anyhow::Result<NodeName> {
    let name = format!("{}.beside{}", node(checked), std::process::id() % 16);
    let short: String = name.chars().rev().take(64).collect::<Vec<_>>().into_iter().rev().collect();
    NodeName::parse(&short).context("a node's name with a suffix is a name")
}
