//! Opens the store that the configuration names.

use crate::config::{Checked, StoreUrl};
use crate::system::{SystemClock, SystemEntropy};
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
            let options =
                lodge_store_redis::Options { clock, entropy, node: checked.node.clone(), queue: QUEUE };
            Ok(RedisStore::connect(url.expose_secret(), options).await?)
        }
    }
}

/// The name under which this process owns acknowledgments. One gateway at a time runs on an embedded store, whatever the
/// host is called by then.
#[must_use]
pub(super) fn node(checked: &Checked) -> NodeName {
    match (&checked.store, &checked.server.node, NodeName::parse("local")) {
        (StoreUrl::Embedded(_), None, Some(local)) => local,
        _ => checked.node.clone(),
    }
}
