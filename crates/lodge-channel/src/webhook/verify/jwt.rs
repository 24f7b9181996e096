//! Signed tokens in a header (RFC 7519): the algorithm is the key's, never the token's choice (T06).

use super::{Forged, Verified};
use crate::webhook::request::Unverified;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use lodge_domain::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

/// A longer token is nobody's.
const LONGEST: usize = 8 * 1024;

/// A public key as a provider publishes it (RFC 7517).
#[derive(Clone, Debug, Deserialize)]
pub struct Jwk {
    /// Its name.
    #[serde(default)]
    pub kid: String,
    /// `RSA` or `EC`.
    pub kty: String,
    /// Modulus of an RSA key.
    #[serde(default)]
    pub n: Option<String>,
    /// Exponent of an RSA key.
    #[serde(default)]
    pub e: Option<String>,
    /// First coordinate of a P-256 key.
    #[serde(default)]
    pub x: Option<String>,
    /// Second coordinate of a P-256 key.
    #[serde(default)]
    pub y: Option<String>,
    /// What it may vouch for, where its publisher says so.
    #[serde(default)]
    pub endorsements: Vec<String>,
}

/// Keys that tokens are checked with; the kind of key is the only algorithm accepted.
#[derive(Clone)]
pub enum JwtKeys {
    /// HS256 with any of these secrets.
    Shared(Vec<SecretString>),
    /// RS256 or ES256, by the key that the token names.
    Public(Vec<Jwk>),
}

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub struct JwtRules<'a> {
    /// Who made it.
    pub issuer: Option<&'a str>,
    /// For whom it was made.
    pub audience: Option<&'a str>,
    /// How far clocks may differ, in seconds.
    pub leeway: i64,
    /// The most seconds since it was made, for tokens that name no end.
    pub max_age: Option<i64>,
}

/// A token that fits.
#[derive(Clone, Debug)]
pub struct Token<'r, 'k> {
    /// The request it came with.
    pub verified: Verified<'r>,
    /// What it says.
    pub claims: Map<String, Value>,
    /// The key that signs it, where keys have names.
    pub key: Option<&'k Jwk>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

impl JwtKeys {
    /// Whether `Authorization: Bearer` holds a token that these keys sign and that keeps `rules` at `now`.
    ///
    /// # Errors
    /// [`Forged`] where it does not.
    pub fn verify<'r, 'k>(
        &'k self,
        request: &'r Unverified,
        rules: &JwtRules<'_>,
        now: Timestamp,
    ) -> Result<Token<'r, 'k>, Forged> {
        let value = request.header("authorization").ok_or(Forged("the token is missing"))?;
        let token = value.strip_prefix("Bearer ").ok_or(Forged("the token is missing"))?;
        let (claims, key) = self.read(token)?;
        check(&claims, rules, now.as_second())?;
        Ok(Token { verified: Verified::new(request), claims, key })
    }

    /// The name of the key that the request's token says it was signed with; not to be believed, only to be looked for.
    #[must_use]
    pub fn named_by(request: &Unverified) -> Option<String> {
        let token = request.header("authorization")?.strip_prefix("Bearer ")?;
        let header = token.split('.').next().filter(|_| token.len() <= LONGEST)?;
        let header = BASE64URL_NOPAD.decode(header.as_bytes()).ok()?;
        serde_json::from_slice::<Header>(&header).ok()?.kid
    }

    /// Whether there is a key of this name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        matches!(self, Self::Public(keys) if keys.iter().any(|key| key.kid == name))
    }

    fn read(&self, token: &str) -> Result<(Map<String, Value>, Option<&Jwk>), Forged> {
        const NONE: Forged = Forged("the token is none");
        if token.len() > LONGEST {
            return Err(NONE);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(NONE)?;
        let (header, claims) = signed.split_once('.').ok_or(NONE)?;
        let part = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NONE);
        let header: Header = serde_json::from_slice(&part(header)?).map_err(|_| NONE)?;
        let signature = part(signature)?;
        let key = self.fit(&header, signed.as_bytes(), &signature)?;
        let claims: Map<String, Value> = serde_json::from_slice(&part(claims)?).map_err(|_| NONE)?;
        Ok((claims, key))
    }

