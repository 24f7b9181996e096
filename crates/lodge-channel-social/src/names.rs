//! Names of accounts, looked up at the provider within a deadline and remembered for a while: a contact never waits long
//! for a name, and a provider that does not answer is left alone for a minute.

use crate::speech::Speech;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_millis(500);
const KEPT: SignedDuration = SignedDuration::from_hours(24);
const PAUSE: SignedDuration = SignedDuration::from_secs(60);
const MOST: usize = 10_000;

/// Names of one inbox's parties.
#[derive(Default)]
pub(crate) struct Names {
    known: Mutex<HashMap<String, (Option<String>, Timestamp)>>,
    paused_until: Mutex<Option<Timestamp>>,
}

impl Names {
    /// The name of `account`, where the provider tells it in time.
    pub(crate) async fn of(&self, account: &str, speech: &dyn Speech, now: Timestamp) -> Option<String> {
        if let Some(name) = self.remembered(account, now) {
            return name;
        }
        if self.paused_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until) {
            return None;
        }
        let Ok(name) = tokio::time::timeout(DEADLINE, speech.name_of(account)).await else {
            let until = now.checked_add(PAUSE).unwrap_or(Timestamp::MAX);
            *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
            return None;
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(account.to_owned(), (name.clone(), now));
        name
    }

    fn remembered(&self, account: &str, now: Timestamp) -> Option<Option<String>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, at) = known.get(account)?;
        // What was not to be had is asked for again sooner.
        let kept = if name.is_some() { KEPT } else { PAUSE };
        (now.duration_since(*at) < kept).then(|| name.clone())
    }
}
