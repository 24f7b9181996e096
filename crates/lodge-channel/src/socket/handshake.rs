//! The upgrade of a request to a WebSocket, from the server's side (RFC 6455, section 4.2).

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A request for an upgrade that can be granted.
#[derive(Debug)]
pub struct Handshake {
    accept: HeaderValue,
    protocol: &'static str,
}

/// A connection that becomes a stream of frames once its answer is sent.
#[derive(Debug)]
pub struct Upgrading(OnUpgrade);

impl Handshake {
    /// Whether these headers ask for an upgrade to `protocol`.
    ///
    /// # Errors
    /// The answer to what does not.
    #[expect(clippy::result_large_err, reason = "the error is the answer, once a socket")]
    pub fn read(headers: &HeaderMap, protocol: &'static str) -> Result<Self, Response> {
        let word =
            |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let lists = |name: &HeaderName, wanted: &str| {
            word(name).split(',').any(|one| one.trim().eq_ignore_ascii_case(wanted))
        };
        if !lists(&header::UPGRADE, "websocket") || !lists(&header::CONNECTION, "upgrade") {
            return Err(required("this address speaks WebSocket"));
        }
        if word(&header::SEC_WEBSOCKET_VERSION) != "13" {
            return Err(required("WebSocket version 13 is spoken here"));
        }
        let bad = |words: String| (StatusCode::BAD_REQUEST, words + "\n").into_response();
        let key = word(&header::SEC_WEBSOCKET_KEY).as_bytes();
        if !data_encoding::BASE64.decode(key).is_ok_and(|key| key.len() == 16) {
            return Err(bad("`Sec-WebSocket-Key` is not 16 bytes in base64".to_owned()));
        }
        if !lists(&header::SEC_WEBSOCKET_PROTOCOL, protocol) {
            return Err(bad(format!("the subprotocol is `{protocol}`")));
        }
        let accept =
            HeaderValue::from_str(&derive_accept_key(key)).map_err(|error| bad(error.to_string()))?;
        Ok(Self { accept, protocol })
    }

    /// Grants it: the stream to come, and the answer that it begins after.
    ///
    /// # Errors
    /// The answer where the connection cannot be upgraded.
    #[expect(clippy::result_large_err, reason = "the error is the answer, once a socket")]
    pub fn grant(self, request: &mut Request) -> Result<(Upgrading, Response), Response> {
        let upgrading = request.extensions_mut().remove::<OnUpgrade>();
        let upgrading = upgrading.ok_or_else(|| {
            (StatusCode::UPGRADE_REQUIRED, "this connection cannot be upgraded\n").into_response()
        })?;
        let mut answer = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(self.protocol));
        Ok((Upgrading(upgrading), answer))
    }
}

impl Upgrading {
    /// The stream, once the answer is sent.
    ///
    /// # Errors
    /// Where the peer went before.
    pub async fn stream(self) -> Result<TokioIo<Upgraded>, hyper::Error> {
        self.0.await.map(TokioIo::new)
    }
}

fn required(words: &'static str) -> Response {
    let mut answer = (StatusCode::UPGRADE_REQUIRED, format!("{words}\n")).into_response();
    answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    answer
}
