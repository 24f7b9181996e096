//! Writes the mail that a visitor of the sandbox composes, byte for byte as a mail client would send it (RFC 5322).

use data_encoding::BASE64;
use jiff::Timestamp;
use serde::Deserialize;

/// What the visitor filled in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The sender's name.
    #[serde(default)]
    pub name: String,
    /// The sender's address.
    pub from: String,
    /// The subject.
    #[serde(default)]
    pub subject: String,
    /// The text.
    pub text: String,
    /// Whether the mail server in front vouches for the sender.
    #[serde(default)]
    pub authenticated: bool,
    /// The id of the mail it answers, without angle brackets.
    #[serde(default)]
    pub in_reply_to: Option<String>,
    /// The address to write to, where it is not the inbox's own (a reply address).
    #[serde(default)]
    pub to: Option<String>,
    /// Send the bytes of the mail before once more instead, as a mail server does that was interrupted.
    #[serde(default)]
    pub repeat: bool,
}

/// The mail server that vouches in the sandbox.
pub(super) const AUTHSERV_ID: &str = "mx.sandbox.example";

impl Draft {
    /// The mail; `id` makes its Message-ID.
    pub(super) fn to_bytes(&self, inbox: &str, id: &str, now: Timestamp) -> Vec<u8> {
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        let mut out = String::new();
        let verdict = if self.authenticated { "pass" } else { "none" };
        let mut header = |name: &str, value: String| {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(&value);
            out.push_str("\r\n");
        };
        header(
            "Authentication-Results",
            format!("{AUTHSERV_ID}; dmarc={verdict} header.from={}", clean(domain(&self.from))),
        );
        header("Date", now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string());
        header("From", format!("{} <{}>", word(&clean(&self.name)), clean(&self.from)));
        header("To", format!("<{}>", clean(self.to.as_deref().unwrap_or(inbox))));
        header("Subject", word(&clean(&self.subject)));
        header("Message-ID", format!("<{id}@{}>", clean(domain(&self.from))));
        if let Some(parent) = self.in_reply_to.as_deref().map(clean) {
            header("In-Reply-To", format!("<{parent}>"));
            header("References", format!("<{parent}>"));
        }
        header("MIME-Version", "1.0".to_owned());
        header("Content-Type", "text/plain; charset=utf-8".to_owned());
        header("Content-Transfer-Encoding", "base64".to_owned());
        out.push_str("\r\n");
        let text = self.text.replace("\r\n", "\n").replace('\n', "\r\n");
        for line in BASE64.encode(text.as_bytes()).as_bytes().chunks(76) {
            out.push_str(&String::from_utf8_lossy(line));
            out.push_str("\r\n");
        }
        out.into_bytes()
    }
}

fn domain(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or("sandbox.example")
}

/// RFC 2047: words that are not ASCII, or that hold anything special, go encoded.
fn word(text: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '\'' | '?' | '!' | '#' | '[' | ']');
    if text.chars().all(plain) && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut piece = String::new();
    for c in text.chars() {
        if piece.len() + c.len_utf8() > 42 {
            words.push(format!("=?utf-8?B?{}?=", BASE64.encode(piece.as_bytes())));
            piece.clear();
        }
        piece.push(c);
    }
    words.push(format!("=?utf-8?B?{}?=", BASE64.encode(piece.as_bytes())));
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_becomes_a_mail_and_nothing_breaks_out_of_a_header() {
        let draft = Draft {
            name: "Änn\r\nBcc: x@y".to_owned(),
            from: "ann@example.com".to_owned(),
            subject: "Hallo\r\nX: y".to_owned(),
            text: "Grüße\n.\n".to_owned(),
            authenticated: true,
            in_reply_to: None,
            to: None,
            repeat: false,
        };
        let raw = String::from_utf8(draft.to_bytes("support@x.example", "1", Timestamp::UNIX_EPOCH)).unwrap();
        let head = raw.split("\r\n\r\n").next().unwrap();
        assert!(
            head.contains("dmarc=pass") && head.contains("Date: Thu, 01 Jan 1970 00:00:00 +0000"),
            "{head}"
        );
        assert!(!head.contains("\r\nBcc") && !head.contains("\r\nX:"), "{head}");
    }
}
