//! What each call does, and how it says no.

use crate::house::{TOKEN, house, reference, reply_id};
use http::{Method, StatusCode};
use lodge_domain::ports::{Blobs, CommandError, History};
use lodge_domain::{BlobRef, Conversation, ConversationStatus, Envelope, JournalLine, Placement, Receipt};
use lodge_testkit::sample_contact;
use lodge_testkit::samples::{sample_decision, sample_outbound, sample_time};

fn replies() -> String {
    format!("/v1/conversations/{}/replies", reference())
}

#[tokio::test]
async fn f01_a_reply_is_queued_with_its_files_kept_first() {
    let house = house();
    let body = r#"{"text":"Hello","html":"<p>Hello</p>","author":"Kim",
        "attachments":[{"name":"../a\u202e.txt","media_type":"Text/Plain; charset=x","content":"aGVsbG8="}]}"#;
    let answer = house.call(Method::POST, &replies(), body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json(), serde_json::json!({"id": reply_id().as_str(), "state": "queued"}));
    let reply = house.core.replies.lock().unwrap().remove(0);
    assert_eq!(
        (reply.text.as_str(), reply.html.as_deref(), reply.author.as_deref()),
        ("Hello", Some("<p>Hello</p>"), Some("Kim"))
    );
    assert_eq!(reply.idempotency_key, "key-1");
    let file = &reply.attachments[0];
    assert_eq!((file.name.as_str(), file.media_type.as_str()), ("_a.txt", "text/plain"));
    let blob: &BlobRef = &file.blob;
    assert_eq!(house.blobs.read(blob).await.unwrap(), "hello");
}

#[tokio::test]
async fn f02_the_key_makes_a_repeat_harmless_and_another_body_a_conflict() {
    let house = house();
    let first = house.call(Method::POST, &replies(), r#"{"text":"Hello","author":"Kim"}"#).await;
    let again = house.call(Method::POST, &replies(), r#"{ "author":"Kim", "text":"Hello" }"#).await;
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    for other in [
        r#"{"text":"Hello!","author":"Kim"}"#,
        r#"{"text":"Hello"}"#,
        r#"{"text":"Hello","html":"Kim"}"#,
        r#"{"text":"Hello","author":"Kim","attachments":[{"name":"a","media_type":"a/b","content":""}]}"#,
    ] {
        let answer = house.call(Method::POST, &replies(), other).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::CONFLICT, "idempotency-key-reused"),
            "{other}"
        );
    }
}

#[tokio::test]
async fn replies_that_make_no_sense_are_refused_before_anything_is_kept() {
    let house = house();
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat((1 << 20) + 1));
    for body in [
        "",
        "[]",
        "{}",
        r#"{"text":" "}"#,
        r#"{"text":"a","to":"mallory@example.com"}"#,
        r#"{"text":"a","text":"b"}"#,
        r#"{"text":7}"#,
        r#"{"text":"a","attachments":[{"name":"a","media_type":"nonsense","content":""}]}"#,
        r#"{"text":"a","attachments":[{"name":"a","media_type":"a/b","content":"%%"}]}"#,
        &long,
    ] {
        let answer = house.call(Method::POST, &replies(), body).await;
        let shown = &body[..body.len().min(60)];
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "invalid-request"),
            "{shown}"
        );
        assert!(!answer.text.contains("mallory@example.com"), "{}", answer.text);
    }
    let token = ("authorization", format!("Bearer {TOKEN}"));
    for keys in [vec![], vec![""], vec!["a", "b"], vec![&*"x".repeat(256)]] {
        let mut headers = vec![token.clone()];
        headers.extend(keys.iter().map(|key| ("idempotency-key", (*key).to_owned())));
        let answer = house.send(Method::POST, &replies(), &headers, r#"{"text":"a"}"#).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "invalid-request"),
            "{keys:?}"
        );
    }
    assert!(house.calls().is_empty() && house.blobs.is_empty());
}

