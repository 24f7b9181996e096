//! Calls become contacts: when the dialogue confirms one, when it ends, and when nobody ever says that it did. What comes
//! after that is added to the contact; filing twice is harmless, since a call's contact has one id.

use crate::calls::{Filed, Kept, Overdue, refusal};
use crate::contact::{self, Filing, Outcome};
use crate::desk::Desk;
use crate::dialect::Facts;
use crate::dialogue::Learned;
use crate::dues::PORTION;
use lodge_domain::ports::{Outcome as Accepted, Refusal};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Inbound, Placement, Supplement, TraceKey};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Which calls become tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) missed: bool,
    pub(crate) abandoned: bool,
    pub(crate) anonymous: bool,
}

/// The provider's word for how a call stands, and how long it took in seconds.
type Status<'s> = (&'s str, Option<u32>);

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

impl Desk {
    /// The call is over: it is filed, and what came after it was filed is added. Whether the contact was made just now.
    pub(crate) async fn end(
        &self,
        kept: &mut Kept,
        outcome: Outcome,
        status: Option<Status<'_>>,
    ) -> Result<bool, Refusal> {
        let mut fresh = false;
        let left = kept.call.learned.left_a_message();
        // What was no ticket becomes one by a message that was told of later.
        if kept.filed.as_ref().is_none_or(|filed| filed.reference.is_none() && left) {
            fresh = self.file(kept, if left { Outcome::Voicemail } else { outcome }, status).await?;
        }
        let Some(filed) = &kept.filed else { return Ok(fresh) };
        if filed.reference.is_some() && filed.learned != kept.call.learned {
            let details = contact::learned(&kept.call.learned);
            self.supplement(&kept.facts, SupplementKind::Status, "learned", details).await?;
            let learned = kept.call.learned.clone();
            kept.filed.iter_mut().for_each(|filed| filed.learned = learned.clone());
        }
        Ok(fresh)
    }

    /// Files the call; whether a contact was made just now.
    pub(crate) async fn file(
        &self,
        kept: &mut Kept,
        outcome: Outcome,
        status: Option<Status<'_>>,
    ) -> Result<bool, Refusal> {
        if let Some(reason) = self.unwanted(kept, outcome) {
            let skipped = Inbound::Skipped {
                inbox: self.inbox.clone(),
                reason: reason.to_owned(),
                trace_keys: vec![TraceKey(kept.facts.id.clone())],
            };
            self.intake.accept(vec![skipped]).await?;
            kept.filed = Some(Filed { reference: None, learned: kept.call.learned.clone() });
            return Ok(false);
        }
        let filing = Filing {
            inbox: &self.inbox,
            provider: self.provider,
            facts: &kept.facts,
            learned: &kept.call.learned,
            language: &kept.call.language,
            outcome,
            began: kept.began,
            status,
            texts: self.texts,
        };
        let accepted = self.intake.accept(vec![Inbound::Contact(Box::new(filing.contact()))]).await?;
        let Some(Accepted::Accepted(receipt)) = accepted.into_iter().next() else {
            return Err(Refusal::Busy { retry_after: Duration::from_secs(1) });
        };
        // Filed before, by a gateway that lost the race or did not live to say so: what that one knew may have been less.
        let duplicate = receipt.placement == Placement::Duplicate;
        let learned = if duplicate { Learned::default() } else { kept.call.learned.clone() };
        kept.filed = Some(Filed { reference: Some(receipt.reference.clone()), learned });
        Ok(!duplicate)
    }

    /// Why such a call is no ticket, where the settings say so.
    fn unwanted(&self, kept: &Kept, outcome: Outcome) -> Option<&'static str> {
        let Policy { missed, abandoned, anonymous } = self.policy;
        match outcome {
            Outcome::Missed if !missed => Some("a missed call"),
            Outcome::Abandoned if !abandoned => Some("an abandoned call"),
            Outcome::Missed | Outcome::Abandoned if !anonymous && kept.facts.from.is_none() => {
                Some("an anonymous caller who left nothing")
            }
            _ => None,
        }
    }

    pub(crate) async fn supplement(
        &self,
        facts: &Facts,
        kind: SupplementKind,
        source: &str,
        details: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let supplement = Supplement {
            inbox: self.inbox.clone(),
            of: contact::envelope(&self.inbox, &facts.id),
            kind,
            source: source.to_owned(),
            details,
            attachments: Vec::new(),
            trace_keys: Vec::new(),
            at: self.clock.now(),
        };
        self.intake.accept(vec![Inbound::Supplement(Box::new(supplement))]).await.map(drop)
    }

    /// The call's last state: what was learned is filed, whatever happened before.
    pub(crate) async fn last(
        &self,
        facts: &Facts,
        status: &str,
        seconds: Option<u32>,
    ) -> Result<(), Refusal> {
        for _ in 0..crate::desk::TRIES {
            let (mut kept, version) = self.calls.load(facts, &self.dialogue).await?;
            if kept.status.as_deref() == Some(status) {
                return Ok(());
            }
            let outcome = if kept.call.turn == 0 { Outcome::Missed } else { Outcome::Abandoned };
            kept.call.ended = true;
            let told = self.end(&mut kept, outcome, Some((status, seconds))).await?;
            if kept.is_ticket() && !told {
                let details = object(json!({"status": status, "duration": seconds}));
                self.supplement(facts, SupplementKind::Status, &format!("status/{status}"), details).await?;
            }
            kept.status = Some(status.to_owned());
            if self.calls.save(&mut kept, version).await? {
                return Ok(());
            }
        }
        Err(Refusal::Busy { retry_after: Duration::from_secs(1) })
    }

    /// Files calls whose end was never told, and forgets those that are long over; how many were filed.
    pub(crate) async fn sweep(&self) -> Result<usize, Refusal> {
        let mut filed = 0;
        loop {
            let due = self.calls.due().await.map_err(|error| refusal(&error))?;
            let whole = due.len() < PORTION;
            for (note, key) in due {
                if let Overdue::Silent(mut kept, version) =
                    self.calls.overdue(&key).await.map_err(|error| refusal(&error))?
                {
                    kept.call.ended = true;
                    self.end(&mut kept, Outcome::Abandoned, Some(("unknown", None))).await?;
                    self.calls.save(&mut kept, version).await?;
                    filed += 1;
                }
                self.calls.strike(&note).await.map_err(|error| refusal(&error))?;
            }
            if whole {
                return Ok(filed);
            }
        }
    }
}
