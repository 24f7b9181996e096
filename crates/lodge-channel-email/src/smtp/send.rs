//! Sends one mail, step by step (RFC 5321 3.3), and says of each failure whether it may have gone out.

use super::pool::{self, Pool};
use super::verdict::{Phase, of, unreachable, words_of};
use crate::wire::within;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::{DeliveryError, Disposition};
use std::time::Duration;

/// RFC 5321 4.5.3.2.6: the server has ten minutes to take a mail over.
pub(crate) const FINAL_ANSWER: Duration = Duration::from_secs(600);

/// A mail with its envelope.
pub(crate) struct Outgoing {
    /// `None`: the null sender, which nobody answers (RFC 3834).
    pub(crate) from: Option<Address>,
    pub(crate) to: Vec<Address>,
    pub(crate) bytes: Vec<u8>,
    /// How long the server may take for the whole mail; [`FINAL_ANSWER`] but for tests.
    pub(crate) final_answer: Duration,
}

/// A mail that the relay took over.
#[derive(Debug)]
pub(crate) struct Taken {
    /// What it said of each recipient.
    pub(crate) recipients: Vec<RecipientState>,
    /// Its answer to the mail itself, without the code.
    pub(crate) answer: String,
}

/// Sends. What broke before the relay heard of this mail is tried once more on a fresh connection.
pub(crate) async fn send(pool: &Pool, mail: &Outgoing) -> Result<Taken, DeliveryError> {
    if has_bare_line_ends(&mail.bytes) {
        // Two servers may see two mails in it (T35).
        return Err(DeliveryError::new(Disposition::Never, "send a mail with a bare CR or LF"));
    }
    let mut connection = pool.take(false).await?;
    let mut begun = begin(&mut connection, pool, mail).await;
    if connection.reused && begun.as_ref().is_err_and(|error| !error.answered) {
        drop(connection);
        connection = pool.take(true).await?;
        begun = begin(&mut connection, pool, mail).await;
    }
    begun?;
    let recipients = address(&mut connection, pool, mail).await?;
    let taken = carry(&mut connection, pool, mail, recipients).await?;
    pool.give_back(connection);
    Ok(taken)
}

async fn begin(connection: &mut pool::Taken<'_>, pool: &Pool, mail: &Outgoing) -> Result<(), DeliveryError> {
    let parameters = parameters(&connection.ready.smtp, mail)?;
    let command = connection.ready.smtp.command(Mail::new(mail.from.clone(), parameters));
    step(pool, command, Phase::Sender).await.map(|_| ())
}

/// RCPT for each: whoever is accepted gets the mail; where nobody is, the mildest refusal counts.
async fn address(
    connection: &mut pool::Taken<'_>,
    pool: &Pool,
    mail: &Outgoing,
) -> Result<Vec<RecipientState>, DeliveryError> {
    let mut states = Vec::new();
    let mut refusals: Vec<DeliveryError> = Vec::new();
    for to in &mail.to {
        let command = connection.ready.smtp.command(Rcpt::new(to.clone(), vec![]));
        let (state, text) = match step(pool, command, Phase::Recipient).await {
            Ok(response) => (OutboundState::Sent, words(&response)),
            Err(error) if error.answered => {
                let text = error.detail.clone().unwrap_or_default();
                refusals.push(error);
                (OutboundState::Failed, text)
            }
            Err(error) => return Err(error),
        };
        states.push(RecipientState { handle: to.to_string(), state, text: Some(text) });
    }
    if states.iter().any(|recipient| recipient.state == OutboundState::Sent) {
        return Ok(states);
    }
    let later = refusals.iter().position(|refusal| matches!(refusal.disposition, Disposition::Later { .. }));
    let none = || DeliveryError::new(Disposition::Never, "send a mail without a recipient");
    Err(if refusals.is_empty() { none() } else { refusals.swap_remove(later.unwrap_or(0)) })
}

/// Asks for an envelope without sending a mail in it.
pub(super) async fn ask(
    pool: &Pool,
    connection: &mut pool::Taken<'_>,
    from: &Address,
    to: &[Address],
) -> Result<(), DeliveryError> {
    let smtp = &mut connection.ready.smtp;
    step(pool, smtp.command(Mail::new(Some(from.clone()), vec![])), Phase::Sender).await?;
    for to in to {
        step(pool, smtp.command(Rcpt::new(to.clone(), vec![])), Phase::Recipient).await?;
    }
    Ok(())
}

