//! Networks: private messages and what everybody can read, told by webhooks or asked for; and any program that can sign.

use super::{Body, Key, News, Row, Scene, Sends, Told};
use lodge_e2e::provider::Call;
use serde_json::{Value, json};

pub(super) const ROWS: &[Row] = &[
    Row {
        inbox: "x",
        provider: "x",
        message: || Body::of("x/xaa_dm_received.json"),
        handle: "2222222222222222222",
        words: "order 4711 is late",
        sends: Sends {
            path: "/messages",
            words: "/text",
            to: ("", "/2/dm_conversations/with/2222222222222222222/"),
            key: Key::Bearer("ACCESS"),
            id: "/data/dm_event_id",
            ..Sends::NONE
        },
        api: x,
        news: &[News {
            what: "read",
            body: |sent| {
                let read = "/data/payload/direct_message_mark_read_events/0/last_read_event_id";
                Body::of("x/xaa_dm_read.json").with(read, sent.id.clone())
            },
        }],
        states: &["sent", "delivered: read"],
        echo: Some(|sent| {
            let id = "/data/payload/direct_message_events/0/id";
            Body::of("x/xaa_dm_sent.json").with(id, sent.id.clone())
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "x-mentions",
        provider: "x",
        message: || Body::of("x/xaa_mention.json"),
        handle: "2222222222222222222",
        words: "hey @acme where is my order",
        told: Told::Not,
        sends: Sends {
            path: "/2/tweets",
            words: "/text",
            to: ("/reply/in_reply_to_tweet_id", "2080765813578191303"),
            key: Key::Bearer("ACCESS"),
            id: "/data/id",
            ..Sends::NONE
        },
        api: x,
        echo: Some(|sent| {
            Body::of("x/xaa_mention.json")
                .with("/data/event_uuid", "79")
                .with("/data/payload/id", sent.id.clone())
                .with("/data/payload/author_id", "1111111111111111111")
                .with("/data/payload/in_reply_to_user_id", "2222222222222222222")
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "mastodon",
        provider: "mastodon",
        settings: "poll_seconds = 2\n",
        calls: false,
        message: || mastodon("direct"),
        handle: "bo",
        words: "my parcel is \"lost\"",
        sends: MASTODON,
        api: |call, scene| mastodon_api("direct", call, scene),
        ..Row::USUAL
    },
    Row {
        inbox: "mastodon-public",
        provider: "mastodon",
        settings: "poll_seconds = 2\n",
        calls: false,
        message: || mastodon("public"),
        handle: "bo",
        words: "my parcel is \"lost\"",
        told: Told::Not,
        sends: MASTODON,
        api: |call, scene| mastodon_api("public", call, scene),
        ..Row::USUAL
    },
    Row {
        inbox: "bluesky",
        provider: "bluesky",
        settings: "poll_seconds = 2\n",
        calls: false,
        message: || Body::of("bluesky/convo_log.json").part("/logs/0"),
        handle: "did:plc:abc",
        words: "help",
        sends: Sends {
            path: "/xrpc/chat.bsky.convo.sendMessage",
            words: "/message/text",
            to: ("/convoId", "3kconv"),
            key: Key::Granted,
            id: "/id",
            ..Sends::NONE
        },
        api: bluesky_api,
        echo: Some(|sent| {
            Body::of("bluesky/convo_log.json")
                .part("/logs/0")
                .with("/rev", "3kx3")
                .with("/message/id", sent.id.clone())
                .with("/message/sender/did", "did:plc:me")
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "bluesky-posts",
        provider: "bluesky",
        settings: "poll_seconds = 2\n",
        calls: false,
        message: || Body::of("bluesky/notifications.json").part("/notifications/1"),
        handle: "did:plc:eve",
        words: "look at this",
        told: Told::Not,
        sends: Sends {
            path: "/xrpc/com.atproto.repo.putRecord",
            words: "/record/text",
            to: ("/record/reply/parent/uri", "at://did:plc:eve/app.bsky.feed.post/3kquote"),
            key: Key::Granted,
            id: "/uri",
            ..Sends::NONE
        },
        api: bluesky_api,
        echo: Some(|sent| {
            Body::of("bluesky/notifications.json").part("/notifications/3").with("/uri", sent.id.clone())
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "webhook",
        provider: "webhook",
        message: || Body::of("webhook/message.json"),
        handle: "ann",
        words: "The printer is on fire",
        sends: Sends {
            path: "/webhook",
            words: "/data/text",
            to: ("/data/to", "ann"),
            key: Key::Standard,
            ..Sends::NONE
        },
        api: |call, _| (call.body["type"] == "reply").then(|| json!({})),
        ..Row::USUAL
    },
];

fn x(call: &Call, scene: &Scene) -> Option<Value> {
    let id = format!("20807659015285{:05}", scene.number);
    match call.path.rsplit('/').next()? {
        "messages" => Some(json!({"data": {"dm_conversation_id": "1-2", "dm_event_id": id}})),
        "tweets" => Some(json!({"data": {"id": id, "text": call.body["text"]}})),
        _ => None,
    }
}

const MASTODON: Sends = Sends {
    path: "/api/v1/statuses",
    words: "/status",
    to: ("/in_reply_to_id", "103186126728890010"),
    key: Key::Bearer("ACCESS"),
    id: "/id",
    callback: None,
};

fn mastodon(visibility: &str) -> Body {
    let body = Body::of("mastodon/notifications.json").part("/0");
    body.with("/status/visibility", visibility).with("/status/media_attachments", json!([]))
}

/// A server that lists everything at every look, whatever is asked, and lets posts be answered as they were written.
fn mastodon_api(visibility: &str, call: &Call, scene: &Scene) -> Option<Value> {
    if call.path.contains("/api/v1/notifications?") {
        return Some(json!(scene.news));
    }
    let same = call.body["visibility"] == visibility && call.header("idempotency-key").len() > 16;
    same.then(|| json!({"id": format!("10318612672889{:04}", scene.number), "visibility": visibility}))
}

fn bluesky_api(call: &Call, scene: &Scene) -> Option<Value> {
    let method = call.path.rsplit('/').next()?;
    let here =
        |kind: &str| scene.news.iter().filter(|one| one.get(kind).is_some()).cloned().collect::<Vec<_>>();
    Some(match method.split('?').next()? {
        "com.atproto.server.createSession" => json!({"did": "did:plc:me", "handle": "acme.example",
            "accessJwt": "granted-by-the-api", "refreshJwt": "again"}),
        "app.bsky.notification.listNotifications" => json!({"notifications": here("reason")}),
        "app.bsky.actor.getProfile" => json!({"did": "did:plc:abc", "handle": "ann.example"}),
        "chat.bsky.convo.listConvos" => json!({"convos": []}),
        "chat.bsky.convo.getLog" => json!({"cursor": "2222", "logs": here("convoId")}),
        "chat.bsky.convo.sendMessage" => json!({"id": format!("3kout{}", scene.number), "rev": "3kx4",
            "text": call.body["message"]["text"], "sender": {"did": "did:plc:me"}}),
        "com.atproto.repo.putRecord" => {
            let key = call.body["rkey"].as_str()?;
            json!({"uri": format!("at://did:plc:me/app.bsky.feed.post/{key}"), "cid": "bafyout"})
        }
        _ => return None,
    })
}
