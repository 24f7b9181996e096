//! The configuration: read from TOML, checked whole, every problem with file, line, reason and remedy.

mod check;
mod load;
mod model;
mod named;
mod problem;
mod reference;
mod secrets;

pub use check::{Checked, CheckedCore, CheckedInbox, StoreUrl, Triage, template_files};
pub use load::{Loaded, LoadedInbox, Place, SectionReader, load, load_text};
pub use model::{
    AcknowledgeTo, AcknowledgmentSection, AttachmentsSection, BlobSection, CoreSection, HoursSection,
    InboxSection, LimitsSection, LogFormatName, LogSection, PrivacySection, RetentionSection, ServerSection,
    SigningSection, StoreSection, TlsSection,
};
pub use problem::{FileProblem, Problems};
pub use reference::{reference, schema};
pub use secrets::Secrets;
