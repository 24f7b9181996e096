//! The signature scheme against the reference implementations' vectors, and against everything that is nearly right.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]

use http::{HeaderMap, HeaderName, HeaderValue};
use lodge_domain::Timestamp;
use lodge_ticketing::signature::{Claimed, SecretError, SignatureError, SigningSecrets};
use proptest::prelude::*;

const OLD: &str = "whsec_fMNHCId7/MysaQN/JL2oZv58IToC4MM2";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NOW: i64 = 1_795_291_200;

fn secrets(list: &[&str]) -> SigningSecrets {
    SigningSecrets::new(&list.iter().map(|s| (*s).into()).collect::<Vec<_>>()).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn headers(id: &[u8], timestamp: &[u8], signature: &[u8]) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    let named = [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
    for (name, value) in named {
        map.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
    }
    Some(map)
}

fn signed(secrets: &SigningSecrets, id: &str, body: &[u8]) -> HeaderMap {
    let signature = secrets.sign(id, NOW, body);
    headers(id.as_bytes(), NOW.to_string().as_bytes(), signature.as_bytes()).unwrap()
}

#[test]
fn vectors_of_the_reference_implementations() {
    let text = include_str!("../../../fixtures/ticketing/standard-webhooks/vectors.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() >= 5);
    for vector in &vectors {
        let secrets = secrets(&[vector["secret"].as_str().unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in vector["request"]["headers"].as_object().unwrap() {
            let name = HeaderName::from_bytes(name.to_lowercase().as_bytes()).unwrap();
            map.insert(name, value.as_str().unwrap().parse().unwrap());
        }
        let at = Timestamp::from_second(vector["now"].as_i64().unwrap()).unwrap();
        let body = vector["request"]["body"].as_str().unwrap().as_bytes();
        let verdict = secrets.verify(&map, body, at);
        assert_eq!(verdict.is_ok(), vector["valid"].as_bool().unwrap(), "{}: {verdict:?}", vector["id"]);
    }
}

#[test]
fn what_we_sign_is_what_the_reference_signs() {
    let body = br#"{"type":"ticket.created","timestamp":"2026-11-21T20:00:00Z","data":{"id":"T-1042","channel":"ivr"}}"#;
    let signature = secrets(&[OLD]).sign("msg_2Lh9KRb0ty", 1_795_291_199, body);
    assert_eq!(signature, "v1,6fmcmq8apmcef7qNtERIyCcmas4xhiNuoEmvhIQuEI8=");
}

#[test]
fn secrets_rotate_without_a_gap() {
    let (old, both, new) = (secrets(&[OLD]), secrets(&[NEW, OLD]), secrets(&[NEW]));
    for (signer, verifier, fits) in [
        (&old, &both, true),
        (&both, &old, true),
        (&both, &new, true),
        (&new, &both, true),
        (&old, &new, false),
        (&new, &old, false),
    ] {
        let map = signed(signer, "msg_1", b"body");
        assert_eq!(verifier.verify(&map, b"body", now()).is_ok(), fits);
    }
    assert_eq!(format!("{both:?}"), "SigningSecrets(2)");
}

#[test]
fn t58_unusable_secrets_are_refused_without_repeating_them() {
    for (text, error) in [
        ("fMNHCId7/MysaQN/JL2oZv58IToC4MM2", SecretError::Prefix),
        ("whsec_!!!!", SecretError::Encoding),
        ("whsec_c2hvcnQ=", SecretError::Length),
        ("whsec_", SecretError::Length),
    ] {
        let refused = SigningSecrets::new(&[text.into()]).unwrap_err();
        assert_eq!(refused, error, "{text}");
    }
    assert_eq!(SigningSecrets::new(&[]).unwrap_err(), SecretError::None);
}

#[test]
fn t14_truncated_and_padded_signatures_are_refused() {
    let secrets = secrets(&[OLD]);
    let whole = secrets.sign("msg_1", NOW, b"body");
    let timestamp = NOW.to_string();
    let verdict = |list: &str| {
        let map = headers(b"msg_1", timestamp.as_bytes(), list.as_bytes())?;
        Some(secrets.verify(&map, b"body", now()))
    };
    assert!(verdict(&whole).unwrap().is_ok());
    let mac = data_encoding::BASE64.decode(&whole.as_bytes()[3..]).unwrap();
    for length in 0..mac.len() {
        let cut = format!("v1,{}", data_encoding::BASE64.encode(&mac[..length]));
        assert_eq!(verdict(&cut), Some(Err(SignatureError::Mismatch)), "{length} bytes");
    }
    for length in 0..whole.len() {
        assert_eq!(verdict(&whole[..length]), Some(Err(SignatureError::Mismatch)), "{length} characters");
    }
    let longer = format!("v1,{}", data_encoding::BASE64.encode(&[mac.as_slice(), &[0]].concat()));
    for list in
        ["", " ", "v1,", "v1", ",", "v1,=", &longer, &whole.replace("v1", "V1"), &whole.replace("v1", "v1a")]
    {
        assert_eq!(verdict(list), Some(Err(SignatureError::Mismatch)), "{list:?}");
    }
    let nine = [whole.as_str(); 9].join(" ");
    assert_eq!(verdict(&nine), Some(Err(SignatureError::TooMany)));
    let last_of_eight = format!("{} {whole}", [longer.as_str(); 7].join(" "));
    assert!(verdict(&last_of_eight).unwrap().is_ok());
}

#[test]
fn t16_old_and_future_timestamps_are_refused() {
    let secrets = secrets(&[OLD]);
    for (age, fits) in [(0, true), (300, true), (301, false), (-300, true), (-301, false), (360, false)] {
        let map = signed(&secrets, "msg_1", b"body");
        let verdict = secrets.verify(&map, b"body", Timestamp::from_second(NOW + age).unwrap());
        assert_eq!(verdict.is_ok(), fits, "{age}");
    }
    for text in ["", "+1795291200", "-1", "01795291200", "1795291200.0", "1e9", "99999999999999999999"] {
        let map = headers(b"msg_1", text.as_bytes(), b"v1,x").unwrap();
        assert_eq!(Claimed::read(&map, now()).unwrap_err(), SignatureError::Timestamp, "{text}");
    }
}

#[test]
fn t17_ids_that_move_a_border_and_doubled_headers_are_refused() {
    let secrets = secrets(&[OLD]);
    for id in ["", "a.b", "a b", &"x".repeat(257)] {
        let map = signed(&secrets, id, b"body");
        assert_eq!(secrets.verify(&map, b"body", now()), Err(SignatureError::Id), "{id}");
    }
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut map = signed(&secrets, "msg_1", b"body");
        let value = map.get(name).unwrap().clone();
        map.append(HeaderName::from_static(name), value);
        assert_eq!(secrets.verify(&map, b"body", now()), Err(SignatureError::Header(name)));
        map.remove(name);
        assert_eq!(secrets.verify(&map, b"body", now()), Err(SignatureError::Header(name)));
    }
}

/// What a well-meaning program in between may make of a body: the same to a reader, other bytes.
#[test]
fn t18_the_signature_is_over_the_bytes_as_they_came() {
    let secrets = secrets(&[OLD]);
    let body = "{\"text\":\"caf\u{e9} \u{1f600}\",\"n\":1.0,\"a\":\"x/y\"}\n";
    let map = signed(&secrets, "msg_1", body.as_bytes());
    assert!(secrets.verify(&map, body.as_bytes(), now()).is_ok());
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    let reserialised = [
        serde_json::to_string(&value).unwrap(),
        serde_json::to_string_pretty(&value).unwrap(),
        body.trim_end().to_owned(),
        format!("{body}\n"),
        format!("{body} "),
        format!("\u{feff}{body}"),
        body.replace('\n', "\r\n"),
        body.replace('\u{e9}', "\\u00e9"),
        body.replace('\u{e9}', "e\u{301}"),
        body.replace('\u{1f600}', "\\ud83d\\ude00"),
        body.replace("x/y", "x\\/y"),
        body.replace("1.0", "1"),
        body.replace("\"n\":", "\"n\": "),
    ];
    for other in reserialised {
        assert_ne!(other, body);
        assert_eq!(secrets.verify(&map, other.as_bytes(), now()), Err(SignatureError::Mismatch), "{other:?}");
    }
    // Bodies that are no text at all are signed and read like any other.
    for raw in [&b"\xff\xfe\0"[..], b"", b"\r\n"] {
        let map = signed(&secrets, "msg_1", raw);
        assert!(secrets.verify(&map, raw, now()).is_ok(), "{raw:?}");
    }
}

#[test]
fn t74_a_list_of_signatures_is_cut_before_any_is_decoded() {
    let secrets = secrets(&[OLD]);
    let good = secrets.sign("msg_1", NOW, b"body");
    let verdict = |before: usize| {
        let mut list = vec!["v1,AAAA"; before];
        list.push(&good);
        let map = headers(b"msg_1", NOW.to_string().as_bytes(), list.join(" ").as_bytes()).unwrap();
        secrets.verify(&map, b"body", now()).map(|_| ())
    };
    assert_eq!(verdict(7), Ok(()), "the eighth is still looked at");
    for many in [8, 9, 100, 10_000] {
        assert_eq!(verdict(many), Err(SignatureError::TooMany), "{many}");
    }
    // What is no signature of this scheme counts like one: it has to be looked at all the same.
    let other = format!("{} {good}", ["v2,x"; 8].join(" "));
    let map = headers(b"msg_1", NOW.to_string().as_bytes(), other.as_bytes()).unwrap();
    assert_eq!(Claimed::read(&map, now()).unwrap_err(), SignatureError::TooMany);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_single_bit_can_change(body in proptest::collection::vec(any::<u8>(), 0..40), id in "[a-z0-9_]{1,12}") {
        let secrets = secrets(&[NEW, OLD]);
        let id = id.into_bytes();
        let timestamp = NOW.to_string().into_bytes();
        let signature = secrets.sign(std::str::from_utf8(&id).unwrap(), NOW, &body).into_bytes();
        // One signature only: with two, a change in one leaves the other good, as it should.
        let signature = signature.split(|b| *b == b' ').next().unwrap().to_vec();
        let parts = [id, timestamp, signature, body];
        for part in 0..parts.len() {
            for bit in 0..parts[part].len() * 8 {
                let mut bad = parts.clone();
                bad[part][bit / 8] ^= 1 << (bit % 8);
                let Some(map) = headers(&bad[0], &bad[1], &bad[2]) else { continue };
                prop_assert!(secrets.verify(&map, &bad[3], now()).is_err(), "part {part}, bit {bit}");
            }
        }
        let map = headers(&parts[0], &parts[1], &parts[2]).unwrap();
        prop_assert!(secrets.verify(&map, &parts[3], now()).is_ok());
    }

    #[test]
    fn arbitrary_headers_never_panic_and_never_verify(id in ".{0,20}", at in ".{0,14}", list in ".{0,80}") {
        if let Some(map) = headers(id.as_bytes(), at.as_bytes(), list.as_bytes()) {
            prop_assert!(secrets(&[OLD]).verify(&map, b"body", now()).is_err());
        }
    }
}
