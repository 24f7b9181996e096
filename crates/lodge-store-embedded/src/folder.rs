//! The folder that holds the file: private, and used by one running gateway at a time.

use crate::error::OpenError;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// The database file in `folder`.
pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("lodge.sqlite")
}

/// Makes `folder`, for its owner alone.
pub(crate) fn prepare(folder: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Folder { path: folder.to_owned(), source };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    restrict(folder);
    Ok(())
}

/// Takes a folder that was there already away from everybody else, where that is allowed.
fn restrict(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder).map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 == 0) {
            return;
        }
        if let Err(error) = fs::set_permissions(folder, fs::Permissions::from_mode(0o700)) {
            tracing::warn!(%error, folder = %folder.display(), "others may read the store's folder");
        }
    }
}

/// Holds the folder for one running gateway, until the file is dropped or the process ends however it ends.
pub(crate) fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("run.lock");
    let failed = |source| OpenError::Folder { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Whether the last one to use the file left without closing it.
pub(crate) fn was_left_open(folder: &Path) -> bool {
    fs::metadata(folder.join("lodge.sqlite-wal")).is_ok_and(|metadata| metadata.len() > 0)
}
