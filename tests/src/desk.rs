//! The core as a caller: signed requests to the internal listener (contract section 5).

use crate::{clock, core};
use anyhow::{Context, Result};
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

/// An answer of the gateway.
#[derive(Debug)]
pub struct Heard {
    /// The status.
    pub status: u16,
    /// The body as JSON; `null` where it is none.
    pub body: Value,
    /// The headers.
    pub headers: HeaderMap,
}

/// Speaks for the core.
pub struct Desk {
    base: String,
    http: reqwest::Client,
}

impl Desk {
    /// One that speaks to the gateway at `base`, such as `http://127.0.0.1:8081`.
    ///
    /// # Errors
    /// Where the client cannot be built.
    pub fn new(base: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().context("build a client")?;
        Ok(Self { base: base.to_owned(), http })
    }

    /// An unsigned GET.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn look(&self, path: &str) -> Result<Heard> {
        hear(self.http.get(format!("{}{path}", self.base))).await
    }

    /// A signed GET.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn get(&self, path: &str) -> Result<Heard> {
        self.signed(Method::GET, path, Vec::new(), &[]).await
    }

    /// A signed POST of `body`.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Result<Heard> {
        self.signed(Method::POST, path, body.to_string().into_bytes(), headers).await
    }

    /// A signed PUT of `body`.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Heard> {
        self.signed(Method::PUT, path, body.to_string().into_bytes(), &[]).await
    }

    /// Replies to the customer of `reference`.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn reply(&self, reference: &str, text: &str, key: &str) -> Result<Heard> {
        let path = format!("/v1/conversations/{reference}/replies");
        self.post(&path, &serde_json::json!({ "text": text }), &[("idempotency-key", key)]).await
    }

    /// A request with exactly these headers and nothing added.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Result<Heard> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        hear(request).await
    }

    async fn signed(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Result<Heard> {
        // An id holds no full stop: that is what separates it from the time in what is signed.
        let (id, at) = (format!("msg_{}", clock::unique().replace('.', "_")), clock::now().as_second());
        let (timestamp, signature) = (at.to_string(), core::sign(core::SECRET, &id, at, &body));
        let ours = [
            ("webhook-id", id.as_str()),
            ("webhook-timestamp", timestamp.as_str()),
            ("webhook-signature", signature.as_str()),
            ("content-type", "application/json"),
        ];
        self.raw(method, path, &body, &[&ours, headers].concat()).await
    }
}

async fn hear(request: reqwest::RequestBuilder) -> Result<Heard> {
    let response = request.send().await.context("ask the gateway")?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.context("hear the gateway")?;
    let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
    Ok(Heard { status, body, headers })
}
