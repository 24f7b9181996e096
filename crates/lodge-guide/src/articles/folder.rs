//! Reads a folder of articles. Never follows a link out of it, never reads more than it says, and tells everything that
//! is wrong at once.

use super::article::Article;
use crate::problem::{Problem, line_of};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Articles of a folder at most.
pub const MOST_ARTICLES: usize = 10_000;
/// Bytes of one article at most.
pub const MOST_BYTES: u64 = 1 << 20;
/// Bytes of all articles together at most: they are kept in memory.
pub const MOST_TOGETHER: u64 = 128 << 20;
/// Bytes of an article's id at most; a chat remembers the ids it offered.
const LONGEST_ID: usize = 120;
/// Folders in folders.
const DEEPEST: usize = 16;
/// Entries that are looked at, whatever they are.
const MOST_ENTRIES: usize = 200_000;

/// All articles in `folder`, sorted by their ids.
///
/// # Errors
/// Every problem of every file.
pub(super) fn read(folder: &Path) -> Result<Vec<Article>, Vec<Problem>> {
    let mut reader = Reader::default();
    match folder.canonicalize() {
        Ok(root) => {
            reader.root = root;
            reader.folder(folder, "", 0);
        }
        Err(error) => {
            let remedy = "correct the path, or make the folder";
            reader.problem(folder, 0, format!("the folder of articles cannot be read: {error}"), remedy);
        }
    }
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    reader.articles.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(reader.articles)
}

#[derive(Default)]
struct Reader {
    root: PathBuf,
    articles: Vec<Article>,
    problems: Vec<Problem>,
    entries: usize,
    bytes: u64,
    is_full: bool,
}

impl Reader {
    fn problem(&mut self, path: &Path, line: usize, reason: impl Into<String>, remedy: &str) {
        self.problems.push(Problem::at(line, "", reason, remedy).in_file(path));
    }

    /// Reads what is in `folder`, whose path below the root is `below`.
    fn folder(&mut self, folder: &Path, below: &str, depth: usize) {
        let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) => {
                let reason = format!("the folder cannot be read: {error}");
                return self.problem(folder, 0, reason, "correct its permissions");
            }
        };
        // In order, so that the same folder always tells the same problems.
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            self.entries += 1;
            if self.entries > MOST_ENTRIES && !self.is_full {
                self.is_full = true;
                let remedy = "keep articles in a folder of their own";
                self.problem(folder, 0, format!("more than {MOST_ENTRIES} files are in the folder"), remedy);
            }
            if self.is_full {
                return;
            }
            self.entry(&entry.path(), &entry.file_name().to_string_lossy(), below, depth);
        }
    }

    fn entry(&mut self, path: &Path, name: &str, below: &str, depth: usize) {
        if name.starts_with('.') || name.eq_ignore_ascii_case("README.md") {
            return;
        }
        let is_link = path.symlink_metadata().is_ok_and(|data| data.file_type().is_symlink());
        let id = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let is_article = Path::new(name).extension().is_some_and(|extension| extension == "md");
        if is_link && !self.stays_inside(path) {
            if is_article || path.is_dir() {
                let remedy = "put the file itself into the folder";
                self.problem(path, 0, "it is a link that leads nowhere or out of the folder", remedy);
            }
        } else if path.is_dir() {
            // What a link to a folder inside leads to, is read where it stands: no circles.
            if is_link {
                return;
            }
            if depth == DEEPEST {
                let reason = format!("folders are nested more than {DEEPEST} deep");
                return self.problem(path, 0, reason, "move the articles further up");
            }
            self.folder(path, &id, depth + 1);
        } else if is_article {
            self.article(path, id.strip_suffix(".md").unwrap_or(&id));
        }
    }

    fn stays_inside(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|target| target.starts_with(&self.root))
    }

    fn article(&mut self, path: &Path, id: &str) {
        if id.len() > LONGEST_ID {
            let reason = format!("its path is longer than {LONGEST_ID} bytes");
            return self.problem(path, 0, reason, "give it a shorter name");
        }
        if self.articles.len() == MOST_ARTICLES {
            self.is_full = true;
            let reason = format!("there are more than {MOST_ARTICLES} articles");
            return self.problem(path, 0, reason, "keep fewer, or join short ones");
        }
        let bytes = match bytes(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let reason = format!("the file cannot be read: {error}");
                return self.problem(path, 0, reason, "correct its permissions");
            }
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.bytes += length;
        if length > MOST_BYTES {
            let reason = format!("the article is larger than {MOST_BYTES} bytes");
            return self.problem(path, 0, reason, "split it, or move pictures out of it");
        }
        if self.bytes > MOST_TOGETHER {
            self.is_full = true;
            let reason = format!("the articles together are larger than {MOST_TOGETHER} bytes");
            return self.problem(path, 0, reason, "keep fewer, or shorter ones");
        }
        self.text(path, id, &bytes);
    }

    fn text(&mut self, path: &Path, id: &str, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => match Article::read(id, text) {
                Ok(article) => self.articles.push(article),
                Err(problems) => self.problems.extend(problems.into_iter().map(|p| p.in_file(path))),
            },
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = line_of(&String::from_utf8_lossy(good), error.valid_up_to());
                self.problem(path, line, "the text is not UTF-8", "save it as UTF-8");
            }
        }
    }
}

/// At most one byte more than an article may have: enough to see that it is too large.
fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn articles_are_read_and_signs_and_hidden_files_are_not() {
        let folder = folder(&[
            ("de/b.md", b"# B"),
            ("a.md", b"# A"),
            ("README.md", b"no article"),
            (".git/x.md", b"hidden"),
            ("picture.png", b"\xff"),
        ]);
        let ids: Vec<String> = read(folder.path()).unwrap().into_iter().map(|article| article.id).collect();
        assert_eq!(ids, ["a", "de/b"]);
    }

    #[test]
    fn all_problems_come_at_once_with_file_and_line() {
        let large = vec![b'x'; usize::try_from(MOST_BYTES).unwrap() + 1];
        let folder = folder(&[
            ("a.md", b"---\nnonsense: x\n---\n"),
            ("b.md", b"# B\n\nok\n\xff"),
            ("c.md", &large),
            ("d.md", b"# fine"),
        ]);
        let problems = read(folder.path()).unwrap_err();
        let told: Vec<_> = problems
            .iter()
            .map(|p| (p.file.clone().unwrap().file_name().unwrap().to_owned(), p.line))
            .collect();
        assert_eq!(told, [("a.md".into(), 2), ("b.md".into(), 4), ("c.md".into(), 0)]);
        assert!(read(&folder.path().join("nowhere")).unwrap_err()[0].reason.contains("cannot be read"));
    }

    #[cfg(unix)]
    #[test]
    fn t47_links_never_lead_out_of_the_folder() {
        use std::os::unix::fs::symlink;
        let outside = folder(&[("secret.md", b"# Secret")]);
        let inside = folder(&[("data/a.md", b"# A")]);
        symlink("data/a.md", inside.path().join("b.md")).unwrap();
        symlink(".", inside.path().join("circle")).unwrap();
        let ids: Vec<String> = read(inside.path()).unwrap().into_iter().map(|article| article.id).collect();
        assert_eq!(ids, ["b", "data/a"]);
        symlink(outside.path().join("secret.md"), inside.path().join("c.md")).unwrap();
        symlink(outside.path(), inside.path().join("folder")).unwrap();
        symlink("/nowhere/at/all", inside.path().join("d.md")).unwrap();
        assert_eq!(read(inside.path()).unwrap_err().len(), 3);
    }
}
