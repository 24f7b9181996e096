//! A provider's API: remembers what it is asked, and answers as told, or that it worked. Speaks just enough HTTP/1.1.

use anyhow::{Context, Result};
use reqwest::Url;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A call as it came, and what was answered to it.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers, by their names in lower case.
    pub headers: HashMap<String, String>,
    /// Its body as it came.
    pub text: String,
    /// Its body, where that is JSON.
    pub body: Value,
    /// What was answered; null as long as nothing was.
    pub answer: Value,
}

impl Call {
    /// A header; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// What stands in the body at a JSON pointer, or in a form's field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        if name.starts_with('/') || name.is_empty() {
            return text(&self.body, name);
        }
        let form = Url::parse(&format!("http://form/?{}", self.text)).ok()?;
        form.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// What stands at a JSON pointer, where that is a text or a number.
#[must_use]
pub fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What is answered to a call, which is the n-th: a status and JSON, or nothing for as long as it may take.
type Answers = dyn Fn(&Call, usize) -> Option<(u16, Value)> + Send + Sync;

type Calls = Arc<Mutex<Vec<Call>>>;

/// A running API; stops when dropped.
pub struct Provider {
    address: SocketAddr,
    calls: Calls,
    task: tokio::task::AbortHandle,
}

impl Provider {
    /// Starts one on a free port that says of everything that it worked.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start() -> Result<Self> {
        let fine = |_: &Call, number| {
            Some((200, json!({"message_id": format!("m_out{number}"), "name": "Ann Lee"})))
        };
        Self::playing(fine).await
    }

    /// Starts one on a free port that answers so.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn playing(
        answers: impl Fn(&Call, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("open the provider")?;
        let address = listener.local_addr().context("ask for the provider's port")?;
        let calls = Calls::default();
        let (taken, answers) = (Arc::clone(&calls), Arc::new(answers));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (taken, answers) = (Arc::clone(&taken), Arc::clone(&answers));
                tokio::spawn(async move { answer(stream, &taken, &*answers).await });
            }
        });
        Ok(Self { address, calls, task: task.abort_handle() })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every call, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it was asked to send, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Value> {
        let calls = self.calls().into_iter();
        calls.filter(|call| call.path.contains("/messages")).map(|call| call.body).collect()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(stream: TcpStream, calls: &Calls, answers: &Answers) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let call = read(&mut stream).await?;
    let number = {
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call.clone());
        calls.len()
    };
    let Some((status, body)) = answers(&call, number) else {
        // Taken, and never answered: until the caller goes away.
        let _gone = stream.fill_buf().await;
        return None;
    };
    if let Some(call) = calls.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number - 1) {
        call.answer = body.clone();
    }
    let text = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(text.as_bytes()).await.ok()
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.ok()?;
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some(Call { method, path, headers, text, body, answer: Value::Null })
}
