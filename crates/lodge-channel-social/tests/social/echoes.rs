//! What our own account said comes back from many providers: it is news of what we sent, and never a customer's words (F06).

use crate::rig::{Rig, item, media_type, messenger, reports};
use lodge_domain::delivery::OutboundState;
use lodge_domain::{Inbound, SignedDuration};
use serde_json::{Value, json};
use std::path::Path;

/// Each provider that repeats us, with the body by which it does.
const ECHOES: &[(&str, &str)] = &[
    ("messenger", "echo.json"),
    ("instagram", "echo.json"),
    ("facebook", "comment_own_echo.json"),
    ("whatsapp", "smb_echo.json"),
    ("slack", "bot_message_own.json"),
    ("x", "xaa_dm_sent.json"),
];

#[tokio::test]
async fn f06_no_echo_is_a_contact() {
    for (provider, name) in ECHOES {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/social").join(provider).join(name);
        let rig = Rig::new(provider, Value::Null).await;
        let (status, _) = rig.post(std::fs::read(path).unwrap(), media_type(name)).await;
        assert!(status.is_success(), "{provider}");
        let taken = rig.intake.taken();
        assert!(!taken.is_empty(), "{provider}: what became of it can be traced");
        assert!(taken.iter().all(|item| matches!(item, Inbound::Skipped { .. })), "{provider}: {taken:?}");
    }
}

#[tokio::test]
async fn f06_instagrams_echo_and_receipt_find_what_was_sent() {
    let rig = Rig::new("instagram", Value::Null).await;
    let as_instagram = |mut body: Value| {
        body["object"] = json!("instagram");
        body
    };
    rig.take(&as_instagram(messenger("m_1", "hello"))).await;
    let reply = rig.reply("k", "We are on it");
    let sent = rig.replier.send(&reply).await.unwrap();
    let mid = sent.traces[0].0.clone();
    let mut echo = item(
        json!({"message": {"mid": mid, "is_echo": true, "metadata": reply.id.as_str(), "text": "We are on it"}}),
    );
    echo["entry"][0]["messaging"][0]["sender"] = json!({"id": "10"});
    echo["entry"][0]["messaging"][0]["recipient"] = json!({"id": "71"});
    rig.take(&as_instagram(echo)).await;
    rig.clock.advance(SignedDuration::from_secs(60));
    rig.take(&as_instagram(item(json!({"read": {"mid": mid}})))).await;
    let id = reply.id.to_string();
    assert_eq!(reports(&rig), [(id.clone(), OutboundState::Sent), (id, OutboundState::Delivered)]);
    assert_eq!(rig.intake.contacts().len(), 1, "neither is a contact");
}

/// What each carrier of telephone numbers calls it, in an order that nobody promised.
#[tokio::test]
async fn f06_carriers_states_are_told_in_whichever_order_they_come() {
    let form = "application/x-www-form-urlencoded";
    for provider in ["twilio-messaging", "signalwire-messaging"] {
        let rig = Rig::new(provider, Value::Null).await;
        rig.post("MessageSid=SM1&From=%2B14155550134&To=%2B18885550190&Body=hi&NumMedia=0", form).await;
        rig.api.tell("Messages.json", 201, r#"{"sid":"SMout"}"#);
        let reply = rig.reply("k", "hello");
        rig.replier.send(&reply).await.unwrap();
        for state in ["read", "delivered", "queued", "sent", "undelivered"] {
            let news =
                format!("MessageSid=SMout&MessageStatus={state}&To=%2B14155550134&From=%2B18885550190");
            assert!(rig.post(news, form).await.0.is_success(), "{provider}: {state}");
        }
        let states: Vec<OutboundState> = reports(&rig).into_iter().map(|(_, state)| state).collect();
        use OutboundState::{Bounced, Delivered, Sent};
        assert_eq!(states, [Delivered, Delivered, Sent, Bounced], "{provider}");
        // What was overtaken changes nothing: that is the ledger's rule for every report.
        assert!(!Delivered.may_become(Sent), "{provider}");
    }
}
