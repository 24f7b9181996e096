//! A session: logged in, one command at a time, each ended by its tagged answer.

use super::folder_name::{encode, quote};
use super::gate::Gate;
use super::greeting::{Capabilities, meet};
use crate::config::ImapAuth;
use crate::error::MailError;
use crate::wire::{Target, within};
use async_imap::imap_proto::{Capability, MailboxDatum, Response, ResponseCode, Status};
use async_imap::{Authenticator, Client};
use lodge_channel::net::Connector;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Bytes that any answer may have besides what it was asked for: status lines, unsolicited news.
const SLACK: u64 = 256 * 1024;

/// An account on a server.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) target: Target,
    pub(crate) username: String,
    pub(crate) password: SecretString,
    pub(crate) auth: ImapAuth,
}

/// A logged-in connection. After any error but [`MailError::Refused`] it is to be dropped.
pub(crate) struct Session {
    inner: async_imap::Session<Gate>,
    capabilities: Capabilities,
    patience: Duration,
    /// The server told of new mail.
    news: bool,
}

/// A selected folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) uid_validity: u32,
    pub(crate) uid_next: Option<u32>,
    /// How many mails lie there.
    pub(crate) exists: u32,
    /// Whether keywords of our own stay.
    pub(crate) keywords: bool,
    pub(crate) read_only: bool,
}

/// How waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// There may be new mail.
    News,
    /// Nothing happened.
    Quiet,
}

impl Account {
    /// Connects and logs in.
    pub(crate) async fn log_in(&self, connector: &dyn Connector) -> Result<Session, MailError> {
        let (stream, offered) = meet(&self.target, connector).await?;
        let plain = offered.contains("AUTH=PLAIN");
        let login = !offered.contains("LOGINDISABLED");
        let by_plain = match self.auth {
            ImapAuth::Plain if !plain => return Err(MailError::Unfit("it offers no AUTH=PLAIN".to_owned())),
            ImapAuth::Login if !login => return Err(MailError::Unfit("it has LOGIN disabled".to_owned())),
            ImapAuth::Auto if !plain && !login => {
                return Err(MailError::Unfit("it offers neither AUTH=PLAIN nor LOGIN".to_owned()));
            }
            ImapAuth::Auto | ImapAuth::Plain => plain,
            ImapAuth::Login => false,
        };
        let mut gate = Gate::new(stream);
        gate.allow(SLACK);
        let client = Client::new(gate);
        let password = self.password.expose_secret();
        let logging_in = async {
            if by_plain {
                let words = format!("\0{}\0{password}", self.username).into_bytes();
                client.authenticate("PLAIN", Plain(words)).await.map_err(|(error, _)| error)
            } else {
                client.login(&self.username, password).await.map_err(|(error, _)| error)
            }
        };
        let inner = within(self.target.patience, logging_in).await?.map_err(refused_login)?;
        let mut session =
            Session { inner, capabilities: offered, patience: self.target.patience, news: false };
        session.ask_capabilities().await?;
        Ok(session)
    }
}

/// SASL PLAIN (RFC 4616): the words once, then nothing, so that a server which asks again gets to its refusal.
struct Plain(Vec<u8>);

impl Authenticator for Plain {
    type Response = Vec<u8>;

