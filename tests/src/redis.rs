//! A redis-server of our own: free port, folder of its own, append-only file, nothing evicted.

use crate::{needs, ports, process};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A running redis-server.
#[derive(Debug)]
pub struct RedisServer {
    process: process::Process,
    folder: PathBuf,
    port: u16,
    extra: Vec<String>,
}

impl RedisServer {
    /// Starts one that keeps its data in `folder`; `extra` are further arguments, later ones win.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn start(folder: &Path, extra: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(folder).context("make the folder of redis")?;
        let port = ports::free()?;
        let extra: Vec<String> = extra.iter().map(|&argument| argument.to_owned()).collect();
        let process = launch(folder, port, &extra).await?;
        Ok(Self { process, folder: folder.to_owned(), port, extra })
    }

    /// Its address as Lodge's configuration writes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it without warning.
    ///
    /// # Errors
    /// Where it does not go.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again with the data it had.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn revive(&mut self) -> Result<()> {
        self.process = launch(&self.folder, self.port, &self.extra).await?;
        // It listens before it has read its data.
        for _ in 0..500 {
            if !self.command("PING").await?.contains("LOADING") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("redis is still reading its data after 10 s")
    }

    /// Sends one command and gives back the raw answer (the first piece that arrives).
    ///
    /// # Errors
    /// Where the connection fails.
    pub async fn command(&self, line: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.context("reach redis")?;
        stream.write_all(format!("{line}\r\n").as_bytes()).await.context("ask redis")?;
        let mut answer = vec![0; 64 * 1024];
        let read = stream.read(&mut answer).await.context("hear redis")?;
        answer.truncate(read);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

async fn launch(folder: &Path, port: u16, extra: &[String]) -> Result<process::Process> {
    let program = needs::find("redis-server").context("find redis-server")?;
    let mut command = Command::new(program);
    command.current_dir(folder).args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.arg("--dir").arg(folder);
    // A restart brings back every acknowledged write, so that each loss is the gateway's own.
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]);
    command.args(extra);
    let mut process = process::Process::start(&mut command, &folder.join("redis.log"))?;
    process::listening(&mut process, port).await?;
    Ok(process)
}
