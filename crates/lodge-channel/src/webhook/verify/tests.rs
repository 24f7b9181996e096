//! Every vector of every scheme that the kit's verifiers speak, and what may never pass.

use super::*;
use axum::http::HeaderMap;
use lodge_domain::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

struct Case {
    id: String,
    scheme: String,
    secret: Value,
    request: Unverified,
    valid: bool,
    now: Timestamp,
}

fn cases(provider: &str) -> Vec<Case> {
    let path = format!("{}/../../fixtures/webhook/{provider}.json", env!("CARGO_MANIFEST_DIR"));
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all.iter().map(case).collect()
}

fn case(case: &Value) -> Case {
    let request = &case["request"];
    let mut headers = HeaderMap::new();
    for (name, value) in request["headers"].as_object().unwrap() {
        let name: axum::http::HeaderName = name.parse().unwrap();
        headers.append(name, value.as_str().unwrap().parse().unwrap());
    }
    let body = match (request["body"].as_str(), request["body_base64"].as_str()) {
        (_, Some(encoded)) => BASE64.decode(encoded.as_bytes()).unwrap(),
        (body, None) => body.unwrap_or_default().as_bytes().to_vec(),
    };
    let url = request["url"].as_str().unwrap();
    // Path and query as they stand, without what a parser would make of them.
    let (scheme, rest) = url.split_once("://").unwrap();
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, target) = rest.split_at(at);
    let base = format!("{scheme}://{authority}");
    let method = request["method"].as_str().unwrap().parse().unwrap();
    let request = Unverified::new(method, target, "", Some(&base), headers);
    Case {
        id: case["id"].as_str().unwrap().to_owned(),
        scheme: case["scheme"].as_str().unwrap().to_owned(),
        secret: case["secret"].clone(),
        request: request.with_body(body.into()),
        valid: case["valid"].as_bool().unwrap(),
        now: Timestamp::from_second(case["now"].as_i64().unwrap_or(1_795_291_200)).unwrap(),
    }
}

fn secret(of: &Value) -> SecretString {
    SecretString::from(of.as_str().unwrap().to_owned())
}

fn keys(algorithm: Algorithm, of: &Value) -> HmacKeys {
    HmacKeys::new(algorithm, &[secret(of)])
}

fn all(provider: &str, verify: impl Fn(&Case) -> Result<(), Forged>) {
    let cases = cases(provider);
    assert!(!cases.is_empty());
    for case in cases {
        let verdict = verify(&case);
        assert_eq!(verdict.is_ok(), case.valid, "{provider} {}: {verdict:?}", case.id);
    }
}

fn raw_body(
    case: &Case,
    header: &str,
    prefix: &str,
    candidates: fn(usize, Vec<&str>) -> Candidates,
) -> Result<(), Forged> {
    let value = case.request.header(header).and_then(|value| value.strip_prefix(prefix)).unwrap_or_default();
    let keys = keys(Algorithm::Sha256, &case.secret);
    keys.verify(&case.request, &[case.request.signed_body()], &candidates(32, vec![value])).map(drop)
}

fn hex(length: usize, texts: Vec<&str>) -> Candidates {
    Candidates::hex(length, texts)
}

fn base64(length: usize, texts: Vec<&str>) -> Candidates {
    Candidates::base64(length, texts)
}

#[test]
fn g01_t18_signatures_over_the_raw_body() {
    let meta: Vec<Case> =
        cases("meta").into_iter().filter(|case| case.scheme == "meta-x-hub-signature-256").collect();
    assert!(meta.len() > 5);
    for case in meta {
        let verdict = raw_body(&case, "x-hub-signature-256", "sha256=", hex);
        assert_eq!(verdict.is_ok(), case.valid, "{}: {verdict:?}", case.id);
    }
    all("line", |case| raw_body(case, "x-line-signature", "", base64));
    all("viber", |case| raw_body(case, "x-viber-content-signature", "", hex));
    all("jambonz", |case| {
        let header = case.request.header("jambonz-signature").unwrap_or_default();
        let of =
            |name: &str| header.split(',').filter_map(|part| part.strip_prefix(name)).collect::<Vec<_>>();
        let time = of("t=").first().copied().unwrap_or_default();
        crate::webhook::fresh(Some(time), case.now)?;
        let keys = keys(Algorithm::Sha256, &case.secret);
        let candidates = Candidates::hex(32, of("v1="));
        keys.verify(&case.request, &[time.as_bytes(), b".", case.request.signed_body()], &candidates)
            .map(drop)
    });
    all("slack", |case| {
        let time = case.request.header("x-slack-request-timestamp");
        crate::webhook::fresh(time, case.now)?;
        let value = case.request.header("x-slack-signature").and_then(|v| v.strip_prefix("v0="));
        let parts = [b"v0:", time.unwrap_or_default().as_bytes(), b":", case.request.signed_body()];
        keys(Algorithm::Sha256, &case.secret)
            .verify(&case.request, &parts, &Candidates::hex(32, value))
            .map(drop)
    });
}

