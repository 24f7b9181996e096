//! What an API's answers mean for the next try.

use super::*;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::any;
use secrecy::SecretString;

async fn client() -> ApiClient {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
    let handler = |request: Request| async move {
        let wait = [("retry-after", "7")];
        match request.uri().path() {
            "/v1/ok" => (StatusCode::OK, r#"{"id":9007199254740993,"a":{"b":"c"}}"#).into_response(),
            "/v1/busy" => (StatusCode::TOO_MANY_REQUESTS, wait, r#"{"m":"slow\ndown"}"#).into_response(),
            "/v1/away" => (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response(),
            "/v1/slow" => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                StatusCode::OK.into_response()
            }
            path => {
                let status = path.rsplit('/').next().and_then(|last| last.parse::<u16>().ok()).unwrap_or(404);
                StatusCode::from_u16(status).unwrap().into_response()
            }
        }
    };
    let router = Router::new().fallback(any(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    ApiClient::new(&ApiSettings { base, deadline: Duration::from_millis(400) }).unwrap()
}

async fn call(client: &ApiClient, path: &str) -> Result<ApiAnswer, DeliveryError> {
    let credentials = Credentials::Bearer(SecretString::from("secret-token"));
    let call = ApiCall {
        method: Method::POST,
        path,
        credentials: &credentials,
        headers: Vec::new(),
        body: ApiBody::Empty,
    };
    client.call(call).await
}

#[tokio::test]
async fn f07_answers_say_whether_to_try_again_and_when() {
    let client = client().await;
    let ok = call(&client, "ok").await.unwrap();
    assert!(ok.is_success());
    assert_eq!(
        (ok.text("/id").unwrap().as_str(), ok.text("/a/b").unwrap().as_str()),
        ("9007199254740993", "c")
    );
    let busy = call(&client, "busy").await.unwrap();
    let error = busy.error("send a message", busy.text("/m").as_deref());
    assert_eq!(error.disposition, Disposition::Later { after: Some(SignedDuration::from_secs(7)) });
    assert_eq!(error.detail.as_deref(), Some("HTTP 429: slow\\ndown"));
    let disposition = async |path: &str| call(&client, path).await.unwrap().error("send", None).disposition;
    for later in ["500", "502", "503", "408"] {
        assert!(matches!(disposition(later).await, Disposition::Later { .. }), "{later}");
    }
    for never in ["400", "404", "422"] {
        assert_eq!(disposition(never).await, Disposition::Never, "{never}");
    }
    for wrong in ["401", "403", "away"] {
        assert_eq!(disposition(wrong).await, Disposition::Misconfigured, "{wrong}");
    }
    assert!(call(&client, "504").await.unwrap().error("send", None).in_doubt);
}

#[tokio::test]
async fn f03_no_answer_is_doubt_and_no_connection_is_none() {
    let client = client().await;
    let silent = call(&client, "slow").await.unwrap_err();
    assert!(silent.in_doubt && !silent.answered, "{silent:?}");
    let base = Url::parse("http://127.0.0.1:1/").unwrap();
    let nobody = ApiClient::new(&ApiSettings { base, deadline: Duration::from_secs(2) }).unwrap();
    let refused = call(&nobody, "bot-secret/send").await.unwrap_err();
    assert!(!refused.in_doubt && !refused.answered, "{refused:?}");
    assert!(!refused.to_string().contains("secret"), "{refused}");
}

#[tokio::test]
async fn t51_a_path_never_leaves_the_base() {
    let client = client().await;
    for path in ["../x", "a/../../x"] {
        assert!(call(&client, path).await.is_err(), "{path}");
    }
    for path in ["http://127.0.0.1:1/", "//127.0.0.1:1/"] {
        let call = call(&client, path).await.unwrap();
        assert_eq!(call.status, 404, "{path}: it names no other host, whatever stands in front");
    }
}

#[tokio::test]
async fn a_colon_in_a_path_is_one_and_no_path_is_the_base() {
    let client = client().await;
    for path in ["bot110201543:AAHdqTcv/200", "a:200/200", "users/a:b/200", "200?a=b:c"] {
        assert_eq!(call(&client, path).await.unwrap().status, 200, "{path}");
    }
    assert_eq!(call(&client, "").await.unwrap().status, 404);
}

#[tokio::test]
async fn t51_what_others_wrote_in_a_path_stays_in_its_place() {
    let client = client().await;
    for name in ["..", "."] {
        let path = format!("users/{}/200", escaped(name));
        assert!(call(&client, &path).await.is_err(), "{path}");
    }
    for path in ["a/%2E%2E/200", "a/%2e./200", "a/.\t./200", "a/..\\200", "./200", "200/%2E", "a/.. "] {
        assert!(call(&client, path).await.is_err(), "{path:?}");
    }
    for path in ["a../200", "a/.../200", "a/..b/200", "%2E%2E%2E/200", "200?a=../b", "200#/.."] {
        assert_eq!(call(&client, path).await.unwrap().status, 200, "{path}");
    }
}

#[tokio::test]
async fn no_path_is_the_base_to_the_letter() {
    let base = Url::parse("https://core.example/replies?code=a").unwrap();
    let client = ApiClient::new(&ApiSettings { base, deadline: Duration::from_secs(1) }).unwrap();
    assert_eq!(client.at("").unwrap().as_str(), "https://core.example/replies?code=a");
    assert_eq!(client.at("b").unwrap().as_str(), "https://core.example/replies/b");
}
