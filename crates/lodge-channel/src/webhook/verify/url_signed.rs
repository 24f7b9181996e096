//! Signatures over the address a provider called and the form it posted: the scheme of Twilio and those compatible with
//! it. The address is the configured one; only its port may be written in more than one way. Which hash is judged follows
//! from the request's own settings, never from what would fit.

use super::{Algorithm, Candidates, Forged, HmacKeys, Verified};
use crate::webhook::request::{Form, Unverified};
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::Method;
use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::SecretString;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

/// The header by which Twilio says that a shared key signed, and which.
const SETTINGS: &str = "x-twilio-webhooks-signature-settings";

/// The ways in which a provider may write one address: as it is, without its port, with the port that its scheme means.
#[must_use]
pub fn url_variants(url: &str) -> Vec<String> {
    let mut variants = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return variants };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    // A colon inside brackets belongs to an IPv6 address.
    let port_at = authority.rfind(':').filter(|at| authority.get(*at..).is_some_and(|p| !p.contains(']')));
    let host = port_at.and_then(|at| authority.get(..at)).unwrap_or(authority);
    let default = if scheme == "https" { 443 } else { 80 };
    for variant in [format!("{scheme}://{host}{tail}"), format!("{scheme}://{host}:{default}{tail}")] {
        if !variants.contains(&variant) {
            variants.push(variant);
        }
    }
    variants
}

/// Whether one of the candidates signs the address and, for a posted form, every key followed by its different values, all
/// in order of their bytes. A JSON body is not part of the text; the query pins its SHA-256 as `bodySHA256` instead.
///
/// # Errors
/// [`Forged`] where none does, the public address is not configured, or the body is not the one that was pinned.
pub fn twilio<'r>(
    keys: &HmacKeys,
    request: &'r Unverified,
    candidates: &Candidates,
) -> Result<Verified<'r>, Forged> {
    let url = request.url().ok_or(Forged("the public address is not configured"))?;
    let form = request.media_type().as_deref() == Some("application/x-www-form-urlencoded");
    let mut tail = String::new();
    if *request.method() == Method::POST && form {
        let posted = Form::parse(request.signed_body());
        for (key, values) in posted.sorted() {
            for value in values {
                tail.push_str(key);
                tail.push_str(value);
            }
        }
    } else if !request.signed_body().is_empty() {
        pinned(request)?;
    }
    let texts: Vec<Vec<u8>> =
        url_variants(&url).into_iter().map(|url| format!("{url}{tail}").into_bytes()).collect();
    keys.verify_any(request, &texts, candidates)
}

/// Whether the body is the one whose hash the query names.
fn pinned(request: &Unverified) -> Result<(), Forged> {
    const OTHER: Forged = Forged("the body is not the one that was signed");
    let query = request.query();
    let named = query.get("bodySHA256").ok_or(OTHER)?;
    let named = HEXLOWER_PERMISSIVE.decode(named.as_bytes()).map_err(|_| OTHER)?;
    let fits = digest(&SHA256, request.signed_body()).as_ref().ct_eq(&named);
    if bool::from(fits) { Ok(()) } else { Err(OTHER) }
}

/// What Twilio signs an account's webhooks with: its auth token by SHA-1, or a shared key by SHA-256, which the request
/// then names. A signature of one kind is never judged as one of the other.
#[derive(Clone, Debug)]
pub struct TwilioKeys {
    tokens: HmacKeys,
    /// The same secrets as shared keys, for accounts that configure no key by its name.
    unnamed: HmacKeys,
    shared: BTreeMap<String, HmacKeys>,
}

impl TwilioKeys {
    /// The account's auth tokens; where no key is [shared](Self::share) by its name, one of them may be a shared key.
    #[must_use]
    pub fn new(tokens: &[SecretString]) -> Self {
        let of = |algorithm| HmacKeys::new(algorithm, tokens);
        Self { tokens: of(Algorithm::Sha1), unnamed: of(Algorithm::Sha256), shared: BTreeMap::new() }
    }

    /// The same with the shared key that requests name so (`webhooks_sharedkey_…`).
    #[must_use]
    pub fn share(mut self, name: &str, secret: &SecretString) -> Self {
        let key = HmacKeys::new(Algorithm::Sha256, std::slice::from_ref(secret));
        self.shared.insert(name.to_owned(), key);
        self
    }

    /// Whether Twilio signed the request; see [`twilio`] for what is signed.
    ///
    /// # Errors
    /// [`Forged`] where it did not, or the request names a key or an algorithm that is not known.
    pub fn verify<'r>(&self, request: &'r Unverified) -> Result<Verified<'r>, Forged> {
        let signature = request.header("x-twilio-signature");
        if !request.has_header(SETTINGS) {
            return twilio(&self.tokens, request, &Candidates::base64(Algorithm::Sha1.length(), signature));
        }
        let settings = request.header(SETTINGS).ok_or(Forged("the signature's settings stand twice"))?;
        if setting(settings, "algorithm") != Some("HMAC_SHA256") {
            return Err(Forged("the signature's algorithm is not known"));
        }
        let name = setting(settings, "key").ok_or(Forged("the shared key is not named"))?;
        let keys = if self.shared.is_empty() { Some(&self.unnamed) } else { self.shared.get(name) };
        let keys = keys.ok_or(Forged("the shared key is not known"))?;
        twilio(keys, request, &Candidates::base64(Algorithm::Sha256.length(), signature))
    }
}

/// The value of `name` in a list such as `key=K,algorithm=A`; `None` where it is missing or stands twice.
fn setting<'s>(settings: &'s str, name: &str) -> Option<&'s str> {
    let pairs = settings.split(',').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::{setting, url_variants};

    #[test]
    fn t17_a_setting_that_stands_twice_is_none() {
        assert_eq!(setting("key=a, algorithm=HMAC_SHA256", "algorithm"), Some("HMAC_SHA256"));
        assert_eq!(setting("key=a", "algorithm"), None);
        assert_eq!(setting("algorithm=HMAC_MD5,algorithm=HMAC_SHA256", "algorithm"), None);
    }

    #[test]
    fn t17_only_the_port_may_be_written_in_more_ways() {
        let all = url_variants("https://gw.example/a?b=1");
        assert_eq!(all, ["https://gw.example/a?b=1", "https://gw.example:443/a?b=1"]);
        let all = url_variants("https://gw.example:8443/a");
        assert_eq!(all, ["https://gw.example:8443/a", "https://gw.example/a", "https://gw.example:443/a"]);
        assert_eq!(url_variants("http://[::1]:8080/a")[1], "http://[::1]/a");
        assert_eq!(url_variants("http://[::1]/a")[1], "http://[::1]:80/a");
    }
}
