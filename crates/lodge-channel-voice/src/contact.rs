//! A call as a contact: one of each, whatever it brought, with an id that follows from the call's id alone.

use crate::dialect::Facts;
use crate::dialogue::{Learned, is_e164};
use data_encoding::HEXLOWER;
use lodge_domain::{
    Assurance, Body, Channel, ChannelAddress, Contact, DedupeKey, EnvelopeId, HandleKind, InboxId,
    JoinCondition, Origin, Party, PartyHandle, Recipient, RecipientRole, ReturnPath, ThreadKey,
    ThreadKeyValue, Timestamp, TraceKey, digest_parts,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How a call came to its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The dialogue confirmed it.
    Confirmed,
    /// A message was left.
    Voicemail,
    /// The caller hung up before the dialogue came to its end.
    Abandoned,
    /// Nobody ever took the call.
    Missed,
    /// The dialogue ended without confirming anything.
    Completed,
}

/// What the way back of a call holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WayBack {
    pub(crate) to: String,
    pub(crate) from: Option<String>,
    pub(crate) account: String,
    pub(crate) consent: bool,
}

/// The id of a call's contact: the content is left out of it, since callbacks bring it piece by piece.
pub(crate) fn dedupe(inbox: &InboxId, call: &str) -> DedupeKey {
    DedupeKey {
        scope: format!("voice/{}", inbox.name),
        source: call.to_owned(),
        content: HEXLOWER.encode(&digest_parts(&[b"call"])),
    }
}

/// The envelope of a call.
pub(crate) fn envelope(inbox: &InboxId, call: &str) -> EnvelopeId {
    EnvelopeId::of_contact(&dedupe(inbox, call).digest(&inbox.brand))
}

/// What is known when a call is filed.
pub(crate) struct Filing<'f> {
    pub(crate) inbox: &'f InboxId,
    pub(crate) provider: &'f str,
    pub(crate) facts: &'f Facts,
    pub(crate) learned: &'f Learned,
    pub(crate) language: &'f str,
    pub(crate) outcome: Outcome,
    pub(crate) began: Timestamp,
    pub(crate) status: Option<(&'f str, Option<u32>)>,
    /// Whether text messages can go out at all.
    pub(crate) texts: bool,
}

