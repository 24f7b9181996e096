//! Everything wrong with a mail inbox's settings that can be seen without a network, each with its remedy.

use crate::config::{After, EmailSettings, MailProvider, TlsMode};
use crate::tokens::ReplyAddress;
use lettre::Address;
use lettre::message::Mailbox;
use lodge_channel::net::is_loopback;
use lodge_channel::{Problem, Secret, SecretSource};

impl EmailSettings {
    /// Who we are; `None` where `from` cannot be read.
    pub(crate) fn mailbox(&self) -> Option<Mailbox> {
        self.from.trim().parse().ok()
    }

    /// Where answers are asked to go; `None` for signed Message-IDs alone. Plus addressing is asked of nobody who did not
    /// say that his server takes it: answers to an address that does not exist would be lost.
    pub(crate) fn reply_address(&self) -> Option<ReplyAddress> {
        match self.reply_address.as_deref() {
            None | Some("none") => None,
            Some(template) => ReplyAddress::parse(template).ok(),
        }
    }

    /// Which addresses of answers are recognised.
    pub(crate) fn recognised_address(&self) -> Option<ReplyAddress> {
        self.reply_address().or_else(|| ReplyAddress::plus(self.mailbox()?.email.as_ref()).ok())
    }
}

/// All problems.
pub(super) fn all(settings: &EmailSettings, secrets: &dyn SecretSource) -> Vec<Problem> {
    let mut problems = Vec::new();
    addresses(settings, &mut problems);
    mailbox(settings, secrets, &mut problems);
    relay(settings, secrets, &mut problems);
    problems
}

fn addresses(settings: &EmailSettings, problems: &mut Vec<Problem>) {
    let remedy = "write an address such as \"Acme Support <support@acme.example>\"";
    if settings.mailbox().is_none() {
        problems.push(Problem::new("from", format!("\"{}\" is no mail address", settings.from), remedy));
    }
    for alias in &settings.aliases {
        if alias.trim().parse::<Address>().is_err() {
            let reason = format!("\"{alias}\" is no mail address");
            problems.push(Problem::new(
                "aliases",
                reason,
                "write an address alone, such as help@acme.example",
            ));
        }
    }
    if let Some(template) = settings.reply_address.as_deref().filter(|template| *template != "none")
        && let Err(error) = ReplyAddress::parse(template)
    {
        let remedy =
            "write one such as \"support+{token}@acme.example\", or \"none\" for signed Message-IDs alone";
        problems.push(Problem::new("reply_address", error.to_string(), remedy));
    }
}

fn mailbox(settings: &EmailSettings, secrets: &dyn SecretSource, problems: &mut Vec<Problem>) {
    let imap = match (settings.provider, &settings.imap) {
        (MailProvider::Imap, Some(imap)) => imap,
        (MailProvider::Imap, None) => {
            let remedy = "add the table [….email.imap] with host, username and password";
            return problems.push(Problem::new("imap", "provider `imap` needs a mailbox", remedy));
        }
        (MailProvider::Pipe, Some(_)) => {
            let remedy = "remove the table, or write provider = \"imap\"";
            return problems.push(Problem::new("imap", "provider `pipe` reads no mailbox", remedy));
        }
        (MailProvider::Pipe, None) => return,
    };
    host("imap", &imap.host, problems);
    clear("imap", &imap.host, imap.tls, imap.insecure, problems);
    secret("imap.password", &imap.password, secrets, problems);
    if imap.username.is_empty() || imap.username.chars().any(char::is_control) {
        problems.push(Problem::new(
            "imap.username",
            "it is empty or has control characters",
            "name the account",
        ));
    }
    if imap.folder.is_empty() || imap.folder.chars().any(char::is_control) {
        problems.push(Problem::new("imap.folder", "it is empty or has control characters", "name a folder"));
    }
    if let After::Move(target) = &imap.after
        && (target == &imap.folder
            || target.eq_ignore_ascii_case("INBOX") && imap.folder.eq_ignore_ascii_case("INBOX"))
    {
        let reason = format!("\"{target}\" is the folder that is read");
        problems.push(Problem::new("imap.after", reason, "name another folder, such as move:Done"));
    }
}

