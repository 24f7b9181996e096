//! Standard Webhooks v1, written from its specification and not from the gateway's code, so that the two check each other.

use aws_lc_rs::hmac;
use data_encoding::BASE64;

fn key(secret: &str) -> hmac::Key {
    let bytes = secret.strip_prefix("whsec_").and_then(|text| BASE64.decode(text.as_bytes()).ok());
    hmac::Key::new(hmac::HMAC_SHA256, &bytes.unwrap_or_default())
}

/// The value of `webhook-signature` for a message.
#[must_use]
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> String {
    let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    format!("v1,{}", BASE64.encode(hmac::sign(&key(secret), &message).as_ref()))
}

/// Whether one of the signatures in `header` is right.
pub(super) fn verifies(secret: &str, id: &str, timestamp: i64, body: &[u8], header: &str) -> bool {
    let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    header.split(' ').filter_map(|entry| entry.strip_prefix("v1,")).any(|signature| {
        let tag = BASE64.decode(signature.as_bytes());
        tag.is_ok_and(|tag| hmac::verify(&key(secret), &message, &tag).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_verifies_and_a_changed_one_does_not() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(secret, id, at, body), expected);
        assert!(verifies(secret, id, at, body, &format!("v1,AAAA {expected}")));
        assert!(!verifies(secret, id, at + 1, body, expected));
    }
}
