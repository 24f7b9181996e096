//! What a file's name says about it, and what it hides.

use super::kind;
use lodge_domain::Suspicion;
use std::collections::BTreeSet;

/// What a name says.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// The extension that a system would go by, in lower case.
    pub(super) extension: Option<String>,
    pub(super) suspicions: BTreeSet<Suspicion>,
}

/// Letters that change the direction in which the rest of a name is shown.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Reads a name as the sender wrote it.
pub(super) fn read(raw: &str) -> Named {
    let mut named = Named::default();
    if raw.chars().any(turns) {
        named.suspicions.insert(Suspicion::DisguisedName);
    }
    let last = raw.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !turns(*c) && !c.is_control()).collect();
    // What follows a colon names a stream of the same file on some systems: both are looked at.
    let whole = read_plain(&plain, &mut named.suspicions);
    let before = plain.split_once(':').and_then(|(file, _)| read_plain(file, &mut named.suspicions));
    named.extension = whole.or(before);
    named
}

/// The extension of a name that hides nothing by letters.
fn read_plain(name: &str, suspicions: &mut BTreeSet<Suspicion>) -> Option<String> {
    // Systems drop what stands behind the last letter: `a.exe. .` is run as `a.exe`.
    let trimmed = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let (stem, extension) = trimmed.rsplit_once('.')?;
    let extension = extension.trim().to_lowercase();
    let Some(suspicion) = kind::of_extension(&extension) else { return Some(extension) };
    suspicions.insert(suspicion);
    let shown = stem.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let second = shown.rsplit_once('.').map(|(_, second)| second.trim().to_lowercase());
    let gap = stem.chars().rev().take_while(|c| c.is_whitespace() || *c == '_').count() >= 3;
    if gap || second.is_some_and(|second| kind::is_document(&second)) {
        suspicions.insert(Suspicion::DisguisedName);
    }
    Some(extension)
}
