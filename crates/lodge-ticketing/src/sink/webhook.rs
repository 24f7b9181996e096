//! Posts events to the core: same id and bytes on every attempt, fresh timestamp and signature (Standard Webhooks 1.0).

use super::answer::{judge, problem_title, read};
use super::settings::{SinkError, SinkSettings};
use crate::signature::{ID, SIGNATURE, SigningSecrets, TIMESTAMP};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use lodge_domain::ports::{Clock, SinkAnswer, TicketSink};
use lodge_domain::{DeliveryError, EventId};
use reqwest::{Client, Method, RequestBuilder, Response};
use std::error::Error;
use std::sync::Arc;
use url::Url;

/// Of an answer no more than this is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Forwards events to the core's webhook. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct WebhookSink {
    client: Client,
    url: Url,
    signing: SigningSecrets,
    clock: Arc<dyn Clock>,
}

/// What a probe of the core found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReport {
    /// The core's HTTP status.
    pub status: u16,
    /// What that means, as a lower-case fragment.
    pub meaning: &'static str,
}

impl WebhookSink {
    /// A sink for these settings; `clock` dates the signatures.
    ///
    /// # Errors
    /// [`SinkError`] where the address or a secret cannot be used.
    pub fn new(settings: &SinkSettings, clock: Arc<dyn Clock>) -> Result<Self, SinkError> {
        settings.check()?;
        let (client, signing) = (settings.client()?, settings.signing()?);
        Ok(Self { client, url: settings.url.clone(), signing, clock })
    }

    /// Asks whether the core can be reached: a signed `HEAD` to its address, with an id that is no event's and an empty
    /// body, so that name resolution, TLS and (where the core checks it on `HEAD`) the signature are tried. Any answer
    /// but a refusal counts as reached: a core may well have no `HEAD` (405).
    ///
    /// # Errors
    /// As for forwarding: unanswered, or [`lodge_domain::Disposition::Misconfigured`] where the core refuses us.
    pub async fn probe(&self) -> Result<ProbeReport, DeliveryError> {
        let id = format!("probe_{}", self.clock.now().as_millisecond());
        let response = self.signed(Method::HEAD, &id, &[]).send().await.map_err(|error| unreached(&error))?;
        let status = response.status();
        let meaning = match status.as_u16() {
            200..=299 => "the core answers",
            300..=399 | 401 | 403 | 404 | 410 => {
                return Err(judge(status, None, self.clock.now()).err().unwrap_or_else(|| {
                    DeliveryError::later("reach the core").detail(format!("HTTP {status}"))
                }));
            }
            405 | 501 => "the core answers, and knows no HEAD",
            500..=599 => "the core answers, but has trouble",
            _ => "the core answers, and does not like the probe",
        };
        Ok(ProbeReport { status: status.as_u16(), meaning })
    }

    fn signed(&self, method: Method, id: &str, body: &[u8]) -> RequestBuilder {
        let timestamp = self.clock.now().as_second();
        self.client
            .request(method, self.url.clone())
            .header(ID, id)
            .header(TIMESTAMP, timestamp)
            .header(SIGNATURE, self.signing.sign(id, timestamp, body))
    }
}

#[async_trait]
impl TicketSink for WebhookSink {
    async fn forward(&self, event: &EventId, body: Bytes) -> Result<SinkAnswer, DeliveryError> {
        let request = self.signed(Method::POST, event.as_str(), &body);
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        let response = request.send().await.map_err(|error| unreached(&error))?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let verdict = judge(response.status(), retry_after, self.clock.now());
        // The status decides: a body that breaks off or is too long is no reason to send the event again.
        let answer = short_body(response).await;
        match verdict {
            Ok(()) => Ok(read(&answer)),
            Err(error) => Err(match (problem_title(&answer), error.detail.clone()) {
                (Some(title), Some(status)) => error.detail(format!("{status}: {title}")),
                _ => error,
            }),
        }
    }
}

/// The body, or nothing where it is too long or breaks off.
async fn short_body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Vec::new();
        }
        body.extend_from_slice(&chunk);
    }
    body
}

/// No answer came. The event may have arrived all the same, which its id makes harmless.
fn unreached(error: &reqwest::Error) -> DeliveryError {
    let message = if error.is_timeout() {
        "reach the core in time"
    } else if error.is_connect() {
        "connect to the core"
    } else {
        "get an answer from the core"
    };
    DeliveryError::later(message).unanswered().detail(innermost(error))
}

/// The innermost cause: the outer ones repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    lodge_telemetry::redact::line(&cause.to_string(), 200)
}
