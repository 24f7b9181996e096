//! How opening and using the file fails, and what that means for callers.

use lodge_domain::ports::StoreError;
use rusqlite::ErrorCode;
use std::path::PathBuf;

/// Why a store could not be opened. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another `lodge run` uses this folder.
    #[error("another gateway runs on {0}")]
    Locked(PathBuf),
    /// The folder or a file in it cannot be made or opened.
    #[error("cannot use {path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file was written by a newer version.
    #[error("the store has schema {found}, this version knows up to {known}; run the newer version")]
    Newer {
        /// The file's schema.
        found: i64,
        /// The newest one that this build reads.
        known: i64,
    },
    /// SQLite refuses the file.
    #[error("cannot open the store: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Why a request came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite said no.
    Sqlite(rusqlite::Error),
    /// We did.
    Refused(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// A record that cannot be read.
    pub(crate) fn unreadable(what: impl std::fmt::Display) -> Self {
        Self::Refused(StoreError::Unreadable(what.to_string()))
    }

    /// Whether the file itself is in trouble, so that no other request would fare better.
    pub(crate) fn concerns_everybody(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        let own_fault = [
            ErrorCode::ConstraintViolation,
            ErrorCode::TypeMismatch,
            ErrorCode::TooBig,
            ErrorCode::ParameterOutOfRange,
            ErrorCode::ApiMisuse,
        ];
        error.sqlite_error_code().is_some_and(|code| !own_fault.contains(&code))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Refused(error) => return error,
            Failure::Sqlite(error) => error,
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Unreadable(error.to_string()),
            Some(_) => Self::Unavailable(error.to_string()),
            None => Self::Unreadable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn disk_trouble_concerns_everybody_and_says_what_it_is() {
        let failure = |code| Failure::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(matches!(StoreError::from(failure(ffi::SQLITE_FULL)), StoreError::Full(_)));
        assert!(matches!(StoreError::from(failure(ffi::SQLITE_IOERR)), StoreError::Unavailable(_)));
        assert_eq!(StoreError::from(failure(ffi::SQLITE_BUSY)), StoreError::Busy);
        assert!(failure(ffi::SQLITE_FULL).concerns_everybody());
        assert!(!failure(ffi::SQLITE_CONSTRAINT).concerns_everybody());
        assert!(!Failure::unreadable("x").concerns_everybody());
    }
}
