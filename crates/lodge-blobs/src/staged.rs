//! A blob that is being written: a file in `tmp/` that disappears unless it is finished. Never seen by readers.

use crate::layout::{STAGING, create_new};
use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is copied at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// An unfinished blob. Dropping it removes its file.
pub(crate) struct Staged {
    file: File,
    path: PathBuf,
    hash: Context,
    size: u64,
}

impl Staged {
    /// Starts one below `root`.
    pub(crate) fn start(root: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = root.join(STAGING);
        // Process ids repeat (containers all have a 1): an existing name is somebody else's, so the next is tried.
        for _ in 0..10_000 {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{:08x}{count:016x}", std::process::id()));
            match create_new(&path) {
                Ok(file) => return Ok(Self { file, path, hash: Context::new(&SHA256), size: 0 }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("too many unfinished blobs in the staging folder"))
    }

    /// Adds a piece of what whoever calls knows the hash of.
    pub(crate) fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)
    }

    /// Adds a piece of what nobody knows the hash of yet.
    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.append(piece)?;
        self.hash.update(piece);
        self.size += piece.len() as u64;
        Ok(())
    }

    /// The same after `head`, written anew piece by piece.
    pub(crate) fn led_by(self, root: &Path, head: &[u8]) -> io::Result<Self> {
        let mut led = Self::start(root)?;
        led.write(head)?;
        let mut rest = File::open(&self.path)?;
        let mut piece = vec![0; PIECE];
        loop {
            let length = rest.read(&mut piece)?;
            if length == 0 {
                return Ok(led);
            }
            led.write(piece.get(..length).unwrap_or_default())?;
        }
    }

    /// Hash and length of what [`Self::write`] wrote so far.
    pub(crate) fn identity(&self) -> (String, u64) {
        (HEXLOWER.encode(self.hash.clone().finish().as_ref()), self.size)
    }

    /// Makes the content durable, under its temporary name still.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// The file, to be dated.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Moves it to its place; nothing is left behind.
    pub(crate) fn place(&self, at: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, at)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Gone already where it was placed; what cannot be removed now is removed as an orphan later.
        drop(std::fs::remove_file(&self.path));
    }
}
