//! What a file is, whatever its sender says: by its name as it was sent, its declared type and its bytes (T48).
//!
//! The same judgement for the parts of a mail, an upload in a chat and media of a social network. Nothing is unpacked,
//! opened or run: bytes are compared with bytes. It only says what it sees; what is put under quarantine for it is the
//! operator's decision (`[attachments] quarantine`), taken when the event is made.

mod content;
mod kind;
mod name;

use lodge_domain::{Judgement, Suspicion};

/// Judges one file. `name` is as the sender wrote it, before anything was cleaned from it; `content` is all of it.
#[must_use]
pub fn judge(name: Option<&str>, declared: &str, content: &[u8]) -> Judgement {
    let named = name.map(name::read).unwrap_or_default();
    let seen = content::look(content);
    let mut suspicions = seen.suspicions;
    suspicions.extend(&named.suspicions);
    suspicions.extend(kind::of_declared(declared));
    if kind::contradict(seen.media_type, declared, named.extension.as_deref()) {
        suspicions.insert(Suspicion::TypeMismatch);
    }
    Judgement { sniffed: seen.media_type.map(ToOwned::to_owned), suspicions }
}

#[cfg(test)]
mod tests;
