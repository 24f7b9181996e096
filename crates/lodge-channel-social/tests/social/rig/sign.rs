//! The providers' signatures for an inbox on a desk of its own: secrets are the lower-case names of their variables.

use lodge_domain::Timestamp;
pub(crate) use lodge_testkit::signing::media_type;
use lodge_testkit::signing::{self, Signer};
use serde_json::{Map, Value, json};

/// The public address of the gateway under test.
pub(crate) const PUBLIC_URL: &str = "https://gw.example.test";

/// Settings of one provider: its table with `extra` keys, and `common` keys beside it.
pub(crate) fn settings(provider: &str, base: &str, extra: Value, common: Value) -> Value {
    let merge = |into: &mut Map<String, Value>, from: Value| {
        into.extend(from.as_object().cloned().unwrap_or_default());
    };
    let mut table = signing::settings(provider, base);
    merge(table.as_object_mut().unwrap(), extra);
    let mut all = json!({provider: table});
    merge(all.as_object_mut().unwrap(), common);
    all
}

fn signed(provider: &str, body: &[u8], at: Timestamp, other: &str) -> Vec<(&'static str, String)> {
    Signer::new(other).sign(provider, &format!("{PUBLIC_URL}/hooks/page"), body, at)
}

/// Headers that sign a body at a time.
pub(crate) fn sign(provider: &str, body: &[u8], at: Timestamp) -> Vec<(&'static str, String)> {
    signed(provider, body, at, "")
}

/// The same with another secret.
pub(crate) fn forge(provider: &str, body: &[u8], at: Timestamp) -> Vec<(&'static str, String)> {
    signed(provider, body, at, "x")
}

/// Whether a token of ours was signed by our key; what it says.
pub(crate) fn signed_by_us(token: &str) -> Option<Value> {
    Signer::new("").signed_by_us(token)
}

/// The public half of a key as it is published under the name `kid`; `other` is of somebody else.
pub(crate) fn jwk(kid: &str, other: &str) -> Value {
    Signer::new(other).jwk(kid)
}

/// A token signed by the key named `kid`.
pub(crate) fn token(kid: &str, other: &str, service: &Value, at: Timestamp) -> String {
    Signer::new(other).token(kid, service, at)
}

/// The secret behind `env:NAME`.
pub(crate) fn secret(name: &str) -> String {
    Signer::new("").secret(name)
}
