//! What is measured, as processes of their own: the gateway, and this program as a bare server.

use anyhow::Result;
use lodge_e2e::gateway::binary;
use lodge_e2e::ports;
use lodge_e2e::process::{Process, listening};
use std::path::Path;
use std::process::Command;

/// A gateway called `name` on `store`, with a folder of its own below `folder`; `more` is configured besides, and its secrets
/// lie beside it as files. Where it listens.
pub(crate) async fn gateway(
    folder: &Path,
    name: &str,
    store: &str,
    secrets: &[(&str, &str)],
    more: &str,
) -> Result<(Process, u16)> {
    let (listen, internal) = (ports::free()?, ports::free()?);
    // No burst limit: what comes here comes from few senders.
    let text = format!(
        "[log]\nlevel = \"warn\"\n[server]\nnode = \"{name}\"\nlisten = \"127.0.0.1:{listen}\"\n\
         internal = \"127.0.0.1:{internal}\"\npublic_url = \"http://127.0.0.1:{listen}\"\n[store]\nurl = \"{store}\"\n\
         [blobs]\nurl = \"file:blobs\"\n[limits]\nburst = 0\n[acknowledgment]\nenabled = false\n\
         [queue.general]\nfallback = true\n{more}"
    );
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    for (file, value) in secrets {
        std::fs::write(folder.join(file), value)?;
    }
    let config = folder.join("lodge.toml");
    std::fs::write(&config, text)?;
    let mut command = Command::new(binary()?);
    command.args(["run", "--config"]).arg(&config);
    let mut process = Process::start(&mut command, &folder.join("log"))?;
    listening(&mut process, listen).await?;
    Ok((process, listen))
}

/// This program as the server that `argument` names; where it listens.
pub(crate) async fn own(folder: &Path, argument: &str) -> Result<(Process, u16)> {
    let port = ports::free()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([argument, &port.to_string()]);
    let mut process = Process::start(&mut command, &folder.join(format!("{argument}.log")))?;
    listening(&mut process, port).await?;
    Ok((process, port))
}
