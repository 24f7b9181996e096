//! The gateway as a process.

use crate::{Desk, needs, process};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The built binary: the one that `LODGE_BIN` names, else one that is built now.
///
/// # Errors
/// Where it has to be built and cannot.
pub fn binary() -> Result<PathBuf> {
    static BUILT: LazyLock<Result<PathBuf, String>> =
        LazyLock::new(|| build().map_err(|error| format!("{error:#}")));
    match needs::variable("LODGE_BIN") {
        Some(path) => Ok(PathBuf::from(path)),
        None => BUILT.clone().map_err(anyhow::Error::msg),
    }
}

fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(needs::variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    cargo.current_dir(root).args(["build", "--package", "lodge", "--bin", "lodge", "--locked"]);
    if !cargo.status().context("start cargo")?.success() {
        bail!("the gateway cannot be built");
    }
    // This program is `…/debug/deps/e2e-…`; the binary is beside `deps`.
    let here = std::env::current_exe().context("find this program")?;
    let folder = here.ancestors().find(|folder| folder.join("lodge").is_file());
    Ok(folder.context("find the built gateway")?.join("lodge"))
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Output {
    /// The exit status; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output as JSON.
    ///
    /// # Errors
    /// Where it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("read {:?} {:?}", self.stdout, self.stderr))
    }
}

/// A running `lodge run`; killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) process: process::Process,
    pub(crate) log: PathBuf,
    pub(crate) internal: String,
    /// Where customers come in.
    pub public: String,
}

impl Gateway {
    /// Waits until it says that it can accept.
    ///
    /// # Errors
    /// Where it ends before, or 30 s go by.
    pub async fn ready(&mut self) -> Result<()> {
        let desk = Desk::new(&self.internal)?;
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.ended()? {
                bail!("the gateway ended with {status}: {}", self.log_tail());
            }
            let heard = desk.look("/readyz").await;
            if heard.as_ref().is_ok_and(|heard| heard.status == 200) {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(30) {
                bail!("the gateway is not ready ({heard:?}): {}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until it has looked into the mailbox of `inbox`, with success or without.
    ///
    /// # Errors
    /// Where 20 s go by.
    pub async fn settled(&mut self, inbox: &str) -> Result<()> {
        let desk = Desk::new(&self.internal)?;
        let started = Instant::now();
        loop {
            let body = desk.look("/readyz").await?.body;
            let reports = body["inboxes"].as_array().cloned().unwrap_or_default();
            let has_looked = |report: &serde_json::Value| {
                let is_its = report["inbox"] == inbox && report["part"] == "fetch";
                is_its && !(report["last_success"].is_null() && report["reason"].is_null())
            };
            if reports.iter().any(has_looked) {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(20) {
                bail!("it has not looked into the mailbox ({body}): {}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// Where it does not go.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()
    }

    /// Sends a signal such as `TERM` or `HUP`.
    ///
    /// # Errors
    /// Where it is gone already.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.process.signal(name)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// Where it still runs after `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.wait(limit).await
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.process.ended()?.is_some())
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Everything logged in this house so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("\n{}", lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n"))
}
