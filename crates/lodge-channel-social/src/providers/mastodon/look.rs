//! Looks for what the account was told of, by the page and from where the last look ended, and again at what may have been
//! changed or taken back.

use super::{Account, failure, statuses};
use crate::heard::{Deleted, Heard, Said};
use crate::json::text;
use crate::watch::{Look, Watch};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{ApiAnswer, Credentials, escaped};
use lodge_domain::{DeliveryError, Disposition, digest_parts};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::Notify;

/// What is asked for; edits and deletions are seen when a post is looked at again.
const NEWS: &str = "api/v1/notifications?limit=80&types%5B%5D=mention&types%5B%5D=quote";
/// The most pages of the first look.
const MOST_PAGES: usize = 25;
/// So few calls are left to those who send.
const SPARE_CALLS: u32 = 20;

/// Ids are numbers without leading zeros, too large for some.
fn newer(id: &str, than: &str) -> bool {
    (id.len(), id) > (than.len(), than)
}

impl Account {
    /// A page of notifications, newest first.
    async fn page(&self, more: &str) -> Result<(Vec<Value>, ApiAnswer), DeliveryError> {
        let mut answer = self.get(&format!("{NEWS}{more}")).await?;
        match (answer.is_success(), answer.body.take()) {
            (true, Value::Array(page)) => Ok((page, answer)),
            (true, _) => {
                let error = "ask for notifications: the answer has another shape; look at api_base";
                Err(DeliveryError::new(Disposition::Misconfigured, error))
            }
            (false, body) => {
                answer.body = body;
                Err(failure(&answer, "ask for notifications", self.clock.now()))
            }
        }
    }

    /// How long to leave the server alone, where hardly any calls are left.
    fn rest(answer: &ApiAnswer, now: Timestamp) -> Option<SignedDuration> {
        let few = answer.remaining.is_some_and(|left| left <= SPARE_CALLS);
        let rest = answer.reset_at.filter(|_| few)?.duration_since(now);
        rest.is_positive().then_some(rest)
    }

    /// What lay there when we came, back to `since`, newest first.
    async fn first(&self, since: Timestamp) -> Result<(Vec<Value>, ApiAnswer), DeliveryError> {
        let (mut all, mut answer) = self.page("").await?;
        let mut page = all.len();
        for _ in 0..MOST_PAGES {
            let Some(last) = all.last().filter(|_| page > 0) else { break };
            let at = text(last, "/created_at").and_then(|at| at.parse::<Timestamp>().ok());
            let Some(id) = text(last, "/id").filter(|_| at.is_none_or(|at| at >= since)) else { break };
            let older = self.page(&format!("&max_id={}", escaped(&id))).await?;
            page = older.0.len();
            answer = older.1;
            all.extend(older.0);
        }
        Ok((all, answer))
    }
}

#[async_trait]
impl Watch for Account {
    fn account(&self) -> String {
        // One token is one account; its digest says nothing about it.
        let token = match &self.credentials {
            Credentials::Bearer(token) => secrecy::ExposeSecret::expose_secret(token),
            _ => "",
        };
        let digest = digest_parts(&[self.api.base().as_str().as_bytes(), token.as_bytes()]);
        HEXLOWER.encode(&digest[..12])
    }

    fn every(&self) -> Duration {
        Duration::from_secs(self.settings.poll_seconds.into())
    }

    fn news(&self) -> Option<&Notify> {
        self.inlet.as_ref().map(|inlet| &inlet.news)
    }

    async fn look(&self, mark: &Value, since: Timestamp, now: Timestamp) -> Result<Look, DeliveryError> {
        let before = text(mark, "/id");
        let (mut page, answer) = match &before {
            // The oldest ones behind it: none is skipped, however many there are.
            Some(id) => self.page(&format!("&min_id={}", escaped(id))).await?,
            None => self.first(since).await?,
        };
        let ids = page.iter().filter_map(|one| text(one, "/id"));
        let newest = ids.fold(before.clone().unwrap_or_else(|| "0".to_owned()), |newest, id| {
            if newer(&id, &newest) { id } else { newest }
        });
        let (more, rest) = (before.as_ref().is_some_and(|id| *id != newest), Self::rest(&answer, now));
        if before.is_none() {
            page.retain(|one| {
                let at = text(one, "/created_at").and_then(|at| at.parse::<Timestamp>().ok());
                at.is_none_or(|at| at >= since)
            });
        }
        page.reverse();
        let bodies = if page.is_empty() { Vec::new() } else { vec![Value::Array(page)] };
        Ok(Look { bodies, mark: json!({"id": newest}), more: more && rest.is_none(), rest })
    }

    fn may_change(&self, _: &Said) -> bool {
        true
    }

    async fn again(&self, id: &str, version: &str, now: Timestamp) -> Result<Option<Heard>, DeliveryError> {
        let answer = self.get(&format!("api/v1/statuses/{}", escaped(id))).await?;
        // A page of a server that is being put right is no word about the post.
        if matches!(answer.status, 404 | 410) && answer.text("/error").is_some() {
            return Ok(Some(Heard::Deleted(Deleted { id: id.to_owned(), at: now })));
        }
        if !answer.is_success() {
            return Err(failure(&answer, "look at a post again", now));
        }
        let same = answer.text("/edited_at").unwrap_or_default() == version;
        let whole = answer.text("/id").is_some_and(|found| found == id);
        Ok((whole && !same).then(|| statuses::edited(&answer.body, now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_as_the_numbers_that_they_are() {
        assert!(newer("100", "99") && newer("34975861", "34975860") && newer("1", "0"));
        assert!(!newer("99", "100") && !newer("7", "7"));
    }
}