#[test]
fn t17_signatures_over_address_and_form() {
    all("twilio", |case| TwilioKeys::new(&[secret(&case.secret)]).verify(&case.request).map(drop));
    let cxml = cases("signalwire").into_iter().filter(|case| case.scheme == "signalwire-cxml-hmac-sha1-form");
    for case in cxml {
        let candidates = Candidates::base64(20, case.request.header("x-signalwire-signature"));
        let verdict = twilio(&keys(Algorithm::Sha1, &case.secret), &case.request, &candidates);
        assert_eq!(verdict.is_ok(), case.valid, "{}", case.id);
    }
}

#[test]
fn t17_a_shared_key_is_the_one_that_is_named_and_no_token_stands_in_for_it() {
    let own = "webhooks_sharedkey_01hzy2f3n4p5q6r7s8t9v0w1x2";
    let token = SecretString::from("an auth token");
    let shared: Vec<Case> =
        cases("twilio").into_iter().filter(|case| case.scheme == "twilio-hmac-sha256-form").collect();
    assert!(shared.len() >= 3);
    for case in shared {
        let key = secret(&case.secret);
        let verdict = |keys: TwilioKeys| keys.verify(&case.request).is_ok();
        let tokens = || TwilioKeys::new(std::slice::from_ref(&token));
        assert_eq!(verdict(tokens().share(own, &key)), case.valid, "{}", case.id);
        assert!(!verdict(tokens().share("webhooks_sharedkey_another", &key)), "{}: another key", case.id);
        assert!(!verdict(tokens().share(own, &token)), "{}: another secret", case.id);
        let named = TwilioKeys::new(std::slice::from_ref(&key)).share(own, &token);
        assert!(!verdict(named), "{}: the token is no shared key where those have names", case.id);
    }
    // What a token signed stays one of the token's, whatever shared keys there are.
    let form = cases("twilio").into_iter().find(|case| case.id == "incoming-call").unwrap();
    let keys = TwilioKeys::new(&[secret(&form.secret)]).share(own, &token);
    assert!(keys.verify(&form.request).is_ok());
    let keys = TwilioKeys::new(&[token]).share(own, &secret(&form.secret));
    assert!(keys.verify(&form.request).is_err(), "a shared key signs by SHA-256 alone");
}

#[test]
fn g01_t17_signatures_over_a_forms_fields() {
    all("plivo", |case| {
        let keys = keys(Algorithm::Sha256, &case.secret);
        let verify = if case.scheme == "plivo-v2-hmac-sha256" { plivo_v2 } else { plivo_v3 };
        verify(&keys, &case.request).map(drop)
    });
    let forms: Vec<Case> =
        cases("vonage").into_iter().filter(|case| case.scheme.starts_with("vonage-sms-sig")).collect();
    assert!(forms.len() >= 3);
    for case in forms {
        let secret = [SecretString::from(case.secret.as_str().unwrap().to_owned())];
        let forms = VonageForms::new(&secret, false);
        let verdict = forms.verify(&case.request);
        assert_eq!(verdict.is_ok(), case.valid, "{}: {:?}", case.id, verdict.err());
    }
}

