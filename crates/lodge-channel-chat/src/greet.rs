//! Who says hello: the session of the secret they bring, that of the visitor whom the website vouches for, or a new one.

use crate::clean;
use crate::desk::Desk;
use crate::identity::Identity;
use crate::note::SessionNote;
use crate::protocol::Hello;
use crate::token::{IDLE, LIFE, RENEW, SessionKey};
use jiff::{SignedDuration, Timestamp};
use lodge_channel::Client;
use lodge_domain::ports::StoreError;
use std::time::Duration;

/// How long a secret that was renewed stays good (two tabs).
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// What a `hello` comes to.
pub(crate) enum Greeted {
    Session {
        key: SessionKey,
        note: Box<SessionNote>,
        resumed: bool,
        /// It has just begun: nothing can have been said in it.
        fresh: bool,
    },
    /// Refused: code, words, how long to wait.
    Refused(&'static str, &'static str, Option<Duration>),
}

/// Who is there: the session of the secret, of the signed-in visitor, or a new one.
pub(crate) async fn greet(desk: &Desk, hello: &Hello, client: Option<Client>) -> Result<Greeted, StoreError> {
    let now = desk.now();
    let identity = match hello.identity.as_deref() {
        None => None,
        Some(token) => match desk.identities.verify(token, desk.inbox.name.as_str(), now) {
            Ok(identity) => Some(identity),
            Err(why) => return Ok(Greeted::Refused("identity_refused", why, None)),
        },
    };
    let unknown = Greeted::Refused("session_unknown", "this session is not known here", None);
    let (key, resumed) = match (hello.session.as_deref(), &identity) {
        (Some(secret), _) => match SessionKey::read(secret, &desk.keys, &desk.inbox, now) {
            Some(key) => (key, true),
            None => return Ok(unknown),
        },
        (None, Some(identity)) => match own_session(desk, &identity.subject).await? {
            (Some((id, born)), _) => (SessionKey { id, born, made: now }.renewed(now), false),
            (None, _) => (SessionKey::new(&*desk.entropy, now), false),
        },
        (None, None) => match desk.may_begin(client) {
            // Nobody knows its id yet, so that there is nothing to look up.
            Ok(()) => {
                let (key, note) = (SessionKey::new(&*desk.entropy, now), Box::default());
                return Ok(Greeted::Session { key, note, resumed: false, fresh: true });
            }
            Err(wait) => {
                let words = "too many new conversations from your network";
                return Ok(Greeted::Refused("rate", words, Some(wait)));
            }
        },
    };
    let timeline = key.timeline(&desk.inbox);
    let note = desk.note(&timeline).await?;
    if note.ended {
        let last = desk.timelines.entries(&desk.inbox.brand, &timeline, u64::MAX >> 1, 1).await?.last;
        // Whoever was away when it ended is told what they missed, the end included.
        if !resumed || hello.after.unwrap_or(0) >= last {
            let words = "this conversation was ended; start a new one";
            return Ok(Greeted::Refused("session_ended", words, None));
        }
    }
    if is_void(&key, &note, now) {
        return Ok(unknown);
    }
    let Some(identity) = identity else {
        return claimed(desk, key, note, hello, resumed).await;
    };
    if note.subject.as_ref().is_some_and(|subject| *subject != identity.subject) {
        return Ok(unknown);
    }
    proven(desk, key, identity, resumed).await
}

/// Whether a secret opens its session no more: it was revoked, or a newer one was handed out long enough ago.
pub(crate) fn is_void(key: &SessionKey, note: &SessionNote, now: Timestamp) -> bool {
    let newer = |(made, handed_out)| key.made < made && now.duration_since(handed_out) > OVERLAP;
    note.revoked.is_some_and(|at| key.made <= at) || note.renewed.is_some_and(newer)
}

/// A session of somebody nobody vouches for, with what they say of themselves.
async fn claimed(
    desk: &Desk,
    key: SessionKey,
    note: SessionNote,
    hello: &Hello,
    resumed: bool,
) -> Result<Greeted, StoreError> {
    let profile = hello.profile.as_ref().filter(|_| note.subject.is_none());
    let name = profile.and_then(|p| p.name.as_deref()).map(clean::line).filter(|name| !name.is_empty());
    let email = profile.and_then(|p| p.email.as_deref()).and_then(clean::email);
    let (key, renews) = renewed(desk, key);
    // Who never said anything leaves nothing behind (T55): what they claim is kept with their first message.
    if note == SessionNote::default() || (name.is_none() && email.is_none() && !renews) {
        return Ok(Greeted::Session { key, note: Box::new(note), resumed, fresh: false });
    }
    let (made, now) = (key.made, desk.now());
    let change = |note: &mut SessionNote| {
        note.name = name.clone().or(note.name.take());
        note.email = email.clone().or(note.email.take());
        if renews {
            note.renewed = Some((made, now));
        }
    };
    let note = desk.change_note(&key.timeline(&desk.inbox), change).await?;
    Ok(Greeted::Session { key, note: Box::new(note), resumed, fresh: false })
}

/// A session of somebody the website vouches for: theirs, wherever they are.
async fn proven(
    desk: &Desk,
    key: SessionKey,
    identity: Identity,
    resumed: bool,
) -> Result<Greeted, StoreError> {
    let now = desk.now();
    let (_, stale) = own_session(desk, &identity.subject).await?;
    let mine = (key.id.clone(), key.born);
    // Once a day, or where they come without a secret.
    let keeps = !resumed || now.duration_since(key.made) >= RENEW;
    let (id, born) = desk.link_session(&identity.subject, mine, stale.as_ref(), keeps).await?;
    if id != key.id {
        if resumed {
            // They have another session: the client comes back without this one, and gets that.
            return Ok(Greeted::Refused("session_unknown", "your conversation is another one", None));
        }
        let key = SessionKey { id, born, made: now }.renewed(now);
        let note = desk.note(&key.timeline(&desk.inbox)).await?;
        if note.ended {
            let words = "this conversation was ended; start a new one";
            return Ok(Greeted::Refused("session_ended", words, None));
        }
        return Ok(Greeted::Session { key, note: Box::new(note), resumed: false, fresh: false });
    }
    let (key, renews) = renewed(desk, key);
    let made = key.made;
    let change = |note: &mut SessionNote| {
        note.subject = Some(identity.subject.clone());
        note.name = identity.name.clone().or(note.name.take());
        note.email = identity.email.clone().or(note.email.take());
        if renews {
            note.renewed = Some((made, now));
        }
    };
    let note = desk.change_note(&key.timeline(&desk.inbox), change).await?;
    Ok(Greeted::Session { key, note: Box::new(note), resumed, fresh: false })
}

type Known = (String, Timestamp);

/// The session of a signed-in visitor that lives, or else the one that is over.
async fn own_session(desk: &Desk, subject: &str) -> Result<(Option<Known>, Option<Known>), StoreError> {
    let Some(known) = desk.session_of(subject).await? else { return Ok((None, None)) };
    let note = desk.note(&crate::token::timeline(&desk.inbox, &known.0)).await?;
    let lives = desk.now().duration_since(known.1) < LIFE && !note.ended;
    Ok(if lives { (Some(known), None) } else { (None, Some(known)) })
}

/// The key with a new secret, where this one is old enough.
fn renewed(desk: &Desk, key: SessionKey) -> (SessionKey, bool) {
    let now = desk.now();
    debug_assert!(RENEW < IDLE);
    if now.duration_since(key.made) < RENEW { (key, false) } else { (key.renewed(now), true) }
}
