//! Tries the connections of a mail inbox and says what to fix. Changes nothing in the mailbox, sends no mail.

use super::build::{account, relay};
use crate::config::{After, EmailSettings, ImapSettings, SmtpSettings};
use crate::error::MailError;
use crate::smtp::Pool;
use crate::tokens::TOKEN_LETTERS;
use lettre::Address;
use lodge_channel::{Context, Probe, Problem};
use lodge_domain::Disposition;

/// All probes.
pub(super) async fn all(settings: &EmailSettings, context: &Context) -> Vec<Probe> {
    let mut probes = Vec::new();
    if let Some(imap) = &settings.imap {
        let what = format!("{}:{} as {}, folder {}", imap.host, imap.port(), imap.username, imap.folder);
        probes.push(Probe { what, result: read(imap, context).await });
    }
    if let Some(smtp) = &settings.smtp {
        let login =
            smtp.username.as_deref().map_or_else(|| "without a log-in".to_owned(), |u| format!("as {u}"));
        let what = format!("{}:{} {login}", smtp.host, smtp.port());
        probes.push(Probe { what, result: relayed(settings, smtp, context).await });
    }
    probes
}

async fn read(imap: &ImapSettings, context: &Context) -> Result<String, Problem> {
    let account = account(imap, context).map_err(|error| error.problem)?;
    let failed = |error: &MailError| {
        let key = match error {
            MailError::Login(_) => "imap.password",
            MailError::Tls(_) | MailError::Unfit(_) => "imap.tls",
            MailError::Refused { command: "SELECT", .. } => "imap.folder",
            _ => "imap.host",
        };
        Problem::new(key, error.to_string(), error.remedy())
    };
    let mut session = account.log_in(context.connector.as_ref()).await.map_err(|e| failed(&e))?;
    let folder = session.select(&imap.folder).await.map_err(|e| failed(&e))?;
    let mut facts = vec![format!("{} mails", folder.exists)];
    let mut note = |yes: bool, good: &str, bad: &str| facts.push(if yes { good } else { bad }.to_owned());
    note(session.offers("IDLE"), "tells of new mail by itself", "must be polled (no IDLE)");
    note(
        folder.keywords,
        "keeps our keyword",
        "keeps no keywords, so that only our own record says what is filed",
    );
    let moves = matches!(imap.after, After::Move(_));
    if moves && !session.offers("MOVE") {
        facts.push("moves by copy and delete (no MOVE)".to_owned());
    }
    let deletes = imap.after == After::Delete || moves && !session.offers("MOVE");
    if deletes && !session.offers("UIDPLUS") {
        let reason = "the server has no UIDPLUS, so that filed mail is only marked as deleted";
        return Err(Problem::new("imap.after", reason, "use keep or seen"));
    }
    if folder.read_only && imap.after != After::Keep {
        let reason = "the folder is read-only for this account";
        return Err(Problem::new("imap.after", reason, "give the account the right to write, or use keep"));
    }
    session.log_out().await;
    Ok(facts.join(", "))
}

async fn relayed(
    settings: &EmailSettings,
    smtp: &SmtpSettings,
    context: &Context,
) -> Result<String, Problem> {
    let relay = relay(settings, smtp, context).map_err(|error| error.problem)?;
    let Some(mailbox) = settings.mailbox() else {
        return Err(Problem::new("from", "it is no mail address", "write an address"));
    };
    // Where the relay is also the server of our own domain, it says whether answers would come back.
    let sample = settings.reply_address().map(|shape| shape.with(&"a".repeat(TOKEN_LETTERS)));
    let answers: Vec<Address> = sample.iter().filter_map(|address| address.parse().ok()).collect();
    let pool = Pool::new(relay, 1);
    let remedy = "check host, port, tls, username and password";
    pool.try_out(&mailbox.email, &[])
        .await
        .map_err(|error| Problem::new("smtp", error.to_string(), remedy))?;
    match pool.try_out(&mailbox.email, &answers).await {
        Err(error) if error.disposition == Disposition::Never => {
            let remedy = "let the mail server deliver such addresses to the mailbox, or write \"none\"";
            Err(Problem::new("reply_address", error.to_string(), remedy))
        }
        // A relay that is not our own may refuse to say; that proves nothing.
        _ => Ok("takes mail from us".to_owned()),
    }
}
