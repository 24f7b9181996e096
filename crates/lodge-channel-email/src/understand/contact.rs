//! Puts together what the readers found: the contact with its identity, its keys and the way back.

mod details;

use super::address::{self, domain_of};
use super::authentication::{self, Verdict};
use super::automation::{self, Automation};
use super::body::{self, Content};
use super::facts::{self, HeaderFacts};
use super::fields::Fields;
use super::report::{self, Report};
use super::surroundings::{Arrival, Copies, Surroundings, Understood};
use super::threading::{self, Threads};
use super::{charset, clean, language, limits, mime, quote, topic, words};
use crate::compose::MailReturn;
use crate::tokens::read_message_id;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use jiff::SignedDuration;
use lodge_channel::attachment_policy::judge;
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::{
    Assurance, Attachment, BlobRef, Body, Channel, ChannelAddress, Contact, DedupeKey, DeliveryReport, Flag,
    HandleKind, Inbound, InboxId, OriginClass, OriginKind, Party, PartyHandle, ReturnPath, TraceKey,
    digest_parts,
};
use std::collections::BTreeSet;

/// Understands one mail. Bounded in time and memory by [`limits`]; needs no large stack of its own, since nested messages
/// are counted before a tree is built, but [`super::Worker`] gives it one and a deadline all the same.
#[must_use]
pub fn understand(raw: &Bytes, arrival: &Arrival, surroundings: &Surroundings) -> Understood {
    let cut = raw.len() > limits::RAW;
    let seen = if cut { raw.slice(..limits::RAW) } else { raw.clone() };
    let fields = Fields::parse(&seen);
    if fields.is_empty() {
        return unparsed(raw, arrival, surroundings, "no header");
    }
    let tree = match mime::parse(&seen, fields.tld.as_deref()) {
        Ok(tree) => tree,
        Err(mime::NoTree::TooNested) => {
            return unparsed(raw, arrival, surroundings, "too many nested messages");
        }
        Err(mime::NoTree::NoHeader) => return unparsed(raw, arrival, surroundings, "no header"),
    };
    let content = body::read(&tree, fields.tld.as_deref());
    let mut mail = Mail::new(raw, arrival, surroundings, fields, content);
    mail.truncated |= cut;
    mail.facts.ambiguous.extend(tree.ambiguous.iter().cloned());
    mail.read_report(&tree);
    mail.finish()
}

/// Makes a contact of a mail that could not be understood, from a linear scan of its head alone; `why` goes into its
/// details.
#[must_use]
pub fn unparsed(raw: &Bytes, arrival: &Arrival, surroundings: &Surroundings, why: &str) -> Understood {
    let seen = raw.slice(..raw.len().min(limits::RAW));
    let fields = Fields::parse(&seen);
    let from = if fields.is_empty() { 0 } else { fields.body_at };
    let shown = seen.get(from..seen.len().min(from.saturating_add(limits::TEXT / 4))).unwrap_or_default();
    let (text, cut) = clean::block(&charset::guess(shown, fields.tld.as_deref()), limits::TEXT);
    let content = Content { text, truncated: cut || from + shown.len() < seen.len(), ..Content::default() };
    let mut mail = Mail::new(raw, arrival, surroundings, fields, content);
    mail.unparsed = Some(clean::line(why, 200));
    mail.finish()
}

/// A mail on its way to becoming a contact.
struct Mail<'a> {
    raw: &'a Bytes,
    arrival: &'a Arrival,
    around: &'a Surroundings,
    fields: Fields<'a>,
    content: Content,
    facts: HeaderFacts,
    report: Option<Report>,
    truncated: bool,
    unparsed: Option<String>,
    smuggles: bool,
}

/// The reference to `content`.
fn blob(content: &[u8]) -> BlobRef {
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    BlobRef { sha256: HEXLOWER.encode(digest(&SHA256, content).as_ref()), size }
}

impl<'a> Mail<'a> {
    fn new(
        raw: &'a Bytes,
        arrival: &'a Arrival,
        around: &'a Surroundings,
        fields: Fields<'a>,
        content: Content,
    ) -> Self {
        let facts = facts::read(&fields, around);
        let truncated = fields.truncated || content.truncated || arrival.truncated.is_some();
        Self {
            raw,
            arrival,
            around,
            fields,
            content,
            facts,
            report: None,
            truncated,
            unparsed: None,
            smuggles: smuggles(raw),
        }
    }

    fn read_report(&mut self, tree: &mime::Tree) {
        let subject = self.facts.subject.clone().unwrap_or_default();
        let from = &self.facts.from;
        let sender =
            if from.address.is_empty() { from.name.clone().unwrap_or_default() } else { from.handle() };
        self.report = report::read(&self.fields, tree, &self.content.text, &sender, &subject);
    }

