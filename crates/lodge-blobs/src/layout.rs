//! Where blobs lie below their folder, and how that folder is opened: `ab/cd/<64 hexadecimal digits>`, those
//! put together in `packs/`, unfinished ones in `tmp/`. Folders are 0700, files 0600; a symbolic link is never followed. Never holds a name from outside.

use lodge_domain::ports::BlobError;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// `open(2)` fails where the last part of the path is a symbolic link. The flag differs between architectures.
#[cfg(all(
    target_os = "linux",
    not(any(target_arch = "arm", target_arch = "aarch64", target_arch = "powerpc64"))
))]
const NO_FOLLOW: i32 = 0o400_000;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "arm", target_arch = "aarch64", target_arch = "powerpc64")
))]
const NO_FOLLOW: i32 = 0o100_000;
#[cfg(not(target_os = "linux"))]
const NO_FOLLOW: i32 = 0x100;

/// The folder's own subfolder for blobs that are being written.
pub(crate) const STAGING: &str = "tmp";
/// Taken shared while a blob is put, alone while one is removed: a sweep never removes what was just promised.
const LOCK: &str = "lock";

/// Whether `text` is a hash as we write it: 64 lower-case hexadecimal digits.
pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The two folder names that a hash lies under; `None` for what is no hash.
pub(crate) fn shelf(hash: &str) -> Option<(&str, &str)> {
    if !is_hash(hash) {
        return None;
    }
    Some((hash.get(..2)?, hash.get(2..4)?))
}

/// The path of the blob with this hash; `None` for what is no hash.
pub(crate) fn path_of(root: &Path, hash: &str) -> Option<PathBuf> {
    let (first, second) = shelf(hash)?;
    Some(root.join(first).join(second).join(hash))
}

/// Makes the folder where it is missing, and refuses one that is a link, no folder, or open to other users (T66).
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = path.symlink_metadata()?;
    if !found.is_dir() {
        return Err(io::Error::other(format!("{} is not a folder of its own", path.display())));
    }
    if found.permissions().mode() & 0o077 != 0 {
        let remedy = format!("{} is open to other users: chmod 700 it", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, remedy));
    }
    Ok(())
}

/// Opens a blob for reading, never through a link.
pub(crate) fn open_existing(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path)?;
    // A pipe or device put there by somebody else would block us or give other bytes each time.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{} is not a plain file", path.display())));
    }
    Ok(file)
}

/// Creates a file that did not exist.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(NO_FOLLOW).open(path)
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The lock file of the folder; the lock ends with the returned handle.
pub(crate) fn lock_file(root: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_FOLLOW);
    options.open(root.join(LOCK))
}

/// Says what is wrong with the folder in words that help its operator.
pub(crate) fn unavailable(error: &io::Error) -> BlobError {
    BlobError::Unavailable(match error.kind() {
        io::ErrorKind::StorageFull => format!("the disk is full, free some space: {error}"),
        io::ErrorKind::QuotaExceeded => format!("the disk quota is used up, raise it: {error}"),
        io::ErrorKind::ReadOnlyFilesystem => format!("the disk became read-only, check it: {error}"),
        _ => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t47_only_hashes_become_paths() {
        let root = Path::new("/blobs");
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(path_of(root, &good), Some(PathBuf::from(format!("/blobs/01/23/{good}"))));
        for bad in [
            "",
            "../../etc/passwd",
            good.trim_start_matches('0'),
            &good.to_uppercase(),
            &format!("{}/", good.trim_start_matches('0')),
        ] {
            assert_eq!(path_of(root, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_full_disk_is_named() {
        let full = unavailable(&io::Error::from_raw_os_error(28));
        assert!(full.to_string().contains("the disk is full"), "{full}");
    }
}
