//! Mail about mail: bounces and delays (RFC 3464), receipts (RFC 8098), complaints (RFC 5965), and the many bounces that
//! are only prose (`report/prose.rs`).
//!
//! A report is unauthenticated text. It counts as news about something of ours only where it returns a Message-ID that
//! we signed; else it is a contact like any other.

mod prose;
mod status;

use super::fields::Fields;
use super::mime::{Part, Tree};
use super::{address, clean, ids, words};
use lodge_domain::OriginClass;
use lodge_domain::ticket::ReportedDelivery;

/// What a report says.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) class: OriginClass,
    /// The sign by which it was recognised.
    pub(crate) sign: String,
    pub(crate) deliveries: Vec<ReportedDelivery>,
    /// The far side's words on each delivery, in the same order.
    pub(crate) texts: Vec<Option<String>>,
    /// The Message-ID reported on.
    pub(crate) original: Option<String>,
}

/// One recipient's result, as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Result {
    pub(crate) recipient: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) text: Option<String>,
}

/// Most results kept of one report.
const MOST: usize = 100;

/// Reads the report that a mail is; `None` where it is none.
pub(crate) fn read(
    fields: &Fields<'_>,
    tree: &Tree,
    text: &str,
    from: &str,
    subject: &str,
) -> Option<Report> {
    let original = returned_field(tree, text, "message-id", &|value| {
        ids::normalise(value).filter(|id| id.contains('@'))
    });
    if let Some(report) = complaint(tree, original.clone()) {
        return Some(report);
    }
    if let Some(report) = receipt(tree, original.clone()) {
        return Some(report);
    }
    let mut sign = "message/delivery-status";
    let mut results = structured(tree);
    if results.is_empty() || results.iter().all(|r| r.recipient.is_none()) {
        let prose = prose::read(fields, text, from, subject)?;
        sign = prose.sign;
        results = merge(results, prose.results);
        // Who is not named in the notice is named in the returned mail.
        if results.iter().all(|r| r.recipient.is_none()) {
            let to = returned_field(tree, text, "to", &|value| {
                address::parse_list(value, None).into_iter().find(address::Mailbox::is_valid)
            });
            let mut known = results.into_iter().next().unwrap_or_default();
            known.recipient = to.map(|mailbox| mailbox.handle());
            results = vec![known];
        }
        complete(&mut results, text);
    } else {
        complete(&mut results, text);
    }
    Some(bounce(results, sign, original))
}

/// Whatever prose knows that the structured part does not.
fn merge(structured: Vec<Result>, prose: Vec<Result>) -> Vec<Result> {
    let known = structured.into_iter().next().unwrap_or_default();
    if prose.is_empty() {
        return vec![known];
    }
    let fill = |mut r: Result| {
        r.action = r.action.or_else(|| known.action.clone());
        r.status = r.status.or_else(|| known.status.clone());
        r.text = r.text.or_else(|| known.text.clone());
        r
    };
    prose.into_iter().map(fill).collect()
}

/// A status that says only its class is made precise by the far side's words.
fn complete(results: &mut [Result], text: &str) {
    let single = results.len() == 1;
    for result in results {
        let vague = result.status.as_deref().is_none_or(|s| s.ends_with(".0.0"));
        if vague {
            let words = result.text.as_deref().unwrap_or_default();
            let found = status::find(words).or_else(|| if single { status::find(text) } else { None });
            let found = found.filter(|f| !f.ends_with(".0.0"));
            result.status = found.or_else(|| result.status.take()).or_else(|| status::from_reply(words));
        }
    }
}

fn bounce(results: Vec<Result>, sign: &str, original: Option<String>) -> Report {
    let mut seen: Vec<Result> = Vec::new();
    for result in results {
        if seen.len() < MOST && !seen.iter().any(|s| s.recipient == result.recipient && s.recipient.is_some())
        {
            seen.push(result);
        }
    }
    let good = |r: &Result| matches!(r.action.as_deref(), Some("delivered" | "relayed" | "expanded"));
    let class = if !seen.is_empty() && seen.iter().all(good) {
        OriginClass::DeliveryReport
    } else {
        OriginClass::Bounce
    };
    let deliveries = seen.iter().map(|result| delivery(result, original.as_deref())).collect();
    let texts = seen.into_iter().map(|result| result.text).collect();
    Report { class, sign: sign.to_owned(), deliveries, texts, original }
}

