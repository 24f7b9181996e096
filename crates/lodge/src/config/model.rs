//! The tables of the configuration that belong to no channel. Doc comments are the reference's text.

use lodge_channel::{OneOrMany, Secret};
use lodge_domain::{Priority, Suspicion, TicketType};
use lodge_triage::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The two listeners.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// Address of the public listener: webhooks, chat, widget, customer pages.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Address of the internal listener: commands of the core, health, metrics, operator pages.
    #[schemars(with = "String")]
    pub internal: SocketAddr,
    /// What providers and customers see, such as `https://help.example.com`; webhook signatures and links use it.
    pub public_url: Option<String>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub proxies: Vec<String>,
    /// Token that the operator pages ask for; required where `internal` is not loopback.
    pub operator_token: Option<Secret>,
    /// Certificate and key for `listen`; without it plain HTTP, for a proxy in front.
    pub tls: Option<TlsSection>,
    /// Name of this process among several on one store; default: the host's name.
    pub node: Option<String>,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            internal: SocketAddr::from(([127, 0, 0, 1], 8081)),
            public_url: None,
            proxies: vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()],
            operator_token: None,
            tls: None,
            node: None,
        }
    }
}

/// Certificate and key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// Path of the certificate chain (PEM), relative to the configuration.
    pub certificate: String,
    /// Path of the private key (PEM), relative to the configuration.
    pub key: String,
}

/// Where contacts are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// `embedded:FOLDER`, or `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://` (Redis 7.0 or later). May be a
    /// secret reference (`env:NAME`, `file:PATH`), since it may hold a password.
    pub url: String,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { url: "embedded:data/store".to_owned() }
    }
}

/// Where raw originals and attachments are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlobSection {
    /// `file:FOLDER`.
    pub url: String,
}

impl Default for BlobSection {
    fn default() -> Self {
        Self { url: "file:data/blobs".to_owned() }
    }
}

/// The core ticket service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CoreSection {
    /// Where ticket events are posted. Without it events wait in the feed (`GET /v1/events`).
    pub url: Option<String>,
    /// Standard Webhooks secret (`whsec_…`); signs both directions. Two during a rotation: the first one signs.
    pub secret: Option<OneOrMany<Secret>>,
    /// Bearer tokens that the core may use instead of signatures when it calls us.
    pub tokens: Vec<Secret>,
    /// A plain `http://` address off this machine is refused unless this is true.
    pub insecure: bool,
}

/// Keys of our own that sign reply addresses, message ids and links.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SigningSection {
    /// Secrets of at least 16 bytes, newest first; the first signs, all verify. Default: one key made at first start and
    /// kept in the store.
    pub keys: Vec<Secret>,
}

/// Acknowledgments.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AcknowledgmentSection {
    /// Whether contacts are acknowledged at all.
    pub enabled: bool,
    /// `authenticated`: only senders whose authentication passed; `anyone`: unverified ones too (never failed ones).
    pub to: AcknowledgeTo,
    /// Most acknowledgments to one address in an hour.
    pub per_address_hour: u64,
    /// Most acknowledgments to one address in a day.
    pub per_address_day: u64,
    /// Most acknowledgments to unverified addresses in an hour, all together.
    pub unverified_hour: u64,
    /// Contacts older than this are not acknowledged.
    pub max_age: Span,
    /// Folder of templates of your own, relative to the configuration: `LANGUAGE.txt` (first line the subject) and
    /// `LANGUAGE.html`.
    pub templates: Option<String>,
    /// Language where none was detected.
    pub language: String,
    /// The name the built-in texts sign with.
    pub signature: Option<String>,
}

impl Default for AcknowledgmentSection {
    fn default() -> Self {
        Self {
            enabled: true,
            to: AcknowledgeTo::Authenticated,
            per_address_hour: 3,
            per_address_day: 10,
            unverified_hour: 1000,
            max_age: Span::hours(24),
            templates: None,
            language: "en".to_owned(),
            signature: None,
        }
    }
}

/// Who is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AcknowledgeTo {
    /// Only senders whose authentication passed.
    Authenticated,
    /// Unverified senders too.
    Anyone,
}

/// Business hours: when somebody is there, by weekday. Times are written `09:00-12:30`, several a day where there is a
/// break; `00:00-24:00` is all day.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HoursSection {
    /// The time zone they are meant in, such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// Opening times on Mondays.
    pub monday: Vec<String>,
    /// Opening times on Tuesdays.
    pub tuesday: Vec<String>,
    /// Opening times on Wednesdays.
    pub wednesday: Vec<String>,
    /// Opening times on Thursdays.
    pub thursday: Vec<String>,
    /// Opening times on Fridays.
    pub friday: Vec<String>,
    /// Opening times on Saturdays.
    pub saturday: Vec<String>,
    /// Opening times on Sundays.
    pub sunday: Vec<String>,
    /// Days on which nobody is there, such as `2026-12-25`.
    pub closed: Vec<String>,
}