#[test]
fn g01_public_keys() {
    all("telnyx", |case| {
        let time = case.request.header("telnyx-timestamp");
        crate::webhook::fresh(time, case.now)?;
        let key = Ed25519Key::base64([case.secret.as_str().unwrap()]).unwrap();
        let candidates = Candidates::base64(64, case.request.header("telnyx-signature-ed25519"));
        let parts = [time.unwrap_or_default().as_bytes(), b"|", case.request.signed_body()];
        key.verify(&case.request, &parts, &candidates).map(drop)
    });
    all("discord", |case| {
        let time = case.request.header("x-signature-timestamp").unwrap_or_default();
        let key = Ed25519Key::hex([case.secret.as_str().unwrap()]).unwrap();
        let candidates = Candidates::hex(64, case.request.header("x-signature-ed25519"));
        key.verify(&case.request, &[time.as_bytes(), case.request.signed_body()], &candidates).map(drop)
    });
    all("sendgrid", |case| {
        let time = case.request.header("x-twilio-email-event-webhook-timestamp").unwrap_or_default();
        let key = EcdsaKey::base64([case.secret.as_str().unwrap()]).unwrap();
        let signature = case.request.header("x-twilio-email-event-webhook-signature").unwrap_or_default();
        key.verify(&case.request, &[time.as_bytes(), case.request.signed_body()], signature).map(drop)
    });
}

/// The examples' keys, of RFC 8291 and our own.
fn push_keys(secret: &Value) -> PushKeys {
    let bytes = |key: &str| data_encoding::BASE64URL_NOPAD.decode(secret[key].as_str().unwrap().as_bytes());
    let private = bytes("ua_private_b64url").unwrap().try_into().unwrap();
    PushKeys::new(&private, bytes("auth_b64url").unwrap().try_into().unwrap()).unwrap()
}

#[test]
fn g01_t18_pushes_open_for_whom_they_were_encrypted_and_nobody_else() {
    all("mastodon", |case| push_keys(&case.secret).open(&case.request).map(drop));
    let path = format!("{}/../../fixtures/webhook/mastodon.json", env!("CARGO_MANIFEST_DIR"));
    let raw: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut opened = 0;
    for one in raw.iter().filter(|one| one["valid"] == Value::Bool(true)) {
        let case = case(one);
        let keys = push_keys(&case.secret);
        let (_, said) = keys.open(&case.request).unwrap();
        assert_eq!(Value::from(String::from_utf8(said.to_vec()).unwrap()), one["plaintext"], "{}", case.id);
        let body = case.request.signed_body().clone();
        for at in 0..body.len() {
            // The record size says how long a record may be; this one is shorter either way.
            if case.scheme == "webpush-aes128gcm" && (16..20).contains(&at) {
                continue;
            }
            let mut changed = body.to_vec();
            changed[at] ^= 1 << (at % 8);
            assert!(keys.open(&case.request.clone().with_body(changed.into())).is_err(), "{}: {at}", case.id);
            assert!(
                keys.open(&case.request.clone().with_body(body.slice(..at))).is_err(),
                "{}: {at}",
                case.id
            );
        }
        opened += 1;
    }
    assert!(opened >= 3);
}

#[test]
fn g01_tokens_and_passwords() {
    all("telegram", |case| {
        let token = SharedToken::new(&[SecretString::from(case.secret.as_str().unwrap().to_owned())]);
        token.verify(&case.request, "x-telegram-bot-api-secret-token", "").map(drop)
    });
    all("postmark", |case| {
        let (name, password) = case.secret.as_str().unwrap().split_once(':').unwrap();
        let password = SecretString::from(password.to_owned());
        BasicCredentials::new([(name, &password)]).verify(&case.request).map(drop)
    });
}

#[test]
fn t06_signed_tokens() {
    let vonage: Vec<Case> =
        cases("vonage").into_iter().filter(|case| case.scheme == "vonage-jwt-hs256").collect();
    assert!(vonage.len() > 5);
    for case in vonage {
        let keys = JwtKeys::Shared(vec![SecretString::from(case.secret.as_str().unwrap().to_owned())]);
        let rules = JwtRules { issuer: None, audience: None, leeway: 60, max_age: Some(300) };
        let verdict = keys.verify(&case.request, &rules, case.now);
        let body = case.request.signed_body();
        let fits = verdict.as_ref().is_ok_and(|Token { claims, .. }| {
            body.is_empty() || payload_hash_fits(claims.get("payload_hash"), body)
        });
        assert_eq!(fits, case.valid, "{}: {:?}", case.id, verdict.err());
    }
    for case in cases("teams") {
        let jwks = case.secret["jwks"]["keys"].as_array().unwrap();
        let jwks: Vec<Jwk> = jwks.iter().map(|key| serde_json::from_value(key.clone()).unwrap()).collect();
        let keys = JwtKeys::Public(jwks);
        let audience = case.secret["app_id"].as_str();
        let issuer = Some("https://api.botframework.com");
        let rules = JwtRules { issuer, audience, leeway: 300, max_age: None };
        let verdict = keys.verify(&case.request, &rules, case.now);
        let activity: Value = serde_json::from_slice(case.request.signed_body()).unwrap();
        let fits = verdict.as_ref().is_ok_and(|Token { claims, key, .. }| {
            claims["serviceurl"] == activity["serviceUrl"]
                && key.is_some_and(|key| key.endorsements.iter().any(|one| one == "msteams"))
        });
        assert_eq!(fits, case.valid, "{}: {:?}", case.id, verdict.err());
    }
}

