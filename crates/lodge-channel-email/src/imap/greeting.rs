//! The first lines of an IMAP session, up to the point where logging in is safe (RFC 3501 7.1, 6.1.1, 6.2.1; RFC 8314).

use crate::config::TlsMode;
use crate::error::MailError;
use crate::wire::{Connection, Target, read_line, send_line};
use lodge_channel::net::Connector;
use std::collections::BTreeSet;

/// What a server offers, in upper case.
pub(super) type Capabilities = BTreeSet<String>;

/// Lines of an untagged answer that are read before we give up on its end.
const MOST_LINES: usize = 200;

/// Connects, encrypts as the settings say, and asks what the server offers then: what it said before TLS counts nothing.
pub(super) async fn meet(
    target: &Target,
    connector: &dyn Connector,
) -> Result<(Connection, Capabilities), MailError> {
    let mut stream = target.open(connector).await?;
    hear_greeting(&mut stream, target).await?;
    if target.tls == TlsMode::Starttls {
        if !ask_capabilities(&mut stream, target, "L1").await?.contains("STARTTLS") {
            return Err(MailError::Unfit("it offers no STARTTLS".to_owned()));
        }
        send_line(&mut stream, "L2 STARTTLS", target.patience).await?;
        read_until(&mut stream, target, "L2", "STARTTLS", |_| ()).await?;
        stream = target.encrypt(stream).await?;
    }
    let capabilities = ask_capabilities(&mut stream, target, "L3").await?;
    Ok((stream, capabilities))
}

async fn hear_greeting(stream: &mut Connection, target: &Target) -> Result<(), MailError> {
    let line = read_line(stream, target.patience).await?;
    let upper = line.to_ascii_uppercase();
    if upper.starts_with("* OK") {
        return Ok(());
    }
    if upper.starts_with("* PREAUTH") {
        // Whoever is logged in before TLS may be somebody else's choice (T62).
        return Err(MailError::Unfit("it greets with PREAUTH, which skips the log-in".to_owned()));
    }
    if upper.starts_with("* BYE") {
        return Err(MailError::Refused { command: "the connection", text: MailError::words(&line) });
    }
    Err(MailError::Protocol("no IMAP greeting"))
}

async fn ask_capabilities(
    stream: &mut Connection,
    target: &Target,
    tag: &'static str,
) -> Result<Capabilities, MailError> {
    let mut all = Capabilities::new();
    send_line(stream, &format!("{tag} CAPABILITY"), target.patience).await?;
    read_until(stream, target, tag, "CAPABILITY", |line| {
        let upper = line.to_ascii_uppercase();
        if let Some(list) = upper.strip_prefix("* CAPABILITY ") {
            all.extend(list.split_ascii_whitespace().map(ToOwned::to_owned));
        }
    })
    .await?;
    Ok(all)
}

async fn read_until(
    stream: &mut Connection,
    target: &Target,
    tag: &str,
    command: &'static str,
    mut each: impl FnMut(&str),
) -> Result<(), MailError> {
    for _ in 0..MOST_LINES {
        let line = read_line(stream, target.patience).await?;
        let Some(answer) = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) else {
            if line.to_ascii_uppercase().starts_with("* BYE") {
                return Err(MailError::Lost);
            }
            each(&line);
            continue;
        };
        if answer.to_ascii_uppercase().starts_with("OK") {
            return Ok(());
        }
        return Err(MailError::Refused { command, text: MailError::words(answer) });
    }
    Err(MailError::Protocol("an answer without an end"))
}
