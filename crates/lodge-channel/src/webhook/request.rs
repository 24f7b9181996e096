//! A request as it came: raw bytes, raw address, raw headers. Nothing here is believed yet.
//!
//! Twelve of the providers' schemes break when a body is parsed and written again, or an address is normalised (T17,
//! T18): so both are kept as received, and the public address comes from the configuration, never from a header.

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A request whose sender is not known yet.
#[derive(Clone, Debug)]
pub struct Unverified {
    method: Method,
    below: String,
    target: String,
    base: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

impl Unverified {
    /// A request for `target` (path and query as received), `below` the inbox's own path; `base` is the public address
    /// of this gateway from its configuration.
    #[must_use]
    pub fn new(method: Method, target: &str, below: &str, base: Option<&str>, headers: HeaderMap) -> Self {
        let base = base.map(|base| base.trim_end_matches('/').to_owned());
        Self { method, below: below.to_owned(), target: target.to_owned(), base, headers, body: Bytes::new() }
    }

    /// The same with its body.
    #[must_use]
    pub fn with_body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path below `/hooks/{inbox}`, without the slash between; empty for the inbox itself.
    #[must_use]
    pub fn below(&self) -> &str {
        &self.below
    }

    /// Path and query, byte for byte as received.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The address as the provider called it: the configured public one, then path and query as received.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.base.as_ref().map(|base| format!("{base}{}", self.target))
    }

    /// The value of a header; `None` where it is missing, stands twice, or is no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// Whether a header is there at all.
    #[must_use]
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    /// The media type without its parameters, in lower case.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The query, decoded.
    #[must_use]
    pub fn query(&self) -> Form {
        Form::parse(self.target.split_once('?').map_or(b"", |(_, query)| query.as_bytes()))
    }

    /// The raw body, for a signature to be made over it, and for nothing else before that fits.
    #[must_use]
    pub fn signed_body(&self) -> &Bytes {
        &self.body
    }
}

/// Pairs of an `application/x-www-form-urlencoded` text, in the order received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// More pairs than any provider sends.
    const MOST: usize = 4096;

    /// Decodes `text`; what is not UTF-8 is replaced. Pairs beyond 4,096 are left out, which no signature survives.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(text).take(Self::MOST);
        Self(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
    }

    /// The value of `key`; `None` where it is missing or stands more than once (T17).
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// The value of `key`, where it says something.
    #[must_use]
    pub fn filled(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|value| !value.trim().is_empty())
    }

    /// A form of these pairs.
    #[must_use]
    pub fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().take(Self::MOST).collect())
    }

    /// All pairs, as received.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Keys in order of their bytes, each with its different values in order: how addresses and forms are signed.
    #[must_use]
    pub fn sorted(&self) -> BTreeMap<&str, std::collections::BTreeSet<&str>> {
        let mut sorted: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
        for (key, value) in &self.0 {
            sorted.entry(key).or_default().insert(value);
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> Unverified {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Unverified::new(Method::POST, "/hooks/a/o'neil?x=%2D&y=1", "o'neil", Some("https://gw.example/"), map)
    }

    #[test]
    fn t17_the_address_comes_from_the_configuration_and_is_not_normalised() {
        let spoofed = request(&[("host", "evil.example"), ("x-forwarded-host", "evil.example")]);
        assert_eq!(spoofed.url().unwrap(), "https://gw.example/hooks/a/o'neil?x=%2D&y=1");
        assert_eq!(spoofed.query().get("x"), Some("-"));
    }

    #[test]
    fn t17_what_stands_twice_is_not_there() {
        assert_eq!(request(&[("x-a", "1"), ("x-a", "2")]).header("x-a"), None);
        let form = Form::parse(b"a=1&a=2&b=3&c=");
        assert_eq!((form.get("a"), form.get("b"), form.filled("c")), (None, Some("3"), None));
    }
}