    fn process(&mut self, _: &[u8]) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// A wrong password needs an operator; a server that is busy does not (RFC 5530: UNAVAILABLE, LIMIT, INUSE).
fn refused_login(error: async_imap::error::Error) -> MailError {
    use async_imap::error::Error;
    let text = match error {
        Error::No(text) | Error::Bad(text) => text,
        Error::Io(error) => return error.into(),
        Error::ConnectionLost => return MailError::Lost,
        Error::Validate(_) => {
            return MailError::Unfit(
                "username or password with a character that LOGIN cannot carry".to_owned(),
            );
        }
        _ => return MailError::Protocol("it cannot be read"),
    };
    let words =
        text.split_once("info: Some(\"").map_or(text.as_str(), |(_, rest)| rest.trim_end_matches("\")"));
    let upper = words.to_ascii_uppercase();
    let passing =
        ["[UNAVAILABLE]", "[LIMIT]", "[INUSE]", "TEMPORAR", "TOO MANY", "NOT CONNECTED", "THROTTLED"];
    if passing.iter().any(|sign| upper.contains(sign)) {
        return MailError::Refused { command: "the log-in for now", text: MailError::words(words) };
    }
    MailError::Login(MailError::words(words))
}

impl Session {
    /// Whether the server offers `capability` (upper case).
    pub(crate) fn offers(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    async fn ask_capabilities(&mut self) -> Result<(), MailError> {
        let mut all = Capabilities::new();
        self.command("CAPABILITY", "CAPABILITY", 0, |response| {
            if let Response::Capabilities(list) = response {
                all.extend(list.iter().map(|capability| match capability {
                    Capability::Imap4rev1 => "IMAP4REV1".to_owned(),
                    Capability::Auth(name) => format!("AUTH={}", name.to_ascii_uppercase()),
                    Capability::Atom(name) => name.to_ascii_uppercase(),
                }));
            }
        })
        .await?;
        self.capabilities = all;
        Ok(())
    }

    /// Selects a folder.
    pub(crate) async fn select(&mut self, folder: &str) -> Result<Selected, MailError> {
        let (mut validity, mut uid_next, mut exists) = (None, None, 0);
        let (mut keywords, mut read_only) = (false, false);
        let line = format!("SELECT {}", quote(&encode(folder))?);
        let done = self.command("SELECT", &line, SLACK, |response| match response {
            Response::MailboxData(MailboxDatum::Exists(count)) => exists = *count,
            Response::Data { status: Status::Ok, outcome } => match &outcome.code {
                Some(ResponseCode::UidValidity(value)) => validity = Some(*value),
                Some(ResponseCode::UidNext(value)) => uid_next = Some(*value),
                Some(ResponseCode::PermanentFlags(flags)) => {
                    keywords = flags.iter().any(|flag| flag == "\\*");
                }
                _ => {}
            },
            Response::Done { outcome, .. } => {
                read_only = matches!(outcome.code, Some(ResponseCode::ReadOnly));
            }
            _ => {}
        });
        done.await?;
        let Some(uid_validity) = validity else {
            return Err(MailError::Unfit("the folder has no UIDVALIDITY".to_owned()));
        };
        Ok(Selected { uid_validity, uid_next, exists, keywords: keywords && !read_only, read_only })
    }

    /// Waits for news with IDLE (RFC 2177), at most `most`, or until `stop`.
    pub(crate) async fn idle(
        &mut self,
        most: Duration,
        stop: &CancellationToken,
    ) -> Result<Waited, MailError> {
        self.inner.get_mut().allow(SLACK);
        let id = within(self.patience, self.inner.run_command("IDLE")).await?.map_err(broken)?;
        // A server that answers "no" instead of "+" would otherwise be waited for in vain.
        loop {
            let answer = within(self.patience, self.inner.read_response()).await??.ok_or(MailError::Lost)?;
            match answer.parsed() {
                Response::Continue { .. } => break,
                Response::Done { outcome, .. } => {
                    let text = outcome.information.as_deref().unwrap_or_default();
                    return Err(MailError::Refused { command: "IDLE", text: MailError::words(text) });
                }
                other => self.note(other)?,
            }
        }
        let end = tokio::time::Instant::now() + most;
        while !self.news {
            let answer = tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(end) => break,
                answer = self.inner.read_response() => answer?.ok_or(MailError::Lost)?,
            };
            self.note(answer.parsed())?;
            // Status lines alone ("still here") may come for ever.
            self.inner.get_mut().allow(SLACK);
        }
        within(self.patience, self.inner.run_command_untagged("DONE")).await?.map_err(broken)?;
        self.finish("IDLE", &id.0, |_| ()).await?;
        Ok(if std::mem::take(&mut self.news) { Waited::News } else { Waited::Quiet })
    }

    /// Whether the server told of new mail since this was last asked.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Says goodbye; whether it is heard does not matter.
    pub(crate) async fn log_out(mut self) {
        self.patience = self.patience.min(Duration::from_secs(2));
        if let Err(error) = self.command("LOGOUT", "LOGOUT", 0, |_| ()).await {
            tracing::debug!(%error, "log-out was not answered");
        }
    }

    /// Runs one command; `each` sees every answer, the tagged one too. The server may send `allowance` bytes.
    pub(super) async fn command(
        &mut self,
        name: &'static str,
        line: &str,
        allowance: u64,
        each: impl FnMut(&Response<'_>),
    ) -> Result<(), MailError> {
        self.inner.get_mut().allow(allowance.saturating_add(SLACK));
        let id = within(self.patience, self.inner.run_command(line)).await?.map_err(broken)?;
        self.finish(name, &id.0, each).await
    }

    async fn finish(
        &mut self,
        name: &'static str,
        id: &str,
        mut each: impl FnMut(&Response<'_>),
    ) -> Result<(), MailError> {
        // Each answer has its own deadline; all together have one too, against a server that drips for ever.
        let end = tokio::time::Instant::now() + self.patience * 20;
        loop {
            if tokio::time::Instant::now() > end {
                return Err(MailError::Silent(self.patience * 20));
            }
            let answer = within(self.patience, self.inner.read_response()).await??.ok_or(MailError::Lost)?;
            let response = answer.parsed();
            if let Response::Done { tag, status, outcome } = response
                && tag.0 == id
            {
                each(response);
                if *status == Status::Ok {
                    return Ok(());
                }
                let text = outcome.information.as_deref().unwrap_or_default();
                return Err(MailError::Refused { command: name, text: MailError::words(text) });
            }
            self.note(response)?;
            each(response);
        }
    }

    fn note(&mut self, response: &Response<'_>) -> Result<(), MailError> {
        match response {
            Response::Data { status: Status::Bye, .. } => Err(MailError::Lost),
            Response::MailboxData(MailboxDatum::Exists(_)) => {
                self.news = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The library's errors repeat what they read, which may be a mail: only their kind is kept.
fn broken(error: async_imap::error::Error) -> MailError {
    match error {
        async_imap::error::Error::Io(error) => error.into(),
        async_imap::error::Error::ConnectionLost => MailError::Lost,
        _ => MailError::Protocol("it cannot be read"),
    }
}