/// What is kept out of events and logs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrivacySection {
    /// Mask card numbers (Luhn-checked) before anything is forwarded or logged.
    pub mask_cards: bool,
}

impl Default for PrivacySection {
    fn default() -> Self {
        Self { mask_cards: true }
    }
}

/// How long things are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSection {
    /// Raw originals, attachments and the links to them.
    pub originals: Span,
    /// Conversations and thread memory after the last contact.
    pub conversations: Span,
    /// Dedupe memory of mail; the rest is remembered at least 35 days.
    pub dedupe: Span,
    /// Events in the feed, at least 14 days.
    pub events: Span,
    /// What was said in chats, after the last of it, at least a day: what a visitor who comes back is shown. Their session
    /// ends after 180 days in any case.
    pub timelines: Span,
}

impl Default for RetentionSection {
    fn default() -> Self {
        let days = Span::days;
        Self {
            originals: days(30),
            conversations: days(400),
            dedupe: days(400),
            events: days(14),
            timelines: days(181),
        }
    }
}

/// How much one sender may bring at a time. Nothing is refused for it: what is too much is kept and told as a number, or left
/// where it is. A sender is an address (or account, number, session) with what is known of its genuineness, at one inbox;
/// archives do not count.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Contacts of one sender that become tickets one by one within `burst_window`. Further ones are kept, and when the window
    /// ends the core gets one event for all of them, flagged `burst`, with their number in `details.burst.count` and the
    /// reference by which `lodge trace` finds them. 0: no such limit.
    pub burst: u64,
    /// The same for senders that are programs, such as monitoring. 0: no such limit.
    pub burst_automated: u64,
    /// The window of `burst` and `burst_automated`; it starts with a sender's first contact.
    pub burst_window: Span,
    /// MiB of originals and attachments kept of one sender within `bytes_window`. A mail above it is filed as a stub (its
    /// head, the beginning of its text, and a note; flagged `truncated`) and stays in the mailbox, unmoved and undeleted.
    /// 0: no such limit.
    pub sender_mib: u64,
    /// The same for all senders of a brand together. 0: no such limit.
    pub brand_mib: u64,
    /// The window of `sender_mib` and `brand_mib`.
    pub bytes_window: Span,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            burst: 200,
            burst_automated: 200,
            burst_window: Span::seconds(600),
            sender_mib: 1024,
            brand_mib: 50 * 1024,
            bytes_window: Span::hours(24),
        }
    }
}

/// Files that come with contacts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttachmentsSection {
    /// What puts a file under quarantine: it is kept and named in the event with `policy: "quarantine"` and the reasons, and
    /// its link hands out plain bytes to save. Judged by name, declared type and first bytes; archives are not looked into.
    pub quarantine: BTreeSet<Suspicion>,
}

impl Default for AttachmentsSection {
    fn default() -> Self {
        Self { quarantine: Suspicion::ALL.into() }
    }
}

/// Logs, on standard error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// `json` or `text`.
    pub format: LogFormatName,
    /// Such as `info` or `lodge_pipeline=debug,info`.
    pub level: String,
    /// How often a line that says the same (numbers and ids aside) is written in a minute; how many were left out is told
    /// in a line of its own, and metrics count all. `debug` and `trace` are never left out. 0: nothing is. Read at start.
    pub repeats: u64,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { format: LogFormatName::Json, level: "info".to_owned(), repeats: 20 }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormatName {
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// What all contacts of an inbox start with, beside the table of its channel.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InboxSection {
    /// Queue, where no rule sets one.
    pub queue: Option<String>,
    /// Category, where no rule sets one.
    pub category: Option<String>,
    /// Priority, where no rule sets one.
    pub priority: Option<Priority>,
    /// Type, where no rule sets one.
    #[serde(rename = "type")]
    pub kind: Option<TicketType>,
    /// Tags that every contact of this inbox gets.
    pub tags: Vec<String>,
    /// Language of acknowledgments where none was detected.
    pub language: Option<String>,
    /// Its own `[limits] burst`.
    pub burst: Option<u64>,
    /// Its own `[limits] burst_automated`, such as 0 for an inbox that monitoring writes to.
    pub burst_automated: Option<u64>,
}
