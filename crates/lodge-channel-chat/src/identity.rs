//! Who a signed-in visitor is: a short JWT (RFC 7519) that the website's own backend signs with HS256 (RFC 7515).
//!
//! The algorithm is pinned: what a token says of itself chooses nothing but the key. Needed are `sub`, `exp` (no more than
//! a day ahead) and `aud` with the inbox's name; where several secrets live, `kid` says which (H03, T06).

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// Longest a token may still be good for.
const MOST_AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// Longest a token may be, in bytes.
const MOST_BYTES: usize = 4096;

/// Secrets by key id.
pub struct IdentityKeys(Vec<(String, hmac::Key)>);

/// A visitor whom the website vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The website's id for them.
    pub subject: String,
    /// Their name.
    pub name: Option<String>,
    /// Their mail address.
    pub email: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    aud: Audience,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl IdentityKeys {
    /// Secrets by their key ids; in a plain list they are `1`, `2`, ….
    #[must_use]
    pub fn new(secrets: Vec<(String, Vec<u8>)>) -> Self {
        let key = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self(secrets.into_iter().map(|(id, secret)| (id, key(&secret))).collect())
    }

    /// Who `token` says it is for `audience`.
    ///
    /// # Errors
    /// Why it is not believed, for whoever builds the website; never what it holds.
    pub fn verify(&self, token: &str, audience: &str, now: Timestamp) -> Result<Identity, &'static str> {
        if self.0.is_empty() {
            return Err("this inbox has no identity secret");
        }
        if token.len() > MOST_BYTES {
            return Err("the token is longer than 4,096 bytes");
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(SHAPE)?;
        let (header, claims) = signed.split_once('.').ok_or(SHAPE)?;
        let header: Header = part(header)?;
        if header.alg != "HS256" {
            return Err("the algorithm must be HS256");
        }
        if header.crit.is_some() {
            return Err("no extension (`crit`) is understood");
        }
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| SHAPE)?;
        if !self.fits(header.kid.as_deref(), signed.as_bytes(), &signature)? {
            return Err("the signature does not fit");
        }
        let claims: Claims = part(claims)?;
        accept(claims, audience, now)
    }

    fn fits(&self, kid: Option<&str>, signed: &[u8], signature: &[u8]) -> Result<bool, &'static str> {
        let known = |id: &&(String, hmac::Key)| kid.is_none_or(|kid| kid == id.0);
        let mut candidates = self.0.iter().filter(known).peekable();
        if candidates.peek().is_none() {
            return Err("`kid` names no secret of this inbox");
        }
        Ok(candidates.any(|(_, key)| hmac::verify(key, signed, signature).is_ok()))
    }
}

const SHAPE: &str = "this is no JWT with the claims `sub`, `exp` and `aud`";

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, &'static str> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| SHAPE)?;
    serde_json::from_slice(&bytes).map_err(|_| SHAPE)
}

fn accept(claims: Claims, audience: &str, now: Timestamp) -> Result<Identity, &'static str> {
    let for_us = match &claims.aud {
        Audience::One(one) => one == audience,
        Audience::Many(many) => many.iter().any(|one| one == audience),
    };
    if !for_us {
        return Err("`aud` is not this inbox");
    }
    let seconds = now.as_second() as f64;
    if claims.exp <= seconds {
        return Err("the token expired");
    }
    if claims.exp > seconds + MOST_AHEAD.as_secs_f64() {
        return Err("`exp` is more than a day ahead");
    }
    if claims.nbf.is_some_and(|from| from > seconds + 60.0) {
        return Err("the token is not good yet");
    }
    if claims.sub.trim().is_empty() || claims.sub.len() > 255 {
        return Err("`sub` must have 1 to 255 bytes");
    }
    let clean =
        |text: Option<String>| text.map(|text| crate::clean::line(&text)).filter(|text| !text.is_empty());
    Ok(Identity { subject: claims.sub, name: clean(claims.name), email: clean(claims.email) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: i64 = 1_795_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn keys() -> IdentityKeys {
        IdentityKeys::new(vec![
            ("1".to_owned(), b"first secret".to_vec()),
            ("2".to_owned(), b"second".to_vec()),
        ])
    }

    fn token(header: &Value, claims: &Value, secret: &[u8]) -> String {
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
    }

    fn good() -> Value {
        json!({"sub": "u-7", "exp": NOW + 900, "aud": "website", "name": "Ann\u{202e} Lee", "email": "ann@example.com"})
    }

    fn with(change: &Value) -> Value {
        let mut claims = good();
        for (key, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(key);
            } else {
                claims[key] = value.clone();
            }
        }
        claims
    }

    #[test]
    fn h03_a_good_token_is_believed_by_any_live_secret() {
        for (header, secret) in [
            (json!({"alg": "HS256"}), b"first secret".as_slice()),
            (json!({"alg": "HS256", "typ": "JWT", "kid": "2"}), b"second"),
        ] {
            let identity = keys().verify(&token(&header, &good(), secret), "website", now()).unwrap();
            assert_eq!(identity.subject, "u-7");
            assert_eq!(identity.name.as_deref(), Some("Ann Lee"), "no direction characters");
        }
        let many = with(&json!({"aud": ["other", "website"]}));
        assert!(keys().verify(&token(&json!({"alg": "HS256"}), &many, b"second"), "website", now()).is_ok());
    }

    #[test]
    fn h03_t06_every_other_token_is_refused() {
        let hs = json!({"alg": "HS256"});
        let cases = [
            (json!({"alg": "none"}), good()),
            (json!({"alg": "RS256"}), good()),
            (json!({"alg": "hs256"}), good()),
            (json!({"alg": "HS256", "kid": "3"}), good()),
            (json!({"alg": "HS256", "kid": "2"}), good()),
            (json!({"alg": "HS256", "crit": ["exp"]}), good()),
            (hs.clone(), with(&json!({"aud": "shop"}))),
            (hs.clone(), with(&json!({"aud": null}))),
            (hs.clone(), with(&json!({"exp": null}))),
            (hs.clone(), with(&json!({"exp": NOW}))),
            (hs.clone(), with(&json!({"exp": NOW + 86_401}))),
            (hs.clone(), with(&json!({"exp": "soon"}))),
            (hs.clone(), with(&json!({"nbf": NOW + 3600}))),
            (hs.clone(), with(&json!({"sub": " "}))),
            (hs.clone(), with(&json!({"sub": null}))),
        ];
        for (header, claims) in cases {
            let token = token(&header, &claims, b"first secret");
            assert!(keys().verify(&token, "website", now()).is_err(), "{header} {claims}");
        }
        let unsigned = token(&hs, &good(), b"first secret");
        let (signed, _) = unsigned.rsplit_once('.').unwrap();
        for text in
            [signed.to_owned(), format!("{signed}."), String::new(), "..".to_owned(), "a.b.c".to_owned()]
        {
            assert!(keys().verify(&text, "website", now()).is_err());
        }
        assert!(IdentityKeys::new(Vec::new()).verify(&unsigned, "website", now()).is_err());
    }

    #[test]
    fn t06_no_changed_bit_of_a_token_passes() {
        let token = token(&json!({"alg": "HS256"}), &good(), b"second");
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                assert!(keys().verify(&text, "website", now()).is_err(), "{at} {bit}");
            }
        }
    }
}
