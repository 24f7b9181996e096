//! What comes in: who it is, which conversation it belongs to, its files, and what became of it later.

use crate::rig::{Rig, item, messenger, whatsapp};
use axum::http::StatusCode;
use lodge_domain::ports::Refusal;
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{HandleKind, Inbound, PartyHandle, SignedDuration};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn g05_a_person_without_a_number_has_a_thread_and_a_number_is_a_second_name_for_it() {
    let rig = Rig::new("whatsapp", Value::Null).await;
    let say = |number: Option<&str>, id: Option<&str>, wamid: &str| {
        let mut message = json!({"id": wamid, "type": "text", "text": {"body": "hi"}});
        if let Some(number) = number {
            message["from"] = json!(number);
        }
        if let Some(id) = id {
            message["from_user_id"] = json!(id);
        }
        whatsapp(message)
    };
    rig.take(&say(Some("49151"), None, "wamid.1")).await;
    rig.take(&say(Some("49151"), Some("DE.1"), "wamid.2")).await;
    rig.take(&say(None, Some("DE.1"), "wamid.3")).await;
    let [phone, both, id] = rig.intake.contacts().try_into().unwrap();
    assert_eq!(phone.from.handle, PartyHandle::new(HandleKind::Phone, "+49151"));
    assert_eq!(both.from.handle, phone.from.handle, "the number stays the handle where it is known");
    assert_eq!(id.from.handle, PartyHandle::new(HandleKind::Account, "DE.1"));
    assert!(
        both.thread_keys.iter().any(|key| phone.rebinds.contains(&key.value)),
        "it finds the number's thread"
    );
    assert!(id.thread_keys.iter().all(|key| both.rebinds.contains(&key.value)), "and takes the id along");
    assert_eq!(both.introduces, std::slice::from_ref(&id.from.handle), "who then is no newcomer there");
    assert_eq!(rig.way().sealed["to"], json!({"recipient": "DE.1"}));
}

#[tokio::test]
async fn g06_the_blocked_are_not_heard_and_nothing_of_theirs_is_fetched() {
    let rig = Rig::with("telegram", Value::Null, json!({"blocked": ["42"]}), Default::default()).await;
    let message = |from: i64, id: i64| {
        json!({"update_id": id, "message": {"message_id": id, "date": 1_795_291_190, "from": {"id": from},
            "chat": {"id": from, "type": "private"}, "photo": [{"file_id": "F", "file_unique_id": "U"}]}})
    };
    rig.take(&message(42, 1)).await;
    assert!(rig.intake.contacts().is_empty() && rig.api.calls("").is_empty());
    rig.take(&message(43, 2)).await;
    assert_eq!(rig.intake.contacts().len(), 1);
    assert_eq!(rig.api.calls("getFile").len(), 1);
}

