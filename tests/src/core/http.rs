//! Just enough HTTP/1.1 (RFC 9112) for a client with content lengths, and full control over how a connection ends.

use super::state::{Answer, Request, State, Verdict};
use anyhow::{Result, bail};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

type Shared = Arc<Mutex<State>>;

/// Takes connections for ever.
pub(super) async fn serve(listener: TcpListener, state: Shared) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A connection that the other side ends is nothing to report.
        tokio::spawn(async move { drop(connection(stream, &state).await) });
    }
}

async fn connection(stream: TcpStream, state: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let verdict = lock(state).judge(&request);
        let goes_on = answer(&mut stream, state, &verdict).await;
        if let Some(event) = &verdict.event {
            lock(state).finish(event);
        }
        if !goes_on? {
            break;
        }
    }
    Ok(())
}

/// Answers as judged; false where the connection is to end.
async fn answer(stream: &mut BufReader<TcpStream>, state: &Shared, verdict: &Verdict) -> Result<bool> {
    match (&verdict.answer, &verdict.event) {
        (Answer::Refuse(status), _) => respond(stream, *status, "", "{}").await?,
        (Answer::RetryAfter(status, seconds), _) => {
            respond(stream, *status, &format!("Retry-After: {seconds}\r\n"), "{}").await?;
        }
        (Answer::Reset, _) | (_, None) => return Ok(false),
        (Answer::TakeAndReset, Some(event)) => {
            lock(state).file(event);
            return Ok(false);
        }
        (Answer::Take, Some(event)) => take(stream, state, event).await?,
        (Answer::Slow(time), Some(event)) => {
            // A client that goes away meanwhile has not handed anything over.
            tokio::select! {
                () = tokio::time::sleep(*time) => take(stream, state, event).await?,
                _gone = stream.fill_buf() => return Ok(false),
            }
        }
    }
    Ok(true)
}

async fn take(stream: &mut BufReader<TcpStream>, state: &Shared, event: &serde_json::Value) -> Result<()> {
    {
        let mut state = lock(state);
        state.file(event);
        // Over before the client can read the answer: what it sends next is not "at the same time".
        state.finish(event);
    }
    let reference = event["ticket"]["reference"].as_str().unwrap_or_default();
    respond(stream, 200, "", &format!(r#"{{"ticket": "T-{reference}"}}"#)).await
}

async fn respond(stream: &mut BufReader<TcpStream>, status: u16, headers: &str, body: &str) -> Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\n{headers}");
    stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).await?;
    stream.flush().await?;
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut headers = HashMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let Some(length) = headers.get("content-length").and_then(|text| text.parse::<usize>().ok()) else {
        bail!("a request without a length");
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { headers, body }))
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
