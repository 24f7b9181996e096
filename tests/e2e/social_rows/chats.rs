//! Messengers and workplaces: what is written to a bot, and what the bot answers.

use super::{Body, Key, News, Row, Sends, Sent, Told};
use lodge_e2e::clock;
use serde_json::json;

pub(super) const ROWS: &[Row] = &[
    Row {
        inbox: "telegram",
        provider: "telegram",
        message: || Body::of("telegram/message_text.json"),
        handle: "420042",
        words: "Olá, preciso de ajuda",
        sends: TELEGRAM,
        api: |call, scene| {
            let message =
                json!({"message_id": scene.number, "chat": {"id": 420_042}, "text": call.body["text"]});
            call.path.ends_with("/sendMessage").then(|| json!({"ok": true, "result": message}))
        },
        ..Row::USUAL
    },
    Row {
        inbox: "telegram-business",
        provider: "telegram",
        message: || Body::of("telegram/business_message.json"),
        handle: "420042",
        words: "oi",
        sends: TELEGRAM,
        api: |call, scene| {
            let sendable =
                call.path.ends_with("/sendMessage") && call.body["business_connection_id"] == "bc1";
            sendable.then(|| json!({"ok": true, "result": {"message_id": scene.number}}))
        },
        echo: Some(|sent| {
            Body::of("telegram/business_message.json")
                .with("/update_id", 873_214_693)
                .with("/business_message/message_id", sent.id.clone())
                .with("/business_message/sender_business_bot", json!({"id": 7, "is_bot": true}))
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "slack",
        provider: "slack",
        message: || Body::of("slack/message_im.json"),
        handle: "U2147483697",
        words: "Login broken",
        sends: Sends {
            path: "/chat.postMessage",
            words: "/text",
            to: ("/channel", "D024BE91L"),
            key: Key::Bearer("BOT"),
            id: "/ts",
            ..Sends::NONE
        },
        api: |call, scene| {
            Some(match call.path.rsplit('/').next()? {
                "users.info" => {
                    json!({"ok": true, "user": {"name": "ann", "profile": {"real_name": "Ann Lee"}}})
                }
                "chat.postMessage" => {
                    let ts = format!("{}.{:06}", clock::now().as_second(), scene.number);
                    json!({"ok": true, "channel": call.body["channel"], "ts": ts})
                }
                _ => return None,
            })
        },
        echo: Some(|sent| {
            let mark = json!({"event_type": "lodge", "event_payload": {"id": sent.reply}});
            Body::of("slack/bot_message_own.json")
                .with("/event/ts", sent.id.clone())
                .with("/event/metadata", mark)
        }),
        ..Row::USUAL
    },
    Row {
        inbox: "line",
        provider: "line",
        message: || Body::of("line/text.json"),
        handle: "Ufedcba9876543210fedcba9876543210",
        words: "注文が届きません",
        sends: Sends {
            path: "/v2/bot/message/push",
            words: "/messages/0/text",
            to: ("/to", "Ufedcba9876543210fedcba9876543210"),
            key: Key::Bearer("ACCESS"),
            id: "/sentMessages/0/id",
            ..Sends::NONE
        },
        api: |call, scene| {
            if call.method == "GET" {
                return Some(json!({"displayName": "Ann Lee"}));
            }
            let id = format!("46123070123456{:04}", scene.number);
            Some(json!({"sentMessages": [{"id": id, "quoteToken": "q"}]}))
        },
        ..Row::USUAL
    },
    Row {
        inbox: "viber",
        provider: "viber",
        message: || Body::of("viber/message_text.json"),
        handle: "01234567890A=",
        words: "Къде е поръчката?",
        sends: Sends {
            path: "/send_message",
            words: "/text",
            to: ("/receiver", "01234567890A="),
            key: Key::Header("x-viber-auth-token", "", "VIBER"),
            id: "/message_token",
            ..Sends::NONE
        },
        api: |_, scene| {
            let id = 4_912_661_846_655_000_000 + scene.number as u64;
            Some(json!({"status": 0, "status_message": "ok", "message_token": id, "billing_status": 1}))
        },
        news: &[
            News { what: "delivered", body: |sent| viber("delivered", sent) },
            News { what: "seen", body: |sent| viber("seen", sent) },
        ],
        states: &["sent", "delivered: delivered", "delivered: seen"],
        ..Row::USUAL
    },
    Row {
        inbox: "discord",
        provider: "discord",
        message: || Body::of("discord/command_dm.json"),
        handle: "53908232506183680",
        words: "hi",
        told: Told::Answer,
        sends: Sends {
            path: "/webhooks/",
            words: "/content",
            to: ("", "/845027738276462632/aW51"),
            id: "/id",
            ..Sends::NONE
        },
        api: |call, scene| {
            let id = format!("13055667788990{:05}", scene.number);
            (call.method == "POST").then(|| json!({"id": id, "type": 0, "content": call.body["content"]}))
        },
        ..Row::USUAL
    },
    Row {
        inbox: "teams",
        provider: "teams",
        message: || Body::of("teams/message_personal.json"),
        handle: "29:1XJK",
        words: "VPN is down",
        sends: Sends {
            path: "/v3/conversations/",
            words: "/text",
            to: ("", "/a%3A17I0kl9/activities"),
            key: Key::Granted,
            id: "/id",
            ..Sends::NONE
        },
        api: |call, scene| {
            Some(match call.path.rsplit('/').next()? {
                "openidconfiguration" => json!({"jwks_uri": format!("{}/v1/.well-known/keys", scene.base)}),
                "keys" => json!({"keys": [scene.signer.jwk("kid-1")]}),
                "token" => {
                    json!({"token_type": "Bearer", "expires_in": 3600, "access_token": "granted-by-the-api"})
                }
                "activities" => json!({"id": format!("1:out{}", scene.number)}),
                _ => return None,
            })
        },
        echo: Some(|sent| {
            Body::of("teams/message_personal.json")
                .with("/id", sent.id.clone())
                .with("/from/id", "28:11112222-bbbb-3333-cccc-4444dddd5555")
        }),
        ..Row::USUAL
    },
];

const TELEGRAM: Sends = Sends {
    path: "/sendMessage",
    words: "/text",
    to: ("/chat_id", "420042"),
    key: Key::Path("/bot", "TELEGRAM"),
    id: "/result/message_id",
    ..Sends::NONE
};

fn viber(event: &str, sent: &Sent) -> Body {
    Body::of(&format!("viber/{event}.json")).with("/message_token", sent.id.clone())
}
