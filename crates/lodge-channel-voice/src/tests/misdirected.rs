//! Text messages that come to an inbox for calls, since a number's messages were pointed there: whoever looks into the
//! provider's log reads what is wrong, and nothing is kept. What providers of messages send is in `fixtures/social/`.

use super::phone::{Phone, folder, phones};
use super::rig::{House, PUBLIC};
use super::sign::{Callback, sign};
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use lodge_domain::ports::Clock;
use std::path::PathBuf;

/// The bodies of the provider's text messages, and of what becomes of them.
fn messages(phone: &Phone) -> Vec<PathBuf> {
    let own = folder(&phone.provider).join("messages");
    let others = phone.value["messages"].as_str().map(|name| folder("").join("../social").join(name));
    let folders = [Some(own), others].into_iter().flatten().filter(|folder| folder.is_dir());
    let all = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut all: Vec<PathBuf> = all.map(|one| one.unwrap().path()).collect();
    all.retain(|path| !path.to_str().unwrap().ends_with(".expected.json"));
    all.sort();
    all
}

async fn ask(house: &House, path: &PathBuf, below: &str, scheme: &str, secret: &str) -> (StatusCode, String) {
    let bytes = std::fs::read(path).unwrap();
    let is_json = path.extension().unwrap() == "json";
    let (body, media_type) = if is_json {
        (bytes, "application/json")
    } else {
        (bytes.trim_ascii().to_vec(), "application/x-www-form-urlencoded")
    };
    let url = format!("{PUBLIC}/hooks/page{below}");
    let at = house.shared.clock.now();
    let mut request = Request::post(format!("/hooks/page{below}")).header("content-type", media_type);
    for (name, value) in sign(scheme, &Callback { url: &url, body: &body, secret, at }) {
        request = request.header(name, value);
    }
    house.ask(below.trim_start_matches('/'), request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn t13_a_text_message_is_told_that_this_inbox_takes_calls_and_nothing_of_it_is_kept() {
    for phone in phones() {
        let all = messages(&phone);
        assert!(!all.is_empty() || phone.value["texted"].is_null(), "{} texts, and tells", phone.provider);
        let secret = phone.text("signing").to_lowercase();
        for path in all {
            let name = format!("{}: {}", phone.provider, path.display());
            let house = House::of(&phone);
            for scheme in [phone.value["messages_signed"].as_str(), Some(phone.text("signs"))] {
                let Some(scheme) = scheme else { continue };
                for below in ["", "/status"] {
                    let (status, words) = ask(&house, &path, below, scheme, &secret).await;
                    assert_eq!(status, StatusCode::BAD_REQUEST, "{name}: {words}");
                    assert!(words.contains("text message") && words.ends_with('\n'), "{name}: {words}");
                    let (status, words) = ask(&house, &path, below, scheme, "another").await;
                    assert_eq!((status, words.as_str()), (StatusCode::UNAUTHORIZED, ""), "{name}");
                }
            }
            assert_eq!(house.shared.intake.calls(), 0, "{name}");
            assert!(house.kept("").await.is_empty(), "{name}");
        }
    }
}

#[tokio::test]
async fn t13_an_older_signature_that_covers_no_form_lets_no_call_in() {
    let phone = Phone::of("plivo");
    let house = House::of(&phone);
    let path = folder("plivo").join("answer.form");
    let (status, _) = ask(&house, &path, "", phone.text("messages_signed"), "auth").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(house.shared.intake.calls() == 0 && house.kept("").await.is_empty());
    assert_eq!(ask(&house, &path, "", phone.text("signs"), "auth").await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_names_no_call_is_answered_in_words() {
    for phone in phones().iter().filter(|phone| phone.text("media_type") == "application/json") {
        let house = House::of(phone);
        let (status, words) = house.post("", b"[]").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{}: {words}", phone.provider);
        assert!(words.contains("nothing of a telephone call"), "{}: {words}", phone.provider);
        assert!(house.shared.intake.calls() == 0 && house.kept("").await.is_empty(), "{}", phone.provider);
    }
}
