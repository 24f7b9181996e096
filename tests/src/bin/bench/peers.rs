//! The services that people would otherwise write, started as processes of their own (`tests/peers`).

use anyhow::{Context as _, Result, ensure};
use lodge_e2e::process::{Process, listening};
use lodge_e2e::{RedisServer, needs, ports};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A peer that runs until it is dropped, with the Redis it keeps everything in.
pub(crate) struct Peer {
    pub(crate) process: Process,
    pub(crate) port: u16,
    _redis: RedisServer,
}

/// Starts the peer `file` (`*.mjs` or `*.py`) over an empty Redis in `folder`, with `rest` after the two ports.
///
/// # Errors
/// Where Node, Python or Redis is missing, or what the peer needs cannot be installed.
pub(crate) async fn start(file: &str, folder: &Path, rest: &[&str]) -> Result<Peer> {
    let program = if file.ends_with(".py") { python()? } else { node()? };
    let redis =
        RedisServer::start(&folder.join(format!("{file}.redis")), &["--appendfsync", "everysec"]).await?;
    let port = ports::free()?;
    let mut command = Command::new(program);
    command.arg(home()?.join(file)).args([port.to_string(), redis.port().to_string()]).args(rest);
    let mut process = Process::start(&mut command, &folder.join(format!("{file}.log")))?;
    listening(&mut process, port).await?;
    Ok(Peer { process, port, _redis: redis })
}

/// Where the peers are copied to, beside this program: what they install stays out of the source folder.
fn home() -> Result<PathBuf> {
    let home = std::env::current_exe()?.parent().context("find this program")?.join("peers");
    std::fs::create_dir_all(&home)?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    for entry in std::fs::read_dir(source)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), home.join(entry.file_name()))?;
        }
    }
    Ok(home)
}

fn node() -> Result<PathBuf> {
    let node = needs::find("node").context("node is not installed")?;
    let home = home()?;
    if !home.join("node_modules").is_dir() {
        let npm = needs::find("npm").context("npm is not installed")?;
        run(Command::new(npm).args(["ci", "--silent"]).current_dir(&home))?;
    }
    Ok(node)
}

fn python() -> Result<PathBuf> {
    let home = home()?;
    let own = home.join("venv/bin/python");
    if !own.is_file() {
        let python = needs::find("python3").context("python3 is not installed")?;
        run(Command::new(python).args(["-m", "venv", "venv"]).current_dir(&home))?;
    }
    // Asked every time: a folder of modules may be there that a broken download left.
    run(Command::new(&own)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"])
        .current_dir(&home))?;
    Ok(own)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