#[tokio::test]
async fn g04_files_come_at_once_or_later_or_leave_a_placeholder() {
    let rig = Rig::new("messenger", Value::Null).await;
    let with = |mid: &str, url: String| {
        let attachment = json!({"type": "image", "payload": {"url": url}});
        item(json!({"message": {"mid": mid, "attachments": [attachment]}}))
    };
    let png = b"\x89PNG\r\n\x1a\nx";
    rig.api.tell("/one.png", 200, png.as_slice());
    rig.api.tell("/two.png", 503, "");
    rig.api.tell("/three.png", 404, "");
    for (mid, name) in [("m_1", "one"), ("m_2", "two"), ("m_3", "three"), ("m_4", "four")] {
        let base = if name == "four" { "http://169.254.169.254" } else { &rig.api.base };
        rig.take(&with(mid, format!("{base}/{name}.png"))).await;
    }
    let states: Vec<Value> =
        rig.intake.contacts().iter().map(|c| c.details["media"][0]["state"].clone()).collect();
    assert_eq!(states, ["stored", "pending", "gone", "refused"]);
    let contacts = rig.intake.contacts();
    assert_eq!(
        (contacts[0].attachments.len(), contacts[0].attachments[0].media_type.as_str()),
        (1, "image/png")
    );
    assert!(
        contacts[1].attachments.is_empty() && contacts[1].body.text == "[image]",
        "the ticket does not wait"
    );
    // The late one is fetched by the inbox's task.
    rig.api.tell("/two.png", 200, png.as_slice());
    let task = tokio::spawn(rig.tasks[0].start());
    let supplement = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let found = rig.intake.taken().into_iter().find_map(|item| match item {
                Inbound::Supplement(supplement) => Some(supplement),
                _ => None,
            });
            match found {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    let supplement = supplement.await.unwrap();
    rig.context.shutdown.cancel();
    task.await.unwrap().unwrap();
    assert_eq!((supplement.kind, supplement.attachments.len()), (SupplementKind::Media, 1));
    assert_eq!(supplement.details["media"]["state"], "stored");
    let left = rig.context.state.list(&rig.context.inbox, "media/").await.unwrap();
    assert!(left.is_empty(), "nothing is owed any more");
}

#[tokio::test]
async fn g04_t50_whatsapps_own_answer_may_name_no_foreign_place() {
    let rig = Rig::new("whatsapp", Value::Null).await;
    let picture = |wamid: &str, id: &str| {
        whatsapp(
            json!({"from": "49151", "id": wamid, "type": "image", "image": {"id": id, "mime_type": "image/png"}}),
        )
    };
    rig.api.tell("/M1", 200, r#"{"url":"http://169.254.169.254/latest/meta-data"}"#);
    rig.api.tell("/M2", 200, r#"{"url":"https://evil.example/x.png"}"#);
    rig.take(&picture("wamid.1", "M1")).await;
    rig.take(&picture("wamid.2", "M2")).await;
    let states: Vec<Value> =
        rig.intake.contacts().iter().map(|c| c.details["media"][0]["state"].clone()).collect();
    assert_eq!(states, ["refused", "refused"], "the token stays here");
}

#[tokio::test]
async fn edits_and_deletions_name_the_contact_they_change_whichever_comes_first() {
    let rig = Rig::new("instagram", Value::Null).await;
    let as_instagram = |mut body: Value| {
        body["object"] = json!("instagram");
        body
    };
    let deletion = as_instagram(item(json!({"message": {"mid": "m_1", "is_deleted": true}})));
    let (status, _) = rig.post(deletion.to_string(), "application/json").await;
    assert_eq!(
        status,
        StatusCode::SERVICE_UNAVAILABLE,
        "it overtook what it deletes: the provider comes again"
    );
    rig.take(&as_instagram(messenger("m_1", "my card number is"))).await;
    rig.take(&deletion).await;
    let edit = item(json!({"message_edit": {"mid": "m_2", "text": "now", "num_edit": 1}}));
    rig.take(&as_instagram(edit.clone())).await;
    let contacts = rig.intake.contacts();
    assert_eq!(contacts.len(), 2, "an edit of what never came is what was said");
    rig.take(&as_instagram(item(json!({"message_edit": {"mid": "m_2", "text": "again", "num_edit": 2}}))))
        .await;
    let kinds: Vec<SupplementKind> = rig
        .intake
        .taken()
        .into_iter()
        .filter_map(|item| match item {
            Inbound::Supplement(supplement) => Some(supplement.kind),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [SupplementKind::Deletion, SupplementKind::Edit]);
    // What was taken back long ago and never came in is nothing to wait for.
    rig.clock.advance(SignedDuration::from_hours(1));
    rig.take(&as_instagram(item(json!({"message": {"mid": "m_9", "is_deleted": true}})))).await;
}

#[tokio::test]
async fn public_words_are_not_acknowledged_unless_asked_for_and_each_person_has_a_thread() {
    let comment = |id: &str, from: &str| {
        let value = json!({"item": "comment", "verb": "add", "post_id": "10_1", "comment_id": id,
            "parent_id": "1_1", "message": "me too", "from": {"id": from, "name": "N"}, "created_time": 1_795_291_190});
        let change = json!({"field": "feed", "value": value});
        json!({"object": "page", "entry": [{"id": "10", "time": 1_795_291_190, "changes": [change]}]})
    };
    let rig = Rig::new("facebook", Value::Null).await;
    rig.take(&comment("1_2", "71")).await;
    rig.take(&comment("1_3", "72")).await;
    let [ann, bob] = rig.intake.contacts().try_into().unwrap();
    assert!(!ann.no_acknowledgment.is_empty() && ann.details["public"] == json!(true));
    assert!(ann.rebinds.iter().all(|key| !bob.rebinds.contains(key)), "nobody joins another's conversation");
    rig.replier.send(&rig.reply("k", "sorry")).await.unwrap();
    assert_eq!(rig.api.calls("/1_3/comments").len() + rig.api.calls("/1%5F3/comments").len(), 1);
    let rig =
        Rig::with("facebook", Value::Null, json!({"acknowledge_public": true}), Default::default()).await;
    rig.take(&comment("1_2", "71")).await;
    assert!(rig.intake.contacts()[0].no_acknowledgment.is_empty());
}

#[tokio::test]
async fn names_are_looked_up_once_and_nobody_waits_for_them() {
    let rig = Rig::new("messenger", Value::Null).await;
    rig.api.tell("fields=name", 200, r#"{"first_name":"Ann","last_name":"Lee"}"#);
    rig.take(&messenger("m_1", "a")).await;
    rig.take(&messenger("m_2", "b")).await;
    let names: Vec<Option<String>> = rig.intake.contacts().into_iter().map(|c| c.from.name).collect();
    assert_eq!(names, [Some("Ann Lee".to_owned()), Some("Ann Lee".to_owned())]);
    assert_eq!(rig.api.calls("fields=name").len(), 1);
}

#[tokio::test]
async fn a_full_house_asks_the_provider_to_come_back() {
    let rig = Rig::new("slack", Value::Null).await;
    rig.intake.refuse(Some(Refusal::Closing));
    let body = json!({"type": "event_callback", "team_id": "T", "event": {"type": "message", "channel": "D1",
        "channel_type": "im", "user": "U1", "text": "hi", "ts": "1795291190.1"}});
    let (status, _) = rig.post(body.to_string(), "application/json").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}
