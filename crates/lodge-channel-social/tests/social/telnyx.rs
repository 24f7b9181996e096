//! Numbers at Telnyx: a text message is answered from the number that it came to, and its states come home in whichever order.

use crate::rig::{PUBLIC_URL, Rig, reports};
use lodge_domain::delivery::OutboundState;
use lodge_domain::{Disposition, HandleKind, PartyHandle, SignedDuration};
use serde_json::{Value, json};

fn telnyx(kind: &str, payload: impl Into<Value>) -> Value {
    let payload = payload.into();
    json!({"data": {"record_type": "event", "event_type": kind, "id": "e1", "occurred_at": "2026-11-21T19:59:50Z",
        "payload": payload}})
}

fn telnyx_said(id: &str, words: &str) -> Value {
    telnyx(
        "message.received",
        json!({"id": id, "type": "SMS", "from": {"phone_number": "+14155550134"},
        "to": [{"phone_number": "+18885550191"}], "text": words, "media": []}),
    )
}

#[tokio::test]
async fn f03_f06_telnyx_answers_from_the_number_addressed_and_states_only_move_forward() {
    let rig = Rig::new("telnyx-messaging", Value::Null).await;
    rig.take(&telnyx_said("m1", "help")).await;
    let contact = rig.intake.contacts().pop().unwrap();
    assert_eq!(contact.from.handle, PartyHandle::new(HandleKind::Phone, "+14155550134"));
    rig.api.tell("/v2/messages", 200, r#"{"data":{"id":"out-1"}}"#);
    let reply = rig.reply("k", "We are on it");
    rig.replier.send(&reply).await.unwrap();
    rig.replier.send(&reply).await.unwrap();
    let calls = rig.api.calls("/v2/messages");
    assert_eq!((calls.len(), calls[0].authorization.as_deref()), (1, Some("Bearer access")));
    assert_eq!(
        calls[0].json(),
        json!({"from": "+18885550191", "to": "+14155550134", "text": "We are on it", "tags": [reply.id.as_str()],
            "webhook_url": format!("{PUBLIC_URL}/hooks/page")})
    );
    let status = |kind: &str, status: &str| {
        let errors = json!([{"code": "40002", "title": "Blocked as spam"}]);
        telnyx(
            kind,
            json!({"id": "out-1", "to": [{"phone_number": "+14155550134", "status": status}], "errors": errors}),
        )
    };
    rig.take(&status("message.finalized", "delivered")).await;
    rig.take(&status("message.sent", "sent")).await;
    let mut early = status("message.finalized", "delivery_failed");
    early["data"]["payload"]["id"] = json!("an id that we were not told yet");
    early["data"]["payload"]["tags"] = json!([reply.id.as_str()]);
    rig.take(&early).await;
    let states: Vec<OutboundState> = reports(&rig).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [OutboundState::Delivered, OutboundState::Sent, OutboundState::Bounced]);
    // What was overtaken changes nothing: that is the ledger's rule for every report.
    assert!(!OutboundState::Delivered.may_become(OutboundState::Sent));
    // Whoever opts out is answered by the carrier alone.
    rig.take(&telnyx_said("m2", " STOP ")).await;
    assert!(!rig.intake.contacts().pop().unwrap().no_acknowledgment.is_empty());
}

#[tokio::test]
async fn f05_f07_telnyx_splits_by_alphabet_and_understands_refusals() {
    let rig = Rig::new("telnyx-messaging", Value::Null).await;
    rig.take(&telnyx_said("m1", "help")).await;
    rig.replier.send(&rig.reply("small", &"words and more ".repeat(110))).await.unwrap();
    assert_eq!(rig.api.calls("/v2/messages").len(), 2, "1,650 characters of the small alphabet");
    rig.replier.send(&rig.reply("large", &"слова и ещё 😡 ".repeat(110))).await.unwrap();
    assert_eq!(rig.api.calls("/v2/messages").len(), 5, "1,650 of the large one");
    rig.api.tell(
        "/v2/messages",
        403,
        r#"{"errors":[{"code":"40300","title":"Blocked due to STOP message"}]}"#,
    );
    let error = rig.replier.send(&rig.reply("a", "a")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    rig.api.tell_later("/v2/messages", 429, Some(3), "{}");
    let error = rig.replier.send(&rig.reply("b", "b")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Later { after: Some(SignedDuration::from_secs(3)) });
    rig.clock.advance(SignedDuration::from_secs(4));
    rig.api.tell("/v2/messages", 401, r#"{"errors":[{"code":"10009","title":"Authentication failed"}]}"#);
    let error = rig.replier.send(&rig.reply("c", "c")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured);
    assert!(rig.health[0].report().failing.is_some(), "loud");
}
