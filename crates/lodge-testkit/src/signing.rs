//! How each provider of messages signs and what its table in the configuration holds, written a second time and apart from
//! the code under test. Knows nothing of the gateway: the end-to-end tests read this file as source, so that none of the
//! gateway's crates is linked into them.
#![expect(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use aws_lc_rs::{hmac, rsa};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Our bot's id in tokens.
pub const APP_ID: &str = "11112222-bbbb-3333-cccc-4444dddd5555";

/// The nonce, and the id, of signatures that carry one.
const NONCE: &str = "12345";
const MESSAGE: &str = "msg_1";

/// A provider's table, `api_base` included, whose secrets are `env:NAME`; [`Signer::secret`] says what is behind the name.
#[must_use]
pub fn settings(provider: &str, base: &str) -> Value {
    let mut table = match provider {
        "whatsapp" => {
            json!({"app_secret": "env:APP", "verify_token": "env:VERIFY", "access_token": "env:ACCESS",
            "phone_number_id": "106540352242922"})
        }
        "telegram" => json!({"bot_token": "env:TELEGRAM", "secret_token": "env:TOKEN"}),
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
    table
}

/// The media type of a body's file.
#[must_use]
pub fn media_type(name: &str) -> &'static str {
    if name.ends_with(".form") { "application/x-www-form-urlencoded" } else { "application/json" }
}

/// Signs as every provider does, with secrets of its own: another mark, other secrets.
#[derive(Clone, Debug)]
pub struct Signer {
    mark: String,
}

impl Signer {
    /// One whose secrets bear this mark.
    #[must_use]
    pub fn new(mark: &str) -> Self {
        Self { mark: mark.to_owned() }
    }

    /// The secret behind `env:NAME`: the name in lower case and the mark, or a key in the form that it is written in.
    #[must_use]
    pub fn secret(&self, name: &str) -> String {
        match name {
            "WHSEC" => format!("whsec_{}", BASE64.encode(&self.bytes())),
            "PUBLIC" => HEXLOWER.encode(self.pair().public_key().as_ref()),
            "PUBLIC64" => BASE64.encode(self.pair().public_key().as_ref()),
            "PEM" => self.pem(),
            // A number and a colon: it stands in a path.
            "TELEGRAM" => format!("110201543:AAHdqTcvCH1vGWJx{}", self.mark),
            other => format!("{}{}", other.to_lowercase(), self.mark),
        }
    }

    /// The headers that sign a `body` for `address` (path and query included) at a time.
    #[must_use]
    pub fn sign(
        &self,
        provider: &str,
        address: &str,
        body: &[u8],
        at: Timestamp,
    ) -> Vec<(&'static str, String)> {
        let time = at.as_second().to_string();
        let by = |name: &str, parts: &[&[u8]]| mac(self.secret(name).as_bytes(), parts);
        match provider {
            "telegram" => vec![("x-telegram-bot-api-secret-token", self.secret("TOKEN"))],
            "slack" => {
                let mac = by("SIGNING", &[b"v0:", time.as_bytes(), b":", body]);
                vec![
                    ("x-slack-request-timestamp", time),
                    ("x-slack-signature", format!("v0={}", HEXLOWER.encode(&mac))),
                ]
            }
            "line" => vec![("x-line-signature", BASE64.encode(&by("CHANNEL", &[body])))],
            "twilio-messaging" => vec![("x-twilio-signature", self.form(address, body))],
            "signalwire-messaging" => vec![("x-signalwire-signature", self.form(address, body))],
            "viber" => vec![("x-viber-content-signature", HEXLOWER.encode(&by("VIBER", &[body])))],
            "x" => {
                let mac = BASE64.encode(&by("APP", &[body]));
                vec![("x-twitter-webhooks-signature", format!("sha256={mac}"))]
            }
            "telnyx-messaging" => {
                let signature = self.pair().sign(&[time.as_bytes(), b"|", body].concat());
                let signature = BASE64.encode(signature.as_ref());
                vec![("telnyx-timestamp", time), ("telnyx-signature-ed25519", signature)]
            }
            "vonage-messages" => vec![("authorization", format!("Bearer {}", self.hashed(body, at)))],
            "plivo-messaging" => {
                let (base, query) = address.split_once('?').unwrap_or((address, ""));
                let dot = if query.is_empty() { "" } else { "." };
                let text = format!("{base}?{query}{dot}{}.{NONCE}", fields(body));
                vec![
                    ("x-plivo-signature-v3", BASE64.encode(&by("AUTH", &[text.as_bytes()]))),
                    ("x-plivo-signature-v3-nonce", NONCE.to_owned()),
                ]
            }
            "teams" => {
                // The framework vouches for a body's service.
                let activity: Value = serde_json::from_slice(body).unwrap_or_default();
                let token = self.token("kid-1", &activity["serviceUrl"], at);
                vec![("authorization", format!("Bearer {token}"))]
            }
            "discord" => {
                let signature = self.pair().sign(&[time.as_bytes(), body].concat());
                let signature = HEXLOWER.encode(signature.as_ref());
                vec![("x-signature-timestamp", time), ("x-signature-ed25519", signature)]
            }
            "webhook" => vec![
                ("webhook-id", MESSAGE.to_owned()),
                ("webhook-signature", self.standard(MESSAGE, &time, body)),
                ("webhook-timestamp", time),
            ],
            _ => {
                let mac = HEXLOWER.encode(&by("APP", &[body]));
                vec![("x-hub-signature-256", format!("sha256={mac}"))]
            }
        }
    }

