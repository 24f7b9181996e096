//! Child processes: killed by their own id when dropped, never by name.

use anyhow::{Context, Result, bail};
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A server of ours that runs until it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `command`; everything it prints is appended to `log`.
    ///
    /// # Errors
    /// Where the log cannot be written or the program not be started.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("open {}", log.display()))?;
        let errors = file.try_clone().context("share the log")?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { child, name })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("ask after {}", self.name))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends the signal `name`, such as `TERM`.
    ///
    /// # Errors
    /// Where it is gone already.
    pub fn signal(&self, name: &str) -> Result<()> {
        let script = format!("kill -{name} {}", self.id());
        let status = Command::new("sh").args(["-c", &script]).status().context("run kill")?;
        if !status.success() {
            bail!("{} cannot be signalled", self.name);
        }
        Ok(())
    }

    /// Ends it at once, as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    /// Where the system does not say that it is gone.
    pub fn kill(&mut self) -> Result<()> {
        // It may have ended by itself a moment ago, which is as good.
        let _gone = self.child.kill();
        self.child.wait().with_context(|| format!("wait for {}", self.name))?;
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// Where it still runs after `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if started.elapsed() > limit {
                bail!("{} still runs after {} s", self.name, limit.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.kill();
    }
}

/// Waits until `127.0.0.1:port` takes connections.
///
/// # Errors
/// Where `process` ends before, or 15 s go by.
pub async fn listening(process: &mut Process, port: u16) -> Result<()> {
    let started = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if let Some(status) = process.ended()? {
            bail!("{} ended with {status} before it listened", process.name);
        }
        if started.elapsed() > Duration::from_secs(15) {
            bail!("{} does not listen on {port}", process.name);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