    fn finish(mut self) -> Understood {
        let raw = blob(self.raw);
        if let Some(full) = self.arrival.truncated {
            let note =
                format!("(This mail has {full} bytes, more than is read. The rest is in the original.)");
            let text = self.content.text.trim_end();
            self.content.text = if text.is_empty() { note } else { format!("{text}\n\n{note}") };
        }
        if let Some(id) = self.facts.message_id.as_deref()
            && read_message_id(&self.around.keys, &self.around.inbox.brand, id).is_some()
        {
            let inbound = Inbound::Skipped {
                inbox: self.around.inbox.clone(),
                reason: "a mail of ours came back".to_owned(),
                trace_keys: vec![TraceKey(id.to_owned())],
            };
            return Understood { inbound, blobs: Vec::new(), raw };
        }
        let blobs: Vec<Bytes> = self.content.files.iter().map(|file| file.content.clone()).collect();
        let contact = self.contact(raw.clone());
        let inbound = match self.ours(&contact) {
            Some(report) => Inbound::Report(Box::new(report)),
            None => Inbound::Contact(Box::new(contact)),
        };
        Understood { inbound, blobs, raw }
    }

    /// The report as news about something of ours, if it returns a Message-ID that we signed.
    fn ours(&self, contact: &Contact) -> Option<DeliveryReport> {
        let report = self.report.as_ref()?;
        let id = report.original.as_deref()?;
        let own = read_message_id(&self.around.keys, &self.around.inbox.brand, id)?;
        let complaint = report.class == OriginClass::Complaint;
        let state = |action: Option<&str>| match action {
            _ if complaint => OutboundState::Bounced,
            Some("delayed") => OutboundState::Deferred,
            Some("delivered") => OutboundState::Delivered,
            Some("relayed" | "expanded") => OutboundState::Sent,
            _ => OutboundState::Bounced,
        };
        let recipients = report.deliveries.iter().zip(&report.texts).map(|(delivery, text)| RecipientState {
            handle: delivery.recipient.clone().unwrap_or_default(),
            state: state(delivery.action.as_deref()),
            text: text.clone().or_else(|| delivery.status.clone()),
        });
        Some(DeliveryReport {
            about: own.outbound,
            recipients: recipients.collect(),
            inbox: contact.inbox.clone(),
            contact: Some(contact.clone()),
        })
    }

    fn contact(&self, raw: BlobRef) -> Contact {
        let handle = self.facts.from.handle();
        let subject = self.facts.subject.clone().unwrap_or_default();
        let attachments: Vec<Attachment> = self.attachments();
        let dedupe = self.dedupe(&handle, &subject, &attachments);
        let message_id =
            self.facts.message_id.clone().unwrap_or_else(|| format!("gen.{}@local", short(&dedupe.content)));
        let verification = automation::is_verification(&handle, &subject, &self.content.text);
        let quotes = self.content.before_quotes.is_some() || quote::has_quote(&self.content.text);
        let about = threading::Facts {
            message_id: &message_id,
            from: &handle,
            subject: &subject,
            quotes,
            verification,
        };
        let threads = threading::read(&self.fields, &about, self.around);
        let verdict = self.verdict(&handle);
        let automation = self.automation(&handle, &subject, verdict.assurance);
        let (occurred_at, future) = self.facts.occurred(self.arrival);
        let mut flags = self.flags(&handle, verification, future);
        if self.smuggles {
            flags.insert(Flag::Ambiguous);
        }
        let inbox = self.inbox();
        let body = self.body();
        let return_path = self.return_path(&message_id, &threads, &verdict, &body, &inbox);
        Contact {
            version: Contact::VERSION,
            address: ChannelAddress { channel: Channel::Email, provider: self.around.provider.clone() },
            trace_keys: vec![TraceKey(message_id.clone())],
            thread_keys: threads.keys.clone(),
            registers: threads.registers.clone(),
            rebinds: Vec::new(),
            entry: None,
            introduces: self.introduces(&verdict, &automation, &handle),
            recipients: self.facts.recipients.clone(),
            topic: topic::key(&subject),
            subject: self.facts.subject.clone(),
            details: self.details(&message_id, &threads, &attachments),
            headers: self.rule_headers(),
            from: self.party(&handle, verdict, &dedupe),
            delivery_reports: self.report.as_ref().map(|r| r.deliveries.clone()).unwrap_or_default(),
            origin: automation.origin,
            no_acknowledgment: automation.no_acknowledgment,
            dedupe,
            attachments,
            flags,
            body,
            raw: Some(raw),
            return_path,
            occurred_at,
            received_at: self.arrival.received_at,
            backfill: self.arrival.backfill,
            acknowledges_inline: false,
            inbox,
        }
    }

