//! Calls that are written to find things out or to break a reader, and bodies that are not what was signed.

use crate::house::{House, TOKEN, house, reference, reply_id};
use http::{Method, StatusCode};
use lodge_domain::ports::CommandError;
use lodge_domain::{ConversationId, EnvelopeId, OutboundId, Reference};
use lodge_ticketing::commands::ROUTES;
use lodge_ticketing::{CommandsState, router};

/// The bodies by which each call is understood.
fn body(path: &str) -> String {
    match path.rsplit('/').next() {
        Some("replies") => r#"{"text":"a"}"#.to_owned(),
        Some("status") => r#"{"status":"open"}"#.to_owned(),
        Some("presence") => r#"{"state":"typing"}"#.to_owned(),
        Some("merge") => format!(r#"{{"into":"{}"}}"#, reference()),
        _ => String::new(),
    }
}

fn filled(path: &str, reference: &str, id: &str) -> String {
    path.replace("{reference}", reference).replace("{id}", id)
}

/// Things that are not there: well-formed, of another kind, and no id at all.
fn nothing() -> Vec<(String, String)> {
    let other = ConversationId::founded_by(&EnvelopeId::of_contact(&[9; 32]));
    let reply = OutboundId::reply(&other, "key-9");
    let mut all = vec![
        (Reference::derive(&other, 0).to_string(), reply.to_string()),
        (other.to_string(), other.to_string()),
        (reply_id().to_string(), reference().to_string()),
    ];
    for odd in ["0", "0000000001", "-1", "%00", "%2e%2e", "*", "%27%20or%201=1--", "99999999999999999999"] {
        all.push((odd.to_owned(), odd.to_owned()));
    }
    all
}

#[tokio::test]
async fn t05_what_is_foreign_and_what_never_was_look_alike() {
    let house = house();
    *house.core.failing.lock().unwrap() = Some(CommandError::Unknown("conversation"));
    let mut tried = 0;
    for (method, path) in ROUTES.into_iter().filter(|(_, path)| path.contains('{')) {
        let thing = if path.contains("{reference}") { "conversation" } else { "reply" };
        *house.core.failing.lock().unwrap() = Some(CommandError::Unknown(thing));
        let mut seen = Vec::new();
        for (reference, id) in nothing() {
            let answer = house.call(method.clone(), &filled(path, &reference, &id), &body(path)).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (StatusCode::NOT_FOUND, "unknown"),
                "{method} {path} {reference} {id}"
            );
            seen.push((answer.text, answer.headers));
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{method} {path}: {seen:#?}");
        tried += 1;
    }
    assert_eq!(tried, 8, "every call that names something");
}

#[tokio::test]
async fn t05_without_credentials_what_is_there_and_what_is_not_look_alike() {
    let house = house();
    let mut seen = Vec::new();
    let mut things = nothing();
    things.push((reference().to_string(), reply_id().to_string()));
    for (method, path) in ROUTES {
        for (reference, id) in &things {
            let answer = house.send(method.clone(), &filled(path, reference, id), &[], body(path)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {reference}");
            seen.push((answer.text, answer.headers));
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(house.calls().is_empty() && house.blobs.is_empty(), "nothing was looked up");
}

/// No setting opens the door: without secret and token there is no way in at all.
#[tokio::test]
async fn t84_a_gateway_without_credentials_lets_nobody_in() {
    let shut = |house: House| {
        let state = CommandsState {
            commands: house.core.clone(),
            feed: house.feed.clone(),
            blobs: std::sync::Arc::new(house.blobs.clone()),
            verifier: None,
            tokens: Vec::new(),
            clock: house.clock.clone(),
            settles: None,
            closing: house.closing.clone(),
        };
        House { router: router(state), ..house }
    };
    let house = shut(house());
    let bearer = |token: &str| vec![("authorization", format!("Bearer {token}"))];
    for (method, path) in ROUTES {
        let path = filled(path, reference().as_str(), reply_id().as_str());
        let signature = house.signature("msg_1", body(&path).as_bytes());
        for headers in [vec![], bearer(""), bearer("null"), bearer(TOKEN), signature] {
            let answer = house.send(method.clone(), &path, &headers, body(&path)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {headers:?}");
        }
    }
    assert!(house.calls().is_empty());
}

/// JSON that is deep, doubled, endless, or says what JSON cannot say; each is refused for the three calls that read any.
fn broken() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for depth in [128, 10_000, 1_000_000] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            all.push((format!("{depth} x {open}"), nested.clone()));
            for member in ["text", "status", "into", "attachments", "unknown"] {
                all.push((format!("{depth} x {open} in {member}"), format!(r#"{{"{member}":{nested}}}"#)));
            }
            all.push((format!("{depth} x {open}, never closed"), open.repeat(depth)));
        }
    }
    let huge = format!("1e{}", "9".repeat(1_000));
    let digits = "9".repeat(1_000_000);
    for number in ["NaN", "Infinity", "-Infinity", "1e400", "-0", "0x10", "01", "1.", ".5", &huge, &digits] {
        for member in ["text", "status", "into"] {
            let shown: String = number.chars().take(12).collect();
            all.push((format!("{member} {shown}"), format!(r#"{{"{member}":{number}}}"#)));
        }
    }
    for (case, text) in [
        ("text twice", r#"{"text":"a","text":"b"}"#),
        ("text twice, written otherwise", r#"{"text":"a","t\u0065xt":"b"}"#),
        ("status twice", r#"{"status":"open","status":"closed"}"#),
        ("into twice", r#"{"into":"4829136057","into":"4829136057"}"#),
        (
            "content twice",
            r#"{"text":"a","attachments":[{"name":"a","media_type":"a/b","content":"","content":"eA=="}]}"#,
        ),
        ("half a pair", r#"{"text":"\ud800","status":"\ud800","into":"\ud800"}"#),
        ("a byte order mark", "\u{feff}{\"text\":\"a\",\"status\":\"open\",\"into\":\"4829136057\"}"),
        ("two documents", r#"{"text":"a"}{"text":"a"}"#),
        ("a comment", "{\"text\":\"a\"}//"),
        ("a bare line end in a text", "{\"text\":\"a\nb\"}"),
        ("a bare NUL in a text", "{\"text\":\"a\0b\"}"),
        ("nothing", "null"),
    ] {
        all.push((case.to_owned(), text.to_owned()));
    }
    let keys: String = (0..100_000).map(|n| format!(r#""k{n}":1,"#)).collect();
    all.push(("100,000 keys".to_owned(), format!(r#"{{{keys}"text":"a"}}"#)));
    all
}

#[tokio::test]
async fn t28_json_that_is_deep_doubled_or_huge_is_a_problem_and_no_more() {
    let house = house();
    let bodies = broken();
    for (_, path) in ROUTES.into_iter().filter(|(_, path)| !body(path).is_empty()) {
        let method = if path.ends_with("status") { Method::PUT } else { Method::POST };
        let path = filled(path, reference().as_str(), "");
        for (case, text) in &bodies {
            let answer = house.call(method.clone(), &path, text).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (StatusCode::BAD_REQUEST, "invalid-request"),
                "{path}: {case}"
            );
            assert!(answer.text.len() < 1_000, "{path}: {case} is told in few words");
        }
    }
    assert!(house.calls().is_empty() && house.blobs.is_empty(), "nothing was begun");
    let fine = house
        .call(Method::PUT, &format!("/v1/conversations/{}/status", reference()), r#"{"status":"open"}"#)
        .await;
    assert_eq!(fine.status, StatusCode::NO_CONTENT, "and the next call is served");
}

#[tokio::test]
async fn t18_only_the_bytes_that_were_signed_are_read() {
    let house = house();
    let path = format!("/v1/conversations/{}/status", reference());
    let signed = r#"{"status":"open","note":"café"}"#;
    let headers = house.signature("msg_1", signed.as_bytes());
    for other in [
        signed.replace('é', "\\u00e9"),
        signed.replace(',', ", "),
        format!("{signed}\r\n"),
        format!("\u{feff}{signed}"),
        signed.replace("open", "closed"),
    ] {
        let answer = house.send(Method::PUT, &path, &headers, other.clone()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{other}");
    }
    assert!(house.calls().is_empty());
    assert_eq!(house.send(Method::PUT, &path, &headers, signed).await.status, StatusCode::NO_CONTENT);
}

/// Unpacking would put a decoder in front of the check, and a bomb behind it.
#[tokio::test]
async fn t18_encoded_bodies_are_refused_from_the_core_and_unseen_from_strangers() {
    let house = house();
    let path = format!("/v1/conversations/{}/status", reference());
    let text = r#"{"status":"open"}"#;
    let token = vec![("authorization", format!("Bearer {TOKEN}"))];
    for encoding in ["gzip", "br", "deflate", "zstd", "GZIP, gzip", "x-unknown"] {
        for (id, mut headers) in
            [house.signature(&format!("msg_{}", encoding.len()), text.as_bytes()), token.clone()]
                .into_iter()
                .enumerate()
        {
            headers.push(("content-encoding", encoding.to_owned()));
            let answer = house.send(Method::PUT, &path, &headers, text).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded-body"),
                "{encoding} {id}"
            );
        }
        let stranger = [("content-encoding", encoding.to_owned())];
        assert_eq!(house.send(Method::PUT, &path, &stranger, text).await.status, StatusCode::UNAUTHORIZED);
    }
    assert!(house.calls().is_empty());
    // The id of a refused call is free: the same call without the header is carried out.
    let headers = house.signature("msg_4", text.as_bytes());
    assert_eq!(house.send(Method::PUT, &path, &headers, text).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.calls().len(), 1);
}
