//! The secret of a session: unguessable, bound to brand and inbox, checked without a store (T04, T06, T07).
//!
//! `<id>.<born>.<made>.<key>.<mac>`: 128 random bits in base32, two times in seconds in base36, the id of the signing key
//! and 128 bits of HMAC-SHA256 over all of it. A secret that nobody used for [`IDLE`] is void; no session is older than
//! [`LIFE`]. It stands in `hello` and in an `Authorization` header, never in an address.

use jiff::{SignedDuration, Timestamp};
use lodge_domain::ports::Entropy;
use lodge_domain::{InboxId, KeyRing, TimelineId};

/// A secret is good this long after it was made.
pub const IDLE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// A session is good this long after it was born.
pub const LIFE: SignedDuration = SignedDuration::from_hours(24 * 180);
/// A secret older than this is renewed by the next `welcome`.
pub const RENEW: SignedDuration = SignedDuration::from_hours(24);

const PURPOSE: &str = "chat-session";

/// A session, known by its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKey {
    /// 26 letters of base32.
    pub id: String,
    /// When the session began.
    pub born: Timestamp,
    /// When this secret was made.
    pub made: Timestamp,
}

impl SessionKey {
    /// A new session.
    #[must_use]
    pub fn new(entropy: &dyn Entropy, now: Timestamp) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        let id = data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase();
        let now = whole(now);
        Self { id, born: now, made: now }
    }

    /// The same session with a secret made now.
    #[must_use]
    pub fn renewed(&self, now: Timestamp) -> Self {
        Self { made: whole(now), ..self.clone() }
    }

    /// Where what was said in it is kept.
    #[must_use]
    pub fn timeline(&self, inbox: &InboxId) -> TimelineId {
        timeline(inbox, &self.id)
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self, keys: &KeyRing, inbox: &InboxId) -> String {
        let (born, made) = (base36(self.born), base36(self.made));
        let (key, mac) = keys.sign(PURPOSE, &inbox.brand, &parts(inbox, &self.id, &born, &made));
        format!("{}.{born}.{made}.{key}.{}", self.id, data_encoding::BASE64URL_NOPAD.encode(&mac))
    }

    /// Reads a secret; `None` for one that we did not make for this inbox, or that is too old.
    #[must_use]
    pub fn read(text: &str, keys: &KeyRing, inbox: &InboxId, now: Timestamp) -> Option<Self> {
        if text.len() > 128 {
            return None;
        }
        let mut fields = text.split('.');
        let mut next = || fields.next();
        let (id, born, made, key, mac) = (next()?, next()?, next()?, next()?, next()?);
        if next().is_some() {
            return None;
        }
        let mac = data_encoding::BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
        let parts = parts(inbox, id, born, made);
        if !keys.verify(key.parse().ok()?, PURPOSE, &inbox.brand, &parts, &mac) {
            return None;
        }
        let found = Self { id: id.to_owned(), born: seconds(born)?, made: seconds(made)? };
        let fresh = now.duration_since(found.made) < IDLE && now.duration_since(found.born) < LIFE;
        fresh.then_some(found)
    }
}

/// Where what was said in the session `id` is kept.
#[must_use]
pub fn timeline(inbox: &InboxId, id: &str) -> TimelineId {
    TimelineId::of(&["chat", inbox.name.as_str(), id])
}

fn parts<'p>(inbox: &'p InboxId, id: &'p str, born: &'p str, made: &'p str) -> [&'p [u8]; 4] {
    [inbox.name.as_str().as_bytes(), id.as_bytes(), born.as_bytes(), made.as_bytes()]
}

/// Secrets know whole seconds.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn base36(at: Timestamp) -> String {
    let mut rest = at.as_second().unsigned_abs();
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(u32::try_from(rest % 36).unwrap_or(0), 36).unwrap_or('0'));
        rest /= 36;
        if rest == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

fn seconds(text: &str) -> Option<Timestamp> {
    Timestamp::from_second(i64::from_str_radix(text, 36).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodge_domain::{BrandName, InboxName};
    use lodge_testkit::SeededEntropy;

    fn inbox(brand: &str, name: &str) -> InboxId {
        InboxId { brand: BrandName::parse(brand).unwrap(), name: InboxName::parse(name).unwrap() }
    }

    #[test]
    fn t04_t09_only_our_own_secret_for_this_inbox_opens_a_session() {
        let now: Timestamp = "2026-11-21T09:00:00.5Z".parse().unwrap();
        let keys = KeyRing::new(&[(1, vec![7; 32])]).unwrap();
        let website = inbox("acme", "website");
        let session = SessionKey::new(&SeededEntropy::new(1), now);
        let secret = session.secret(&keys, &website);
        assert_eq!(SessionKey::read(&secret, &keys, &website, now), Some(session.clone()));
        for other in [inbox("acme", "shop"), inbox("other", "website")] {
            assert_eq!(SessionKey::read(&secret, &keys, &other, now), None);
        }
        let retired = KeyRing::new(&[(1, vec![8; 32])]).unwrap();
        assert_eq!(SessionKey::read(&secret, &retired, &website, now), None);
        for end in 0..secret.len() {
            assert_eq!(SessionKey::read(&secret[..end], &keys, &website, now), None, "{end}");
        }
        for at in 0..secret.len() {
            let mut bytes = secret.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert_eq!(SessionKey::read(&text, &keys, &website, now), None, "{at}");
        }
    }

    #[test]
    fn t07_secrets_end_when_idle_and_sessions_in_any_case() {
        let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let keys = KeyRing::new(&[(1, vec![7; 32])]).unwrap();
        let website = inbox("acme", "website");
        let mut session = SessionKey::new(&SeededEntropy::new(1), now);
        let good = |session: &SessionKey, at| {
            SessionKey::read(&session.secret(&keys, &website), &keys, &website, at).is_some()
        };
        let day = |days: i64| now.checked_add(SignedDuration::from_hours(24 * days)).unwrap();
        assert!(good(&session, day(29)) && !good(&session, day(30)));
        for days in (0..179).step_by(20) {
            session = session.renewed(day(days));
        }
        assert!(good(&session, day(179)) && !good(&session, day(180)));
    }
}
