//! Signed requests that the providers' own libraries judged (`fixtures/webhook/`): what they believe is believed, and nothing
//! else. A scheme that no inbox for calls speaks is named with its reason, so that none is left out unseen.

use super::phone::{Phone, phones};
use super::rig::{House, Plan};
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use data_encoding::BASE64;
use lodge_channel::webhook::{Provider, Unverified};
use lodge_domain::Timestamp;
use serde_json::{Value, json};

fn all(phone: &Phone) -> Vec<Value> {
    let path =
        format!("{}/../../fixtures/webhook/{}.json", env!("CARGO_MANIFEST_DIR"), phone.text("vectors"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The cases whose schemes the provider's inbox speaks.
fn spoken(phone: &Phone) -> Vec<Value> {
    let schemes = phone.value["schemes"].as_array().unwrap();
    all(phone).into_iter().filter(|case| schemes.contains(&case["scheme"])).collect()
}

/// A case, ready to be sent: the address that was called apart into base and target, and an inbox with its secret.
struct Sent {
    house: House,
    base: String,
    target: String,
    asked: Request<Vec<u8>>,
    now: Timestamp,
}

impl Sent {
    fn of(phone: &Phone, case: &Value) -> Self {
        let mut plan = Plan::of(phone).extra(phone.value["as_in_vectors"].clone());
        plan.phone.value["signs"] = json!("as it is");
        let secret = case["secret"].as_str().unwrap();
        let house = plan.secret(secret.rsplit(phone.text("secret_after")).next().unwrap()).build();
        let now = Timestamp::from_second(case["now"].as_i64().unwrap_or(1_795_291_200)).unwrap();
        house.shared.clock.set(now);
        let asked = &case["request"];
        let url = asked["url"].as_str().unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let mut builder =
            Request::builder().method(asked["method"].as_str().unwrap()).uri(format!("/{target}"));
        for (header, value) in asked["headers"].as_object().unwrap() {
            builder = builder.header(header, value.as_str().unwrap());
        }
        let body = match asked["body_base64"].as_str() {
            Some(encoded) => BASE64.decode(encoded.as_bytes()).unwrap(),
            None => asked["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
        };
        let base = format!("{scheme}://{authority}");
        Self { house, base, target: target.to_owned(), asked: builder.body(body).unwrap(), now }
    }

    fn unverified(&self) -> Unverified {
        let headers = self.asked.headers().clone();
        Unverified::new(self.asked.method().clone(), &self.target, "", Some(&self.base), headers)
            .with_body(self.asked.body().clone().into())
    }

    /// Asks the inbox itself, whose address is another.
    async fn ask(self) -> (StatusCode, House) {
        let query = self.target.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let (parts, body) = self.asked.into_parts();
        let mut request = Request::builder().method(parts.method).uri(format!("/hooks/page{query}"));
        *request.headers_mut().unwrap() = parts.headers;
        let (status, _) = self.house.ask("", request.body(Body::from(body)).unwrap()).await;
        (status, self.house)
    }
}

/// What the provider's verifier says of a vector, and what the gateway answers where that is no.
#[tokio::test]
async fn g01_what_the_providers_own_libraries_believe_is_believed_and_nothing_else() {
    for phone in phones() {
        let cases = spoken(&phone);
        assert!(cases.len() >= 2 || phone.is("no_vectors"), "{}", phone.provider);
        for case in cases {
            let name = format!("{}: {}", phone.provider, case["id"]);
            let sent = Sent::of(&phone, &case);
            let unverified = sent.unverified();
            let verdict = sent.house.works.desk.verify(&unverified, sent.now).map(drop);
            // A form that names neither a call nor a text message is refused, whoever signed it.
            let form = unverified.media_type().is_none_or(|media_type| media_type != "application/json");
            let text = format!("{}&{}", sent.target, String::from_utf8_lossy(sent.asked.body()));
            let all = [phone.text("must_have"), "MessageSid=", "SmsSid=", "MessageUUID="];
            let named = all.iter().any(|name| text.contains(name));
            assert_eq!(
                verdict.is_ok(),
                case["valid"] == json!(true) && (named || !form),
                "{name}: {verdict:?}"
            );
            if verdict.is_err() {
                let (status, house) = sent.ask().await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}");
                assert_eq!(house.shared.intake.calls(), 0, "{name}");
                assert!(house.kept("").await.is_empty(), "{name}: nothing is stored");
            }
        }
    }
}

/// The schemes of a provider that are those of another of its products, each with the reason why no call comes by it.
#[tokio::test]
async fn g01_no_scheme_of_a_provider_is_left_out_unseen() {
    for phone in phones() {
        let (spoken, elsewhere) = (phone.value["schemes"].as_array().unwrap(), &phone.value["elsewhere"]);
        for case in all(&phone).into_iter().filter(|case| !spoken.contains(&case["scheme"])) {
            let name = format!("{}: {}", phone.provider, case["id"]);
            assert!(elsewhere[case["scheme"].as_str().unwrap()].is_string(), "{name}: nobody says why not");
            let (status, house) = Sent::of(&phone, &case).ask().await;
            assert!(status.is_client_error(), "{name}: {status}");
            assert!(house.shared.intake.calls() == 0 && house.kept("").await.is_empty(), "{name}");
        }
    }
}
