//! How each provider signs, written a second time and apart from the code under test.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use aws_lc_rs::{hmac, rsa};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use lodge_domain::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The public address of the gateway under test.
pub(crate) const PUBLIC_URL: &str = "https://gw.example.test";

/// `whsec_` of 24 bytes.
const WHSEC: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// Settings of one provider whose secrets are the lower-case names of their variables.
pub(crate) fn settings(provider: &str, base: &str, extra: Value, common: Value) -> Value {
    let mut table = match provider {
        "whatsapp" => {
            json!({"app_secret": "env:APP", "verify_token": "env:VERIFY", "access_token": "env:ACCESS",
            "phone_number_id": "106540352242922"})
        }
        "telegram" => json!({"bot_token": "env:BOT", "secret_token": "env:TOKEN"}),
        "slack" => json!({"signing_secret": "env:SIGNING", "bot_token": "env:BOT"}),
        "line" => json!({"channel_secret": "env:CHANNEL", "channel_access_token": "env:ACCESS"}),
        "twilio-messaging" => json!({"account_sid": "AC1", "auth_token": "env:AUTH", "from": "+18885550190"}),
        "signalwire-messaging" => json!({"project": "p-1", "token": "env:TOKEN", "space": "acme",
            "signing_key": "env:AUTH", "from": "+18885550190"}),
        "viber" => json!({"auth_token": "env:VIBER"}),
        "x" => json!({"consumer_key": "ck", "consumer_secret": "env:APP", "access_token": "env:ACCESS"}),
        "telnyx-messaging" => {
            json!({"public_key": "env:PUBLIC64", "api_key": "env:ACCESS", "from": "+18885550190"})
        }
        "vonage-messages" => json!({"application_id": "app-1", "private_key": "env:PEM",
            "signature_secret": "env:SIGNING", "from": "18885550190"}),
        "plivo-messaging" => json!({"auth_id": "MA1", "auth_token": "env:AUTH", "from": "+18885550190"}),
        "teams" => json!({"app_id": APP_ID, "app_password": "env:PASSWORD"}),
        "discord" => json!({"public_key": "env:PUBLIC", "bot_token": "env:BOT"}),
        "webhook" => json!({"secret": "env:WHSEC"}),
        "mastodon" => json!({"access_token": "env:ACCESS"}),
        "bluesky" => json!({"handle": "acme.example", "app_password": "env:PASSWORD", "media_base": base}),
        _ => json!({"app_secret": "env:APP", "verify_token": "env:VERIFY", "access_token": "env:ACCESS"}),
    };
    table["api_base"] = json!(base);
    let merge = |into: &mut Map<String, Value>, from: Value| {
        into.extend(from.as_object().cloned().unwrap_or_default());
    };
    merge(table.as_object_mut().unwrap(), extra);
    let mut all = json!({provider: table});
    merge(all.as_object_mut().unwrap(), common);
    all
}

/// The media type of a body's file.
pub(crate) fn media_type(name: &str) -> &'static str {
    if name.ends_with(".form") { "application/x-www-form-urlencoded" } else { "application/json" }
}

fn mac(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &parts.concat()).as_ref().to_vec()
}

/// Every key and value in order (forms of tests have each key once).
fn fields(body: &[u8]) -> String {
    let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    pairs.sort();
    pairs.dedup();
    pairs.into_iter().map(|(key, value)| key + &value).collect()
}

/// Address, then the form's fields.
fn form_signature(body: &[u8], secret: &[u8]) -> String {
    let fields = fields(body);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let text = format!("{PUBLIC_URL}/hooks/page{fields}");
    BASE64.encode(hmac::sign(&key, text.as_bytes()).as_ref())
}

/// Headers that sign a body at a time.
pub(crate) fn sign(provider: &str, body: &[u8], at: Timestamp) -> Vec<(&'static str, String)> {
    signed(provider, body, at, "")
}

/// The same with another secret.
pub(crate) fn forge(provider: &str, body: &[u8], at: Timestamp) -> Vec<(&'static str, String)> {
    signed(provider, body, at, "x")
}

