//! The whole way round with real servers: a customer's mail goes through Postfix into Dovecot, Lodge reads it, and the
//! acknowledgment and the agent's reply come back through Postfix into the customer's own mailbox.

use crate::support::{contact, ticket};
use anyhow::{Context, Result, ensure};
use lodge_e2e::{House, Mail, Plan, Postfix, Store, mail::header, needs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_both_stores!(a_mail_goes_the_whole_way_round);

async fn a_mail_goes_the_whole_way_round(store: Store) -> Result<()> {
    if !needs::has(&["postfix"]) {
        return Ok(());
    }
    let Some(mut house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    house.dovecot.mailbox("customers")?;
    let local = [("support@acme.example", "support")];
    let postfix = Postfix::start(&house.folder().join("postfix"), &house.dovecot.mail_root(), &local).await?;
    house.plan.smtp_port = Some(postfix.port());
    house.configure()?;
    let _gateway = house.run().await?;

    let first = Mail::authenticated("ann@example.com").subject("The long way");
    send(postfix.port(), "ann@example.com", "support@acme.example", &first.bytes()).await?;
    house.exactly(1, 40).await?;
    let arrived = |count: usize| house.dovecot.mails("customers").is_ok_and(|mails| mails.len() >= count);
    house.until("the acknowledgment in Ann's mailbox", 40, || arrived(1)).await?;
    let (_, acknowledgment) = house.dovecot.mails("customers")?.remove(0);
    let id = header(&acknowledgment, "Message-ID").context("an id")?;
    assert_eq!(header(&acknowledgment, "Return-Path").as_deref(), Some("<>"));

    let answer = Mail::authenticated("ann@example.com").subject("Re: The long way").answering(&id);
    let to = header(&acknowledgment, "Reply-To").unwrap_or_else(|| "support@acme.example".to_owned());
    let to = to.rsplit_once('<').map_or(to.as_str(), |(_, address)| address.trim_end_matches('>'));
    send(postfix.port(), "ann@example.com", to, &answer.bytes()).await?;
    house.exactly(2, 40).await?;
    let reference = ticket(&contact(&house, "The long way")?, "reference").to_owned();
    assert_eq!(ticket(&contact(&house, "Re: The long way")?, "reference"), reference);

    let heard = house.desk()?.reply(&reference, "By post", "key-1").await?;
    assert_eq!(heard.status, 202, "{}", heard.body);
    house.until("the reply in Ann's mailbox", 40, || arrived(2)).await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(
        house.dovecot.mails("customers")?.len(),
        2,
        "one acknowledgment, one reply: {}",
        postfix.log()
    );
    Ok(())
}

/// Hands a mail to the server at `port`, as a customer's provider does.
async fn send(port: u16, from: &str, to: &str, raw: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let commands = [
        "EHLO mail.example.com\r\n".to_owned(),
        format!("MAIL FROM:<{from}>\r\n"),
        format!("RCPT TO:<{to}>\r\n"),
        "DATA\r\n".to_owned(),
        format!("{}\r\n.\r\n", String::from_utf8_lossy(raw)),
        "QUIT\r\n".to_owned(),
    ];
    let mut answer = [0; 4096];
    for command in commands {
        let read = stream.read(&mut answer).await?;
        let heard = String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned();
        ensure!(heard.starts_with(['2', '3']), "refused: {heard}");
        stream.write_all(command.as_bytes()).await?;
    }
    Ok(())
}
