//! Who is let in.

use crate::house::{TOKEN, house, reference, reply_id};
use axum::body::Body;
use http::{Method, StatusCode};
use lodge_domain::EnvelopeId;
use lodge_domain::ports::CommandError;
use lodge_ticketing::commands::ROUTES;

fn paths() -> Vec<(Method, String)> {
    let fill =
        |path: &str| path.replace("{reference}", reference().as_str()).replace("{id}", reply_id().as_str());
    ROUTES.into_iter().map(|(method, path)| (method, fill(path))).collect()
}

#[tokio::test]
async fn t13_every_route_refuses_every_wrong_credential_before_any_lookup() {
    let house = house();
    let path_body = b"{}";
    let good = house.signature("msg_1", path_body);
    let with = |at: usize, value: &str| {
        let mut headers = good.clone();
        headers[at].1 = value.to_owned();
        headers
    };
    let other_secret =
        lodge_ticketing::SigningSecrets::new(&["whsec_fMNHCId7/MysaQN/JL2oZv58IToC4MM2".into()]);
    let at = good[1].1.parse().unwrap();
    let mut wrong = vec![
        vec![],
        good[..2].to_vec(),
        with(0, "msg_2"),
        with(1, "1"),
        with(2, "v1,"),
        with(2, &other_secret.unwrap().sign("msg_1", at, path_body)),
        house.signature("msg_1", b"another body"),
    ];
    for token in ["", "x", &TOKEN[..TOKEN.len() - 1], &format!("{TOKEN}x"), " "] {
        wrong.push(vec![("authorization", format!("Bearer {token}"))]);
        wrong.push(vec![("authorization", format!("Basic {token}"))]);
    }
    wrong.push(vec![("authorization", format!("Bearer {TOKEN}")), ("authorization", "Bearer x".to_owned())]);
    let unknown = [(Method::GET, "/v1/admin".to_owned()), (Method::DELETE, "/v1/events".to_owned())];
    for (method, path) in paths().into_iter().chain(unknown) {
        for headers in &wrong {
            let answer = house.send(method.clone(), &path, headers, "{}").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {headers:?}");
            assert_eq!(answer.problem(), "unauthenticated");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    assert!(house.calls().is_empty() && house.blobs.is_empty() && *house.feed.reads.lock().unwrap() == 0);
}

#[tokio::test]
async fn a_blank_token_in_the_configuration_lets_nobody_in() {
    let house = house();
    for token in ["", " ", "  "] {
        let headers = [("authorization", format!("Bearer {token}"))];
        let answer = house.send(Method::GET, "/v1/events", &headers, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn both_ways_in_work_and_get_signs_the_empty_body() {
    let house = house();
    let path = format!("/v1/replies/{}", reply_id());
    assert_eq!(house.call(Method::GET, &path, "").await.status, StatusCode::OK);
    assert_eq!(house.signed("msg_1", Method::GET, &path, "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn t20_an_id_is_good_for_one_method_path_and_body() {
    let house = house();
    let path = format!("/v1/conversations/{}/status", reference());
    let body = r#"{"status":"open"}"#;
    assert_eq!(house.signed("msg_1", Method::PUT, &path, body).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.signed("msg_1", Method::PUT, &path, body).await.status, StatusCode::NO_CONTENT);
    let calls = house.calls().len();
    for (method, path, body) in [
        (Method::POST, path.as_str(), body),
        (Method::PUT, "/v1/conversations/4829136057/status", body),
        (Method::PUT, &format!("{path}?x=1"), body),
        (Method::PUT, &path, r#"{"status":"closed"}"#),
    ] {
        let answer = house.signed("msg_1", method, path, body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::CONFLICT, "webhook-id-reused"),
            "{path}"
        );
    }
    assert_eq!(house.calls().len(), calls);
}

#[tokio::test]
async fn t20_ids_of_our_own_making_are_refused() {
    let house = house();
    let event = EnvelopeId::of_contact(&[1; 32]);
    for id in [event.as_str(), "evt_x", "probe_1"] {
        let answer = house.signed(id, Method::GET, &format!("/v1/replies/{}", reply_id()), "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{id}");
    }
    assert!(house.calls().is_empty());
}

#[tokio::test]
async fn t16_a_captured_call_does_nothing_later_or_after_a_restart() {
    let house = house();
    let path = format!("/v1/replies/{}/resend", reply_id());
    let headers = house.signature("msg_1", b"");
    assert_eq!(house.send(Method::POST, &path, &headers, "").await.status, StatusCode::ACCEPTED);
    assert_eq!(house.send(Method::POST, &path, &headers, "").await.status, StatusCode::ACCEPTED);
    let id = reply_id();
    assert_eq!(house.calls(), [format!("resend {id}"), format!("state {id}")], "the repeat only looks");
    house.clock.advance_secs(360);
    assert_eq!(house.send(Method::POST, &path, &headers, "").await.status, StatusCode::UNAUTHORIZED);
    let restarted = super::house::house();
    restarted.clock.advance_secs(-30);
    let early = restarted.signature("msg_1", b"");
    restarted.clock.advance_secs(30);
    let answer = restarted.send(Method::POST, &path, &early, "").await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "signed-too-early"));
    assert!(restarted.calls().is_empty());
}

#[tokio::test]
async fn a_call_that_met_trouble_may_come_again_under_its_id() {
    let house = house();
    let path = format!("/v1/replies/{}/resend", reply_id());
    let headers = house.signature("msg_1", b"");
    *house.core.failing.lock().unwrap() =
        Some(CommandError::Unavailable("secret path of the store".to_owned()));
    let answer = house.send(Method::POST, &path, &headers, "").await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert_eq!(answer.headers["retry-after"], "5");
    assert!(!answer.text.contains("secret path"));
    *house.core.failing.lock().unwrap() = None;
    house.send(Method::POST, &path, &headers, "").await;
    assert_eq!(
        house.calls().last(),
        Some(&format!("resend {}", reply_id())),
        "carried out, not taken for a repeat"
    );
}

#[tokio::test]
async fn t71_endless_bodies_are_cut_at_the_limit() {
    let house = house();
    let chunk = bytes::Bytes::from(vec![b' '; 1 << 20]);
    let endless =
        || Body::from_stream(futures_util::stream::repeat(Ok::<_, std::convert::Infallible>(chunk.clone())));
    let path = format!("/v1/conversations/{}/replies", reference());
    let token = [("authorization", format!("Bearer {TOKEN}"))];
    for headers in [token.to_vec(), house.signature("msg_1", b"")] {
        let answer = house.send(Method::POST, &path, &headers, endless()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large"));
    }
    let answer = house.send(Method::POST, &path, &[], endless()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "strangers' bodies are not even read");
}