    /// The inbox it counts for: with `copies = primary` the one named first in To, Cc.
    fn inbox(&self) -> InboxId {
        let mut inbox = self.around.inbox.clone();
        if self.around.copies == Copies::Primary {
            let own = |handle: &str| self.around.own.iter().find(|own| own.address.to_lowercase() == handle);
            if let Some(first) = self.facts.recipients.iter().find_map(|r| own(&r.handle)) {
                inbox.name = first.inbox.clone();
            }
        }
        inbox
    }

    /// Who said what (protocol of the design, 3.2): nothing that a second path of the same mail would change.
    fn dedupe(&self, from: &str, subject: &str, attachments: &[Attachment]) -> DedupeKey {
        let text = words::on_one_line(&self.content.text);
        let mut files: Vec<String> =
            attachments.iter().map(|a| format!("{}:{}", a.blob.size, a.blob.sha256)).collect();
        files.sort_unstable();
        let files = files.join(",");
        let parts = [from, &self.facts.date_text, subject, &text, &files];
        let scope = match self.around.copies {
            Copies::Each => format!("email/{}", self.around.inbox.name),
            Copies::One | Copies::Primary => "email".to_owned(),
        };
        DedupeKey {
            scope,
            source: self.facts.message_id.clone().unwrap_or_else(|| "-".to_owned()),
            content: HEXLOWER.encode(&digest_parts(&parts.map(str::as_bytes))),
        }
    }

    fn attachments(&self) -> Vec<Attachment> {
        let all = self.content.files.iter().map(|file| Attachment {
            name: file.name.clone(),
            media_type: file.media_type.clone(),
            blob: blob(&file.content),
            inline: file.inline,
            content_id: file.content_id.clone(),
            judgement: Some(judge(
                file.raw_name.as_deref().or(file.name.as_deref()),
                &file.media_type,
                &file.content,
            )),
        });
        all.collect()
    }

    fn verdict(&self, handle: &str) -> Verdict {
        let mut verdict =
            authentication::judge(&self.fields, &self.around.authserv_ids, handle, &self.facts.ambiguous);
        // Bare line ends around a dot are how one mail is made to look like two (T35).
        if self.smuggles && verdict.assurance != Assurance::Authenticated {
            verdict =
                Verdict { assurance: Assurance::Failed, evidence: vec!["a smuggled end of mail".to_owned()] };
        }
        verdict
    }

    fn automation(&self, handle: &str, subject: &str, assurance: Assurance) -> Automation {
        let own: Vec<String> = self.around.own.iter().map(|own| own.address.to_lowercase()).collect();
        let facts = automation::Facts {
            from: handle,
            subject,
            content: &self.content,
            report: self.report.as_ref().map(|r| (r.class, r.sign.clone())),
            recipients: self.facts.recipients.len(),
            own: &own,
            instance: &self.around.instance,
        };
        let mut automation = automation::judge(&self.fields, &facts);
        let reasons = &mut automation.no_acknowledgment;
        if self.unparsed.is_some() {
            reasons.push("unparsed".to_owned());
        }
        if assurance == Assurance::Failed {
            reasons.push("sender authentication failed".to_owned());
        }
        let day = SignedDuration::from_hours(24);
        if !self.arrival.backfill
            && self.facts.date.is_some_and(|date| self.arrival.now.duration_since(date) > day)
        {
            reasons.push("dated more than a day ago".to_owned());
        }
        automation
    }

    fn flags(&self, handle: &str, verification: bool, future: bool) -> BTreeSet<Flag> {
        let name = self.facts.from.name.as_deref().unwrap_or_default();
        let replies_elsewhere = self.facts.reply_to.as_ref().is_some_and(|m| m.handle() != handle);
        let raised = [
            (Flag::Ambiguous, !self.facts.ambiguous.is_empty()),
            (Flag::Truncated, self.truncated || self.content.truncated),
            (Flag::Unparsed, self.unparsed.is_some()),
            (Flag::Encrypted, self.content.encrypted.is_some()),
            (Flag::ReplyToDiffers, replies_elsewhere),
            (Flag::Verification, verification),
            (Flag::HiddenText, self.content.hid_text),
            (Flag::FutureDate, future),
            (Flag::NameLooksLikeAddress, address::name_looks_like_address(name, handle)),
        ];
        raised.into_iter().filter(|(_, up)| *up).map(|(flag, _)| flag).collect()
    }