impl Filing<'_> {
    /// The contact.
    pub(crate) fn contact(&self) -> Contact {
        let Self { inbox, facts, learned, .. } = self;
        let text = self.text();
        let consent = learned.text_message == Some(true);
        let phone = facts.from.as_deref().filter(|from| is_e164(from));
        // With consent, and a number to send to, the text message goes out like any acknowledgment, inside its caps (I05).
        let texted = consent && self.texts && phone.is_some();
        let return_path = phone.map(|to| ReturnPath {
            inbox: inbox.name.clone(),
            sealed: json!(WayBack {
                to: to.to_owned(),
                from: facts.to.clone(),
                account: facts.account.clone(),
                consent,
            }),
        });
        let told = self.outcome == Outcome::Confirmed;
        let mut no_acknowledgment = Vec::new();
        if !consent {
            no_acknowledgment.push("no consent to text messages".to_owned());
        } else if !texted {
            no_acknowledgment.push("no text message can be sent there".to_owned());
        }
        Contact {
            version: Contact::VERSION,
            inbox: (*inbox).clone(),
            address: ChannelAddress { channel: Channel::Voice, provider: self.provider.to_owned() },
            dedupe: dedupe(inbox, &facts.id),
            thread_keys: self.thread_keys(),
            registers: Vec::new(),
            rebinds: Vec::new(),
            entry: None,
            trace_keys: vec![TraceKey(facts.id.clone())],
            from: self.party(),
            recipients: facts.to.iter().map(|to| recipient(to)).collect(),
            introduces: Vec::new(),
            subject: None,
            topic: None,
            body: Body {
                text: text.clone(),
                reply: text,
                html: None,
                language: Some(self.language.to_owned()),
            },
            attachments: Vec::new(),
            origin: Origin::human(),
            acknowledges_inline: told && !texted,
            no_acknowledgment: if told && !texted { Vec::new() } else { no_acknowledgment },
            flags: Default::default(),
            delivery_reports: Vec::new(),
            details: self.details(),
            headers: Default::default(),
            raw: None,
            return_path,
            occurred_at: self.began,
            received_at: self.began,
            backfill: false,
        }
    }

    fn party(&self) -> Party {
        let Facts { from, name, assurance, evidence, id, .. } = self.facts;
        let handle = match from {
            Some(from) if is_e164(from) => PartyHandle::new(HandleKind::Phone, from.clone()),
            Some(from) => PartyHandle::new(HandleKind::Account, from.to_lowercase()),
            None => {
                let token = HEXLOWER.encode(&digest_parts(&[b"anonymous call", id.as_bytes()])[..8]);
                PartyHandle::new(HandleKind::Anonymous, format!("call-{token}"))
            }
        };
        let vouched = handle.kind == HandleKind::Phone;
        Party {
            name: name.clone(),
            assurance: if vouched { *assurance } else { Assurance::Unverified },
            evidence: evidence.iter().filter(|_| vouched).cloned().collect(),
            handle,
        }
    }

    /// A reference that was typed joins only who takes part already; anybody else gets it as a hint (C01).
    fn thread_keys(&self) -> Vec<ThreadKey> {
        let typed = self.learned.reference.as_ref();
        let value = typed.and_then(|reference| ThreadKeyValue::new("reference", reference.as_str()));
        let key = |value| ThreadKey {
            value,
            condition: JoinCondition::IfParticipant,
            label: "the reference, typed in".to_owned(),
        };
        value.map(key).into_iter().collect()
    }

    /// What an agent reads.
    fn text(&self) -> String {
        let learned = self.learned;
        let mut lines = vec![
            match self.outcome {
                Outcome::Missed => "A call that nobody took.",
                Outcome::Abandoned => "A call; the caller hung up early.",
                Outcome::Voicemail => "A call with a recorded message.",
                Outcome::Confirmed | Outcome::Completed => "A call.",
            }
            .to_owned(),
        ];
        if !learned.path.is_empty() {
            lines.push(format!("Chosen: {}", learned.path.join(", ")));
        }
        lines.extend(learned.digits.iter().map(|(name, digits)| format!("{name}: {digits}")));
        lines.extend(learned.withheld.iter().map(|name| format!("{name}: given, not kept")));
        lines.extend(learned.speech.iter().map(|(name, spoken)| format!("{name}: {}", spoken.text)));
        if let Some(reference) = &learned.reference {
            lines.push(format!("About: {}", reference.grouped()));
        }
        for message in &learned.messages {
            lines.push(match message.seconds {
                Some(seconds) => format!("Message of {seconds} s; the recording follows."),
                None => "Message; the recording follows.".to_owned(),
            });
        }
        lines.join("\n")
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = learned(self.learned);
        details.insert("call_id".to_owned(), json!(self.facts.id));
        details.insert("outcome".to_owned(), json!(self.outcome));
        if let Some((status, seconds)) = self.status {
            details.insert("status".to_owned(), json!(status));
            details.insert("duration".to_owned(), json!(seconds));
        }
        details
    }
}

/// What a call taught, for `details`.
pub(crate) fn learned(learned: &Learned) -> Map<String, Value> {
    let recorded = learned.messages.last();
    let mut details = Map::new();
    let mut put = |name: &str, value: Value| details.insert(name.to_owned(), value);
    put("path", json!(learned.path));
    put("digits", json!(learned.digits));
    put("withheld", json!(learned.withheld));
    put("speech", json!(learned.speech));
    put(
        "recording",
        recorded.map_or(Value::Null, |one| json!({"recording_id": one.id, "duration": one.seconds})),
    );
    put("consent", json!({"recording": learned.recording, "text_message": learned.text_message}));
    put("operator", json!(learned.operator));
    details
}

fn recipient(to: &str) -> Recipient {
    Recipient { name: None, handle: to.to_owned(), role: RecipientRole::To }
}
