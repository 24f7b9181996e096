//! The rig itself: servers start, take what they are given, and go away.

use anyhow::{Context, Result};
use lodge_e2e::{Dovecot, Mail, Phase, Postfix, RedisServer, Say, SmtpSink, needs};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Speaks lines and gives back everything that was answered until the other side closes.
async fn converse(port: u16, lines: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(lines.as_bytes()).await?;
    let mut heard = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut heard)).await??;
    Ok(heard)
}

#[tokio::test]
async fn redis_keeps_its_data_over_a_kill() -> Result<()> {
    if !needs::has(&["redis"]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let mut redis = RedisServer::start(folder.path(), &[]).await?;
    assert!(redis.command("SET a 1").await?.starts_with("+OK"));
    redis.kill()?;
    redis.revive().await?;
    assert!(redis.command("GET a").await?.contains('1'));
    Ok(())
}

#[tokio::test]
async fn dovecot_serves_what_is_delivered() -> Result<()> {
    if !needs::has(&["dovecot"]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let dovecot = Dovecot::start(folder.path()).await?;
    dovecot.mailbox("support")?;
    dovecot.deliver("support", &Mail::authenticated("ann@example.com").subject("Here I am"))?;
    let password = lodge_e2e::dovecot::PASSWORD;
    let session = format!("a LOGIN support {password}\r\nb SELECT INBOX\r\nc FETCH 1 BODY[]\r\nd LOGOUT\r\n");
    let heard = converse(dovecot.port(), &session).await?;
    assert!(heard.contains("1 EXISTS") && heard.contains("Subject: Here I am"), "{heard}");
    Ok(())
}

#[tokio::test]
async fn the_sink_takes_mails_and_refuses_as_told() -> Result<()> {
    let sink = SmtpSink::start().await?;
    let session =
        "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n";
    converse(sink.port(), session).await?;
    let taken = sink.taken();
    let first = taken.first().context("a mail")?;
    assert_eq!((first.from.as_str(), first.to.as_slice()), ("a@b", &["c@d".to_owned()][..]));
    assert!(first.raw.ends_with(b"\r\n.dot\r\n"));
    sink.next(Phase::Rcpt, Say::Reply("550 5.1.1 nobody"), 1);
    assert!(
        converse(sink.port(), "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nQUIT\r\n")
            .await?
            .contains("550")
    );
    assert_eq!((sink.taken().len(), sink.refused()), (1, 1));
    Ok(())
}

#[tokio::test]
async fn postfix_delivers_into_the_mailboxes_of_dovecot() -> Result<()> {
    if !needs::has(&["dovecot", "postfix"]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let dovecot = Dovecot::start(&folder.path().join("dovecot")).await?;
    dovecot.mailbox("support")?;
    dovecot.mailbox("customers")?;
    let local = [("support@acme.example", "support")];
    let postfix = Postfix::start(&folder.path().join("postfix"), &dovecot.mail_root(), &local).await?;
    let letter = |to: &str| {
        format!(
            "EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{to}>\r\nDATA\r\nSubject: {to}\r\n\r\nx\r\n.\r\nQUIT\r\n"
        )
    };
    for to in ["support@acme.example", "ann@example.com"] {
        // Postfix takes no commands before it has greeted: one at a time.
        speak(postfix.port(), &letter(to)).await?;
    }
    let started = Instant::now();
    while dovecot.mails("support")?.len() + dovecot.mails("customers")?.len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(15), "nothing delivered: {}", postfix.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(dovecot.mails("support")?.len(), 1);
    Ok(())
}

/// Sends one line after the other, each after an answer to the one before; a mail's text goes out in one piece.
async fn speak(port: u16, session: &str) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut answer = [0; 4096];
    let (head, text) = session.split_once("DATA\r\n").context("a letter")?;
    let commands =
        head.lines().map(|line| format!("{line}\r\n")).chain(["DATA\r\n".to_owned(), text.to_owned()]);
    for command in commands {
        let read = stream.read(&mut answer).await?;
        let heard = String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned();
        anyhow::ensure!(heard.starts_with(['2', '3']), "refused: {heard}");
        stream.write_all(command.as_bytes()).await?;
    }
    let read = stream.read(&mut answer).await?;
    anyhow::ensure!(
        answer.get(..read).is_some_and(|heard| heard.starts_with(b"250")),
        "the letter is refused"
    );
    Ok(())
}
