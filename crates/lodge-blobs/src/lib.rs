//! Content-addressed raw originals and attachments, kept in a folder.
//!
//! A blob is found by the SHA-256 of its content and by nothing else: no name from outside ever becomes a path. Stores
//! hold references only. This crate knows nothing of contacts, links or HTTP.
#![warn(missing_docs)]

mod folder;
mod layout;
mod pack;
mod packs;
mod port;
mod staged;
mod sweep;

pub use folder::FolderBlobs;
