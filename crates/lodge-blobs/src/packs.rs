//! The packs of the folder, `packs/<64 hexadecimal digits>`: which of them holds a blob, and how unused blobs leave them.
//!
//! A pack is never changed and never dated anew: what is put again is written again, so that one old blob in use keeps
//! no others from being swept. Four bytes of each hash are held in memory, read from the packs at the first question.

use crate::layout::{is_hash, open_existing, sync_folder};
use crate::pack::{self, Entry, Hash, Index, hash_of};
use crate::staged::Staged;
use data_encoding::HEXLOWER;
use lodge_domain::BlobRef;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The subfolder of packs.
const FOLDER: &str = "packs";

/// The packs that this process knows; others come and go by other processes that share the folder.
pub(crate) struct Packs {
    folder: PathBuf,
    /// Per pack, the sorted beginnings of its hashes.
    known: Mutex<HashMap<String, Box<[u32]>>>,
}

/// A pack that is old enough to be swept, and the hashes in it.
pub(crate) struct OldPack {
    pub(crate) path: PathBuf,
    pub(crate) hashes: Vec<String>,
    /// Nothing can be read from it any more.
    pub(crate) damaged: bool,
}

impl Packs {
    /// The packs below `root`.
    pub(crate) fn below(root: &Path) -> Self {
        Self { folder: root.join(FOLDER), known: Mutex::default() }
    }

    /// Their folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stages a pack of `contents`; its place.
    pub(crate) fn stage(
        &self,
        root: &Path,
        contents: &HashMap<Hash, &[u8]>,
    ) -> io::Result<(Staged, PathBuf)> {
        let index =
            Index::new(contents.iter().map(|(hash, content)| (*hash, content.len() as u64)).collect());
        let mut staged = Staged::start(root)?;
        let name = index.write(&mut staged)?;
        for entry in index.entries() {
            staged.append(contents.get(&entry.hash).copied().unwrap_or_default())?;
        }
        Ok((staged, self.folder.join(name)))
    }

    /// The content of a blob, checked; `None` where no pack holds it whole, and whether one holds it damaged.
    pub(crate) fn read(&self, blob: &BlobRef) -> io::Result<(Option<Vec<u8>>, bool)> {
        let Some(hash) = HEXLOWER.decode(blob.sha256.as_bytes()).ok().and_then(|h| Hash::try_from(h).ok())
        else {
            return Ok((None, false));
        };
        let mut damaged = false;
        // What is not found at first may have come or moved by another process.
        for refresh in [false, true] {
            if refresh {
                self.refresh()?;
            }
            for path in self.candidates(&hash) {
                let file = match open_existing(&path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                let Ok(index) = Index::read(&file) else {
                    damaged = true;
                    continue;
                };
                let Some(entry) = index.find(&hash) else { continue };
                let content = pack::content(&file, entry)?;
                if content.len() as u64 == blob.size && hash_of(&content) == hash {
                    return Ok((Some(content), false));
                }
                damaged = true;
            }
        }
        Ok((None, damaged))
    }

    fn candidates(&self, hash: &Hash) -> Vec<PathBuf> {
        let beginning = beginning(hash);
        let known = self.lock();
        let holds = known.iter().filter(|(_, beginnings)| beginnings.binary_search(&beginning).is_ok());
        holds.map(|(name, _)| self.folder.join(name)).collect()
    }

    /// Learns of packs that came, forgets those that went.
    fn refresh(&self) -> io::Result<()> {
        let mut there = HashSet::new();
        for (name, path) in self.list()? {
            let learned = self.lock().contains_key(&name);
            if !learned && let Ok(index) = open_existing(&path).and_then(|file| Index::read(&file)) {
                let beginnings = index.entries().iter().map(|entry| beginning(&entry.hash)).collect();
                self.lock().insert(name.clone(), beginnings);
            }
            there.insert(name);
        }
        self.lock().retain(|name, _| there.contains(name));
        Ok(())
    }

    /// The packs last put before `before`.
    pub(crate) fn older_than(&self, before: SystemTime) -> io::Result<Vec<OldPack>> {
        let mut old = Vec::new();
        for (_, path) in self.list()? {
            let is_old = path
                .symlink_metadata()
                .ok()
                .filter(std::fs::Metadata::is_file)
                .is_some_and(|found| found.modified().is_ok_and(|modified| modified < before));
            if !is_old {
                continue;
            }
            let index = match open_existing(&path).and_then(|file| Index::read(&file)) {
                Ok(index) => Some(index),
                Err(error) if is_damage(&error) => None,
                Err(_) => continue,
            };
            let entries = index.iter().flat_map(Index::entries);
            let hashes = entries.map(|entry| HEXLOWER.encode(&entry.hash)).collect();
            old.push(OldPack { path, hashes, damaged: index.is_none() });
        }
        Ok(old)
    }

    /// Takes `unused` hashes out of the pack at `path`: what is left goes into a pack of its own, as old as this one.
    /// Called under the folder's exclusive lock; how many went.
    pub(crate) fn remove(&self, root: &Path, path: &Path, unused: &HashSet<String>) -> io::Result<u64> {
        let file = open_existing(path)?;
        let index = match Index::read(&file) {
            Err(error) if is_damage(&error) => return std::fs::remove_file(path).map(|()| 0),
            other => other?,
        };
        let (gone, left): (Vec<&Entry>, Vec<&Entry>) =
            index.entries().iter().partition(|entry| unused.contains(&HEXLOWER.encode(&entry.hash)));
        if gone.is_empty() {
            return Ok(0);
        }
        if !left.is_empty() {
            let smaller = Index::new(left.iter().map(|entry| (entry.hash, entry.length)).collect());
            let mut staged = Staged::start(root)?;
            let name = smaller.write(&mut staged)?;
            for entry in left {
                staged.append(&pack::content(&file, entry)?)?;
            }
            let place = self.folder.join(name);
            // The very same may have been put again since, which is to keep its date.
            let put_again = place.symlink_metadata().and_then(|found| found.modified()).ok();
            let dated = file.metadata()?.modified()?;
            staged.file().set_modified(put_again.map_or(dated, |again| again.max(dated)))?;
            staged.sync()?;
            staged.place(&place)?;
            sync_folder(&self.folder)?;
        }
        std::fs::remove_file(path)?;
        Ok(gone.len() as u64)
    }

    fn list(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().filter(|name| is_hash(name)) {
                found.push((name.to_owned(), entry.path()));
            }
        }
        Ok(found)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Box<[u32]>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn beginning(hash: &Hash) -> u32 {
    hash.first_chunk::<4>().map_or(0, |first| u32::from_be_bytes(*first))
}