fn delivery(result: &Result, original: Option<&str>) -> ReportedDelivery {
    let class = result.status.as_deref().and_then(|s| s.chars().next());
    let action = result.action.clone().or_else(|| Some("failed".to_owned()));
    let permanent = match (action.as_deref(), class) {
        (Some("failed"), Some('4')) => Some(false),
        (Some("failed"), _) => Some(true),
        (Some("delayed"), _) => Some(false),
        _ => None,
    };
    ReportedDelivery {
        recipient: result.recipient.clone(),
        action,
        status: result.status.clone(),
        permanent,
        original_message_id: original.map(|id| format!("<{id}>")),
    }
}

/// Per-recipient fields of every `message/delivery-status` part, wherever it stands and whatever it is called.
fn structured(tree: &Tree) -> Vec<Result> {
    let mut results = Vec::new();
    for part in &tree.parts {
        let named = part.media_type.ends_with("delivery-status");
        let disguised = part.is("text") && starts_with_field(&part.content, "reporting-mta");
        if !named && !disguised {
            continue;
        }
        for block in blocks(&part.content) {
            let fields = Fields::parse(block);
            if ["final-recipient", "original-recipient", "action", "status", "x-actual-recipient"]
                .iter()
                .any(|n| fields.has(n))
            {
                results.push(result_of(&fields));
            }
        }
    }
    // A block that only repeats the status of the whole adds nothing where others name their recipient.
    if results.iter().any(|r| r.recipient.is_some()) {
        results.retain(|r| r.recipient.is_some());
    }
    results
}

fn starts_with_field(content: &[u8], name: &str) -> bool {
    let head = content.trim_ascii_start().get(..name.len()).unwrap_or_default();
    head.eq_ignore_ascii_case(name.as_bytes())
}

