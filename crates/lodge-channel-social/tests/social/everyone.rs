//! What holds for every provider, tried with every provider: long texts (F05), limits (F07), what nobody understands (G03), the blocked (G06),
//! and files from where no file may come (G04).

use crate::rig::{Call, Rig, messenger, whatsapp};
use lodge_domain::{Disposition, Flag, Inbound, SignedDuration};
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";
const SAID: &str = "2026-11-21T19:59:50Z";

/// How something comes in.
enum Comes {
    Posted(Value),
    Form(String),
    /// By looking: what the two lists hold.
    Looked(Value),
}

/// One provider, somebody who says something, and where the answer goes.
struct Case {
    provider: &'static str,
    /// Who says it.
    who: &'static str,
    /// The same with a file at an address, where files come by their addresses.
    says: fn(file: Option<&str>) -> Comes,
    path: &'static str,
    /// Where the words of an answer are: a JSON pointer, or the field of a form.
    words: &'static str,
    longest: usize,
}

impl Case {
    async fn rig(&self, common: Value) -> Rig {
        Rig::with(self.provider, Value::Null, common, Default::default()).await
    }

    async fn hears(&self, rig: &Rig, file: Option<&str>) {
        match (self.says)(file) {
            Comes::Posted(body) => rig.take(&body).await,
            Comes::Form(form) => assert!(rig.post(form, FORM).await.0.is_success(), "{}", self.provider),
            Comes::Looked(found) => {
                rig.api.tell("/api/v1/notifications", 200, json!([found]).to_string());
                rig.api.tell("/api/v1/notifications", 200, "[]");
                rig.api.tell("listConvos", 200, r#"{"convos":[]}"#);
                rig.api.tell("listNotifications", 200, r#"{"notifications":[]}"#);
                rig.api.tell("getLog", 200, json!({"logs": [found], "cursor": "1"}).to_string());
                rig.look().await.unwrap();
            }
        }
    }

    fn said(&self, call: &Call) -> String {
        if self.words.starts_with('/') {
            return call.json().pointer(self.words).and_then(Value::as_str).unwrap_or_default().to_owned();
        }
        let mut pairs = url::form_urlencoded::parse(&call.body);
        pairs.find(|(key, _)| key == self.words).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }
}

fn file(kind: &str, file: Option<&str>) -> Value {
    file.map_or(Value::Null, |url| json!([{"type": kind, "payload": {"url": url}}]))
}

fn meta(object: &str, url: Option<&str>) -> Comes {
    let mut body = messenger("m_1", "hello");
    body["object"] = json!(object);
    body["entry"][0]["messaging"][0]["message"]["attachments"] = file("image", url);
    Comes::Posted(body)
}

fn wall(url: Option<&str>) -> Comes {
    let value = json!({"item": "comment", "verb": "add", "post_id": "10_1", "comment_id": "1_2", "parent_id": "1_1",
        "message": "me too", "photo": url, "from": {"id": "71", "name": "N"}, "created_time": 1_795_291_190});
    let change = json!({"field": "feed", "value": value});
    Comes::Posted(
        json!({"object": "page", "entry": [{"id": "10", "time": 1_795_291_190, "changes": [change]}]}),
    )
}

fn cloud(_: Option<&str>) -> Comes {
    let message = json!({"from": "49151", "id": "wamid.1", "type": "text", "text": {"body": "hi"}});
    Comes::Posted(whatsapp(message))
}

fn telegram(_: Option<&str>) -> Comes {
    Comes::Posted(json!({"update_id": 1, "message": {"message_id": 5, "date": 1_795_291_190, "text": "help",
        "from": {"id": 7, "first_name": "Ana"}, "chat": {"id": 7, "type": "private"}}}))
}

fn slack(url: Option<&str>) -> Comes {
    let files = url.map_or(
        json!([]),
        |url| json!([{"id": "F1", "name": "a.png", "mimetype": "image/png", "url_private": url}]),
    );
    let event = json!({"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "text": "hi",
        "ts": "1795291190.1", "files": files, "subtype": url.map(|_| "file_share")});
    Comes::Posted(json!({"type": "event_callback", "team_id": "T", "event": event}))
}

fn line(_: Option<&str>) -> Comes {
    let event = json!({"type": "message", "webhookEventId": "01", "timestamp": 1_795_291_190_000_i64, "mode": "active",
        "source": {"type": "user", "userId": "U1"}, "message": {"id": "5", "type": "text", "text": "hi"}});
    Comes::Posted(json!({"destination": "U0", "events": [event]}))
}

fn viber(url: Option<&str>) -> Comes {
    let message = match url {
        Some(url) => json!({"type": "picture", "text": "", "media": url}),
        None => json!({"type": "text", "text": "hi"}),
    };
    Comes::Posted(json!({"event": "message", "timestamp": 1_795_291_190_000_i64, "message_token": 5,
        "sender": {"id": "A=", "name": "Ivan"}, "message": message}))
}

fn discord(url: Option<&str>) -> Comes {
    let mut data =
        json!({"name": "ticket", "type": 1, "options": [{"name": "text", "type": 3, "value": "x"}]});
    if let Some(url) = url {
        let options = data["options"].as_array_mut().unwrap();
        options.push(json!({"name": "file", "type": 11, "value": "99"}));
        data["resolved"] =
            json!({"attachments": {"99": {"id": "99", "filename": "a.png", "size": 5, "url": url}}});
    }
    Comes::Posted(json!({"application_id": "8", "channel_id": "6", "id": "1", "token": "tok", "type": 2,
        "user": {"id": "5", "global_name": "Ana"}, "data": data}))
}

fn teams(url: Option<&str>) -> Comes {
    let attachments = url.map_or(json!([]), |url| json!([{"contentType": "image/png", "contentUrl": url}]));
    Comes::Posted(
        json!({"type": "message", "id": "1", "timestamp": SAID, "channelId": "msteams", "text": "hi",
        "serviceUrl": "https://smba.trafficmanager.net/emea/", "from": {"id": "29:1", "name": "Ana"},
        "recipient": {"id": "28:bot"}, "conversation": {"id": "a:1", "conversationType": "personal"},
        "attachments": attachments}),
    )
}

fn x(url: Option<&str>) -> Comes {
    let mut data = json!({"text": "hi"});
    if let Some(url) = url {
        data["attachment"] =
            json!({"type": "media", "media": {"id": 5, "type": "photo", "media_url_https": url}});
    }
    let message = json!({"type": "message_create", "id": "208", "created_timestamp": "1795291190000",
        "message_create": {"target": {"recipient_id": "1"}, "sender_id": "2", "message_data": data}});
    let payload =
        json!({"direct_message_events": [message], "users": {"2": {"data": {"id": "2", "name": "Ana"}}}});
    Comes::Posted(
        json!({"data": {"event_uuid": "-6", "filter": {"user_id": "1"}, "event_type": "dm.received", "payload": payload}}),
    )
}

fn mastodon(url: Option<&str>) -> Comes {
    let account = json!({"acct": "ana@example.social", "display_name": "Ana"});
    let files = url.map_or(json!([]), |url| json!([{"id": "5", "type": "image", "url": url}]));
    let status = json!({"id": "1007", "created_at": SAID, "visibility": "direct", "content": "<p>hi</p>",
        "account": account, "media_attachments": files});
    Comes::Looked(
        json!({"id": "7", "type": "mention", "created_at": SAID, "account": account, "status": status}),
    )
}

fn bluesky(_: Option<&str>) -> Comes {
    Comes::Looked(json!({"$type": "chat.bsky.convo.defs#logCreateMessage", "rev": "3k1", "convoId": "3kconv",
        "message": {"id": "3k1", "rev": "3k1", "text": "hi", "sender": {"did": "did:plc:abc"}, "sentAt": SAID}}))
}

fn encoded(url: &str) -> String {
    url::form_urlencoded::byte_serialize(url.as_bytes()).collect()
}

fn compatible(url: Option<&str>) -> Comes {
    let media = url.map_or_else(
        || "&NumMedia=0".to_owned(),
        |url| format!("&NumMedia=1&MediaContentType0=image%2Fpng&MediaUrl0={}", encoded(url)),
    );
    Comes::Form(format!("MessageSid=SM1&From=%2B14155550134&To=%2B18885550190&Body=hi{media}"))
}

fn telnyx(url: Option<&str>) -> Comes {
    let media = url.map_or(json!([]), |url| json!([{"url": url, "content_type": "image/png"}]));
    let payload = json!({"id": "1", "from": {"phone_number": "+14155550134"}, "to": [{"phone_number": "+18885550190"}],
        "text": "hi", "media": media});
    Comes::Posted(
        json!({"data": {"id": "e1", "event_type": "message.received", "occurred_at": SAID, "payload": payload}}),
    )
}

fn vonage(url: Option<&str>) -> Comes {
    let mut body = json!({"channel": "sms", "message_uuid": "u1", "to": "18885550190", "from": "14155550134",
        "timestamp": SAID, "message_type": "text", "text": "hi"});
    if let Some(url) = url {
        body["channel"] = json!("mms");
        body["message_type"] = json!("image");
        body["image"] = json!({"url": url});
    }
    Comes::Posted(body)
}

fn plivo(url: Option<&str>) -> Comes {
    let media = url.map(|url| format!("&Media0={}", encoded(url))).unwrap_or_default();
    Comes::Form(format!("From=14155550134&To=18885550190&Text=hi&Type=sms&MessageUUID=m1{media}"))
}

fn everyone() -> Vec<Case> {
    let case = |provider, who, says, path, words, longest| Case { provider, who, says, path, words, longest };
    let phone = "+14155550134";
    vec![
        case("messenger", "71", |url| meta("page", url), "/messages", "/message/text", 2000),
        case("instagram", "71", |url| meta("instagram", url), "/messages", "/message/text", 1000),
        case("facebook", "71", wall, "/comments", "/message", 8000),
        case("whatsapp", "+49151", cloud, "/messages", "/text/body", 4096),
        case("telegram", "7", telegram, "sendMessage", "/text", 4096),
        case("slack", "U1", slack, "chat.postMessage", "/text", 4000),
        case("line", "U1", line, "message/push", "/messages/0/text", 5000),
        case("viber", "A=", viber, "send_message", "/text", 7000),
        case("discord", "5", discord, "/webhooks/8/tok", "/content", 2000),
        case("teams", "29:1", teams, "/activities", "/text", 25_000),
        case("x", "2", x, "/2/dm_conversations", "/text", 10_000),
        case("mastodon", "ana@example.social", mastodon, "/api/v1/statuses", "/status", 500),
        case("bluesky", "did:plc:abc", bluesky, "sendMessage", "/message/text", 1000),
        case("twilio-messaging", phone, compatible, "Messages.json", "Body", 1600),
        case("signalwire-messaging", phone, compatible, "Messages.json", "Body", 1600),
        case("telnyx-messaging", phone, telnyx, "/v2/messages", "/text", 1530),
        case("vonage-messages", phone, vonage, "/v1/messages", "/text", 1000),
        case("plivo-messaging", phone, plivo, "/Message/", "/text", 1600),
    ]
}

#[test]
fn everyone_is_here_but_who_is_told_by_a_program() {
    let mut here: Vec<&str> = everyone().iter().map(|case| case.provider).chain(["webhook"]).collect();
    let mut known = lodge_channel_social::PROVIDERS.to_vec();
    here.sort_unstable();
    known.sort_unstable();
    assert_eq!(here, known);
}

#[tokio::test]
async fn f05_a_long_text_goes_in_parts_or_not_at_all_and_is_never_cut() {
    for case in everyone() {
        let text = "many words and more ".repeat(case.longest / 20 + 20);
        let rig = case.rig(Value::Null).await;
        case.hears(&rig, None).await;
        rig.replier.send(&rig.reply("k", &text)).await.unwrap();
        let parts: Vec<String> = rig.api.calls(case.path).iter().map(|call| case.said(call)).collect();
        let provider = case.provider;
        assert!(parts.len() > 1, "{provider}: {}", parts.len());
        assert!(parts.iter().all(|part| part.chars().count() <= case.longest), "{provider}");
        let words = |text: &str| text.split_whitespace().filter(|word| !word.starts_with('@')).count();
        assert_eq!(
            parts.iter().map(|part| words(part)).sum::<usize>(),
            words(&text),
            "{provider}: nothing is cut"
        );

        let rig = case.rig(json!({"long_text": "refuse"})).await;
        case.hears(&rig, None).await;
        let error = rig.replier.send(&rig.reply("k", &text)).await.unwrap_err();
        assert!(
            error.disposition == Disposition::Never && error.to_string().contains("the most"),
            "{provider}: {error}"
        );
        assert!(rig.api.calls(case.path).is_empty(), "{provider}: nothing of it goes");
    }
}

#[tokio::test]
async fn f07_being_told_to_wait_delays_that_account_and_no_other() {
    for case in everyone() {
        let (rig, other) = (case.rig(Value::Null).await, case.rig(Value::Null).await);
        case.hears(&rig, None).await;
        case.hears(&other, None).await;
        let provider = case.provider;
        rig.api.tell_later(case.path, 429, Some(30), "{}");
        let wait = Disposition::Later { after: Some(SignedDuration::from_secs(30)) };
        let error = rig.replier.send(&rig.reply("a", "a")).await.unwrap_err();
        assert_eq!((error.disposition, error.in_doubt), (wait, false), "{provider}: {error}");
        let asked = rig.api.calls(case.path).len();
        let error = rig.replier.send(&rig.reply("b", "b")).await.unwrap_err();
        assert_eq!(
            (error.disposition, rig.api.calls(case.path).len()),
            (wait, asked),
            "{provider}: not even asked"
        );
        other.replier.send(&other.reply("c", "c")).await.unwrap();
        rig.clock.advance(SignedDuration::from_secs(31));
        rig.replier.send(&rig.reply("a", "a")).await.unwrap();
        assert!(rig.health[0].report().failing.is_none(), "{provider}: it is nothing to call anybody for");
    }
}

#[tokio::test]
async fn g06_whoever_is_blocked_is_not_heard_and_nothing_of_theirs_is_fetched() {
    for case in everyone() {
        let rig = case.rig(json!({"blocked": [case.who]})).await;
        let address = format!("{}/file.png", rig.api.base);
        case.hears(&rig, Some(&address)).await;
        let provider = case.provider;
        assert!(rig.intake.contacts().is_empty(), "{provider}");
        let skipped =
            |item: &Inbound| matches!(item, Inbound::Skipped { reason, .. } if reason.contains("blocked"));
        assert!(rig.intake.taken().iter().any(skipped), "{provider}: {:?}", rig.intake.taken());
        assert!(rig.api.calls("/file.png").is_empty(), "{provider}");
        let open = case.rig(json!({"blocked": ["somebody else"]})).await;
        case.hears(&open, None).await;
        assert_eq!(open.intake.contacts().len(), 1, "{provider}: others are heard");
    }
}

#[tokio::test]
async fn g03_what_nobody_understands_is_kept_for_a_person_and_stops_nothing() {
    for case in everyone() {
        let provider = case.provider;
        let rig = case.rig(Value::Null).await;
        let strange = match provider {
            "teams" => {
                json!({"type": "message", "id": "9", "serviceUrl": "https://smba.trafficmanager.net/emea/",
                "channelId": "msteams", "hologram": 1})
            }
            "discord" => json!({"type": 99, "id": "9", "application_id": "8"}),
            _ => json!({"hologram": {"of": ["a", "kind"]}}),
        };
        match (case.says)(None) {
            Comes::Posted(_) => rig.take(&strange).await,
            Comes::Form(_) => assert!(rig.post("hologram=1", FORM).await.0.is_success(), "{provider}"),
            Comes::Looked(_) => {
                rig.watcher().unwrap().file_alone(&strange.to_string().into()).await.unwrap();
            }
        }
        let contact = rig.intake.contacts().pop().unwrap_or_else(|| panic!("{provider}: it is a contact"));
        assert!(contact.flags.contains(&Flag::Unparsed) && contact.raw.is_some(), "{provider}");
        assert!(!contact.body.text.is_empty() && !contact.no_acknowledgment.is_empty(), "{provider}");
        case.hears(&rig, None).await;
        assert_eq!(rig.intake.contacts().len(), 2, "{provider}: what comes next is heard");
    }
}

#[tokio::test]
async fn g04_a_file_from_where_none_may_come_is_refused_and_a_late_one_owed_and_neither_stops_the_contact() {
    // Those whose files have ids alone are asked for them by the provider's own API.
    let by_id = ["whatsapp", "telegram", "line", "bluesky"];
    for case in everyone().into_iter().filter(|case| !by_id.contains(&case.provider)) {
        let provider = case.provider;
        let states = |rig: &Rig| rig.intake.contacts()[0].details["media"][0]["state"].clone();
        for evil in ["http://169.254.169.254/latest/meta-data", "https://evil.example/x.png"] {
            let rig = case.rig(Value::Null).await;
            case.hears(&rig, Some(evil)).await;
            assert_eq!(states(&rig), json!("refused"), "{provider}: {evil}");
            assert!(rig.intake.contacts()[0].attachments.is_empty());
        }
        for (status, state, owed) in [(503, "pending", 1), (404, "gone", 0)] {
            let rig = case.rig(Value::Null).await;
            for _ in 0..5 {
                rig.api.tell("/file.png", status, "");
            }
            case.hears(&rig, Some(&format!("{}/file.png", rig.api.base))).await;
            assert_eq!(states(&rig), json!(state), "{provider}: {status}");
            let left = rig.context.state.list(&rig.context.inbox, "media/").await.unwrap();
            assert_eq!(left.len(), owed, "{provider}: {status}");
        }
    }
}