async fn carry(
    connection: &mut pool::Taken<'_>,
    pool: &Pool,
    mail: &Outgoing,
    mut recipients: Vec<RecipientState>,
) -> Result<Taken, DeliveryError> {
    step(pool, connection.ready.smtp.command(Data), Phase::Content).await?;
    let dot = connection.ready.dot.clone();
    let answer = match within(mail.final_answer, connection.ready.smtp.message(&mail.bytes)).await {
        Ok(Ok(response)) => words(&response),
        Ok(Err(error)) if error.status().is_some() || !dot.was_sent() => {
            return Err(of(&error, Phase::Content));
        }
        Ok(Err(_)) => return Err(doubt("the connection was lost")),
        Err(_) if dot.was_sent() => return Err(doubt("the relay said nothing")),
        Err(error) => return Err(unreachable(&error)),
    };
    for recipient in recipients.iter_mut().filter(|recipient| recipient.state == OutboundState::Sent) {
        recipient.text = Some(format!("250 {answer}"));
    }
    Ok(Taken { recipients, answer })
}

fn doubt(why: &str) -> DeliveryError {
    DeliveryError::later(format!("hear whether the mail was taken: {why} after its end"))
        .unanswered()
        .doubtful()
}

async fn step(
    pool: &Pool,
    command: impl Future<Output = Result<Response, Error>>,
    phase: Phase,
) -> Result<Response, DeliveryError> {
    match within(pool.patience(), command).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => {
            tracing::debug!(?phase, words = words_of(&error), "the relay refuses");
            Err(of(&error, phase))
        }
        Err(silent) => Err(unreachable(&silent)),
    }
}

fn parameters(smtp: &AsyncSmtpConnection, mail: &Outgoing) -> Result<Vec<MailParameter>, DeliveryError> {
    let mut parameters = Vec::new();
    let refused = |what| Err(DeliveryError::new(Disposition::Never, what));
    let all = mail.from.iter().chain(&mail.to);
    if all.into_iter().any(|address| !address.to_string().is_ascii()) {
        if !smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
            return refused("send to an address that is not ASCII: the relay has no SMTPUTF8");
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !mail.bytes.is_ascii() {
        if !smtp.server_info().supports_feature(Extension::EightBitMime) {
            return refused("send eight-bit text: the relay has no 8BITMIME");
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

fn words(response: &Response) -> String {
    crate::error::MailError::words(&response.message().collect::<Vec<_>>().join(" "))
}

fn has_bare_line_ends(bytes: &[u8]) -> bool {
    let mut before = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if before != b'\r' => return true,
            b'\r' if bytes.get(at + 1) != Some(&b'\n') => return true,
            _ => {}
        }
        before = *byte;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TlsMode;
    use crate::smtp::Relay;
    use crate::wire::Target;
    use lodge_channel::net::TcpConnector;
    use std::sync::Arc;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    /// A relay that takes a mail and then says nothing, for ever.
    async fn silent_after_the_dot(listener: TcpListener) {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(b"220 ready\r\n").await.unwrap();
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap() > 0 {
            let answer: &[u8] = match line.split([' ', '\r']).next() {
                Some("DATA") => b"354 go on\r\n",
                Some("EHLO" | "MAIL" | "RCPT") => b"250 ok\r\n",
                _ => b"",
            };
            stream.get_mut().write_all(answer).await.unwrap();
            line.clear();
        }
    }

    #[tokio::test]
    async fn f37_a_relay_that_hangs_after_the_final_dot_leaves_doubt() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(silent_after_the_dot(listener));
        let patience = Duration::from_secs(5);
        let target = Target { host: "127.0.0.1".to_owned(), port, tls: TlsMode::None, trust: None, patience };
        let hello = "acme.example".to_owned();
        let pool = Pool::new(Relay { target, login: None, hello, connector: Arc::new(TcpConnector) }, 1);
        let mail = Outgoing {
            from: None,
            to: vec!["ann@customer.example".parse().unwrap()],
            bytes: b"Subject: hello\r\n\r\nhello\r\n".to_vec(),
            final_answer: Duration::from_millis(200),
        };
        let error = send(&pool, &mail).await.unwrap_err();
        assert!(error.in_doubt && !error.answered, "{error:?}");
        serving.abort();
    }

    #[test]
    fn t35_bare_line_ends_are_seen() {
        for bad in ["a\nb", "\n", "a\r\n.\nb\r\n", "a\rb", "a\r", "a\r\r\nb"] {
            assert!(has_bare_line_ends(bad.as_bytes()), "{bad:?}");
        }
        for good in ["", "a\r\n", "a\r\n\r\n.\r\nb"] {
            assert!(!has_bare_line_ends(good.as_bytes()), "{good:?}");
        }
    }
}