    fn fit(&self, header: &Header, signed: &[u8], signature: &[u8]) -> Result<Option<&Jwk>, Forged> {
        match self {
            Self::Shared(secrets) => {
                let fits = |secret: &SecretString| {
                    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
                    !secret.expose_secret().is_empty() && hmac::verify(&key, signed, signature).is_ok()
                };
                if header.alg != "HS256" || signature.len() != 32 {
                    return Err(Forged("the token's algorithm is another"));
                }
                if secrets.iter().any(fits) { Ok(None) } else { Err(Forged("no signature fits")) }
            }
            Self::Public(keys) => {
                let named = |key: &&Jwk| header.kid.as_deref() == Some(key.kid.as_str());
                let key = keys.iter().find(named).ok_or(Forged("the token's key is not known"))?;
                if key.signs(&header.alg, signed, signature) {
                    Ok(Some(key))
                } else {
                    Err(Forged("no signature fits"))
                }
            }
        }
    }
}

impl std::fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shared(secrets) => write!(f, "JwtKeys::Shared({})", secrets.len()),
            Self::Public(keys) => write!(f, "JwtKeys::Public({})", keys.len()),
        }
    }
}

impl Jwk {
    fn signs(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let number = |text: &Option<String>| {
            text.as_ref().and_then(|text| BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok())
        };
        match (self.kty.as_str(), algorithm) {
            ("RSA", "RS256") => {
                // 4,096 bits are the longest modulus that is worth its time (T74).
                let (Some(n), Some(e)) = (number(&self.n), number(&self.e)) else { return false };
                n.len() <= 513
                    && RsaPublicKeyComponents { n: &n, e: &e }
                        .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                        .is_ok()
            }
            ("EC", "ES256") => {
                let (Some(x), Some(y)) = (number(&self.x), number(&self.y)) else { return false };
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                signature.len() == 64
                    && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                        .verify(signed, signature)
                        .is_ok()
            }
            _ => false,
        }
    }
}

fn check(claims: &Map<String, Value>, rules: &JwtRules<'_>, now: i64) -> Result<(), Forged> {
    let number = |name: &str| claims.get(name).and_then(Value::as_f64).map(|seconds| seconds as i64);
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if rules.issuer.is_some_and(|issuer| text("iss") != Some(issuer)) {
        return Err(Forged("the token is another issuer's"));
    }
    if let Some(audience) = rules.audience {
        let listed = claims.get("aud").and_then(Value::as_array);
        let in_list = listed.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(audience)));
        if text("aud") != Some(audience) && !in_list {
            return Err(Forged("the token is for somebody else"));
        }
    }
    let exp = number("exp");
    if exp.is_some_and(|end| end.saturating_add(rules.leeway) < now) {
        return Err(Forged("the token has expired"));
    }
    if number("nbf").is_some_and(|begin| begin.saturating_sub(rules.leeway) > now) {
        return Err(Forged("the token is not valid yet"));
    }
    match (rules.max_age, number("iat")) {
        (Some(most), Some(iat)) if now.saturating_sub(iat).abs() > most => {
            Err(Forged("the token is too far from now"))
        }
        (Some(_), None) => Err(Forged("the token has no time")),
        (None, _) if exp.is_none() => Err(Forged("the token has no end")),
        _ => Ok(()),
    }
}

/// Whether `claim` is the SHA-256 of the body, in hexadecimal digits.
#[must_use]
pub fn payload_hash_fits(claim: Option<&Value>, body: &[u8]) -> bool {
    let named =
        claim.and_then(Value::as_str).and_then(|text| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok());
    named.is_some_and(|named| bool::from(digest(&SHA256, body).as_ref().ct_eq(&named)))
}
