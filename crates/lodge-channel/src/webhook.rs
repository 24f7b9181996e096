//! Webhooks: what a provider calls, from the first byte to the answer. Never decides what a request means.
//!
//! [`routes`] serves one inbox. It refuses what is too large or encoded, asks the [`Provider`] to verify the raw bytes, and
//! only then lets it parse them, hands the result to the hallway, and answers once that is durable. A [`Verified`]
//! request can be made by this module's verifiers alone, so that nobody parses what nobody signed (T13).

mod parts;
mod provider;
mod published;
mod replay;
mod request;
mod router;
mod verify;

pub use parts::Part;
pub use provider::{Answer, Provider};
pub use published::PublishedKeys;
pub use replay::{TOLERANCE, fresh};
pub use request::{Form, Unverified};
pub use router::{Desk, routes};
pub use verify::{
    Algorithm, BasicCredentials, Candidates, EcdsaKey, Ed25519Key, Forged, HmacKeys, Jwk, JwtKeys, JwtRules,
    LONGEST_PUSH, MOST_CANDIDATES, PushKeys, SharedToken, Token, TwilioKeys, Verified, VonageForms,
    payload_hash_fits, plivo_v2, plivo_v3, twilio, url_variants,
};
