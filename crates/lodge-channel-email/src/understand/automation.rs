//! Whether a person wrote a mail or a program, and why nobody may be answered automatically (RFC 3834).
//!
//! Signs stand in tables (`automation/signs.rs`); this file weighs them. A mail of a person can still ask not to be
//! answered: class and "no acknowledgment" are two verdicts.

mod signs;

use super::address::domain_of;
use super::body::Content;
use super::fields::Fields;
use super::{limits, topic};
use lodge_domain::{Origin, OriginClass, OriginKind};

/// The verdict.
#[derive(Debug)]
pub(crate) struct Automation {
    pub(crate) origin: Origin,
    pub(crate) no_acknowledgment: Vec<String>,
}

/// What is weighed besides header fields.
pub(crate) struct Facts<'a> {
    /// The sender's address in lower case; empty where there is none.
    pub(crate) from: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) content: &'a Content,
    /// The class that the parts of the mail give it, with the sign: bounce, receipt, complaint.
    pub(crate) report: Option<(OriginClass, String)>,
    /// How many recipients the mail names.
    pub(crate) recipients: usize,
    /// Addresses of ours, in lower case.
    pub(crate) own: &'a [String],
    /// The name in our loop header.
    pub(crate) instance: &'a str,
}

struct Weighing {
    classes: Vec<OriginClass>,
    evidence: Vec<String>,
    reasons: Vec<String>,
}

impl Weighing {
    /// A sign that a program wrote it.
    fn automatic(&mut self, class: OriginClass, sign: impl Into<String>) {
        let sign = sign.into();
        self.classes.push(class);
        self.evidence.push(sign.clone());
        self.reasons.push(sign);
    }

    /// A sign that it must not be answered, whoever wrote it.
    fn silent(&mut self, sign: impl Into<String>) {
        self.reasons.push(sign.into());
    }
}

/// Weighs all signs.
pub(crate) fn judge(fields: &Fields<'_>, facts: &Facts<'_>) -> Automation {
    let mut found = Weighing { classes: Vec::new(), evidence: Vec::new(), reasons: Vec::new() };
    if let Some((class, sign)) = &facts.report {
        found.automatic(*class, sign.clone());
    }
    declared(fields, &mut found);
    vendor(fields, &mut found);
    lists(fields, &mut found);
    sender(fields, facts, &mut found);
    subjects(facts, &mut found);
    calendar(facts, &mut found);
    loops(fields, facts, &mut found);
    let class = strongest(&found.classes);
    let kind = if class.is_some() { OriginKind::Automated } else { OriginKind::Human };
    found.evidence.truncate(12);
    found.reasons.truncate(12);
    let origin = Origin { kind, class, evidence: found.evidence };
    Automation { origin, no_acknowledgment: found.reasons }
}

/// The class that says most: what a mail is about weighs more than how it was sent.
fn strongest(classes: &[OriginClass]) -> Option<OriginClass> {
    use OriginClass::{AutoReply, Bounce, Bulk, Calendar, Complaint, DeliveryReport, List, Notification};
    [Complaint, Bounce, DeliveryReport, AutoReply, Calendar, List, Bulk, Notification]
        .into_iter()
        .find(|class| classes.contains(class))
}

/// What senders declare themselves: Auto-Submitted, Precedence, X-Auto-Response-Suppress.
fn declared(fields: &Fields<'_>, found: &mut Weighing) {
    if let Some(value) = fields.token("auto-submitted").or_else(|| fields.token("x-auto-submitted")) {
        let value = value.split([';', ' ', '(']).next().unwrap_or_default().to_owned();
        let sign = || format!("auto-submitted: {}", short(&value));
        match value.as_str() {
            "no" | "" => {}
            "auto-replied" => found.automatic(OriginClass::AutoReply, sign()),
            "auto-forwarded" => found.silent(sign()),
            _ => found.automatic(OriginClass::Notification, sign()),
        }
    }
    for name in ["precedence", "x-precedence"] {
        let Some(value) = fields.token(name) else { continue };
        let sign = format!("precedence: {}", short(&value));
        match value.as_str() {
            "auto_reply" | "auto-reply" => found.automatic(OriginClass::AutoReply, sign),
            "list" => found.automatic(OriginClass::List, sign),
            "bulk" | "junk" => found.automatic(OriginClass::Bulk, sign),
            _ => {}
        }
    }
    let suppress = fields.token("x-auto-response-suppress").unwrap_or_default();
    let asks = |word: &str| {
        let bits = word.parse::<i64>().is_ok_and(|bits| bits == -1 || bits & 0x30 != 0);
        bits || matches!(word, "all" | "autoreply")
    };
    // OOF alone asks for no vacation notice; an acknowledgment is none.
    if suppress.split([',', ' ', ';']).any(|word| asks(word.trim())) {
        found.silent(format!("x-auto-response-suppress: {}", short(&suppress)));
    }
}

fn vendor(fields: &Fields<'_>, found: &mut Weighing) {
    for (name, value, class) in signs::FIELDS {
        let Some(given) = fields.token(name) else { continue };
        if value.is_empty() || given.contains(value) {
            let sign = if value.is_empty() { (*name).to_owned() } else { format!("{name}: {value}") };
            found.automatic(*class, sign);
        }
    }
    for field in fields.iter() {
        if signs::TICKET_SYSTEMS.iter().any(|prefix| field.name.starts_with(prefix)) {
            found.silent(format!("{}: another help desk", short(&field.name)));
            break;
        }
    }
}

