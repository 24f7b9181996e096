//! A Postfix of our own: instance in a temporary folder, free port, everything delivered into Maildirs under one root.
//! Its master insists on the superuser, so scenarios with it are for where we are one.

use crate::{needs, ports};
use anyhow::{Context, Result, bail};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A running Postfix.
#[derive(Debug)]
pub struct Postfix {
    folder: PathBuf,
    port: u16,
}

impl Postfix {
    /// Starts one in `folder`: mail to `local` goes into `mail_root/USER/Maildir`, everything else into
    /// `mail_root/customers/Maildir`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn start(folder: &Path, mail_root: &Path, local: &[(&str, &str)]) -> Result<Self> {
        let port = ports::free()?;
        for part in ["", "queue", "data", "etc"] {
            fs::create_dir_all(folder.join(part)).context("make the folders of postfix")?;
            fs::set_permissions(folder.join(part), Permissions::from_mode(0o755))
                .context("open the folder")?;
        }
        let postfix = account("postfix")?;
        chown(folder.join("data"), Some(postfix), None).context("hand over the data folder")?;
        fs::write(folder.join("etc/main.cf"), main(folder, mail_root, local)).context("write main.cf")?;
        fs::write(folder.join("etc/master.cf"), master(port)).context("write master.cf")?;
        let this = Self { folder: folder.to_owned(), port };
        this.control("start")?;
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if started.elapsed() > Duration::from_secs(15) {
                bail!("postfix does not listen; it says: {}", this.log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(this)
    }

    /// The port it speaks SMTP on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("maillog")).unwrap_or_default()
    }

    fn control(&self, verb: &str) -> Result<()> {
        let program = needs::find("postfix").context("find postfix")?;
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.join("etc")).arg(verb).stdin(Stdio::null());
        let output = command.output().with_context(|| format!("run postfix {verb}"))?;
        if !output.status.success() {
            bail!("postfix {verb}: {}{}", String::from_utf8_lossy(&output.stderr), self.log());
        }
        Ok(())
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if let Err(error) = self.control("stop") {
            eprintln!("postfix was not stopped: {error:#}");
        }
    }
}

/// The user id of the system account `name`.
fn account(name: &str) -> Result<u32> {
    let output = Command::new("id").args(["-u", name]).output().context("run id")?;
    String::from_utf8_lossy(&output.stdout).trim().parse().with_context(|| format!("find the account {name}"))
}

fn main(folder: &Path, mail_root: &Path, local: &[(&str, &str)]) -> String {
    let folder = folder.display();
    let boxes: Vec<String> =
        local.iter().map(|(mail, user)| format!("{{{mail} = {user}/Maildir/}}")).collect();
    format!(
        "compatibility_level = 3.6\nqueue_directory = {folder}/queue\ndata_directory = {folder}/data\n\
         mail_owner = postfix\nsetgid_group = postdrop\nmaillog_file = {folder}/maillog\n\
         maillog_file_prefixes = {folder}\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
         myhostname = mx.acme.example\nmydestination =\nmynetworks = 127.0.0.0/8\n\
         smtpd_recipient_restrictions = permit_mynetworks, reject\nsmtpd_peername_lookup = no\n\
         virtual_mailbox_domains = static:all\nvirtual_mailbox_base = {}\n\
         virtual_mailbox_maps = inline:{{ {} }}, static:customers/Maildir/\n\
         virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\nvirtual_transport = virtual\n\
         recipient_delimiter = +\nbiff = no\nalias_maps =\nalias_database =\n",
        mail_root.display(),
        boxes.join(", ")
    )
}

fn master(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         postlog unix-dgram n - n - 1 postlogd\n\
         pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nverify unix - - n - 1 verify\n\
         flush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\nproxywrite unix - - n - 1 proxymap\n\
         smtp unix - - n - - smtp\nrelay unix - - n - - smtp\nshowq unix n - n - - showq\nerror unix - - n - - error\n\
         retry unix - - n - - error\ndiscard unix - - n - - discard\nlocal unix - n n - - local\n\
         virtual unix - n n - - virtual\nlmtp unix - - n - - lmtp\nanvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n"
    )
}
