//! How a server encrypts what it pushes (RFC 8291, and the draft before it), written a second time and apart from the code
//! under test.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat()).as_ref().to_vec()
}

/// A push of `words` for the keys of a subscription: its headers, without its encoding, and its body.
pub(crate) fn push(keys: &Value, words: &str, older: bool) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let decoded = |key: &str| BASE64URL_NOPAD.decode(keys[key].as_str().unwrap().as_bytes()).unwrap();
    let (theirs, auth) = (decoded("p256dh"), decoded("auth"));
    let pair = PrivateKey::generate(&ECDH_P256).unwrap();
    let ours = pair.compute_public_key().unwrap().as_ref().to_vec();
    let shared = agree(&pair, UnparsedPublicKey::new(&ECDH_P256, &theirs), (), |shared| Ok(shared.to_vec()));
    let both = mac(&auth, &[&shared.unwrap()]);
    let salt = [9; 16];
    let (info, context, encoding) = if older {
        let context = [&b"P-256\0\0\x41"[..], &theirs, b"\0\x41", &ours].concat();
        (b"Content-Encoding: auth\0".to_vec(), context, "aesgcm")
    } else {
        ([&b"WebPush: info\0"[..], &theirs, &ours].concat(), Vec::new(), "aes128gcm")
    };
    let keys = mac(&salt, &[&mac(&both, &[&info, b"\x01"])]);
    let named = |name: &str| mac(&keys, &[b"Content-Encoding: ", name.as_bytes(), b"\0", &context, b"\x01"]);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &named(encoding)[..16]).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(&named("nonce")[..12]).unwrap();
    let mut sealed =
        if older { [b"\0\0", words.as_bytes()].concat() } else { [words.as_bytes(), b"\x02"].concat() };
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).unwrap();
    if older {
        let encoded = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let headers = vec![
            ("encryption", format!("salt={}", encoded(&salt))),
            ("crypto-key", format!("dh={}", encoded(&ours))),
        ];
        return (headers, sealed);
    }
    let head = [&salt[..], &4096_u32.to_be_bytes(), &[65], &ours].concat();
    (Vec::new(), [head, sealed].concat())
}