fn lists(fields: &Fields<'_>, found: &mut Weighing) {
    const LISTS: [&str; 7] = [
        "list-id",
        "list-post",
        "mailing-list",
        "x-mailing-list",
        "x-mailman-version",
        "x-beenthere",
        "x-ml-name",
    ];
    const BULK: [&str; 5] =
        ["feedback-id", "x-csa-complaints", "x-campaign", "x-campaignid", "x-mailgun-tag"];
    if let Some(name) = LISTS.into_iter().find(|name| fields.has(name)) {
        found.automatic(OriginClass::List, name);
    } else if let Some(name) = BULK.into_iter().find(|name| fields.has(name)) {
        found.automatic(OriginClass::Bulk, name);
    } else if fields.has("list-unsubscribe-post") {
        found.automatic(OriginClass::Bulk, "list-unsubscribe-post");
    } else if fields.has("list-unsubscribe") {
        // People behind marketing relays have it too: a person, but none to be answered by a program.
        found.silent("list-unsubscribe");
    }
}

fn sender(fields: &Fields<'_>, facts: &Facts<'_>, found: &mut Weighing) {
    let null_path =
        fields.every("return-path").next().is_some_and(|raw| matches!(raw.trim_ascii(), b"<>" | b""));
    if null_path {
        found.silent("return-path: <>");
    }
    if facts.from.is_empty() {
        found.silent("no sender");
    }
    let local = facts.from.rsplit_once('@').map_or(facts.from, |(local, _)| local);
    if let Some((_, class)) = signs::LOCAL_PARTS.iter().find(|(name, _)| signs::local_matches(local, name)) {
        let sign = format!("sender: {}", short(local));
        match class {
            Some(class) => found.automatic(*class, sign),
            None => found.silent(sign),
        }
    }
    let returns = fields.token("return-path").unwrap_or_default();
    let returns = returns.trim_matches(['<', '>']).split('@').next().unwrap_or_default();
    let program = ["owner-", "bounce", "mailer-daemon", "noreply", "no-reply"];
    if program.iter().any(|p| returns.starts_with(p))
        || returns.ends_with("-bounces")
        || returns.ends_with("-request")
    {
        found.silent("return-path of a program");
    }
    if !facts.from.is_empty() && facts.own.iter().any(|own| own == facts.from) {
        found.silent("from an address of ours");
    }
    if facts.recipients > limits::CROWD {
        found.silent("too many recipients");
    }
}

fn subjects(facts: &Facts<'_>, found: &mut Weighing) {
    let subject = facts.subject.trim().to_lowercase();
    let exact = |table: &[&str]| table.iter().any(|start| subject.starts_with(start));
    if exact(signs::AUTO_REPLY_SUBJECTS) {
        found.automatic(OriginClass::AutoReply, "subject of an automatic reply");
    } else if signs::WEAK_AUTO_REPLY_SUBJECTS.iter().any(|start| subject.starts_with(start)) {
        // Words people also begin a mail with: only with a second sign.
        let plain = topic::normalise(&subject);
        if !found.reasons.is_empty() || signs::absence_text(&facts.content.text) && plain.chars().count() < 60
        {
            found.automatic(OriginClass::AutoReply, "subject of an absence notice");
        }
    }
}

fn calendar(facts: &Facts<'_>, found: &mut Weighing) {
    const METHODS: [&str; 6] = ["REQUEST", "REPLY", "CANCEL", "COUNTER", "REFRESH", "DECLINECOUNTER"];
    if let Some(method) = facts.content.calendar.as_deref().filter(|m| METHODS.contains(m)) {
        found.automatic(OriginClass::Calendar, format!("calendar: {method}"));
    }
}

fn loops(fields: &Fields<'_>, facts: &Facts<'_>, found: &mut Weighing) {
    if let Some(value) = fields.token("x-lodge-loop") {
        let ours =
            value.split(';').next().is_some_and(|name| name.trim() == facts.instance.to_ascii_lowercase());
        found.automatic(OriginClass::AutoReply, if ours { "x-lodge-loop: ours" } else { "x-lodge-loop" });
    }
    if fields.has("x-loop") {
        found.silent("x-loop");
    }
    if fields.every("received").count() > limits::HOPS {
        found.silent("too many hops");
    }
}

/// Whether the mail looks like one by which a service makes sure who reads an address (T01).
pub(crate) fn is_verification(from: &str, subject: &str, text: &str) -> bool {
    let local = from.split('@').next().unwrap_or_default();
    let domain = domain_of(from);
    let machine = signs::LOCAL_PARTS.iter().any(|(name, _)| signs::local_matches(local, name))
        || signs::IDENTITY_SENDERS
            .iter()
            .any(|known| super::authentication::same_organisation(&domain, known));
    // Nearly all mail is from people: their words need not be looked at.
    if !machine {
        return false;
    }
    let subject = subject.to_lowercase();
    let opening: String = text.chars().take(1_500).collect::<String>().to_lowercase();
    let says = |table: &[&str], text: &str| table.iter().any(|words| text.contains(words));
    says(signs::VERIFICATION_SUBJECTS, &subject) || says(signs::VERIFICATION_TEXTS, &opening)
}

/// What is fit for a list of reasons: few letters, none of them a control.
fn short(text: &str) -> String {
    super::clean::line(text, 60)
}

/// Whether an address belongs to a program that nobody reads the mail of.
pub(crate) fn is_program(from: &str) -> bool {
    let local = from.split('@').next().unwrap_or_default();
    signs::LOCAL_PARTS.iter().any(|(name, _)| signs::local_matches(local, name))
}
