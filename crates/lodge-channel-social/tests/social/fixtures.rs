//! Do we understand the world? Every body of `fixtures/social/` goes in by the real route, and what the hallway is handed
//! is compared.
//!
//! `UPDATE_FIXTURES=1 cargo test -p lodge-channel-social --test social` writes the golden files anew; every difference is
//! then to be read like code.

use crate::rig::{Rig, media_type};
use axum::http::StatusCode;
use bytes::Bytes;
use lodge_domain::{Contact, Inbound};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/social")
}

/// What matters of a contact.
fn contact(contact: &Contact) -> Value {
    json!({
        "contact": contact.dedupe.source,
        "from": {"name": contact.from.name, "handle": contact.from.handle, "assurance": contact.from.assurance},
        "origin": contact.origin.kind,
        "text": contact.body.text,
        "details": contact.details,
        "keys": contact.thread_keys.iter().map(|key| (&key.label, key.condition)).collect::<Vec<_>>(),
        "attachments": contact.attachments.len(),
        "flags": contact.flags,
        "no_acknowledgment": contact.no_acknowledgment,
        "raw": contact.raw.is_some(),
        "way": contact.return_path.as_ref().map(|path| path.sealed.clone()),
        "occurred_at": contact.occurred_at,
    })
}

fn summary(inbound: &Inbound) -> Value {
    match inbound {
        Inbound::Contact(one) => contact(one),
        Inbound::Report(report) => json!({"report": report.about, "recipients": report.recipients}),
        Inbound::Supplement(one) => {
            json!({"supplement": one.kind, "source": one.source, "details": one.details})
        }
        Inbound::Skipped { reason, .. } => json!({"skipped": reason}),
        _ => json!("unknown"),
    }
}

async fn understood(provider: &str, path: &Path) -> Value {
    let rig = Rig::new(provider, Value::Null).await;
    // Names and files are looked up elsewhere: here nobody knows any.
    for _ in 0..8 {
        rig.api.tell("fields=name", 404, "{}");
        rig.api.tell("v2/bot/profile", 404, "{}");
        rig.api.tell("users.info", 200, "{\"ok\":false,\"error\":\"user_not_found\"}");
    }
    // Files are asked for here, and nowhere in the world.
    let mut body = std::fs::read_to_string(path).unwrap();
    for host in [
        "scontent.xx.fbcdn.net",
        "cdn.fbsbx.com",
        "lookaside.fbsbx.com",
        "files.slack.com",
        "dl-media.viber.com",
        "api.twilio.com",
        "cdn.discordapp.com",
        "smba.trafficmanager.net",
        "download.link",
        "ton.twitter.com",
        "media.telnyx.com",
        "api-us.nexmo.com",
        "files.mastodon.example",
    ] {
        body = body.replace(&format!("https://{host}"), &rig.api.base);
        let encoded = rig.api.base.replace(':', "%3A").replace('/', "%2F");
        body = body.replace(&format!("https%3A%2F%2F{host}"), &encoded);
    }
    let (status, answer) = match rig.watcher() {
        // Nobody calls: it is what a look finds.
        Some(watcher) => {
            watcher.file_alone(&body.into()).await.unwrap();
            (StatusCode::OK, Bytes::new())
        }
        None => rig.post(body, media_type(&path.to_string_lossy())).await,
    };
    let items: Vec<Value> = rig.intake.taken().iter().map(summary).collect();
    let all =
        json!({"status": status.as_u16(), "answer": String::from_utf8_lossy(&answer), "inbound": items});
    // The port differs from run to run.
    serde_json::from_str(&all.to_string().replace(&rig.api.base, "https://api.example")).unwrap()
}

#[tokio::test]
async fn every_body_is_understood_as_written_down() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut count = 0;
    let mut wrong = Vec::new();
    for provider in lodge_channel_social::PROVIDERS {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder().join(provider)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| !path.to_string_lossy().ends_with(".expected.json"));
        paths.sort();
        for path in paths {
            let got = understood(provider, &path).await;
            let expected = path.with_extension("expected.json");
            if update {
                std::fs::write(&expected, serde_json::to_string_pretty(&got).unwrap() + "\n").unwrap();
            }
            let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
            if serde_json::from_str::<Value>(&wanted).ok().as_ref() != Some(&got) {
                wrong.push(format!("{}: {got:#}", path.display()));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 60, "{count}");
}

/// Every place in a value, as a JSON pointer.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let below: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (escaped(key), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in below {
        let place = format!("{at}/{key}");
        into.push(place.clone());
        places(value, &place, into);
    }
}

#[tokio::test]
async fn g03_no_field_that_is_missing_or_of_another_kind_stops_a_provider() {
    let mut count = 0;
    for provider in lodge_channel_social::PROVIDERS {
        let rig = Rig::new(provider, Value::Null).await;
        let watcher = rig.watcher();
        for entry in std::fs::read_dir(folder().join(provider)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy().into_owned();
            if name.ends_with(".expected.json") || !name.ends_with(".json") {
                continue;
            }
            let body: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let mut all = Vec::new();
            places(&body, "", &mut all);
            for (at, place) in all.iter().enumerate() {
                let mut strange = body.clone();
                let others =
                    [Value::Null, json!(-1.5), json!([null]), json!({"": {}}), json!("\u{202e}\u{0}")];
                *strange.pointer_mut(place).unwrap() = others[at % others.len()].clone();
                if let Some(watcher) = &watcher {
                    watcher.file_alone(&strange.to_string().into()).await.unwrap();
                    count += 1;
                    continue;
                }
                let (status, _) = rig.post(strange.to_string(), "application/json").await;
                // A deletion of what never came is asked for again; a token may be for another body; a challenge has to look
                // like one.
                let handshake = name.contains("url_verification") && status.as_u16() == 400;
                let known = status.is_success() || handshake || matches!(status.as_u16(), 401 | 503);
                assert!(known, "{name} {place}: {status}");
                count += 1;
            }
        }
    }
    assert!(count > 1000, "{count}");
}
