//! A full disk: nothing is confirmed that is not kept, it is said clearly, and all goes on by itself once there is room
//! (F7 of the fault matrix, J11). On a small file system of its own, which only the superuser can mount.

use anyhow::{Context, Result};
use lodge_e2e::{House, Mail, Plan, Store, needs};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A small file system, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one at `folder`; `None` where that is not allowed.
    fn mount(folder: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(folder).context("make the mount point")?;
        let arguments = ["-t", "tmpfs", "-o", "size=24m,mode=0755", "tmpfs"];
        let mounted = Command::new("mount").args(arguments).arg(folder).output();
        Ok(mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned())))
    }

    /// Fills it to the last byte.
    fn fill(&self) -> Result<()> {
        let mut size = 1 << 20;
        let mut filler = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.filler())
            .context("open the filler")?;
        while size > 0 {
            // Smaller and smaller pieces, until not one more byte fits.
            if std::io::Write::write_all(&mut filler, &vec![b'x'; size]).is_err() {
                size /= 2;
            }
        }
        Ok(())
    }

    /// Makes room again.
    fn relieve(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("remove the filler")
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is just ending may still have a file open on it.
        let _gone = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f7_a_full_disk_loses_nothing_and_heals() -> Result<()> {
    let Some(house) = House::build(Plan::on(Store::Embedded)).await? else { return Ok(()) };
    let disk = if needs::is_root() { SmallDisk::mount(&house.folder().join("data"))? } else { None };
    let Some(disk) = disk else {
        eprintln!("SKIPPED: a file system can be mounted by the superuser alone");
        return Ok(());
    };
    let mut gateway = house.run().await?;
    house.dovecot.deliver("support", &Mail::authenticated("ann@example.com").subject("Before"))?;
    house.exactly(1, 20).await?;
    disk.fill()?;
    for number in 0..5 {
        let mail =
            Mail::authenticated(&format!("person{number}@example.com")).subject(&format!("Full {number}"));
        house.dovecot.deliver("support", &mail.text(&"Much to say. ".repeat(20_000)))?;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!gateway.has_ended()?, "{}", house.log_text());
    let said = house.desk()?.look("/readyz").await?.body.to_string() + &house.log_text();
    assert!(!said.contains("panicked"), "{said}");
    assert!(
        ["full", "space", "disk"].iter().any(|word| said.to_lowercase().contains(word)),
        "it says why: {said}"
    );
    let piped =
        house.command(&["pipe", "--inbox", "support"], &Mail::unverified("bob@example.com").bytes()).await?;
    assert_eq!(piped.code, 75, "the mail server keeps it: {}", piped.stderr);
    disk.relieve()?;
    house.exactly(6, 120).await?;
    drop(gateway);
    Ok(())
}
