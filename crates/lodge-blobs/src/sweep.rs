//! Removes blobs nobody refers to, and what crashes left in `tmp/`. Never removes what was put after the given time.

use crate::folder::Inner;
use crate::layout::{self, STAGING, is_hash, unavailable};
use crate::packs::OldPack;
use lodge_domain::Timestamp;
use lodge_domain::ports::BlobError;
use std::fs::{DirEntry, ReadDir};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// An unfinished blob whose file nobody wrote to for this long belongs to a process that is gone.
const ORPHANED_AFTER: Duration = Duration::from_secs(3600);

impl Inner {
    /// Removes what was last put before `before` and is not in use; how many went.
    pub(crate) fn sweep(&self, before: Timestamp, candidates: &[PathBuf]) -> Result<u64, BlobError> {
        let before = SystemTime::from(before);
        let mut gone = 0;
        for path in candidates {
            match self.remove_if_older(path, before) {
                Ok(removed) => gone += u64::from(removed),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Ok(gone)
    }

    /// The blobs last put before `before`, as `(hash, path)`; each is looked at again before it is removed.
    pub(crate) fn older_than(&self, before: Timestamp) -> Result<Vec<(String, PathBuf)>, BlobError> {
        let before = SystemTime::from(before);
        let list = || -> io::Result<Vec<(String, PathBuf)>> {
            let mut found = Vec::new();
            for outer in folders(&self.root)? {
                for inner in folders(&outer)? {
                    for entry in entries(&inner)? {
                        let entry = entry?;
                        let Some(hash) = entry.file_name().to_str().map(str::to_owned) else { continue };
                        if is_hash(&hash) && is_older(&entry, before) {
                            found.push((hash, entry.path()));
                        }
                    }
                }
            }
            Ok(found)
        };
        list().map_err(|error| unavailable(&error))
    }

    /// The packs last put before `before`.
    pub(crate) fn packs_older_than(&self, before: Timestamp) -> Result<Vec<OldPack>, BlobError> {
        self.packs.older_than(SystemTime::from(before)).map_err(|error| unavailable(&error))
    }

    /// Takes the hashes named in `packs` out of them, where they were last put before `before`; how many went.
    pub(crate) fn sweep_packs(&self, before: Timestamp, packs: Vec<OldPack>) -> Result<u64, BlobError> {
        let before = SystemTime::from(before);
        let mut gone = 0;
        for pack in packs.into_iter().filter(|pack| pack.damaged || !pack.hashes.is_empty()) {
            let unused = pack.hashes.into_iter().collect();
            let remove = || {
                let lock = layout::lock_file(&self.root)?;
                lock.lock()?;
                let is_old = pack.path.symlink_metadata()?.modified()? < before;
                if is_old { self.packs.remove(&self.root, &pack.path, &unused) } else { Ok(0) }
            };
            match remove() {
                Ok(removed) => gone += removed,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Ok(gone)
    }

    /// A put holds the lock shared while it dates or places its blob; under the exclusive lock the date is final.
    fn remove_if_older(&self, path: &Path, before: SystemTime) -> io::Result<bool> {
        let lock = layout::lock_file(&self.root)?;
        lock.lock()?;
        let found = path.symlink_metadata()?;
        if !found.is_file() || found.modified()? >= before {
            return Ok(false);
        }
        std::fs::remove_file(path)?;
        Ok(true)
    }

    /// Removes unfinished blobs of processes that are gone; what cannot be removed waits for the next time.
    pub(crate) fn remove_orphans(&self) -> u64 {
        let Some(before) = SystemTime::from(self.timestamp()).checked_sub(ORPHANED_AFTER) else { return 0 };
        let Ok(staging) = entries(&self.root.join(STAGING)) else { return 0 };
        let old = staging.flatten().filter(|entry| is_older(entry, before));
        old.filter(|entry| std::fs::remove_file(entry.path()).is_ok()).count() as u64
    }
}

fn is_older(entry: &DirEntry, before: SystemTime) -> bool {
    // Of an entry itself, never of what a link points to.
    let modified = entry.metadata().ok().filter(std::fs::Metadata::is_file).and_then(|m| m.modified().ok());
    modified.is_some_and(|modified| modified < before)
}

/// The shelf folders (two hexadecimal digits) in `path`.
fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in entries(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_shelf =
            name.len() == 2 && name.to_str().is_some_and(|n| n.bytes().all(|b| b.is_ascii_hexdigit()));
        if is_shelf && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn entries(path: &Path) -> io::Result<ReadDir> {
    std::fs::read_dir(path)
}