    /// The value of `webhook-signature` (Standard Webhooks 1.0).
    #[must_use]
    pub fn standard(&self, id: &str, time: &str, body: &[u8]) -> String {
        let mac = mac(&self.bytes(), &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
        format!("v1,{}", BASE64.encode(&mac))
    }

    /// Whether a token (JWS) was signed by our private key; what it says.
    #[must_use]
    pub fn signed_by_us(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let pair = self.rsa();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        key.verify(signed.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?).ok()?;
        let claims = signed.split('.').nth(1)?;
        serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?).ok()
    }

    /// The public half of the key that signs tokens, as it is published under the name `kid`.
    #[must_use]
    pub fn jwk(&self, kid: &str) -> Value {
        // RSAPublicKey (RFC 8017, A.1.1) of 2,048 bits: two numbers behind headers of a fixed length.
        let pair = self.rsa();
        let der = pair.public_key().as_ref();
        let number = |at: std::ops::Range<usize>| BASE64URL_NOPAD.encode(&der[at]);
        json!({"kty": "RSA", "use": "sig", "kid": kid, "endorsements": ["msteams"], "n": number(9..265),
            "e": number(267..270)})
    }

    /// A token for a service, signed by the key named `kid`, good at `at` alone.
    #[must_use]
    pub fn token(&self, kid: &str, service: &Value, at: Timestamp) -> String {
        let claims = json!({"iss": "https://api.botframework.com", "aud": APP_ID, "serviceurl": service,
            "nbf": at.as_second(), "exp": at.as_second()});
        let signed = parts(&json!({"alg": "RS256", "typ": "JWT", "kid": kid}), &claims);
        let pair = self.rsa();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    /// A token that pins a body's hash.
    fn hashed(&self, body: &[u8], at: Timestamp) -> String {
        let hash = HEXLOWER.encode(digest(&SHA256, body).as_ref());
        let claims = json!({"iat": at.as_second(), "jti": "1", "iss": "Vonage", "payload_hash": hash});
        let signed = parts(&json!({"alg": "HS256", "typ": "JWT"}), &claims);
        let mac = mac(self.secret("SIGNING").as_bytes(), &[signed.as_bytes()]);
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&mac))
    }

    /// Address, then the form's fields.
    fn form(&self, address: &str, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.secret("AUTH").as_bytes());
        let text = format!("{address}{}", fields(body));
        BASE64.encode(hmac::sign(&key, text.as_bytes()).as_ref())
    }

    /// What `whsec_` is followed by.
    fn bytes(&self) -> Vec<u8> {
        [(0..24).collect::<Vec<u8>>(), self.mark.as_bytes().to_vec()].concat()
    }

    /// The pair of keys of a provider that signs with one.
    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(digest(&SHA256, self.mark.as_bytes()).as_ref()).unwrap()
    }

    /// The pair of keys that signs tokens; made once for each mark, since that takes its time.
    fn rsa(&self) -> Arc<rsa::KeyPair> {
        static PAIRS: LazyLock<Mutex<BTreeMap<String, Arc<rsa::KeyPair>>>> = LazyLock::new(Mutex::default);
        let mut pairs = PAIRS.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap());
        Arc::clone(pairs.entry(self.mark.clone()).or_insert_with(made))
    }

    /// The private half in a file.
    fn pem(&self) -> String {
        let der: Pkcs8V1Der<'static> = self.rsa().as_der().unwrap();
        let text: Vec<char> = BASE64.encode(der.as_ref()).chars().collect();
        let lines: Vec<String> = text.chunks(64).map(|line| line.iter().collect()).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    }
}

fn mac(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &parts.concat()).as_ref().to_vec()
}

/// Header and claims of a token, as they are signed.
fn parts(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// Every key and value in order (forms of tests have each key once).
fn fields(body: &[u8]) -> String {
    let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    pairs.sort();
    pairs.dedup();
    pairs.into_iter().map(|(key, value)| key + &value).collect()
}
