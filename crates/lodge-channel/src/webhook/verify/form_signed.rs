//! Plivo's signatures: over the public address and a form's fields, put together in its own way.

use super::{Algorithm, Candidates, Forged, HmacKeys, Verified};
use crate::webhook::request::{Form, Unverified};
use axum::http::Method;

/// Pairs in order of key and value, none left out.
pub(super) fn ordered(form: &Form) -> Vec<(&str, &str)> {
    let mut pairs: Vec<(&str, &str)> =
        form.pairs().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    pairs.sort_unstable();
    pairs
}

/// The configured address that was called, without its query.
fn called(request: &Unverified) -> Result<String, Forged> {
    let url = request.url().ok_or(Forged("the public address is not configured"))?;
    Ok(url.split('?').next().unwrap_or_default().to_owned())
}

/// The signatures of these headers, each a list with commas.
fn listed<'r>(request: &'r Unverified, headers: &[&str]) -> Vec<&'r str> {
    let values = headers.iter().filter_map(|name| request.header(name));
    values.flat_map(|value| value.split(',')).map(str::trim).collect()
}

/// Whether Plivo signed address, query and form (version 3): address, `?`, the query in order, a full stop where there is a
/// query, every key and value of the form in order, a full stop, and the nonce.
///
/// # Errors
/// [`Forged`] where it did not, or the public address is not configured.
pub fn plivo_v3<'r>(keys: &HmacKeys, request: &'r Unverified) -> Result<Verified<'r>, Forged> {
    let nonce = request.header("x-plivo-signature-v3-nonce").ok_or(Forged("the nonce is missing"))?;
    let query = request.query();
    let query: Vec<String> =
        ordered(&query).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    let query = query.join("&");
    let posted =
        if *request.method() == Method::POST { Form::parse(request.signed_body()) } else { Form::default() };
    let fields: String = ordered(&posted).into_iter().flat_map(|(key, value)| [key, value]).collect();
    let mut text = called(request)?;
    if *request.method() == Method::GET || !query.is_empty() || !fields.is_empty() {
        text.push('?');
    }
    text.push_str(&query);
    if !fields.is_empty() && !query.is_empty() {
        text.push('.');
    }
    text.push_str(&fields);
    let headers = ["x-plivo-signature-v3", "x-plivo-signature-ma-v3"];
    let candidates = Candidates::base64(Algorithm::Sha256.length(), listed(request, &headers));
    keys.verify(request, &[text.as_bytes(), b".", nonce.as_bytes()], &candidates)
}

/// Whether Plivo signed the address (version 2, of text messages): scheme, host, path and the nonce. **Neither query nor body
/// are covered**: whoever saw one such request can say anything with it, unless its nonce is remembered.
///
/// # Errors
/// [`Forged`] where it did not, or the public address is not configured.
pub fn plivo_v2<'r>(keys: &HmacKeys, request: &'r Unverified) -> Result<Verified<'r>, Forged> {
    let nonce = request.header("x-plivo-signature-v2-nonce").ok_or(Forged("the nonce is missing"))?;
    let url = called(request)?;
    let parsed = url::Url::parse(&url).map_err(|_| Forged("the public address is none"))?;
    let host = parsed.host_str().unwrap_or_default();
    // The path as it was called, which a parser may write in another way.
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
    let text = format!("{}://{host}{path}", parsed.scheme());
    let candidates =
        Candidates::base64(Algorithm::Sha256.length(), listed(request, &["x-plivo-signature-v2"]));
    keys.verify(request, &[text.as_bytes(), nonce.as_bytes()], &candidates)
}