fn signed(provider: &str, body: &[u8], at: Timestamp, other: &str) -> Vec<(&'static str, String)> {
    let time = at.as_second().to_string();
    let secret = |name: &str| format!("{name}{other}").into_bytes();
    match provider {
        "telegram" => vec![("x-telegram-bot-api-secret-token", format!("token{other}"))],
        "slack" => {
            let mac = mac(&secret("signing"), &[b"v0:", time.as_bytes(), b":", body]);
            vec![
                ("x-slack-request-timestamp", time),
                ("x-slack-signature", format!("v0={}", HEXLOWER.encode(&mac))),
            ]
        }
        "line" => vec![("x-line-signature", BASE64.encode(&mac(&secret("channel"), &[body])))],
        "twilio-messaging" => vec![("x-twilio-signature", form_signature(body, &secret("auth")))],
        "signalwire-messaging" => vec![("x-signalwire-signature", form_signature(body, &secret("auth")))],
        "viber" => vec![("x-viber-content-signature", HEXLOWER.encode(&mac(&secret("viber"), &[body])))],
        "x" => {
            let mac = BASE64.encode(&mac(&secret("app"), &[body]));
            vec![("x-twitter-webhooks-signature", format!("sha256={mac}"))]
        }
        "telnyx-messaging" => {
            let signature = pair(other).sign(&[time.as_bytes(), b"|", body].concat());
            let signature = BASE64.encode(signature.as_ref());
            vec![("telnyx-timestamp", time), ("telnyx-signature-ed25519", signature)]
        }
        "vonage-messages" => {
            let hash = HEXLOWER.encode(digest(&SHA256, body).as_ref());
            let claims = json!({"iat": at.as_second(), "jti": "1", "iss": "Vonage", "payload_hash": hash});
            let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
            let mac = BASE64URL_NOPAD.encode(&mac(&secret("signing"), &[signed.as_bytes()]));
            vec![("authorization", format!("Bearer {signed}.{mac}"))]
        }
        "plivo-messaging" => {
            let text = format!("{PUBLIC_URL}/hooks/page?{}.12345", fields(body));
            vec![
                ("x-plivo-signature-v3", BASE64.encode(&mac(&secret("auth"), &[text.as_bytes()]))),
                ("x-plivo-signature-v3-nonce", "12345".to_owned()),
            ]
        }
        "teams" => vec![("authorization", format!("Bearer {}", bearer(body, at, other)))],
        "discord" => {
            let signature = pair(other).sign(&[time.as_bytes(), body].concat());
            let signature = HEXLOWER.encode(signature.as_ref());
            vec![("x-signature-timestamp", time), ("x-signature-ed25519", signature)]
        }
        "webhook" => {
            let key = [(0..24).collect::<Vec<u8>>(), other.as_bytes().to_vec()].concat();
            let mac = mac(&key, &[b"msg_1.", time.as_bytes(), b".", body]);
            vec![
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", time),
                ("webhook-signature", format!("v1,{}", BASE64.encode(&mac))),
            ]
        }
        _ => {
            let mac = mac(&secret("app"), &[body]);
            vec![("x-hub-signature-256", format!("sha256={}", HEXLOWER.encode(&mac)))]
        }
    }
}

/// Our bot's id in tokens.
const APP_ID: &str = "11112222-bbbb-3333-cccc-4444dddd5555";

/// A pair of keys that signs tokens; `other` is of somebody else.
fn rsa(other: &str) -> &'static rsa::KeyPair {
    static PAIRS: LazyLock<[rsa::KeyPair; 2]> =
        LazyLock::new(|| [(); 2].map(|()| rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap()));
    &PAIRS[usize::from(!other.is_empty())]
}

/// The private half in a file.
fn pem() -> String {
    let der: Pkcs8V1Der<'static> = rsa("").as_der().unwrap();
    let text: Vec<char> = BASE64.encode(der.as_ref()).chars().collect();
    let lines: Vec<String> = text.chunks(64).map(|line| line.iter().collect()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// Whether a token of ours was signed by that key; what it says.
pub(crate) fn signed_by_us(token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa("").public_key().as_ref());
    key.verify(signed.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?).ok()?;
    let claims = signed.split('.').nth(1)?;
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?).ok()
}

/// The public half of such a pair, as it is published under the name `kid`.
pub(crate) fn jwk(kid: &str, other: &str) -> Value {
    // RSAPublicKey (RFC 8017, A.1.1) of 2,048 bits: two numbers behind headers of a fixed length.
    let der = rsa(other).public_key().as_ref();
    let number = |at: std::ops::Range<usize>| BASE64URL_NOPAD.encode(&der[at]);
    json!({"kty": "RSA", "use": "sig", "kid": kid, "endorsements": ["msteams"], "n": number(9..265),
        "e": number(267..270)})
}

/// A token by which the framework vouches for a body's service, good at `at` alone.
fn bearer(body: &[u8], at: Timestamp, other: &str) -> String {
    let activity: Value = serde_json::from_slice(body).unwrap_or_default();
    token("kid-1", other, &activity["serviceUrl"], at)
}

/// A token signed by the key named `kid`.
pub(crate) fn token(kid: &str, other: &str, service: &Value, at: Timestamp) -> String {
    let claims = json!({"iss": "https://api.botframework.com", "aud": APP_ID, "serviceurl": service,
        "nbf": at.as_second(), "exp": at.as_second()});
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": kid});
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let pair = rsa(other);
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// The secret behind `env:NAME`.
pub(crate) fn secret(name: &str) -> String {
    match name {
        "WHSEC" => WHSEC.to_owned(),
        "PUBLIC" => HEXLOWER.encode(pair("").public_key().as_ref()),
        "PUBLIC64" => BASE64.encode(pair("").public_key().as_ref()),
        "PEM" => pem(),
        other => other.to_lowercase(),
    }
}

/// The pair of keys of a provider that signs with one.
fn pair(other: &str) -> Ed25519KeyPair {
    let seed = if other.is_empty() { [7; 32] } else { [8; 32] };
    Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
}