    fn body(&self) -> Body {
        let forward = self.facts.is_forward();
        let source = match &self.content.before_quotes {
            Some(before) if !forward && !before.trim().is_empty() => before,
            _ => &self.content.text,
        };
        let reply = quote::reply(source, forward);
        // Words of ours that stand for what cannot be read have no language of the sender's.
        let theirs = self.content.encrypted.is_none();
        let language = language::of(&reply).or_else(|| language::of(&self.content.text)).filter(|_| theirs);
        Body { text: self.content.text.clone(), reply, html: self.content.html.clone(), language }
    }

    fn party(&self, handle: &str, verdict: Verdict, dedupe: &DedupeKey) -> Party {
        let handle = match handle.is_empty() {
            false => PartyHandle::new(HandleKind::Email, handle),
            true => PartyHandle::new(HandleKind::Anonymous, format!("mail-{}", short(&dedupe.content))),
        };
        Party {
            name: self.facts.from.name.clone(),
            handle,
            assurance: verdict.assurance,
            evidence: verdict.evidence,
        }
    }

    /// Only an authenticated person brings others along, and never us (T02).
    fn introduces(&self, verdict: &Verdict, automation: &Automation, handle: &str) -> Vec<PartyHandle> {
        if verdict.assurance != Assurance::Authenticated || automation.origin.kind != OriginKind::Human {
            return Vec::new();
        }
        let is_ours = |address: &str| {
            self.around.own.iter().any(|own| own.address.to_lowercase() == address)
                || self.around.reply_address.as_ref().is_some_and(|shape| shape.token_in(address).is_some())
        };
        let others = self.facts.copied.iter().filter(|a| a.as_str() != handle && !is_ours(a));
        others.take(limits::CROWD).map(|a| PartyHandle::new(HandleKind::Email, a.as_str())).collect()
    }

    fn return_path(
        &self,
        message_id: &str,
        threads: &Threads,
        verdict: &Verdict,
        body: &Body,
        inbox: &InboxId,
    ) -> Option<ReturnPath> {
        let from = &self.facts.from;
        if !from.is_valid() {
            return None;
        }
        // An answer goes elsewhere only where the sender is known, stays in the house, or is a program that says so (T02).
        let reply_to = self.facts.reply_to.as_ref().map(|m| m.address.clone()).filter(|address| {
            let same_house = authentication::same_house(&domain_of(address), &domain_of(&from.address));
            verdict.assurance != Assurance::Failed
                && (verdict.assurance == Assurance::Authenticated
                    || same_house
                    || automation::is_program(&from.handle()))
        });
        let back = MailReturn {
            to: from.address.clone(),
            reply_to,
            alias: self.facts.alias.clone(),
            message_id: self.facts.message_id.as_ref().map(|_| message_id.to_owned()),
            references: if threads.references.is_empty() {
                threads.in_reply_to.iter().take(1).cloned().collect()
            } else {
                threads.references.clone()
            },
            subject: self.facts.subject.clone(),
            language: body.language.clone(),
            authenticated: verdict.assurance == Assurance::Authenticated,
        };
        let sealed = serde_json::to_value(back).ok()?;
        Some(ReturnPath { inbox: inbox.name.clone(), sealed })
    }
}

/// The first 128 bits of a hexadecimal digest.
fn short(hex: &str) -> String {
    hex.chars().take(32).collect()
}

/// Whether bare line ends stand around a lone dot although the mail's own lines end in CR LF.
fn smuggles(raw: &[u8]) -> bool {
    if words::find(raw.get(..raw.len().min(limits::FIELD)).unwrap_or_default(), b"\r\n").is_none() {
        return false;
    }
    let line_end = |b: u8| (b == b'\r') | (b == b'\n');
    let after = |by: usize| raw.get(by..).unwrap_or_default().iter();
    // Without an early end a compiler reads many bytes at once; hardly any mail has a dot alone in a line.
    let dots = raw.iter().zip(after(1)).zip(after(2)).fold(false, |found, ((before, dot), behind)| {
        found | (line_end(*before) & (*dot == b'.') & line_end(*behind))
    });
    if !dots {
        return false;
    }
    let lone = |at: usize| {
        let before = raw.get(..at).unwrap_or_default();
        let after = raw.get(at + 1..).unwrap_or_default();
        let end_before = before.last().is_some_and(|b| matches!(b, b'\r' | b'\n'));
        let end_after = after.first().is_some_and(|b| matches!(b, b'\r' | b'\n'));
        let proper = before.ends_with(b"\r\n") && after.starts_with(b"\r\n");
        end_before && end_after && !proper
    };
    raw.iter().enumerate().any(|(at, b)| *b == b'.' && lone(at))
}
