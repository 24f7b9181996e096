//! What came to the wrong inbox: news of text messages, which a provider sends wherever a number's messages were pointed to.
//! It is told so in words, for whoever looks into the provider's log, and nothing of it is kept.

use crate::documents::parameters;
use crate::outward::text;
use axum::http::StatusCode;
use lodge_channel::webhook::{Answer, Verified};
use serde_json::Value;

/// What it is answered with.
const MESSAGE: &str = "this is news of a text message, and this inbox takes telephone calls: \
                       let the number's messages go to the address of an inbox for messages\n";
/// What is answered to what names no call, or leaves out what must be said of one.
const UNREADABLE: &str = "this says nothing of a telephone call that this inbox understands\n";

/// The fields that name a call; what has one of them is of a call, whatever else it says.
const CALLS: &[&str] = &[
    "CallSid",
    "CallUUID",
    "call_uuid",
    "call_sid",
    "callId",
    "uuid",
    "conversation_uuid",
    "recording_uuid",
];
/// The fields that name a text message.
const MESSAGES: &[&str] =
    &["MessageSid", "SmsSid", "SmsMessageSid", "MessageUUID", "message_uuid", "message_sid"];

/// Whether a request that is believed tells of a text message and of no call.
pub(crate) fn misdirected(request: &Verified<'_>) -> bool {
    let media_type = request.request().media_type();
    if media_type.as_deref() == Some("application/json") {
        return match request.json::<Value>() {
            Some(Value::Array(all)) => all.first().is_some_and(of_a_message),
            Some(told) => of_a_message(&told),
            None => false,
        };
    }
    if media_type.is_some_and(|named| named != "application/x-www-form-urlencoded") {
        return false;
    }
    let form = parameters(request);
    let has = |names: &[&str]| names.iter().any(|name| form.filled(name).is_some());
    has(MESSAGES) && !has(CALLS)
}

fn of_a_message(told: &Value) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| text(told, &format!("/{name}")).is_some());
    let kinds = ["/data/event_type", "/type"].into_iter().filter_map(|at| text(told, at));
    let by_kind = kinds.into_iter().any(|kind| kind.starts_with("message.") || kind.starts_with("message-"));
    (by_kind || has(MESSAGES)) && !has(CALLS)
}

/// The answer to a text message.
pub(crate) fn no_call() -> Answer {
    wrong(MESSAGE)
}

/// The answer to what nobody understands.
pub(crate) fn unreadable() -> Answer {
    wrong(UNREADABLE)
}

fn wrong(words: &'static str) -> Answer {
    Answer { status: StatusCode::BAD_REQUEST, ..Answer::with("text/plain; charset=utf-8", words) }
}
