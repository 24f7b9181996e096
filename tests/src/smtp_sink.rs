//! An SMTP server (RFC 5321) that keeps what it is sent and answers each phase as told.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Where in the dialogue an answer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The greeting.
    Banner,
    /// After `MAIL FROM`.
    Mail,
    /// After `RCPT TO`.
    Rcpt,
    /// After `DATA`.
    Data,
    /// After the final dot; the mail counts as taken where the answer is a 250 or [`Say::ResetTaken`].
    Dot,
}

/// What to answer instead of yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// A reply line such as `451 4.3.0 later`.
    Reply(&'static str),
    /// Nothing, for this long; then the connection closes.
    Hang(Duration),
    /// The connection closes.
    Reset,
    /// The mail is taken, and the connection closes without a word.
    ResetTaken,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The envelope's sender, without angle brackets; empty for the null sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// The bytes, dots unstuffed.
    pub raw: Vec<u8>,
}

impl Taken {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        crate::mail::header(&self.raw, name)
    }
}

#[derive(Default)]
struct State {
    taken: Vec<Taken>,
    script: Vec<(Phase, Say, Option<usize>)>,
    refused: usize,
}

/// A running sink; stops when dropped.
pub struct SmtpSink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::AbortHandle,
}

impl SmtpSink {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("open the mail sink")?;
        let address = listener.local_addr().context("ask for the sink's port")?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                // A client that goes away in the middle is the business of the test that made it do so.
                tokio::spawn(async move { drop(session(stream, &shared).await) });
            }
        });
        Ok(Self { address, state, task: task.abort_handle() })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on `phase` is answered by `say`, every time.
    pub fn always(&self, phase: Phase, say: Say) {
        lock(&self.state).script.push((phase, say, None));
    }

    /// The next `times` times `phase` is answered by `say`.
    pub fn next(&self, phase: Phase, say: Say, times: usize) {
        lock(&self.state).script.push((phase, say, Some(times)));
    }

    /// Everything is answered with yes again.
    pub fn relent(&self) {
        lock(&self.state).script.clear();
    }

    /// The mails taken so far.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        lock(&self.state).taken.clone()
    }

    /// How often it did not say yes.
    #[must_use]
    pub fn refused(&self) -> usize {
        lock(&self.state).refused
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the script has for `phase`, counted down.
fn due(state: &Mutex<State>, phase: Phase) -> Option<Say> {
    let mut state = lock(state);
    let at = state.script.iter().position(|(on, _, left)| *on == phase && *left != Some(0))?;
    let (_, say, left) = state.script.get_mut(at)?;
    if let Some(left) = left {
        *left -= 1;
    }
    let say = say.clone();
    state.refused += 1;
    Some(say)
}

struct Session<'a> {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    state: &'a Mutex<State>,
    from: String,
    to: Vec<String>,
}

async fn session(stream: TcpStream, state: &Mutex<State>) -> Result<()> {
    let (reader, writer) = stream.into_split();
    let mut session =
        Session { reader: BufReader::new(reader), writer, state, from: String::new(), to: Vec::new() };
    if !session.answer(Phase::Banner, "220 sink.example ESMTP").await? {
        return Ok(());
    }
    while let Some(line) = session.line().await? {
        if !session.command(&line).await? {
            break;
        }
    }
    Ok(())
}

impl Session<'_> {
    /// One line without its end; `None` at the end of the connection.
    async fn line(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let read = self.reader.read_until(b'\n', &mut bytes).await?;
        let line = String::from_utf8_lossy(&bytes);
        Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn say(&mut self, line: &str) -> Result<()> {
        self.writer.write_all(format!("{line}\r\n").as_bytes()).await?;
        Ok(())
    }

    /// Answers `phase` by the script, else with `yes`; false where the connection is over.
    async fn answer(&mut self, phase: Phase, yes: &str) -> Result<bool> {
        match due(self.state, phase) {
            None => self.say(yes).await?,
            Some(Say::Reply(line)) => {
                self.say(line).await?;
                return Ok(!line.starts_with("421"));
            }
            Some(Say::Hang(time)) => {
                tokio::time::sleep(time).await;
                return Ok(false);
            }
            Some(Say::Reset | Say::ResetTaken) => return Ok(false),
        }
        Ok(true)
    }

    /// Answers one command; false where the connection is over.
    async fn command(&mut self, line: &str) -> Result<bool> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                self.say("250-sink.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 52428800").await?;
            }
            "MAIL" => {
                self.from = address(line);
                self.to.clear();
                return self.answer(Phase::Mail, "250 2.1.0 ok").await;
            }
            "RCPT" => {
                let before = lock(self.state).refused;
                let goes_on = self.answer(Phase::Rcpt, "250 2.1.5 ok").await?;
                if lock(self.state).refused == before {
                    self.to.push(address(line));
                }
                return Ok(goes_on);
            }
            "DATA" => return self.data().await,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                return Ok(false);
            }
            _ => {
                self.say("250 2.0.0 ok").await?;
            }
        }
        Ok(true)
    }

    async fn data(&mut self) -> Result<bool> {
        let before = lock(self.state).refused;
        let goes_on = self.answer(Phase::Data, "354 go ahead").await?;
        if !goes_on || lock(self.state).refused != before {
            return Ok(goes_on);
        }
        let mut raw = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.reader.read_until(b'\n', &mut line).await? == 0 {
                return Ok(false);
            }
            if line == b".\r\n" {
                break;
            }
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let mail = Taken { from: self.from.clone(), to: self.to.clone(), raw };
        match due(self.state, Phase::Dot) {
            None => {
                let count = {
                    let mut state = lock(self.state);
                    state.taken.push(mail);
                    state.taken.len()
                };
                self.say(&format!("250 2.0.0 queued as SINK{count:05}")).await?;
                Ok(true)
            }
            Some(Say::Reply(line)) => {
                self.say(line).await?;
                Ok(true)
            }
            Some(Say::ResetTaken) => {
                lock(self.state).taken.push(mail);
                Ok(false)
            }
            Some(Say::Hang(time)) => {
                tokio::time::sleep(time).await;
                Ok(false)
            }
            Some(Say::Reset) => Ok(false),
        }
    }
}

/// What stands in the angle brackets of `MAIL FROM:<…>`.
fn address(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(address, _)| address.to_owned())
}
