//! What the documents show works: every configuration in them passes the check, with each secret it names set.

use anyhow::{Context, Result, ensure};
use lodge_e2e::{core, gateway};
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_configuration_shown_passes_the_check() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md"))?;
    let block = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let folder = tempfile::tempdir()?;
    let shown = folder.path().join("lodge.toml");
    fs::write(&shown, block.context("the README shows a configuration")?)?;
    for file in [shown, root.join("config/lodge.minimal.toml"), root.join("config/lodge.example.toml")] {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let mut check = Command::new(gateway::binary()?);
        check.arg("check").arg("--config").arg(&file);
        for name in text.split("\"env:").skip(1).filter_map(|rest| rest.split('"').next()) {
            check.env(name, "a-long-enough-value-for-anything");
        }
        let output = check.env("LODGE_CORE_SECRET", core::SECRET).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{}: {said}", file.display());
    }
    Ok(())
}