#[tokio::test]
async fn f06_the_state_of_a_reply_says_when_it_is_in_doubt() {
    let house = house();
    let answer = house.call(Method::GET, &format!("/v1/replies/{}", reply_id()), "").await;
    let expected = serde_json::json!({"id": reply_id().as_str(), "state": "failed", "in_doubt": true,
        "recipients": [{"handle": "ann@example.com", "state": "failed", "text": "550 no such user"}]});
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected));
}

#[tokio::test]
async fn states_and_merges_reach_the_pipeline() {
    let house = house();
    let (reference, path) = (reference(), format!("/v1/conversations/{}", reference()));
    let body = r#"{"status":"closed","ticket":"DESK-7","note":"done"}"#;
    assert_eq!(house.call(Method::PUT, &format!("{path}/status"), body).await.status, StatusCode::NO_CONTENT);
    let into = format!(r#"{{"into":"{reference}"}}"#);
    assert_eq!(
        house.call(Method::POST, &format!("{path}/merge"), &into).await.status,
        StatusCode::NO_CONTENT
    );
    let expected = [
        format!("status {reference} Closed Some(\"DESK-7\") Some(\"done\")"),
        format!("merge {reference} {reference}"),
        format!("show {reference} Typing {{ author: Some(\"Sam\") }}"),
        format!("show {reference} Read"),
    ];
    for body in [r#"{"state":"typing","author":"Sam"}"#, r#"{"state":"read"}"#] {
        let answer = house.call(Method::POST, &format!("{path}/presence"), body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{body}");
    }
    assert_eq!(house.calls(), expected);
    for body in [r#"{"status":"weird"}"#, r#"{"status":"open","ticket":"a\nb"}"#, r#"{"ticket":"x"}"#] {
        let answer = house.call(Method::PUT, &format!("{path}/status"), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
    let answer =
        house.call(Method::PUT, &format!("{path}/status"), r#"{"status":"closed","notify":true}"#).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "impossible"));
}

#[tokio::test]
async fn t07_access_is_taken_back_and_what_articles_answered_is_told() {
    let house = house();
    let path = format!("/v1/conversations/{}/revoke", reference());
    assert_eq!(house.call(Method::POST, &path, "").await.status, StatusCode::NO_CONTENT);
    let answer = house.call(Method::GET, "/v1/answered?since=2026-11-01", "").await;
    let line = serde_json::json!({"day": "2026-11-26", "inbox": "website", "article": "lamps", "count": 3});
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, serde_json::json!({"answered": [line]})));
    assert_eq!(house.calls(), [format!("revoke {}", reference()), "answered 2026-11-01".to_owned()]);
    for bad in ["since=yesterday", "since=2026-13-01", "until=2026-11-01"] {
        let answer = house.call(Method::GET, &format!("/v1/answered?{bad}"), "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn what_is_unknown_is_404_and_a_wrong_method_405() {
    let house = house();
    for (method, path, body) in [
        (Method::GET, format!("/v1/conversations/{}", reference()), ""),
        (Method::GET, "/v1/conversations/1234567890".to_owned(), ""),
        (Method::GET, "/v1/conversations/%ff".to_owned(), ""),
        (Method::POST, "/v1/conversations/x/replies".to_owned(), r#"{"text":"a"}"#),
        (Method::GET, "/v1/replies/rpl_x".to_owned(), ""),
        (Method::GET, "/v1/replies/rpl_aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(), ""),
        (Method::POST, format!("/v1/conversations/{}/merge", reference()), r#"{"into":"123"}"#),
        (Method::GET, "/v1/nothing/here".to_owned(), ""),
    ] {
        let answer = house.call(method, &path, body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "unknown"), "{path}");
    }
    let answer = house.call(Method::DELETE, "/v1/events", "").await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::METHOD_NOT_ALLOWED, "wrong-method"));
}

#[tokio::test]
async fn what_cannot_be_done_says_why() {
    let house = house();
    *house.core.failing.lock().unwrap() =
        Some(CommandError::Impossible("the caller withheld their number".to_owned()));
    let answer = house.call(Method::POST, &replies(), r#"{"text":"a"}"#).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "impossible"));
    assert_eq!(answer.json()["detail"], "the caller withheld their number");
}

fn history() -> History {
    let contact =
        sample_contact().from("ann@example.com").subject("Card 4111").text("my card is 4111 1111").build();
    let at = sample_time();
    let candidate = lodge_domain::Candidate::new(&contact, at).unwrap();
    let conversation = Conversation {
        id: candidate.founds.clone(),
        brand: candidate.brand.clone(),
        reference: reference(),
        inbox: contact.inbox.name.clone(),
        sequence: 1,
        status: ConversationStatus::Open,
        reopen_until: None,
        external_id: Some("DESK-7".to_owned()),
        participants: vec![(contact.from.handle.clone(), contact.from.assurance)],
        return_path: contact.return_path.clone(),
        queue: Some("billing".to_owned()),
        topic: None,
        last_contact_at: at,
        merged_into: None,
    };
    let receipt = Receipt {
        envelope: candidate.envelope.clone(),
        conversation: candidate.founds.clone(),
        reference: reference(),
        sequence: 1,
        placement: Placement::New,
        suggested_parent: None,
        follows: None,
        reopens: false,
        flags: std::collections::BTreeSet::new(),
        matched: None,
        accepted_at: at,
        entry: None,
    };
    let line = JournalLine {
        subject: candidate.envelope.to_string(),
        at,
        step: "triaged".to_owned(),
        text: "rule invoices".to_owned(),
    };
    let outbound = vec![sample_outbound(&candidate.founds, "key-1")];
    let envelopes = vec![Envelope { contact, receipt, decision: Some(sample_decision("billing")) }];
    History { conversation, envelopes, outbound, journal: vec![line] }
}

#[tokio::test]
async fn history_gives_reasons_and_nobody_s_words() {
    let house = house();
    *house.core.history.lock().unwrap() = Some(history());
    let answer = house.call(Method::GET, &format!("/v1/conversations/{}", reference()), "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let document = answer.json();
    assert_eq!((document["status"].as_str(), document["queue"].as_str()), (Some("open"), Some("billing")));
    assert_eq!(document["contacts"][0]["from"], "ann@example.com");
    assert_eq!(document["contacts"][0]["decision"]["queue"], "billing");
    assert_eq!(document["journal"][0]["text"], "rule invoices");
    assert_eq!(document["sent"][0]["id"], reply_id_of(&document));
    // The record may hold card numbers that the event masks, and the way back is the door's own secret.
    for hidden in ["4111", "my card", "sealed", "return_path"] {
        assert!(!answer.text.contains(hidden), "{hidden}: {}", answer.text);
    }
}

#[tokio::test]
async fn answers_are_described_as_they_are_given() {
    let house = house();
    *house.core.history.lock().unwrap() = Some(history());
    let given = house.call(Method::GET, &format!("/v1/conversations/{}", reference()), "").await.json();
    let reply = house.call(Method::GET, &format!("/v1/replies/{}", reply_id()), "").await.json();
    let described: serde_json::Value = serde_json::from_str(lodge_ticketing::openapi()).unwrap();
    let members = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (schema, document) in [
        ("History", &given),
        ("Contact", &given["contacts"][0]),
        ("Sent", &given["sent"][0]),
        ("JournalLine", &given["journal"][0]),
        ("ReplyState", &reply),
        ("Recipient", &reply["recipients"][0]),
    ] {
        let properties = &described["components"]["schemas"][schema]["properties"];
        assert_eq!(members(properties), members(document), "{schema}");
    }
}

fn reply_id_of(document: &serde_json::Value) -> String {
    let conversation =
        document["conversation"].as_str().and_then(lodge_domain::ConversationId::parse).unwrap();
    lodge_domain::OutboundId::reply(&conversation, "key-1").to_string()
}
