//! What only mail has: the event's `details`, and the fields that rules may ask for.

use super::Mail;
use crate::understand::threading::Threads;
use crate::understand::{clean, limits, words};
use lodge_domain::Attachment;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

impl Mail<'_> {
    pub(super) fn details(
        &self,
        message_id: &str,
        threads: &Threads,
        attachments: &[Attachment],
    ) -> Map<String, Value> {
        let mut details = Map::new();
        let mut put = |name: &str, value: Value| {
            details.insert(name.to_owned(), value);
        };
        put("message_id", json!(format!("<{message_id}>")));
        if let Some(first) = threads.in_reply_to.first() {
            put("in_reply_to", json!(format!("<{first}>")));
        }
        if let Some(reply_to) = &self.facts.reply_to {
            put("reply_to", json!({"name": reply_to.name, "handle": reply_to.handle()}));
        }
        if !self.facts.date_text.is_empty() {
            put("date", json!(clean::line(&self.facts.date_text, 100)));
        }
        if let Some(alias) = &self.facts.alias {
            put("alias", json!(alias));
        }
        let optional = [
            ("encrypted", self.content.encrypted.map(str::to_owned)),
            ("signed", self.content.signed.map(|by| format!("{by}, not verified"))),
            ("calendar", self.content.calendar.clone()),
            ("unparsed", self.unparsed.clone()),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                put(name, json!(value));
            }
        }
        if !self.facts.ambiguous.is_empty() {
            put("ambiguous", json!(self.facts.ambiguous.iter().take(20).collect::<Vec<_>>()));
        }
        if let Some(size) = self.arrival.truncated {
            put("full_size", json!(size));
        }
        let renamed: Map<String, Value> = self
            .content
            .files
            .iter()
            .zip(attachments)
            .filter_map(|(file, kept)| Some((kept.blob.sha256.clone(), json!(file.original_name.clone()?))))
            .collect();
        if !renamed.is_empty() {
            put("original_names", Value::Object(renamed));
        }
        details
    }

    /// Fields for rules. Our own control fields are nobody else's to write (B11).
    pub(super) fn rule_headers(&self) -> BTreeMap<String, Vec<String>> {
        let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let foreign = |name: &str| self.around.trusted_headers || !name.starts_with("x-lodge-");
        for field in self.fields.iter().filter(|f| foreign(&f.name)).take(limits::RULE_FIELDS) {
            let raw = field.raw.get(..field.raw.len().min(limits::RULE_FIELD)).unwrap_or_default();
            let value = clean::line(&words::text(raw, self.fields.tld.as_deref()), limits::RULE_FIELD);
            out.entry(field.name.clone()).or_default().push(value);
        }
        out
    }
}
