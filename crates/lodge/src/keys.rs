//! The keys that sign what we hand out: given by the configuration, else made once and kept in the store.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use lodge_channel::{Secret, SecretSource};
use lodge_domain::ports::{Entropy, InboxState};
use lodge_domain::{BrandName, InboxId, InboxName, KeyRing};
use secrecy::ExposeSecret;

/// Opens the ring. Keys of the configuration are numbered from their end, so that a new one put in front does not
/// renumber the old ones.
///
/// # Errors
/// Where a secret cannot be read or is too short, or the store does not answer.
pub async fn open(
    configured: &[Secret],
    secrets: &dyn SecretSource,
    state: &dyn InboxState,
    entropy: &dyn Entropy,
) -> anyhow::Result<KeyRing> {
    if configured.is_empty() {
        return kept(state, entropy).await;
    }
    let mut all = Vec::new();
    for (at, secret) in configured.iter().enumerate() {
        let value = secrets.read(secret)?;
        let number = u8::try_from(configured.len() - at).context("more than 255 signing keys")?;
        all.push((number, value.expose_secret().as_bytes().to_vec()));
    }
    KeyRing::new(&all).context("[signing] keys: each needs at least 16 bytes")
}

async fn kept(state: &dyn InboxState, entropy: &dyn Entropy) -> anyhow::Result<KeyRing> {
    const KEY: &str = "signing-key";
    let Some(name) = InboxName::parse("lodge.installation") else { bail!("a constant name is valid") };
    let inbox = InboxId { brand: BrandName::unbranded(), name };
    loop {
        if let Some(stored) = state.load(&inbox, KEY).await? {
            let secret = HEXLOWER.decode(&stored.value).context("the signing key in the store is damaged")?;
            return KeyRing::new(&[(0, secret)]).context("the signing key in the store is too short");
        }
        let mut fresh = [0; 32];
        entropy.fill(&mut fresh);
        // Another process may be first; then its key is read in the next turn.
        state.save(&inbox, KEY, 0, Bytes::from(HEXLOWER.encode(&fresh))).await?;
    }
}
