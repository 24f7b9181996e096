//! Fetches what contacts bring along: capped in size and time, and only from where it may come.

use super::guard::{GlobalOnly, Origin, listed};
use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::Url;

/// The most redirects that are followed, each checked like the first address.
const MOST_REDIRECTS: usize = 2;

/// What a provider's media may be.
#[derive(Clone, Debug)]
pub struct MediaPolicy {
    /// Hosts it comes from; `*.example.com` for all names below one.
    pub hosts: Vec<String>,
    /// Where the configuration says the provider is: fetched even from a private address, and from nowhere else private.
    pub api_base: Option<Url>,
    /// The largest file in bytes.
    pub limit: usize,
    /// How long one file may take, redirects included.
    pub deadline: Duration,
}

impl MediaPolicy {
    /// The usual policy for `hosts`: 25 MiB within 30 s.
    #[must_use]
    pub fn new(hosts: &[&str], api_base: Option<Url>) -> Self {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Self { hosts, api_base, limit: 25 * 1024 * 1024, deadline: Duration::from_secs(30) }
    }
}

/// What a provider asks for; sent to listed hosts and the configured base alone, and dropped when a redirect leaves the
/// host.
#[derive(Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// `Authorization: Bearer`.
    Bearer(SecretString),
    /// `Authorization: Basic`.
    Basic(String, SecretString),
    /// `Authorization`, whole: of a scheme that signs each call (RFC 5849).
    Whole(SecretString),
}

/// A file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What its first bytes say it is; else what the server said.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Why a file could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The address is not one that media may come from.
    #[error("the address is not one of the provider's")]
    Refused,
    /// It is gone, or its link has expired.
    #[error("the file is gone (HTTP {0})")]
    Gone(u16),
    /// It is larger than the limit.
    #[error("the file is larger than {0} bytes")]
    TooLarge(usize),
    /// It can be tried again.
    #[error("the file cannot be fetched now: {0}")]
    Later(String),
}

impl MediaError {
    /// Whether another try may bring it.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Later(_))
    }
}

/// Fetches media under one policy.
pub struct MediaClient {
    policy: MediaPolicy,
    base: Option<Origin>,
    guarded: Client,
    trusted: Client,
}

impl MediaClient {
    /// A client for `policy`.
    ///
    /// # Errors
    /// Where the system has no usable certificates.
    pub fn new(policy: MediaPolicy) -> Result<Self, String> {
        let guarded = super::builder(policy.deadline).dns_resolver(GlobalOnly);
        let guarded = guarded.build().map_err(|error| error.to_string())?;
        let trusted = super::builder(policy.deadline).build().map_err(|error| error.to_string())?;
        let base = policy.api_base.as_ref().and_then(Origin::of);
        Ok(Self { policy, base, guarded, trusted })
    }

    /// Fetches `address`.
    ///
    /// # Errors
    /// [`MediaError`]; nothing was connected to where the address is refused.
    pub async fn fetch(&self, address: &str, credentials: &Credentials) -> Result<Fetched, MediaError> {
        let whole = self.follow(address, credentials);
        let late = |_| MediaError::Later("it takes too long".to_owned());
        tokio::time::timeout(self.policy.deadline, whole).await.map_err(late)?
    }

    async fn follow(&self, address: &str, credentials: &Credentials) -> Result<Fetched, MediaError> {
        let mut url = Url::parse(address).map_err(|_| MediaError::Refused)?;
        let first = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let client = self.client_for(&url)?;
            let mut request = client.get(url.clone());
            if url.scheme() == first.scheme()
                && url.host() == first.host()
                && url.port_or_known_default() == first.port_or_known_default()
            {
                request = match credentials {
                    Credentials::None => request,
                    Credentials::Bearer(token) => request.bearer_auth(token.expose_secret()),
                    Credentials::Basic(name, password) => {
                        request.basic_auth(name, Some(password.expose_secret()))
                    }
                    Credentials::Whole(value) => request.header("authorization", value.expose_secret()),
                };
            }
            let response = request.send().await.map_err(|error| unreached(&error))?;
            if !response.status().is_redirection() {
                return self.read(response).await;
            }
            let next = response.headers().get("location").and_then(|value| value.to_str().ok());
            url = next.and_then(|next| url.join(next).ok()).ok_or(MediaError::Refused)?;
        }
        Err(MediaError::Refused)
    }

    /// The client that may go to `url`, where any may.
    fn client_for(&self, url: &Url) -> Result<&Client, MediaError> {
        if self.base.as_ref().is_some_and(|base| base.holds(url)) {
            Ok(&self.trusted)
        } else if listed(url, &self.policy.hosts) {
            Ok(&self.guarded)
        } else {
            Err(MediaError::Refused)
        }
    }

    async fn read(&self, mut response: Response) -> Result<Fetched, MediaError> {
        let status = response.status();
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                return Err(MediaError::Gone(status.as_u16()));
            }
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                return Err(MediaError::Gone(status.as_u16()));
            }
            status => return Err(MediaError::Later(format!("HTTP {}", status.as_u16()))),
        }
        let limit = self.policy.limit;
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(MediaError::TooLarge(limit));
        }
        let said = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let said = media_type(said);
        let mut bytes = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|error| unreached(&error))? {
            if bytes.len() + piece.len() > limit {
                return Err(MediaError::TooLarge(limit));
            }
            bytes.extend_from_slice(&piece);
        }
        let media_type = sniff(&bytes).map_or(said, str::to_owned);
        Ok(Fetched { media_type, bytes: bytes.freeze() })
    }
}

/// A media type as a server may say it, without its parameters; the general one where it says none that could be.
fn media_type(said: Option<&str>) -> String {
    let bare = said.and_then(|said| said.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'+' | b'.' | b'_');
    let fits = bare.len() <= 100 && bare.split('/').count() == 2 && bare.bytes().all(plain);
    if fits { bare } else { "application/octet-stream".to_owned() }
}

/// What the first bytes of a file say it is, for the kinds that people send; `None` where they say nothing.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<&'static str> {
    const STARTS: &[(&[u8], &str)] = &[
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        (b"OggS", "audio/ogg"),
        (b"ID3", "audio/mpeg"),
        (b"#!AMR", "audio/amr"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
        (b"<!DOCTYPE html", "text/html"),
        (b"<!doctype html", "text/html"),
        (b"<html", "text/html"),
    ];
    if bytes.starts_with(b"RIFF") {
        return match bytes.get(8..12) {
            Some(b"WEBP") => Some("image/webp"),
            Some(b"WAVE") => Some("audio/wav"),
            _ => None,
        };
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(if bytes.get(8..12) == Some(b"M4A ") { "audio/mp4" } else { "video/mp4" });
    }
    STARTS.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, media_type)| *media_type)
}

/// Never repeats the address, which may hold a token.
fn unreached(error: &reqwest::Error) -> MediaError {
    let words = super::api::innermost(error);
    if words.contains("no public address") { MediaError::Refused } else { MediaError::Later(words) }
}

#[cfg(test)]
mod tests;