/// The blocks between empty lines.
fn blocks(content: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in content.split_inclusive(|b| *b == b'\n') {
        if line.trim_ascii().is_empty() {
            out.push(&content[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    out.push(&content[start.min(content.len())..]);
    out.retain(|block| !block.trim_ascii().is_empty());
    out.truncate(10 * MOST);
    out
}

fn result_of(fields: &Fields<'_>) -> Result {
    let text = fields.text("diagnostic-code").map(|t| without_type(&t)).filter(|t| !t.is_empty());
    let status = fields.token("status").and_then(|s| status::find(&s));
    let names = ["final-recipient", "x-actual-recipient", "original-recipient"];
    let all: Vec<String> =
        names.iter().filter_map(|n| fields.text(n)).filter_map(|t| recipient(&t)).collect();
    let address = all.iter().find(|a| address::is_address(a)).or(all.first()).cloned();
    let action =
        fields.token("action").map(|a| a.split([' ', '(', ';']).next().unwrap_or_default().to_owned());
    const ACTIONS: [&str; 5] = ["failed", "delayed", "delivered", "relayed", "expanded"];
    let action = action.map(|a| match a.as_str() {
        "failure" | "fail" => "failed".to_owned(),
        "delay" => "delayed".to_owned(),
        _ => a,
    });
    Result {
        recipient: address,
        action: action.filter(|a| ACTIONS.contains(&a.as_str())),
        status,
        text: text.map(|t| clean::line(&t, 500)),
    }
}

/// `rfc822; <ann@example.com>` to the address alone.
fn recipient(text: &str) -> Option<String> {
    let plain = without_type(text);
    let plain = plain.trim().trim_matches(['<', '>', '"', '\'']).trim();
    let plain = match plain.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => plain.split_whitespace().next().unwrap_or_default(),
    };
    let decoded = clean::line(plain, 320).trim_matches(['<', '>', '.', ',']).to_lowercase();
    (!decoded.is_empty() && decoded.contains('@')).then_some(decoded)
}

fn without_type(text: &str) -> String {
    match text.split_once(';') {
        Some((kind, rest)) if kind.trim().len() <= 20 && !kind.contains(['@', ' ', '.']) => {
            rest.trim().to_owned()
        }
        _ => text.trim().to_owned(),
    }
}

/// A complaint (RFC 5965), or a DMARC failure report in its form.
fn complaint(tree: &Tree, original: Option<String>) -> Option<Report> {
    let part = tree.parts.iter().find(|p| p.media_type == "message/feedback-report")?;
    let fields = Fields::parse(&part.content);
    let kind = fields.token("feedback-type").unwrap_or_else(|| "other".to_owned());
    let to = fields.every("original-rcpt-to").filter_map(|raw| recipient(&words::text(raw, None)));
    let results =
        to.map(|recipient| Result { recipient: Some(recipient), action: None, status: None, text: None });
    let deliveries: Vec<ReportedDelivery> = results
        .take(MOST)
        .map(|r| ReportedDelivery {
            recipient: r.recipient,
            action: None,
            status: None,
            permanent: None,
            original_message_id: original.as_ref().map(|id| format!("<{id}>")),
        })
        .collect();
    let words = Some(format!("complaint: {}", clean::line(&kind, 40)));
    let texts = deliveries.iter().map(|_| words.clone()).collect();
    Some(Report {
        class: OriginClass::Complaint,
        sign: "message/feedback-report".to_owned(),
        deliveries,
        texts,
        original,
    })
}

/// A receipt (RFC 8098).
fn receipt(tree: &Tree, original: Option<String>) -> Option<Report> {
    let part = tree.parts.iter().find(|p| p.media_type.ends_with("disposition-notification"))?;
    let fields = Fields::parse(&part.content);
    let named = fields.first("original-message-id").and_then(ids::normalise);
    let original = named.or(original);
    let to = ["final-recipient", "original-recipient"].iter().find_map(|n| recipient(&fields.text(n)?));
    let disposition = fields.token("disposition").unwrap_or_default();
    let failed = disposition.contains("failed");
    let result = Result {
        recipient: to,
        action: Some(if failed { "failed" } else { "delivered" }.to_owned()),
        status: None,
        text: None,
    };
    let deliveries = vec![delivery(&result, original.as_deref())];
    let texts = vec![Some(clean::line(&disposition, 200)).filter(|t| !t.is_empty())];
    let sign = "message/disposition-notification".to_owned();
    Some(Report { class: OriginClass::DeliveryReport, sign, deliveries, texts, original })
}

/// A field of the mail that a report returns: from its returned message or header, else from what prose quotes.
fn returned_field<T>(tree: &Tree, text: &str, name: &str, read: &dyn Fn(&[u8]) -> Option<T>) -> Option<T> {
    const RETURNED: [&str; 6] = [
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
        "text/rfc822-header",
    ];
    let returned = tree.parts.iter().filter(|part| RETURNED.contains(&part.media_type.as_str()));
    let in_part = |part: &Part| Fields::parse(&part.content).first(name).and_then(read);
    returned.into_iter().find_map(in_part).or_else(|| {
        text.lines().take(5_000).find_map(|line| {
            let line = line.trim_start_matches(['>', ' ', '\t', '|']);
            let (label, value) = line.split_once(':')?;
            label.trim().eq_ignore_ascii_case(name).then(|| read(value.as_bytes())).flatten()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::understand::mime;
    use bytes::Bytes;

    fn report(raw: &str) -> Report {
        let bytes = Bytes::from(raw.to_owned());
        let tree = mime::parse(&bytes, None).unwrap();
        let fields = Fields::parse(&bytes);
        read(&fields, &tree, "", "mailer-daemon@x.y", "Undelivered Mail").unwrap()
    }

    #[test]
    fn b07_two_recipients_keep_their_own_codes() {
        let report = report(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nsorry\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; <Ann@Example.com>\r\nAction: failed\r\nStatus: 5.1.1 (no such user)\r\n\r\n\
             Final-Recipient: rfc822;bob@example.com\r\nAction: delayed\r\nStatus: 4.2.2\r\nDiagnostic-Code: smtp; 452 4.2.2 full\r\n\r\n--b\r\n\
             Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <m@n>\r\n\r\n--b--\r\n",
        );
        let all: Vec<_> = report
            .deliveries
            .iter()
            .map(|d| (d.recipient.as_deref().unwrap(), d.status.as_deref().unwrap(), d.permanent))
            .collect();
        assert_eq!(
            all,
            [("ann@example.com", "5.1.1", Some(true)), ("bob@example.com", "4.2.2", Some(false))]
        );
        assert_eq!((report.class, report.original.as_deref()), (OriginClass::Bounce, Some("m@n")));
        assert_eq!(report.texts[1].as_deref(), Some("452 4.2.2 full"));
    }

    #[test]
    fn b07_complaints_and_receipts() {
        let complaint = report(
            "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nOriginal-Rcpt-To: ann@b.c\r\n\r\n--b--\r\n",
        );
        assert_eq!(
            (complaint.class, complaint.deliveries[0].recipient.as_deref()),
            (OriginClass::Complaint, Some("ann@b.c"))
        );
        let receipt = report(
            "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822;ann@b.c\r\nOriginal-Message-ID: <o@p>\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--b--\r\n",
        );
        assert_eq!((receipt.class, receipt.original.as_deref()), (OriginClass::DeliveryReport, Some("o@p")));
    }
}
