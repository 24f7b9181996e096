//! Text messages: a number that is written to, and a carrier that says how its messages fared.

use super::{Body, Key, News, Row, Sends, Sent};
use serde_json::{Value, json};

pub(super) const ROWS: &[Row] = &[
    Row {
        inbox: "twilio",
        provider: "twilio-messaging",
        message: || Body::of("twilio-messaging/sms_incoming.form"),
        handle: "+14155550134",
        words: "Where is my order 4711?",
        sends: Sends {
            path: "/2010-04-01/Accounts/AC1/Messages.json",
            to: ("To", "+14155550134"),
            key: Key::Basic("AC1", "AUTH"),
            ..TWILIO
        },
        api: |_, scene| Some(json!({"sid": format!("SMout{}", scene.number), "status": "queued"})),
        news: &[
            News { what: "delivered", body: |sent| twilio("delivered", "+14155550134", sent) },
            News { what: "sent", body: |sent| twilio("sent", "+14155550134", sent) },
        ],
        states: DELIVERED,
        ..Row::USUAL
    },
    Row {
        inbox: "signalwire",
        provider: "signalwire-messaging",
        message: || Body::of("signalwire-messaging/sms_incoming.form").with("From", "+14155550135"),
        handle: "+14155550135",
        words: "hello",
        sends: Sends {
            path: "/api/laml/2010-04-01/Accounts/p%2D1/Messages.json",
            to: ("To", "+14155550135"),
            key: Key::Basic("p-1", "TOKEN"),
            ..TWILIO
        },
        api: |_, scene| Some(json!({"sid": format!("0a1b2c3d-out{}", scene.number), "status": "queued"})),
        news: &[
            News { what: "delivered", body: |sent| twilio("delivered", "+14155550135", sent) },
            News { what: "sent", body: |sent| twilio("sent", "+14155550135", sent) },
        ],
        states: DELIVERED,
        ..Row::USUAL
    },
    Row {
        inbox: "telnyx",
        provider: "telnyx-messaging",
        message: || {
            let person = "/data/payload/from/phone_number";
            let body = Body::of("telnyx-messaging/message_received.json").with(person, "+14155550136");
            body.with("/data/payload/media", json!([])).with("/data/payload/type", "SMS")
        },
        handle: "+14155550136",
        words: "see photo",
        sends: Sends {
            path: "/v2/messages",
            words: "/text",
            to: ("/to", "+14155550136"),
            key: Key::Bearer("ACCESS"),
            id: "/data/id",
            callback: Some("/webhook_url"),
        },
        api: |call, scene| {
            let id = format!("40385f64-5717-4562-b3fc-{:012}", scene.number);
            Some(json!({"data": {"record_type": "message", "id": id, "tags": call.body["tags"]}}))
        },
        news: &[
            News { what: "finalized", body: |sent| telnyx("message.finalized", "delivered", sent) },
            News { what: "sent", body: |sent| telnyx("message.sent", "sent", sent) },
        ],
        states: DELIVERED,
        ..Row::USUAL
    },
    Row {
        inbox: "vonage",
        provider: "vonage-messages",
        message: || Body::of("vonage-messages/messages_inbound_sms.json").with("/from", "14155550137"),
        handle: "+14155550137",
        words: "help",
        sends: Sends {
            path: "/v1/messages",
            words: "/text",
            to: ("/to", "14155550137"),
            key: Key::Signed,
            id: "/message_uuid",
            callback: Some("/webhook_url"),
        },
        api: |_, scene| {
            Some(json!({"message_uuid": format!("bbbbbbbb-bbbb-4ccc-8ddd-{:012}", scene.number)}))
        },
        news: &[
            News { what: "delivered", body: |sent| vonage("delivered", sent) },
            News { what: "submitted", body: |sent| vonage("submitted", sent) },
        ],
        states: DELIVERED,
        ..Row::USUAL
    },
    Row {
        inbox: "plivo",
        provider: "plivo-messaging",
        message: || Body::of("plivo-messaging/sms.form").with("From", "14155550138"),
        handle: "+14155550138",
        words: "help",
        sends: Sends {
            path: "/v1/Account/MA1/Message/",
            words: "/text",
            to: ("/dst", "14155550138"),
            key: Key::Basic("MA1", "AUTH"),
            id: "/message_uuid/0",
            callback: Some("/url"),
        },
        api: |_, scene| {
            let id = format!("eb3ce55a-7f1d-11e1-8ea7-{:012}", scene.number);
            Some(json!({"message": "message(s) queued", "message_uuid": [id], "api_id": "a"}))
        },
        news: &[
            News { what: "delivered", body: |sent| plivo("delivered", sent) },
            News { what: "sent", body: |sent| plivo("sent", sent) },
        ],
        states: DELIVERED,
        ..Row::USUAL
    },
];

const DELIVERED: &[&str] = &["sent", "delivered: delivered"];

const TWILIO: Sends = Sends { words: "Body", id: "/sid", callback: Some("StatusCallback"), ..Sends::NONE };

fn twilio(status: &str, to: &str, sent: &Sent) -> Body {
    Body::of("twilio-messaging/message_status_delivered.form")
        .with("MessageSid", sent.id.clone())
        .with("SmsSid", sent.id.clone())
        .with("MessageStatus", status)
        .with("SmsStatus", status)
        .with("To", to)
}

fn telnyx(event: &str, status: &str, sent: &Sent) -> Body {
    Body::of("telnyx-messaging/message_finalized.json")
        .with("/data/id", format!("{event} of {}", sent.reply))
        .with("/data/event_type", event)
        .with("/data/payload/id", sent.id.clone())
        .with("/data/payload/tags", json!([sent.reply]))
        .with("/data/payload/errors", json!([]))
        .with("/data/payload/to/0/phone_number", "+14155550136")
        .with("/data/payload/to/0/status", status)
}

fn vonage(status: &str, sent: &Sent) -> Body {
    Body::of("vonage-messages/messages_status.json")
        .with("/message_uuid", sent.id.clone())
        .with("/client_ref", sent.reply.clone())
        .with("/channel", "sms")
        .with("/to", "14155550137")
        .with("/status", status)
        .with("/error", Value::Null)
}

fn plivo(status: &str, sent: &Sent) -> Body {
    Body::of("plivo-messaging/sms_status.form")
        .with("MessageUUID", sent.id.clone())
        .with("ParentMessageUUID", sent.id.clone())
        .with("To", "14155550138")
        .with("Status", status)
        .with("ErrorCode", "000")
}
