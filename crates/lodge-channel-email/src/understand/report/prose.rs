//! Bounces that are only prose: qmail, Exim, Sendmail, Exchange, Courier, Notes, providers of many countries.
//!
//! First it is made sure that the mail is a bounce at all (a daemon's address, a null path, a phrase that only mail
//! systems write); then addresses are read from the part above the returned mail.

use super::{Result, status};
use crate::understand::address;
use crate::understand::fields::Fields;
use crate::understand::words;

mod phrases;

/// What prose says.
pub(super) struct Prose {
    pub(super) sign: &'static str,
    pub(super) results: Vec<Result>,
}

/// Reads a bounce in prose; `None` where the mail is none.
pub(super) fn read(fields: &Fields<'_>, text: &str, from: &str, subject: &str) -> Option<Prose> {
    let failed = failed_recipients(fields);
    let lower_subject = subject.to_lowercase();
    let daemon =
        is_daemon(from) || fields.every("return-path").next().is_some_and(|raw| raw.trim_ascii() == b"<>");
    let subject_says = phrases::SUBJECTS.iter().any(|s| lower_subject.contains(s));
    if failed.is_empty() && !daemon && !subject_says {
        return None;
    }
    let notice = above_returned(head(text));
    let lower: String = notice.to_lowercase();
    let text_says = phrases::OPENINGS.iter().any(|s| lower.contains(s));
    let sign = if !failed.is_empty() {
        "x-failed-recipients"
    } else if daemon && (subject_says || text_says) {
        "a mail system's notice"
    } else if subject_says && text_says {
        "words of a bounce"
    } else {
        return None;
    };
    let delayed = phrases::DELAYS.iter().any(|s| lower_subject.contains(s) || lower.contains(s))
        && !phrases::FINAL.iter().any(|s| lower.contains(s));
    let mut results = addresses(notice, &failed, from);
    // Whoever gets the notice sent the mail that failed; seldom both are the same.
    let told: Vec<String> = ["to", "delivered-to"]
        .iter()
        .flat_map(|n| fields.every(n))
        .flat_map(|raw| address::parse_list(raw, None))
        .map(|m| m.handle())
        .collect();
    let is_told = |r: &Result| r.recipient.as_ref().is_some_and(|address| told.contains(address));
    if !results.iter().all(is_told) {
        results.retain(|r| !is_told(r));
    }
    for result in &mut results {
        let words = result.text.clone().unwrap_or_default();
        let found = status::find(&words).or_else(|| status::find(notice));
        let found = found.or_else(|| status::from_reply(&words)).or_else(|| status::from_reply(notice));
        result.status = found.or_else(|| {
            phrases::status_of(&words.to_lowercase())
                .or_else(|| phrases::status_of(&lower))
                .map(str::to_owned)
        });
        result.action = Some(if delayed { "delayed" } else { "failed" }.to_owned());
    }
    Some(Prose { sign, results })
}

/// A notice says what it has to say at its beginning.
fn head(text: &str) -> &str {
    let mut end = text.len().min(64 * 1024);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

fn is_daemon(from: &str) -> bool {
    let local = from.split('@').next().unwrap_or_default().to_lowercase();
    phrases::DAEMONS.iter().any(|daemon| local.contains(daemon))
}

fn failed_recipients(fields: &Fields<'_>) -> Vec<String> {
    let raw = fields.every("x-failed-recipients");
    let all = raw.flat_map(|raw| address::parse_list(raw, None)).filter(address::Mailbox::is_valid);
    all.map(|mailbox| mailbox.handle()).collect()
}

/// The notice alone, without the returned mail below it.
fn above_returned(text: &str) -> &str {
    let end = phrases::RETURNED
        .iter()
        .filter_map(|mark| words::find_ignoring_case(text, mark))
        .filter(|at| *at > 0)
        .min();
    let head = end.and_then(|end| text.get(..end)).unwrap_or(text);
    // A notice that consists of the mark alone stands below it.
    if head.trim().is_empty() { text } else { head }
}

/// The addresses a notice speaks of, each with the words on it.
fn addresses(notice: &str, failed: &[String], from: &str) -> Vec<Result> {
    let mut results: Vec<Result> = Vec::new();
    let lines: Vec<&str> = notice.lines().take(400).collect();
    for (at, line) in lines.iter().enumerate() {
        for found in addresses_in(line) {
            let ours = found == from.to_lowercase()
                || results.iter().any(|r| r.recipient.as_deref() == Some(found.as_str()));
            if ours || phrases::NOT_RECIPIENTS.iter().any(|p| found.starts_with(p)) || is_about_sender(line) {
                continue;
            }
            if !failed.is_empty() && !failed.contains(&found) {
                continue;
            }
            let words = lines.get(at..lines.len().min(at + 5)).unwrap_or_default().join(" ");
            results.push(Result {
                recipient: Some(found),
                text: Some(crate::understand::clean::line(&words, 500)),
                ..Result::default()
            });
        }
    }
    for missing in failed {
        if !results.iter().any(|r| r.recipient.as_ref() == Some(missing)) {
            results.push(Result { recipient: Some(missing.clone()), ..Result::default() });
        }
    }
    results
}

fn is_about_sender(line: &str) -> bool {
    let lower = line.trim().to_lowercase();
    phrases::SENDER_LINES.iter().any(|start| lower.starts_with(start))
        || lower.contains("postmaster@")
        || lower.contains("mail from:")
}

/// All addresses in a line, in lower case.
fn addresses_in(line: &str) -> Vec<String> {
    if !line.contains('@') {
        return Vec::new();
    }
    let mut out = Vec::new();
    for word in line.split(|c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | ',' | ';' | '"' | '\'' | '|')
    }) {
        let word = word.trim_matches(|c: char| matches!(c, '.' | ':' | '*' | '!' | '=' | '`'));
        let word = word.rsplit(':').next().unwrap_or_default();
        let plain = word.trim_start_matches("mailto").trim_end_matches("...");
        if address::is_address(plain)
            && plain.rsplit('@').next().is_some_and(|d| d.contains('.') || d == "localhost")
        {
            out.push(plain.to_lowercase());
        }
    }
    out
}
