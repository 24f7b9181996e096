//! A visitor's client for `lodge.chat.v1`, as a careful widget would behave: it keeps what was not accepted, resumes by
//! number, and remembers all it was told.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// The website that scenarios configure.
pub const ORIGIN: &str = "https://www.acme.example";
/// How long a frame is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// A socket that said hello.
pub struct Chat {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The answer to hello.
    pub welcome: Value,
    /// The session's secret.
    pub session: String,
    /// Frames that came while another one was waited for.
    waiting: Vec<Value>,
}

/// Opens a socket of `inbox` at `public` without saying anything; the HTTP status where that is refused.
///
/// # Errors
/// Where nobody answers.
pub async fn knock(
    public: &str,
    inbox: &str,
    origin: Option<&str>,
) -> Result<Result<WebSocketStream<MaybeTlsStream<TcpStream>>, u16>> {
    let url = format!("{}/chat/{inbox}", public.replacen("http", "ws", 1));
    let mut request = url.into_client_request().context("make the request")?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("lodge.chat.v1"));
    if let Some(origin) = origin {
        headers.insert("origin", HeaderValue::from_str(origin)?);
    }
    let opened = timeout(PATIENCE, tokio_tungstenite::connect_async(request)).await;
    match opened.context("nobody answers")? {
        Ok((socket, _)) => Ok(Ok(socket)),
        Err(Error::Http(answer)) => Ok(Err(answer.status().as_u16())),
        Err(error) => Err(error).context("open a socket"),
    }
}

impl Chat {
    /// Says hello to `inbox` at `public` with the fields of `hello`.
    ///
    /// # Errors
    /// Where the socket is refused, or hello is not answered with a welcome.
    pub async fn open(public: &str, inbox: &str, hello: Value) -> Result<Self> {
        let knocked = knock(public, inbox, Some(ORIGIN)).await?;
        let socket = knocked.map_err(|status| anyhow::anyhow!("refused with {status}"))?;
        let mut chat = Self { socket, welcome: Value::Null, session: String::new(), waiting: Vec::new() };
        chat.hello(hello).await?;
        Ok(chat)
    }

    /// Says hello (again).
    ///
    /// # Errors
    /// Where it is not answered with a welcome.
    pub async fn hello(&mut self, mut hello: Value) -> Result<()> {
        hello["t"] = json!("hello");
        self.send(&hello).await?;
        self.welcome = self.next().await?;
        if self.welcome["t"] != "welcome" {
            bail!("no welcome: {}", self.welcome);
        }
        self.session = self.welcome["session"].as_str().unwrap_or_default().to_owned();
        Ok(())
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// Where the socket is gone.
    pub async fn send(&mut self, frame: &Value) -> Result<()> {
        self.socket.send(Message::text(frame.to_string())).await.context("send a frame")
    }

    /// The next frame.
    ///
    /// # Errors
    /// Where the socket ends (with its close code), or nothing comes.
    pub async fn next(&mut self) -> Result<Value> {
        if !self.waiting.is_empty() {
            return Ok(self.waiting.remove(0));
        }
        loop {
            match timeout(PATIENCE, self.socket.next()).await.context("no frame came")? {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(text.as_str())?),
                Some(Ok(Message::Close(frame))) => {
                    bail!("closed with {}", frame.map_or(0, |frame| u16::from(frame.code)))
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("read a frame"),
                None => bail!("the socket ended"),
            }
        }
    }

    /// The next frame of which `is_it` is true; the others are kept.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
        if let Some(at) = self.waiting.iter().position(&is_it) {
            return Ok(self.waiting.remove(at));
        }
        let mut others = std::mem::take(&mut self.waiting);
        loop {
            let frame = self.next().await?;
            if is_it(&frame) {
                self.waiting = others;
                return Ok(frame);
            }
            others.push(frame);
        }
    }

    /// Says `text` under `id` and waits until it is accepted.
    ///
    /// # Errors
    /// Where it is not.
    pub async fn say(&mut self, id: &str, text: &str) -> Result<Value> {
        self.send(&json!({"t": "message", "id": id, "text": text})).await?;
        let answer = self.until(|frame| frame["id"] == id && frame["t"] != "message").await?;
        if answer["t"] != "accepted" {
            bail!("not accepted: {answer}");
        }
        Ok(answer)
    }
}
