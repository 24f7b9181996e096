//! What a file is by its name and its first bytes, whatever its sender says it is. Doors judge, triage decides by the
//! operator's settings what is put under quarantine. Nothing here opens, unpacks or runs a file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A reason why a file should not be opened lightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Suspicion {
    /// A program or an installer.
    Executable,
    /// A program as text, or what a system runs or imports when it is opened.
    Script,
    /// An office document with macros or embedded objects.
    Macro,
    /// An image of a disk: what is inside it escapes the marks that systems give to downloads.
    DiskImage,
    /// A link that runs or fetches something when it is opened.
    Shortcut,
    /// A document that a browser runs: HTML, SVG and their kind.
    ActiveContent,
    /// The content is of another kind than both its name and its declared type.
    TypeMismatch,
    /// The name hides what the file is: a second extension, letters that turn the reading direction, a gap.
    DisguisedName,
}

impl Suspicion {
    /// All of them: what is put under quarantine unless the operator says otherwise.
    pub const ALL: [Self; 8] = [
        Self::Executable,
        Self::Script,
        Self::Macro,
        Self::DiskImage,
        Self::Shortcut,
        Self::ActiveContent,
        Self::TypeMismatch,
        Self::DisguisedName,
    ];
}

/// What was seen of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The media type by its first bytes; `None` where those are nothing that is known.
    pub sniffed: Option<String>,
    /// What speaks against it.
    pub suspicions: BTreeSet<Suspicion>,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttachmentPolicy {
    /// Nothing speaks against it that the operator cares about.
    Ok,
    /// Not to be opened without a look: kept, and handed out as a download of plain bytes alone.
    Quarantine,
}
