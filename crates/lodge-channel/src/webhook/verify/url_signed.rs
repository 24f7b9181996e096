//! Signatures over the address a provider called and the form it posted: the scheme of Twilio and those compatible with
//! it. The address is the configured one; only its port may be written in more than one way.

use super::{Algorithm, Candidates, Forged, HmacKeys, Verified};
use crate::webhook::request::{Form, Unverified};
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::Method;
use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::SecretString;
use subtle::ConstantTimeEq;

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

/// Keys of an account at Twilio. Its auth tokens sign with SHA-1; a shared key signs with SHA-256, which a header announces.
/// Neither is ever tried with the other's hash.
#[derive(Clone, Debug)]
pub struct TwilioKeys {
    tokens: HmacKeys,
    shared: HmacKeys,
}

impl TwilioKeys {
    /// Auth tokens, and shared keys where there are any.
    #[must_use]
    pub fn new(tokens: &[SecretString], shared: &[SecretString]) -> Self {
        Self {
            tokens: HmacKeys::new(Algorithm::Sha1, tokens),
            shared: HmacKeys::new(Algorithm::Sha256, shared),
        }
    }

    /// Whether the signature in `header` fits; see [`twilio`].
    ///
    /// # Errors
    /// [`Forged`] where it does not, or names a hash that is not known.
    pub fn verify<'r>(&self, request: &'r Unverified, header: &str) -> Result<Verified<'r>, Forged> {
        const SETTINGS: &str = "x-twilio-webhooks-signature-settings";
        const UNKNOWN: Forged = Forged("the algorithm is not known");
        let (keys, algorithm) = if request.has_header(SETTINGS) {
            let settings = request.header(SETTINGS).ok_or(UNKNOWN)?;
            let mut named = settings.split(',').filter_map(|part| part.trim().strip_prefix("algorithm="));
            match (named.next(), named.next()) {
                (Some("HMAC_SHA256"), None) => (&self.shared, Algorithm::Sha256),
                _ => return Err(UNKNOWN),
            }
        } else {
            (&self.tokens, Algorithm::Sha1)
        };
        twilio(keys, request, &Candidates::base64(algorithm.length(), request.header(header)))
    }
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

#[cfg(test)]
mod tests {
    use super::url_variants;

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
