//! A pack: blobs that were put together, in one file that is written once and never changed.
//!
//! A file of its own for each costs an inode and several syncs; hundreds of mails that come at once share them here.
//! Layout, numbers little-endian: `lodgepk1`, the number of entries (u64), the entries sorted by hash (32 bytes hash,
//! u64 offset in the file, u64 length), the contents. Every content is checked against its hash when it is read.

use crate::staged::Staged;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// SHA-256.
pub(crate) type Hash = [u8; 32];

const MAGIC: &[u8; 8] = b"lodgepk1";
const HEAD: usize = 16;
const ENTRY: usize = 48;
/// More entries than this are no pack of ours.
const MOST: u64 = 1 << 16;

/// Where a blob lies in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) hash: Hash,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What a pack holds, sorted by hash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Index(Vec<Entry>);

/// The hash of `content`.
pub(crate) fn hash_of(content: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, content).as_ref());
    hash
}

impl Index {
    /// The index of a pack that holds contents of these hashes and lengths, in the order of the hashes.
    pub(crate) fn new(mut contents: Vec<(Hash, u64)>) -> Self {
        contents.sort_unstable();
        contents.dedup();
        let mut offset = (HEAD + contents.len() * ENTRY) as u64;
        let entries = contents.into_iter().map(|(hash, length)| {
            let entry = Entry { hash, offset, length };
            offset += length;
            entry
        });
        Self(entries.collect())
    }

    /// Its entries, sorted by hash.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The entry of a blob.
    pub(crate) fn find(&self, hash: &Hash) -> Option<&Entry> {
        self.0.binary_search_by(|entry| entry.hash.cmp(hash)).ok().and_then(|at| self.0.get(at))
    }

    /// Writes the head of the pack; the contents follow in the order of the entries. The name of such a pack.
    pub(crate) fn write(&self, staged: &mut Staged) -> io::Result<String> {
        let mut head = Vec::with_capacity(HEAD + self.0.len() * ENTRY);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&(self.0.len() as u64).to_le_bytes());
        for entry in &self.0 {
            head.extend_from_slice(&entry.hash);
            head.extend_from_slice(&entry.offset.to_le_bytes());
            head.extend_from_slice(&entry.length.to_le_bytes());
        }
        staged.append(&head)?;
        // The same blobs give the same pack: put again after a crash, it takes its own place.
        Ok(HEXLOWER.encode(&hash_of(&head)))
    }

    /// Reads the index of a pack.
    ///
    /// # Errors
    /// Also where the file is no pack, or shorter than its entries say.
    pub(crate) fn read(file: &File) -> io::Result<Self> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a pack of blobs is damaged");
        let size = file.metadata()?.len();
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0)?;
        let (magic, count) = head.split_at(MAGIC.len());
        let count = number(count).filter(|count| magic == MAGIC && *count <= MOST).ok_or_else(damaged)?;
        let count = usize::try_from(count).map_err(|_| damaged())?;
        // The length is compared first, so that a foreign file cannot make us allocate more than it has.
        if size < (HEAD + count * ENTRY) as u64 {
            return Err(damaged());
        }
        let mut bytes = vec![0; count * ENTRY];
        file.read_exact_at(&mut bytes, HEAD as u64)?;
        let entry = |bytes: &[u8]| {
            let (hash, rest) = bytes.split_first_chunk::<32>()?;
            let (offset, length) = (number(rest.get(..8)?)?, number(rest.get(8..)?)?);
            let inside = offset.checked_add(length).is_some_and(|end| end <= size);
            inside.then_some(Entry { hash: *hash, offset, length })
        };
        let entries: Option<Vec<Entry>> = bytes.chunks_exact(ENTRY).map(entry).collect();
        entries.filter(|entries| entries.is_sorted()).map(Self).ok_or_else(damaged)
    }
}

/// The bytes of `entry`, not checked.
pub(crate) fn content(file: &File, entry: &Entry) -> io::Result<Vec<u8>> {
    let mut content = vec![0; usize::try_from(entry.length).map_err(io::Error::other)?];
    file.read_exact_at(&mut content, entry.offset)?;
    Ok(content)
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    #[test]
    fn what_is_no_pack_is_refused_whatever_it_says() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        let mut staged = Staged::start(folder.path()).unwrap();
        let index = Index::new(vec![([2; 32], 3), ([1; 32], 5), ([2; 32], 3)]);
        let name = index.write(&mut staged).unwrap();
        staged.append(b"12345abc").unwrap();
        staged.place(&folder.path().join(name)).unwrap();
        let placed = std::fs::read(
            std::fs::read_dir(folder.path()).unwrap().flatten().find(|e| e.path().is_file()).unwrap().path(),
        );
        let good = placed.unwrap();
        let read = Index::read(&file(&good)).unwrap();
        assert_eq!(read, index);
        assert_eq!(content(&file(&good), read.find(&[2; 32]).unwrap()).unwrap(), b"abc");
        assert!(read.find(&[3; 32]).is_none());
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            bad
        };
        // Another mark, too many entries, an offset or a length that leads out of the file, entries out of order.
        for bad in [
            with(0, b'x'),
            with(8, 200),
            with(14, 1),
            with(HEAD + 32 + 7, 0xff),
            with(HEAD + 40, 9),
            with(HEAD, 9),
        ] {
            assert!(Index::read(&file(&bad)).is_err());
        }
        for end in 0..good.len() {
            assert!(Index::read(&file(&good[..end])).is_err(), "{end}");
        }
    }
}