fn relay(settings: &EmailSettings, secrets: &dyn SecretSource, problems: &mut Vec<Problem>) {
    let Some(smtp) = &settings.smtp else { return };
    host("smtp", &smtp.host, problems);
    clear("smtp", &smtp.host, smtp.tls, smtp.insecure, problems);
    match (&smtp.username, &smtp.password) {
        (Some(_), Some(password)) => secret("smtp.password", password, secrets, problems),
        (None, None) => {}
        (Some(_), None) => {
            let remedy = "set it, or leave out smtp.username where the relay wants no log-in";
            problems.push(Problem::new("smtp.password", "there is a username without a password", remedy));
        }
        (None, Some(_)) => {
            let remedy = "set it, or leave out smtp.password where the relay wants no log-in";
            problems.push(Problem::new("smtp.username", "there is a password without a username", remedy));
        }
    }
    if let Some(from) = smtp.envelope_from.as_deref().filter(|from| *from != "null")
        && from.parse::<Address>().is_err()
    {
        let remedy = "write \"null\" or an address whose bounces somebody reads";
        problems.push(Problem::new("smtp.envelope_from", format!("\"{from}\" is no mail address"), remedy));
    }
    if !(1..=64).contains(&smtp.connections) {
        let remedy = "write a number from 1 to 64";
        problems.push(Problem::new("smtp.connections", format!("{} connections", smtp.connections), remedy));
    }
}

fn host(table: &str, host: &str, problems: &mut Vec<Problem>) {
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    if host.is_empty() || host.contains(odd) {
        let reason = format!("\"{host}\" is no host name");
        problems.push(Problem::new(
            format!("{table}.host"),
            reason,
            "write the server's name alone, without port",
        ));
    }
}

fn clear(table: &str, host: &str, tls: TlsMode, insecure: bool, problems: &mut Vec<Problem>) {
    if tls == TlsMode::None && !insecure && !is_loopback(host) {
        let remedy = "set tls to \"implicit\" or \"starttls\"; insecure = true allows it all the same";
        let reason = "passwords and mail would travel in clear to another machine";
        problems.push(Problem::new(format!("{table}.tls"), reason, remedy));
    }
}

fn secret(key: &str, secret: &Secret, secrets: &dyn SecretSource, problems: &mut Vec<Problem>) {
    if let Err(error) = secrets.read(secret) {
        let remedy = "set the variable or put the file there, readable for the gateway";
        problems.push(Problem::new(key, error.to_string(), remedy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodge_channel::SecretError;
    use secrecy::SecretString;
    use serde_json::json;

    struct Only(&'static str);

    impl SecretSource for Only {
        fn read(&self, secret: &Secret) -> Result<SecretString, SecretError> {
            if secret.to_string() == self.0 {
                return Ok("secret".to_owned().into());
            }
            Err(SecretError { reference: secret.to_string(), problem: "not set".to_owned() })
        }
    }

    fn settings(change: impl Fn(&mut serde_json::Value)) -> EmailSettings {
        let mut value = json!({
            "provider": "imap", "from": "Acme <support@acme.example>",
            "imap": { "host": "imap.acme.example", "username": "u", "password": "env:P" },
            "smtp": { "host": "smtp.acme.example", "username": "u", "password": "env:P" }
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    fn keys(settings: &EmailSettings) -> Vec<String> {
        all(settings, &Only("env:P")).into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn each_mistake_is_named_with_its_key() {
        assert!(keys(&settings(|_| ())).is_empty());
        type Mistake = fn(&mut serde_json::Value);
        let cases: [(Mistake, &str); 12] = [
            (|v| v["from"] = json!("nobody"), "from"),
            (|v| v["aliases"] = json!(["a b@c"]), "aliases"),
            (|v| v["reply_address"] = json!("support@acme.example"), "reply_address"),
            (
                |v| v["reply_address"] = json!("a-very-long-local-part-indeed+{token}@acme.example"),
                "reply_address",
            ),
            (|v| v["imap"]["tls"] = json!("none"), "imap.tls"),
            (|v| v["smtp"]["tls"] = json!("none"), "smtp.tls"),
            (|v| v["imap"]["password"] = json!("env:OTHER"), "imap.password"),
            (|v| v["imap"]["after"] = json!("move:inbox"), "imap.after"),
            (|v| v["smtp"]["envelope_from"] = json!("<>"), "smtp.envelope_from"),
            (|v| v["smtp"]["connections"] = json!(0), "smtp.connections"),
            (|v| v["smtp"]["password"] = json!(null), "smtp.password"),
            (|v| v["imap"]["host"] = json!("imap.acme.example/x"), "imap.host"),
        ];
        for (change, key) in cases {
            assert_eq!(keys(&settings(change)), [key]);
        }
    }

    #[test]
    fn t62_clear_text_is_for_this_machine_or_on_request() {
        let local = settings(|v| {
            v["imap"]["tls"] = json!("none");
            v["imap"]["host"] = json!("127.0.0.1");
        });
        assert!(keys(&local).is_empty());
        let asked_for = settings(|v| {
            v["imap"]["tls"] = json!("none");
            v["imap"]["insecure"] = json!(true);
        });
        assert!(keys(&asked_for).is_empty());
    }
}
