//! The folder of blobs: put, read and place. All blocking work, to be called on threads that may block.
//!
//! Durable means: content synced, then renamed to its place, then the folder entries synced up to the root. What lies
//! at its place is complete (crash point C29 leaves an orphan at most, which the sweep removes).

use crate::layout::{self, open_existing, path_of, private_folder, shelf, sync_folder, unavailable};
use crate::pack::{Hash, hash_of};
use crate::packs::Packs;
use crate::staged::Staged;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use lodge_domain::ports::{BlobError, Clock};
use lodge_domain::{BlobRef, Timestamp};
use lodge_telemetry::failpoint;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Blobs in a folder. Cheap to clone; several processes may share the folder.
#[derive(Clone)]
pub struct FolderBlobs {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) root: PathBuf,
    pub(crate) packs: Packs,
    clock: Arc<dyn Clock>,
    /// Shelves whose way up to the root this process has synced already.
    known: Mutex<HashSet<(String, String)>>,
}

impl FolderBlobs {
    /// Opens the folder, or makes it with mode 0700, and removes what a crash left unfinished more than an hour ago.
    /// Blocks for a moment. `clock` dates what is put, which is what the sweep goes by.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] where the folder cannot be made or written, is a link, or is open to other users.
    pub fn open(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, BlobError> {
        let root = path.into();
        let packs = Packs::below(&root);
        let prepare = || -> io::Result<()> {
            if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                std::fs::create_dir_all(parent)?;
            }
            private_folder(&root)?;
            private_folder(&root.join(layout::STAGING))?;
            private_folder(packs.folder())?;
            layout::lock_file(&root)?;
            sync_folder(&root)
        };
        prepare().map_err(|error| unavailable(&error))?;
        let folder = Self { inner: Arc::new(Inner { root, packs, clock, known: Mutex::default() }) };
        folder.inner.remove_orphans();
        Ok(folder)
    }

    /// Where the blobs lie.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.root
    }
}

impl Inner {
    /// Keeps `content`.
    pub(crate) fn put(&self, content: &[u8]) -> Result<BlobRef, BlobError> {
        let blob = blob_of(&hash_of(content), content);
        if self.renew(&blob).map_err(|error| unavailable(&error))? {
            return Ok(blob);
        }
        let write = || -> io::Result<()> {
            let mut staged = Staged::start(&self.root)?;
            staged.append(content)?;
            self.place(&staged, &blob)
        };
        write().map_err(|error| unavailable(&error))?;
        written().map(|()| blob)
    }

    /// Keeps `contents`, those up to `small` bytes in one pack: two syncs, however many there are. Their references, in
    /// the same order.
    pub(crate) fn put_all(&self, contents: &[Bytes], small: usize) -> Result<Vec<BlobRef>, BlobError> {
        let mut blobs = Vec::with_capacity(contents.len());
        let mut together: HashMap<Hash, &[u8]> = HashMap::new();
        for content in contents {
            if content.len() > small {
                blobs.push(self.put(content)?);
                continue;
            }
            let hash = hash_of(content);
            blobs.push(blob_of(&hash, content));
            together.insert(hash, content);
        }
        self.place_pack(&together).map_err(|error| unavailable(&error))?;
        written().map(|()| blobs)
    }

    fn place_pack(&self, contents: &HashMap<Hash, &[u8]>) -> io::Result<()> {
        let (staged, place) = self.packs.stage(&self.root, contents)?;
        staged.file().set_modified(self.now())?;
        staged.sync()?;
        {
            let lock = layout::lock_file(&self.root)?;
            lock.lock_shared()?;
            staged.place(&place)?;
        }
        sync_folder(self.packs.folder())
    }

    /// Makes a staged blob durable at its place.
    pub(crate) fn finish(&self, staged: &Staged) -> Result<BlobRef, BlobError> {
        let (sha256, size) = staged.identity();
        let blob = BlobRef { sha256, size };
        self.place(staged, &blob).map_err(|error| unavailable(&error))?;
        written().map(|()| blob)
    }

