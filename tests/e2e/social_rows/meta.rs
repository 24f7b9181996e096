//! Meta's: one app secret signs all of it, one token sends all of it.

use super::{Body, Key, News, Row, Scene, Sends, Sent, Told};
use lodge_e2e::clock;
use lodge_e2e::provider::Call;
use serde_json::{Value, json};

const SENDS: Sends = Sends { key: Key::Bearer("ACCESS"), ..Sends::NONE };

pub(super) const ROWS: &[Row] = &[
    Row {
        inbox: "messenger",
        provider: "messenger",
        message: || Body::of("messenger/text.json"),
        handle: "7100000000000001",
        words: "My parcel is crushed 😡",
        sends: Sends {
            path: "/104050607080900/messages",
            words: "/message/text",
            to: ("/recipient/id", "7100000000000001"),
            id: "/message_id",
            ..SENDS
        },
        api: graph,
        // Read says more than delivered, and overtakes it here.
        news: &[
            News {
                what: "read",
                body: |_| {
                    let watermark = clock::now().as_millisecond() + 1000;
                    Body::of("messenger/read.json").with("/entry/0/messaging/0/read/watermark", watermark)
                },
            },
            News {
                what: "delivered",
                body: |sent| {
                    let mids = "/entry/0/messaging/0/delivery/mids/0";
                    Body::of("messenger/delivery.json").with(mids, sent.id.clone())
                },
            },
        ],
        states: &["sent", "delivered: read"],
        echo: Some(|sent| {
            Body::of("messenger/echo.json")
                .with("/entry/0/messaging/0/message/mid", sent.id.clone())
                .with("/entry/0/messaging/0/message/metadata", sent.reply.clone())
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "instagram",
        provider: "instagram",
        message: || Body::of("instagram/text.json"),
        handle: "1254459154682919",
        words: "do you ship?",
        sends: Sends {
            path: "/17841400000000001/messages",
            words: "/message/text",
            to: ("/recipient/id", "1254459154682919"),
            id: "/message_id",
            ..SENDS
        },
        api: graph,
        news: &[News {
            what: "seen",
            body: |sent| {
                Body::of("instagram/seen.json").with("/entry/0/messaging/0/read/mid", sent.id.clone())
            },
        }],
        states: &["sent", "delivered: read"],
        echo: Some(|sent| {
            Body::of("instagram/echo.json").with("/entry/0/messaging/0/message/mid", sent.id.clone())
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "instagram-comments",
        provider: "instagram",
        message: || Body::of("instagram/comment.json"),
        handle: "1254459154682919",
        words: "still waiting for a refund",
        told: Told::Not,
        sends: Sends {
            path: "/replies",
            words: "/message",
            to: ("", "/17870913679156914/"),
            id: "/id",
            ..SENDS
        },
        api: graph,
        echo: Some(|sent| {
            Body::of("instagram/comment.json")
                .with("/entry/0/changes/0/value/id", sent.id.clone())
                .with("/entry/0/changes/0/value/from/id", "17841400000000001")
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "facebook",
        provider: "facebook",
        message: || Body::of("facebook/comment_add.json"),
        handle: "2400000000000001",
        words: "worst service ever",
        told: Told::Not,
        sends: Sends { path: "/comments", words: "/message", to: ("", "/122%5F345/"), id: "/id", ..SENDS },
        api: graph,
        echo: Some(|sent| {
            Body::of("facebook/comment_own_echo.json")
                .with("/entry/0/changes/0/value/comment_id", sent.id.clone())
                .with("/entry/0/changes/0/value/parent_id", "122_345")
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "whatsapp",
        provider: "whatsapp",
        message: || Body::of("whatsapp/text.json"),
        handle: "+4915112345678",
        words: "Wo bleibt meine Bestellung?",
        sends: Sends {
            path: "/106540352242922/messages",
            words: "/text/body",
            to: ("/to", "4915112345678"),
            id: "/messages/0/id",
            ..SENDS
        },
        api: |call, scene| {
            (call.method == "POST").then(|| {
                json!({"messaging_product": "whatsapp",
                    "contacts": [{"input": call.body["to"], "wa_id": call.body["to"]}],
                    "messages": [{"id": format!("wamid.OUT{}", scene.number)}]})
            })
        },
        // All the wrong way round.
        news: &[
            News { what: "read", body: |sent| status("read", sent) },
            News { what: "delivered", body: |sent| status("delivered", sent) },
            News { what: "sent", body: |sent| status("sent", sent) },
        ],
        states: &["sent", "delivered: read"],
        echo: Some(|sent| {
            let id = "/entry/0/changes/0/value/message_echoes/0/id";
            Body::of("whatsapp/smb_echo.json").with(id, sent.id.clone())
        }),
        ..Row::USUAL
    },
];

/// The Graph API, as far as it sends and knows names.
fn graph(call: &Call, scene: &Scene) -> Option<Value> {
    if call.method == "GET" {
        return Some(json!({"name": "Ann Lee", "id": "1"}));
    }
    let id = format!("out_{}", scene.number);
    Some(match call.path.rsplit('/').next()? {
        "messages" => json!({"recipient_id": call.body["recipient"]["id"], "message_id": format!("m_{id}")}),
        "comments" | "replies" => json!({ "id": id }),
        _ => return None,
    })
}

fn status(word: &str, sent: &Sent) -> Body {
    let file = format!("whatsapp/status_{word}.json");
    Body::of(&file).with("/entry/0/changes/0/value/statuses/0/id", sent.id.clone())
}
