//! Mails as customers write them (RFC 5322), and a reader for those that we send.

use crate::clock;
use jiff::Timestamp;

/// A mail to be delivered to the support mailbox.
#[derive(Clone, Debug)]
pub struct Mail {
    from: String,
    to: String,
    subject: String,
    text: String,
    message_id: String,
    date: Timestamp,
    headers: Vec<(String, String)>,
}

impl Mail {
    /// A mail of `from` to `support@acme.example`, whose sender the receiving server could not vouch for.
    #[must_use]
    pub fn unverified(from: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: "support@acme.example".to_owned(),
            subject: "Cannot log in".to_owned(),
            text: "Good day, I cannot log in since this morning. Ann".to_owned(),
            message_id: format!("<{}@mail.example.com>", clock::unique()),
            date: clock::now(),
            headers: Vec::new(),
        }
    }

    /// A mail of `from` whose domain's policy passed at the receiving server (RFC 8601).
    #[must_use]
    pub fn authenticated(from: &str) -> Self {
        let domain = from.rsplit_once('@').map_or(from, |(_, domain)| domain);
        let result = format!("mx.acme.example; dmarc=pass header.from={domain}");
        Self::unverified(from).header("Authentication-Results", &result)
    }

    /// With this subject.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        subject.clone_into(&mut self.subject);
        self
    }

    /// With this text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        text.clone_into(&mut self.text);
        self
    }

    /// To this address.
    #[must_use]
    pub fn to(mut self, to: &str) -> Self {
        to.clone_into(&mut self.to);
        self
    }

    /// With this Message-ID, in angle brackets.
    #[must_use]
    pub fn message_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.message_id);
        self
    }

    /// As an answer to the message with this id, in angle brackets.
    #[must_use]
    pub fn answering(self, id: &str) -> Self {
        self.header("In-Reply-To", id).header("References", id)
    }

    /// With a further header, above the others.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its Message-ID, in angle brackets.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.message_id
    }

    /// Its bytes, with CRLF line ends.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut lines: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.push(format!("From: Ann Lee <{}>", self.from));
        lines.push(format!("To: {}", self.to));
        lines.push(format!("Subject: {}", self.subject));
        lines.push(format!("Date: {}", clock::mail_date(self.date)));
        lines.push(format!("Message-ID: {}", self.message_id));
        lines.push("MIME-Version: 1.0".to_owned());
        lines.push("Content-Type: text/plain; charset=utf-8".to_owned());
        lines.push("Content-Transfer-Encoding: 8bit".to_owned());
        lines.push(String::new());
        lines.extend(self.text.lines().map(ToOwned::to_owned));
        lines.push(String::new());
        lines.join("\r\n").into_bytes()
    }
}

/// The value of the first header `name` in `raw`, unfolded.
#[must_use]
pub fn header(raw: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let head = text.split("\n\n").next()?;
    let unfolded = head.replace("\n\t", " ").replace("\n ", " ");
    unfolded.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_reads_as_it_was_written() {
        let mail = Mail::authenticated("ann@example.com").subject("Hello").answering("<a@b>");
        let raw = mail.bytes();
        assert_eq!(header(&raw, "subject").as_deref(), Some("Hello"));
        assert_eq!(header(&raw, "In-Reply-To").as_deref(), Some("<a@b>"));
        assert_eq!(header(&raw, "message-id").as_deref(), Some(mail.id()));
        assert_eq!(header(b"A: 1\r\n b\r\n\tc\r\n\r\nB: 2\r\n", "a").as_deref(), Some("1 b c"));
        assert_eq!(header(b"A: 1\r\n\r\nB: 2\r\n", "b"), None);
    }
}
