//! The servers that tests speak with, installed by Debian's packages where that can be done unasked: as root, or where
//! `sudo -n` needs no password. Elsewhere it says what to install and changes nothing.

use crate::shell;
use anyhow::{Result, bail};
use std::process::Command;

/// A server: the program that proves it is there, and the package that brings it.
struct Server {
    program: &'static str,
    package: &'static str,
}

const SERVERS: &[Server] = &[
    Server { program: "redis-server", package: "redis-server" },
    Server { program: "redis-sentinel", package: "redis-sentinel" },
    Server { program: "dovecot", package: "dovecot-imapd" },
    Server { program: "postfix", package: "postfix" },
    Server { program: "chromium", package: "chromium" },
    Server { program: "chromedriver", package: "chromium-driver" },
];

/// Installs what is missing.
///
/// # Errors
/// Where something is missing and cannot be installed from here; the message says what to run.
pub(crate) fn servers() -> Result<()> {
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if shell::find("apt-get").is_none() {
        bail!("these are needed and missing: {list} (Debian's names); install them with this system's tools");
    }
    let Some(privileged) = privilege() else {
        bail!("these are needed and missing; run: sudo apt-get install --no-install-recommends {list}");
    };
    // A list of packages that is out of date is the usual reason for a failing install; a failing update is not fatal.
    if let Err(error) = shell::run(apt(privileged).arg("update")) {
        eprintln!("xtask: {error:#}; going on with the lists that are here");
    }
    shell::run(apt(privileged).args(["install", "--yes", "--no-install-recommends"]).args(&packages))?;
    let still = missing();
    if !still.is_empty() {
        bail!("installed, and yet missing: {}", still.join(" "));
    }
    Ok(())
}

/// Whether we are the superuser, whom Postfix wants for its own instance.
pub(crate) fn is_root() -> bool {
    shell::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn missing() -> Vec<&'static str> {
    SERVERS
        .iter()
        .filter(|server| shell::find(server.program).is_none())
        .map(|server| server.package)
        .collect()
}

/// What to put before `apt-get`; `None` where we may not install.
fn privilege() -> Option<&'static [&'static str]> {
    if is_root() {
        return Some(&[]);
    }
    shell::succeeds(Command::new("sudo").args(["-n", "true"])).then_some(&["sudo", "-n"])
}

fn apt(privilege: &[&str]) -> Command {
    let words = [privilege, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]].concat();
    let mut command = Command::new(words.first().copied().unwrap_or("env"));
    command.args(words.iter().skip(1));
    command
}
