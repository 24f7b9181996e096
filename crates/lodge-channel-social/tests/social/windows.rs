//! Until when a contact can be answered: told in the envelope, and kept before anything is sent (F04). Every provider that
//! has such a window, and every channel of those that carry several.

use crate::rig::{Rig, messenger, whatsapp};
use lodge_domain::{Disposition, SignedDuration};
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";
/// What was said at this time can be answered for a day.
const SAID: &str = "2026-11-21T19:59:50Z";

/// One way in, and where its answers go.
struct Window {
    provider: &'static str,
    extra: Value,
    body: Value,
    /// Instead of the body, where the provider posts forms; these are as old as their request.
    form: &'static str,
    path: &'static str,
    allowed: &'static str,
}

impl Window {
    fn json(provider: &'static str, body: Value, path: &'static str, allowed: &'static str) -> Self {
        Self { provider, extra: Value::Null, body, form: "", path, allowed }
    }

    fn form(provider: &'static str, form: &'static str, path: &'static str) -> Self {
        Self { form, ..Self::json(provider, Value::Null, path, "those approved for this number") }
    }
}

fn instagram() -> Value {
    let mut message = messenger("m_1", "hello");
    message["object"] = json!("instagram");
    message
}

fn vonage(channel: &str) -> Value {
    json!({"channel": channel, "message_uuid": "u1", "to": "18885550190", "from": "4915112345678",
        "timestamp": SAID, "message_type": "text", "text": "hi"})
}

fn windows() -> Vec<Window> {
    let meta = "none; human_agent = true allows seven days";
    let cloud = whatsapp(json!({"from": "49151", "id": "wamid.1", "type": "text", "text": {"body": "hi"}}));
    let named = json!({"templates": ["order_update", "call_back"]});
    let twilio =
        "MessageSid=SM1&From=whatsapp%3A%2B4915112345678&To=whatsapp%3A%2B18885550190&Body=hi&NumMedia=0";
    let plivo = "From=4915112345678&To=18885550190&Type=whatsapp&MessageUUID=w1&Text=hi";
    let console = "those approved for this number";
    vec![
        Window::json("messenger", messenger("m_1", "hello"), "/messages", meta),
        Window::json("instagram", instagram(), "/messages", meta),
        Window::json("whatsapp", cloud.clone(), "/messages", "none are configured"),
        Window { extra: named, ..Window::json("whatsapp", cloud, "/messages", "order_update, call_back") },
        Window::form("twilio-messaging", twilio, "Messages.json"),
        Window::form("plivo-messaging", plivo, "/Message/"),
        Window::json("vonage-messages", vonage("whatsapp"), "/v1/messages", console),
        Window::json("vonage-messages", vonage("messenger"), "/v1/messages", console),
        Window::json("vonage-messages", vonage("instagram"), "/v1/messages", console),
    ]
}

#[tokio::test]
async fn f04_every_window_is_told_and_kept_before_anything_is_sent() {
    for window in windows() {
        let rig = Rig::new(window.provider, window.extra).await;
        let end = if window.form.is_empty() {
            rig.take(&window.body).await;
            "2026-11-22T19:59:50Z"
        } else {
            rig.post(window.form, FORM).await;
            "2026-11-22T20:00:00Z"
        };
        let name = format!("{} {}", window.provider, window.body["channel"]);
        let contact = rig.intake.contacts().pop().expect("it is a contact");
        assert_eq!(contact.details["window_ends_at"], json!(end), "{name}: in the envelope");
        let left = end.parse::<lodge_domain::Timestamp>().unwrap().duration_since(rig.context.clock.now());
        rig.clock.advance(left - SignedDuration::from_secs(1));
        rig.replier.send(&rig.reply("in time", "hello")).await.unwrap();
        let calls = rig.api.calls(window.path).len();
        assert!(calls > 0, "{name}: in time it goes");
        rig.clock.advance(SignedDuration::from_secs(2));
        let error = rig.replier.send(&rig.reply("late", "late")).await.unwrap_err();
        let words = error.to_string();
        assert_eq!((error.disposition, error.in_doubt), (Disposition::Never, false), "{name}");
        for part in ["outside of the reply window", end, &format!("allowed templates: {}", window.allowed)] {
            assert!(words.contains(part), "{name}: {part} in {words}");
        }
        assert_eq!(rig.api.calls(window.path).len(), calls, "{name}: known before anything is sent");
    }
}

#[tokio::test]
async fn f04_the_tag_of_seven_days_is_opted_into_and_only_for_people_who_answer() {
    for (provider, message) in [("messenger", messenger("m_1", "hello")), ("instagram", instagram())] {
        let rig = Rig::new(provider, json!({"human_agent": true})).await;
        rig.take(&message).await;
        rig.clock.advance(SignedDuration::from_hours(48));
        rig.replier.send(&rig.reply("k", "late, by a person")).await.unwrap();
        let body = rig.api.calls("/messages")[0].json();
        assert_eq!((&body["messaging_type"], &body["tag"]), (&json!("MESSAGE_TAG"), &json!("HUMAN_AGENT")));
        let mut automatic = rig.reply("automatic", "we have it");
        automatic.kind = lodge_domain::delivery::OutboundKind::Acknowledgment;
        rig.replier.send(&automatic).await.unwrap();
        let body = rig.api.calls("/messages")[1].json();
        assert!(body["tag"].is_null(), "{provider}: what is automatic is not a person's");
        rig.clock.advance(SignedDuration::from_hours(24 * 6));
        let error = rig.replier.send(&rig.reply("k2", "too late")).await.unwrap_err();
        assert!(error.to_string().contains("HUMAN_AGENT until 2026-11-28T19:59:50Z"), "{error}");
    }
}

#[tokio::test]
async fn f04_what_has_no_window_can_be_answered_late() {
    let rig = Rig::new("twilio-messaging", Value::Null).await;
    rig.post("MessageSid=SM1&From=%2B14155550134&To=%2B18885550190&Body=hi&NumMedia=0", FORM).await;
    assert!(rig.intake.contacts()[0].details.get("window_ends_at").is_none());
    rig.clock.advance(SignedDuration::from_hours(24 * 30));
    rig.replier.send(&rig.reply("k", "late")).await.unwrap();
    assert_eq!(rig.api.calls("Messages.json").len(), 1);
}