    fn place(&self, staged: &Staged, blob: &BlobRef) -> io::Result<()> {
        staged.file().set_modified(self.now())?;
        staged.sync()?;
        let place = self.place_of(blob)?;
        let shelf = self.prepare_shelf(blob)?;
        {
            let lock = layout::lock_file(&self.root)?;
            lock.lock_shared()?;
            // The same content may lie there already; replacing it changes nothing and heals a damaged one.
            staged.place(&place)?;
        }
        sync_folder(&shelf)
    }

    /// Dates a blob that is there and whole, and makes sure that its entry is durable; `false` where there is none.
    fn renew(&self, blob: &BlobRef) -> io::Result<bool> {
        let place = self.place_of(blob)?;
        {
            let lock = layout::lock_file(&self.root)?;
            lock.lock_shared()?;
            let file = match open_existing(&place) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            };
            file.set_modified(self.now())?;
            // Damaged (a crash of the disk, a foreign hand): written anew by the caller.
            if !matches!(whole(file, blob), Ok(Some(_))) {
                return Ok(false);
            }
        }
        // Whoever put it first may not have reached this point yet.
        sync_folder(&self.prepare_shelf(blob)?)?;
        Ok(true)
    }

    /// The whole content, checked.
    pub(crate) fn read(&self, blob: &BlobRef) -> Result<Vec<u8>, BlobError> {
        let Some(place) = path_of(&self.root, &blob.sha256) else { return Err(BlobError::Missing) };
        let mut damaged = false;
        match open_existing(&place).and_then(|file| whole(file, blob)) {
            Ok(Some(content)) => return Ok(content),
            Ok(None) => damaged = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unavailable(&error)),
        }
        match self.packs.read(blob).map_err(|error| unavailable(&error))? {
            (Some(content), _) => Ok(content),
            (None, damaged_there) if damaged || damaged_there => Err(BlobError::Damaged),
            (None, _) => Err(BlobError::Missing),
        }
    }

    /// Makes the two folders a blob lies under, durably; the inner one's path.
    fn prepare_shelf(&self, blob: &BlobRef) -> io::Result<PathBuf> {
        let (first, second) = shelf(&blob.sha256).ok_or_else(|| io::Error::other("not a hash"))?;
        let outer = self.root.join(first);
        let inner = outer.join(second);
        let key = (first.to_owned(), second.to_owned());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&key);
        if !known || !inner.is_dir() {
            private_folder(&outer)?;
            private_folder(&inner)?;
            sync_folder(&outer)?;
            sync_folder(&self.root)?;
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        }
        Ok(inner)
    }

    fn place_of(&self, blob: &BlobRef) -> io::Result<PathBuf> {
        path_of(&self.root, &blob.sha256).ok_or_else(|| io::Error::other("not a hash"))
    }

    fn now(&self) -> SystemTime {
        SystemTime::from(self.timestamp())
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        self.clock.now()
    }
}

fn blob_of(hash: &Hash, content: &[u8]) -> BlobRef {
    BlobRef { sha256: HEXLOWER.encode(hash), size: content.len() as u64 }
}

/// Crash point C29: what was put is durable, and nothing refers to it yet.
fn written() -> Result<(), BlobError> {
    match failpoint::fails_at("c29-blob-written") {
        true => Err(BlobError::Unavailable("the fail point says so".to_owned())),
        false => Ok(()),
    }
}

/// The content of `file` if it is what `blob` says, else `None`.
fn whole(mut file: File, blob: &BlobRef) -> io::Result<Option<Vec<u8>>> {
    // The length is compared first, so that a foreign file cannot make us allocate more than was promised.
    if file.metadata()?.len() != blob.size {
        return Ok(None);
    }
    let mut content = Vec::with_capacity(usize::try_from(blob.size).unwrap_or(0));
    Read::by_ref(&mut file).take(blob.size).read_to_end(&mut content)?;
    let same = content.len() as u64 == blob.size && HEXLOWER.encode(&hash_of(&content)) == blob.sha256;
    Ok(same.then_some(content))
}
