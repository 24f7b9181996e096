//! Archives of mail: single files, folders of them, Maildirs, and mbox files (RFC 4155, and the `From ` quoting of its
//! `mboxrd` dialect).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// An archive.
pub(super) struct Archive {
    path: PathBuf,
    bytes: u64,
    kind: Kind,
}

enum Kind {
    Files(Vec<(PathBuf, u64)>),
    Mbox,
}

/// One mail of an archive.
pub(super) struct Item {
    /// Its bytes.
    pub(super) raw: Vec<u8>,
    /// Where the next one starts: a byte offset, or the number of files.
    pub(super) next: u64,
}

/// A single mail larger than this ends the run: nothing real is.
const MOST_BYTES: usize = 150 << 20;

impl Archive {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let meta = std::fs::metadata(&path)?;
        let kind = if meta.is_dir() {
            Kind::Files(files_below(&path)?)
        } else if is_mbox(&path)? {
            Kind::Mbox
        } else {
            Kind::Files(vec![(path.clone(), meta.len())])
        };
        let bytes = match &kind {
            Kind::Files(files) => files.iter().map(|(_, size)| size).sum(),
            Kind::Mbox => meta.len(),
        };
        Ok(Self { path, bytes, kind })
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What tells it from others: another size means that it changed, and it is read from its start.
    pub(super) fn identity(&self) -> String {
        format!("{}\0{}", self.path.display(), self.bytes)
    }

    /// Its mails after the first `done` (bytes or files).
    pub(super) fn items(self, done: u64) -> io::Result<Items> {
        match self.kind {
            Kind::Files(files) => {
                let skip = usize::try_from(done).unwrap_or(usize::MAX).min(files.len());
                let skipped = files.iter().take(skip).map(|(_, size)| size).sum();
                Ok(Items { skipped, source: Source::Files { files, at: skip } })
            }
            Kind::Mbox => {
                let mut reader = BufReader::new(File::open(&self.path)?);
                let start = done.min(self.bytes);
                reader.seek(SeekFrom::Start(start))?;
                Ok(Items { skipped: start, source: Source::Mbox { reader, at: start } })
            }
        }
    }
}

/// The mails of an archive, one by one.
pub(super) struct Items {
    skipped: u64,
    source: Source,
}

enum Source {
    Files { files: Vec<(PathBuf, u64)>, at: usize },
    Mbox { reader: BufReader<File>, at: u64 },
}

impl Items {
    pub(super) fn skipped_bytes(&self) -> u64 {
        self.skipped
    }
}

impl Iterator for Items {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<io::Result<Item>> {
        match &mut self.source {
            Source::Files { files, at } => {
                let (path, _) = files.get(*at)?;
                *at += 1;
                let next = *at as u64;
                Some(std::fs::read(path).map(|raw| Item { raw, next }))
            }
            Source::Mbox { reader, at } => next_in_mbox(reader, at).transpose(),
        }
    }
}

/// Reads from a `From ` line to before the next one that follows an empty line.
fn next_in_mbox(reader: &mut BufReader<File>, at: &mut u64) -> io::Result<Option<Item>> {
    let mut raw = Vec::new();
    let mut started = false;
    let mut after_empty = true;
    loop {
        let mut line = Vec::new();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(started.then_some(Item { raw, next: *at }));
        }
        if line.starts_with(b"From ") && after_empty {
            if started {
                reader.seek_relative(-i64::try_from(read).map_err(io::Error::other)?)?;
                return Ok(Some(Item { raw, next: *at }));
            }
            started = true;
            *at += read as u64;
            continue;
        }
        *at += read as u64;
        after_empty = line == b"\n" || line == b"\r\n";
        let marks = line.iter().take_while(|b| **b == b'>').count();
        let quoted = marks > 0 && line.get(marks..).is_some_and(|rest| rest.starts_with(b"From "));
        raw.extend_from_slice(if quoted { line.get(1..).unwrap_or_default() } else { &line });
        if raw.len() > MOST_BYTES {
            return Err(io::Error::other("a mail in this archive is larger than 150 MiB"));
        }
    }
}

fn is_mbox(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    BufReader::new(File::open(path)?).read_until(b'\n', &mut start)?;
    Ok(start.starts_with(b"From "))
}

/// The mails of a Maildir (`cur` and `new`), else all `.eml` files below, sorted by path.
fn files_below(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    let maildir = folder.join("cur").is_dir() && folder.join("new").is_dir();
    if maildir {
        for part in ["cur", "new"] {
            collect(&folder.join(part), &mut files, &|_| true)?;
        }
    } else {
        let is_eml = |path: &Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("eml"));
        collect(folder, &mut files, &is_eml)?;
    }
    files.sort();
    if files.is_empty() {
        return Err(io::Error::other("no mail is in this folder: it is no Maildir and holds no .eml file"));
    }
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, u64)>, fits: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() {
            collect(&path, files, fits)?;
        } else if kind.is_file() && fits(&path) {
            files.push((path, entry.metadata()?.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_is_split_and_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        let text = "From a Mon\nSubject: 1\n\none\n>From quoted\nFrom not after an empty line\n\nFrom b Tue\nSubject: 2\n\ntwo\n";
        std::fs::write(&path, text).unwrap();
        let all: Vec<Item> =
            Archive::open(&path).unwrap().items(0).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].raw, b"Subject: 1\n\none\nFrom quoted\nFrom not after an empty line\n\n");
        assert_eq!(all[1].raw, b"Subject: 2\n\ntwo\n");
        let rest: Vec<Item> =
            Archive::open(&path).unwrap().items(all[0].next).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].raw, all[1].raw);
        assert_eq!(Archive::open(&path).unwrap().items(all[1].next).unwrap().count(), 0);
    }
}
