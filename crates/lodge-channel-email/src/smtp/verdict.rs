//! What a failure of SMTP means for the next try (RFC 5321 4.2.1, 4.5.4.1; RFC 4954 6).

use crate::error::MailError;
use lettre::transport::smtp::Error;
use lodge_domain::{DeliveryError, Disposition};
use std::error::Error as _;

/// How far a mail had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Greeting and EHLO.
    Session,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA, and the mail itself.
    Content,
}

/// The verdict on a server's refusal, or on a connection that broke before the final dot.
pub(super) fn of(error: &Error, phase: Phase) -> DeliveryError {
    let words = words_of(error);
    let Some(code) = error.status().map(u16::from) else {
        if phase == Phase::Login && error.is_client() {
            let message = "log in: the relay offers no way to log in that we know";
            return DeliveryError::new(Disposition::Misconfigured, message);
        }
        return DeliveryError::later("reach the relay: the connection was lost").unanswered();
    };
    let shown = format!("{code} {words}");
    DeliveryError::new(disposition(code, &words, phase), message(phase)).detail(shown)
}

fn message(phase: Phase) -> &'static str {
    match phase {
        Phase::Session => "be heard by the relay",
        Phase::Login => "log in to the relay",
        Phase::Sender => "have our sender address accepted",
        Phase::Recipient => "have the recipient accepted",
        Phase::Content => "have the mail accepted",
    }
}

fn disposition(code: u16, words: &str, phase: Phase) -> Disposition {
    let later = Disposition::Later { after: None };
    if code < 500 {
        return later;
    }
    match (phase, code) {
        // A relay that wants a log-in, or another one, wants it of every mail.
        (_, 530 | 534 | 535 | 538) => Disposition::Misconfigured,
        (Phase::Session | Phase::Login, _) => Disposition::Misconfigured,
        // Too big is said of this mail; everything else at MAIL is said of us.
        (Phase::Sender, 552) => Disposition::Never,
        (Phase::Sender, _) => Disposition::Misconfigured,
        // RFC 5321 4.5.3.1.10: some say 552 where they mean 452, too many recipients or a full mailbox.
        (Phase::Recipient, 552) => later,
        // "Relay access denied": the relay does not know us, whoever the recipient is.
        (Phase::Recipient, _) if words.to_ascii_lowercase().contains("relay") => Disposition::Misconfigured,
        (Phase::Recipient | Phase::Content, _) => Disposition::Never,
    }
}

/// The server's words without the library's.
pub(super) fn words_of(error: &Error) -> String {
    error.source().map_or_else(String::new, |source| MailError::words(&source.to_string()))
}

/// The verdict on a relay that could not be reached or used.
pub(crate) fn unreachable(error: &MailError) -> DeliveryError {
    match error {
        MailError::Tls(_) | MailError::Unfit(_) | MailError::Login(_) => {
            DeliveryError::new(Disposition::Misconfigured, "reach the relay").detail(error.advice())
        }
        MailError::Refused { text, .. } if text.starts_with('5') => {
            DeliveryError::new(Disposition::Misconfigured, "be heard by the relay").detail(error.to_string())
        }
        MailError::Refused { .. } => DeliveryError::later("be heard by the relay").detail(error.to_string()),
        MailError::Unreachable(_) | MailError::Lost | MailError::Silent(_) | MailError::Protocol(_) => {
            DeliveryError::later("reach the relay").unanswered().detail(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f36_each_code_means_what_its_phase_makes_of_it() {
        let later = Disposition::Later { after: None };
        for (phase, code, words, expected) in [
            (Phase::Session, 421, "busy", later),
            (Phase::Session, 554, "no service", Disposition::Misconfigured),
            (Phase::Login, 535, "bad credentials", Disposition::Misconfigured),
            (Phase::Login, 454, "temporary", later),
            (Phase::Sender, 530, "log in first", Disposition::Misconfigured),
            (Phase::Sender, 550, "not your address", Disposition::Misconfigured),
            (Phase::Sender, 552, "too big", Disposition::Never),
            (Phase::Sender, 451, "later", later),
            (Phase::Recipient, 450, "greylisted", later),
            (Phase::Recipient, 550, "no such user", Disposition::Never),
            (Phase::Recipient, 552, "mailbox full", later),
            (Phase::Recipient, 554, "Relay access denied", Disposition::Misconfigured),
            (Phase::Content, 554, "spam", Disposition::Never),
            (Phase::Content, 452, "disk full", later),
        ] {
            assert_eq!(disposition(code, words, phase), expected, "{phase:?} {code}");
        }
    }
}
