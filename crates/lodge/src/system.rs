//! The real clock and the real source of randomness, the only ones in the house; and folders that go away again.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::Timestamp;
use lodge_domain::ports::{Clock, Entropy};
use std::path::{Path, PathBuf};

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one implementation of the port")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        // The system's generator fails only where the kernel offers none; going on with zeros would sign with a known key.
        if SystemRandom::new().fill(out).is_err() {
            tracing::error!("the system has no random numbers; ending");
            std::process::abort();
        }
    }
}

/// A folder of our own that goes away with its owner.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new, empty folder that only this user may enter.
    ///
    /// # Errors
    /// Where the system's folder for temporary files cannot be written.
    pub fn new() -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let entropy: &dyn Entropy = &SystemEntropy;
        let path = std::env::temp_dir().join(format!("lodge-{}", entropy.token()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over lies in the system's folder for such things.
        drop(std::fs::remove_dir_all(&self.path));
    }
}
