//! A provider's API: remembers what it is asked to send, and says that it worked. Speaks just enough HTTP/1.1.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its path and query.
    pub path: String,
    /// Its body, where that is JSON.
    pub body: Value,
}

/// A running API; stops when dropped.
pub struct Provider {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: tokio::task::AbortHandle,
}

impl Provider {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("open the provider")?;
        let address = listener.local_addr().context("ask for the provider's port")?;
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let taken = Arc::clone(&calls);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&taken)));
            }
        });
        Ok(Self { address, calls, task: task.abort_handle() })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked to send, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Value> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().filter(|call| call.path.contains("/messages")).map(|call| call.body.clone()).collect()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(stream: TcpStream, calls: Arc<Mutex<Vec<Call>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let number = {
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(Call { path, body: serde_json::from_slice(&body).unwrap_or_default() });
        calls.len()
    };
    let text = json!({"message_id": format!("m_out{number}"), "name": "Ann Lee"}).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(text.as_bytes()).await.ok()
}