fn signed(body: &'static [u8]) -> (HmacKeys, Unverified, Vec<u8>) {
    let keys = HmacKeys::new(Algorithm::Sha256, &[SecretString::from("new"), SecretString::from("old")]);
    let request = Unverified::new(Method::POST, "/hooks/a", "", None, HeaderMap::new());
    let signature = keys.sign(&[body]).unwrap();
    (keys, request.with_body(Bytes::from_static(body)), signature)
}

fn refused(keys: &HmacKeys, request: &Unverified, candidates: &Candidates) -> bool {
    keys.verify(request, &[request.signed_body()], candidates).is_err()
}

#[test]
fn t14_truncated_empty_and_too_many_signatures_are_refused() {
    let (keys, request, signature) = signed(b"{\"a\":1}");
    let text = data_encoding::HEXLOWER.encode(&signature);
    assert!(!refused(&keys, &request, &Candidates::hex(32, [text.as_str()])));
    for length in 0..text.len() {
        let cut: String = text.chars().take(length).collect();
        assert!(refused(&keys, &request, &Candidates::hex(32, [cut.as_str()])), "{length}");
    }
    for bad in [format!("{text}00"), format!(" {text}"), format!("{text} "), String::new()] {
        assert!(refused(&keys, &request, &Candidates::hex(32, [bad.as_str()])), "{bad:?}");
    }
    assert!(refused(&keys, &request, &Candidates::hex(32, [])));
    let many = [&["00"; 7][..], &[text.as_str()]].concat();
    assert!(!refused(&keys, &request, &Candidates::hex(32, many.clone())), "eight are allowed");
    let nine = [&["00"; 1][..], &many].concat();
    assert!(refused(&keys, &request, &Candidates::hex(32, nine)), "nine are not");
}

#[test]
fn g01_two_secrets_live_during_a_rotation_and_none_passes_nothing() {
    let (keys, request, _) = signed(b"x");
    let old = HmacKeys::new(Algorithm::Sha256, &[SecretString::from("old")]);
    let text = data_encoding::HEXLOWER.encode(&old.sign(&[b"x"]).unwrap());
    assert!(!refused(&keys, &request, &Candidates::hex(32, [text.as_str()])));
    let none = HmacKeys::new(Algorithm::Sha256, &[SecretString::from("")]);
    let empty = HmacKeys::of_bytes(Algorithm::Sha256, [&b"k"[..]]);
    assert!(refused(&none, &request, &Candidates::hex(32, [text.as_str()])));
    assert!(refused(&empty, &request, &Candidates::hex(32, [text.as_str()])));
    assert!(!SharedToken::new(&[SecretString::from("")]).is(""));
    assert!(SharedToken::new(&[SecretString::from("a"), SecretString::from("b")]).is("b"));
}

proptest! {
    #[test]
    fn t14_no_signature_survives_a_changed_bit(bit in 0..256usize, at in 0..7usize, flip in 1u8..) {
        let (keys, request, signature) = signed(b"{\"a\":1}");
        let mut bad = signature.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let text = data_encoding::HEXLOWER.encode(&bad);
        prop_assert!(refused(&keys, &request, &Candidates::hex(32, [text.as_str()])));
        let mut body = request.signed_body().to_vec();
        body[at] ^= flip;
        let text = data_encoding::HEXLOWER.encode(&signature);
        let other = request.clone().with_body(body.into());
        prop_assert!(refused(&keys, &other, &Candidates::hex(32, [text.as_str()])));
    }
}
