//! Material: a mail of the usual size, understood contacts, real time and real randomness.

use anyhow::{Context, Result, bail};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use lodge_channel_email::understand::{Arrival, Copies, Surroundings, understand};
use lodge_domain::ports::{Clock, Entropy};
use lodge_domain::{BrandName, Candidate, Inbound, InboxId, InboxName, KeyRing};
use lodge_e2e::clock;
use std::sync::Arc;

/// This machine's clock.
pub(crate) struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> lodge_domain::Timestamp {
        clock::now()
    }
}

/// This machine's randomness.
pub(crate) struct RealEntropy;

impl Entropy for RealEntropy {
    fn fill(&self, out: &mut [u8]) {
        assert!(SystemRandom::new().fill(out).is_ok(), "the system has no random numbers");
    }
}

/// A mail of about 19 KB: text, HTML, a quote of an older mail, and a small attachment.
pub(crate) fn mail(number: usize) -> Bytes {
    let paragraph = "Since this morning the page says that my password is wrong, and the link to set another one does \
        not arrive. I tried it from two browsers and from my telephone. What else can I do?";
    let text = [paragraph; 8].join("\r\n\r\n");
    let quoted: String = text.lines().map(|line| format!("> {line}\r\n")).collect();
    let html = text.replace("\r\n\r\n", "</p>\r\n<p style=\"margin: 0\">");
    let attachment = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2\r\n".repeat(170);
    let raw = format!(
        "Authentication-Results: mx.acme.example; dmarc=pass header.from=example.com\r\n\
         Received: from mail.example.com by mx.acme.example; Sat, 21 Nov 2026 09:00:00 +0000\r\n\
         From: Ann Lee <person{number}@example.com>\r\nTo: support@acme.example\r\nSubject: Cannot log in {number}\r\n\
         Date: Sat, 21 Nov 2026 09:00:00 +0000\r\nMessage-ID: <bench.{number}@mail.example.com>\r\n\
         In-Reply-To: <other.{number}@mail.example.com>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"outer\"\r\n\r\n--outer\r\n\
         Content-Type: multipart/alternative; boundary=\"inner\"\r\n\r\n--inner\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n\r\nOn Fri, 20 Nov 2026, Support wrote:\r\n{quoted}\r\n--inner\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>{html}</p><blockquote type=\"cite\">{html}</blockquote></body></html>\r\n\
         --inner--\r\n--outer\r\nContent-Type: image/png; name=\"shot.png\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"shot.png\"\r\n\r\n{attachment}--outer--\r\n"
    );
    Bytes::from(raw)
}

/// What a mail door knows when it reads a mail.
pub(crate) fn surroundings() -> Result<Surroundings> {
    Ok(Surroundings {
        inbox: InboxId {
            brand: BrandName::unbranded(),
            name: InboxName::parse("support").context("a name")?,
        },
        provider: "imap".to_owned(),
        own: Vec::new(),
        reply_address: None,
        authserv_ids: vec!["mx.acme.example".to_owned()],
        trusted_headers: false,
        copies: Copies::One,
        keys: Arc::new(KeyRing::new(&[(1, vec![7; 32])]).context("keys")?),
        message_id_domain: "acme.example".to_owned(),
        instance: "bench".to_owned(),
    })
}

/// An arrival just now.
pub(crate) fn arrival() -> Arrival {
    let now = clock::now();
    Arrival { received_at: now, now, backfill: false, truncated: None }
}

/// `count` contacts of different people, prepared for accept.
pub(crate) fn candidates(count: usize) -> Result<Vec<Candidate>> {
    let (around, arrival) = (surroundings()?, arrival());
    (0..count)
        .map(|number| match understand(&mail(number), &arrival, &around).inbound {
            Inbound::Contact(contact) => Candidate::new(&contact, arrival.now).context("encode a contact"),
            _ => bail!("the sample is no contact"),
        })
        .collect()
}
