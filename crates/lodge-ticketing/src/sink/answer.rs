//! What the core's answer means: status, `Retry-After` (RFC 9110, 10.2.3) and the optional JSON body. Pure.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use lodge_domain::ports::SinkAnswer;
use lodge_domain::{ConversationStatus, DeliveryError, Disposition};
use lodge_telemetry::redact;
use serde_json::Value;

const SHORTEST_WAIT: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);
const LONGEST_TICKET: usize = 256;

/// Whether the core has the event, and if not, what to do about it.
pub(super) fn judge(
    status: StatusCode,
    retry_after: Option<&str>,
    now: Timestamp,
) -> Result<(), DeliveryError> {
    let (disposition, message) = match status.as_u16() {
        200..=299 | 409 => return Ok(()),
        300..=399 => (Disposition::Misconfigured, "reach the core: it redirects, which is never followed"),
        401 | 403 => (Disposition::Misconfigured, "be let in by the core: it refuses our signature"),
        404 | 410 => (Disposition::Gone, "find the core's address: nothing is there"),
        400 | 413 | 422 => (Disposition::Rejected, "have the event taken: the core refuses it"),
        _ => {
            let after = retry_after.and_then(|text| wait(text, now));
            (Disposition::Later { after }, "have the event taken now: the core asks to try later")
        }
    };
    Err(DeliveryError::new(disposition, message).detail(format!("HTTP {status}")))
}

/// `Retry-After` as seconds or as a date, between one second and one hour.
fn wait(text: &str, now: Timestamp) -> Option<SignedDuration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit mean "very long", which is cut to the longest wait anyway.
        text.parse().map_or(LONGEST_WAIT, |seconds: u32| SignedDuration::from_secs(i64::from(seconds)))
    } else {
        jiff::fmt::rfc2822::parse(text).ok()?.timestamp().duration_since(now)
    };
    Some(wait.clamp(SHORTEST_WAIT, LONGEST_WAIT))
}

/// What the body of a success says; anything else than a JSON object with these members is ignored.
pub(super) fn read(body: &[u8]) -> SinkAnswer {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return SinkAnswer::default() };
    let ticket = match members.get("ticket") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let status = members.get("status").cloned();
    SinkAnswer {
        ticket: ticket.filter(|text| is_ticket(text)),
        status: status.and_then(|status| serde_json::from_value::<ConversationStatus>(status).ok()),
    }
}

/// A ticket id we repeat in later events: short, and without control characters.
pub(crate) fn is_ticket(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_TICKET && !text.chars().any(char::is_control)
}

/// The title of a problem document (RFC 9457), which describes the kind of problem and never this event.
pub(super) fn problem_title(body: &[u8]) -> Option<String> {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return None };
    Some(redact::line(members.get("title")?.as_str()?, 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn disposition(status: u16, retry_after: Option<&str>) -> Option<Disposition> {
        judge(StatusCode::from_u16(status).unwrap(), retry_after, now()).err().map(|error| error.disposition)
    }

    #[test]
    fn every_status_has_its_meaning() {
        for status in 100..=599 {
            let expected = match status {
                200..=299 | 409 => None,
                300..=399 | 401 | 403 => Some(Disposition::Misconfigured),
                404 | 410 => Some(Disposition::Gone),
                400 | 413 | 422 => Some(Disposition::Rejected),
                _ => Some(Disposition::Later { after: None }),
            };
            assert_eq!(disposition(status, None), expected, "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_and_held_within_bounds() {
        for (text, seconds) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("0", Some(1)),
            ("86400", Some(3600)),
            ("99999999999999999999", Some(3600)),
            ("Sat, 21 Nov 2026 12:00:30 GMT", Some(30)),
            ("Sat, 21 Nov 2026 11:00:00 GMT", Some(1)),
            ("Sat, 21 Nov 2037 12:00:30 GMT", Some(3600)),
            ("soon", None),
            ("", None),
            ("-5", None),
            ("1.5", None),
        ] {
            let after = seconds.map(SignedDuration::from_secs);
            for status in [408, 425, 429, 500, 503] {
                assert_eq!(disposition(status, Some(text)), Some(Disposition::Later { after }), "{text:?}");
            }
        }
        assert_eq!(disposition(422, Some("7")), Some(Disposition::Rejected));
    }

    #[test]
    fn garbage_in_a_success_is_ignored() {
        let open = Some(ConversationStatus::Open);
        let id = Some("DESK-7".to_owned());
        for (body, ticket, status) in [
            (r#"{"ticket":"DESK-7","status":"open"}"#, id.clone(), open),
            (r#"{"ticket":"DESK-7","status":"weird","more":[1]}"#, id, None),
            (r#"{"ticket":42,"status":"open"}"#, Some("42".to_owned()), open),
            (r#"{"ticket":"","status":null}"#, None, None),
            (r#"{"ticket":"a\nb"}"#, None, None),
            ("[1,2]", None, None),
            ("<html>", None, None),
            ("", None, None),
        ] {
            assert_eq!(read(body.as_bytes()), SinkAnswer { ticket, status }, "{body}");
        }
        let long = format!(r#"{{"ticket":"{}"}}"#, "x".repeat(257));
        assert_eq!(read(long.as_bytes()), SinkAnswer::default());
    }
}
