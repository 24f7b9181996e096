//! Every limit of understanding a mail, in one page. Above a limit a mail still becomes a contact: cut and flagged
//! `truncated`, or read from its head alone and flagged `unparsed`; the raw original has the rest.

/// Bytes of a mail that is read whole; of more only the head and the beginning are.
pub const RAW: usize = 35 * 1024 * 1024;
/// Bytes of a header block.
pub const HEADER_BLOCK: usize = 1024 * 1024;
/// Fields of a header block.
pub const FIELDS: usize = 2_000;
/// Bytes of one field.
pub const FIELD: usize = 64 * 1024;
/// Nesting of multiparts and messages.
pub const DEPTH: usize = 50;
/// Messages within messages whose parts are looked at; deeper ones stay files.
pub const NESTED: usize = 5;
/// Mentions of `message/rfc822` and its like above which the structure is not built at all: dropping a chain of some
/// ten thousand nested messages would overflow the stack.
pub const NESTED_MARKS: usize = 1_000;
/// Parts.
pub const PARTS: usize = 1_000;
/// Addresses read from the fields that name recipients.
pub const RECIPIENTS: usize = 1_000;
/// Message-IDs read from In-Reply-To and References.
pub const REFERENCES: usize = 100;
/// Fields of one name that Message-IDs are read from; an honest mail has one.
pub const REFERENCE_FIELDS: usize = 10;
/// Reply addresses whose signature is checked.
pub const TOKENS: usize = 8;
/// Bytes of text kept.
pub const TEXT: usize = 1024 * 1024;
/// Bytes of HTML given to a tree builder.
pub const HTML: usize = 1024 * 1024;
/// Open elements of HTML given to a tree builder, which takes quadratic time in them.
pub const HTML_DEPTH: usize = 256;
/// Files kept one by one.
pub const ATTACHMENTS: usize = 100;
/// Bytes of all decoded parts together.
pub const DECODED: usize = 50 * 1024 * 1024;
/// Characters of a subject.
pub const SUBJECT: usize = 1_000;
/// Characters of a person's name.
pub const NAME: usize = 200;
/// Characters of a file's name.
pub const FILE_NAME: usize = 120;
/// Bytes of a Message-ID.
pub const MESSAGE_ID: usize = 998;
/// Header fields kept for rules, and bytes of each.
pub const RULE_FIELDS: usize = 200;
/// Bytes of one header field kept for rules.
pub const RULE_FIELD: usize = 2_000;
/// Recipients above which no acknowledgment goes out.
pub const CROWD: usize = 50;
/// `Received` fields above which a mail is taken to go in circles.
pub const HOPS: usize = 25;
/// Seconds one mail may take.
pub const SECONDS: u64 = 30;
