//! A Dovecot of our own (2.3): one Maildir per user, any user name, one password, a free port, plain IMAP on loopback.

use crate::{Mail, clock, needs, ports, process};
use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The password of every mailbox.
pub const PASSWORD: &str = "imap-canary-5f1e";

/// Whose mailboxes they are where we are the superuser: Dovecot serves no mail as root.
const NOBODY: u32 = 65_534;

/// A running Dovecot.
#[derive(Debug)]
pub struct Dovecot {
    process: process::Process,
    folder: PathBuf,
    port: u16,
}

impl Dovecot {
    /// Starts one that keeps everything in `folder`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("mail")).context("make the mail folder")?;
        fs::set_permissions(folder, Permissions::from_mode(0o755)).context("open the folder")?;
        give(&folder.join("mail"))?;
        let port = ports::free()?;
        fs::write(folder.join("passwd"), "").context("write the passwords")?;
        fs::write(folder.join("dovecot.conf"), settings(folder, port)).context("write dovecot.conf")?;
        let process = launch(folder, port).await?;
        Ok(Self { process, folder: folder.to_owned(), port })
    }

    /// The port it speaks IMAP on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Under it every user has a folder with a `Maildir`.
    #[must_use]
    pub fn mail_root(&self) -> PathBuf {
        self.folder.join("mail")
    }

    /// The folder of `user`'s inbox.
    #[must_use]
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.mail_root().join(user).join("Maildir")
    }

    /// Makes the mailbox of `user`.
    ///
    /// # Errors
    /// Where a folder cannot be made.
    pub fn mailbox(&self, user: &str) -> Result<()> {
        give(&self.mail_root().join(user))?;
        give(&self.maildir(user))?;
        ["new", "cur", "tmp"].iter().try_for_each(|part| give(&self.maildir(user).join(part)))
    }

    /// Puts `mail` into `user`'s inbox as a delivery agent does: written aside, then moved into `new`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn deliver(&self, user: &str, mail: &Mail) -> Result<()> {
        self.deliver_bytes(user, &mail.bytes())
    }

    /// The same for bytes that are perhaps no mail at all.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn deliver_bytes(&self, user: &str, raw: &[u8]) -> Result<()> {
        // The usual form of names: Dovecot gives UIDs in the order of the times in them.
        let now = clock::now();
        let (second, micro) = (now.as_second(), now.subsec_microsecond());
        let name = format!("{second}.M{micro:06}P{}.lodge", clock::unique());
        let aside = self.maildir(user).join("tmp").join(&name);
        fs::write(&aside, raw).context("write a mail")?;
        if needs::is_root() {
            chown(&aside, Some(NOBODY), Some(NOBODY)).context("hand a mail over")?;
        }
        fs::rename(&aside, self.maildir(user).join("new").join(&name)).context("deliver a mail")
    }

    /// Every mail in `user`'s inbox: its file name (with the flags) and its bytes.
    ///
    /// # Errors
    /// Where a folder cannot be read.
    pub fn mails(&self, user: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let mut mails = Vec::new();
        for part in ["new", "cur"] {
            for entry in fs::read_dir(self.maildir(user).join(part)).context("list a mailbox")? {
                let entry = entry.context("list a mailbox")?;
                // A mail may be moved from `new` to `cur` between listing and reading.
                if let Ok(bytes) = fs::read(entry.path()) {
                    mails.push((entry.file_name().to_string_lossy().into_owned(), bytes));
                }
            }
        }
        Ok(mails)
    }

    /// From now on `user` may also log in with `password`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn accept(&self, user: &str, password: &str) -> Result<()> {
        fs::write(self.folder.join("passwd"), format!("{user}:{{PLAIN}}{password}\n"))
            .context("write the passwords")
    }

    /// Stops it without warning.
    ///
    /// # Errors
    /// Where it does not go.
    pub fn kill(&mut self) -> Result<()> {
        // The master takes its children along when asked; killed outright it would leave them behind.
        self.process.signal("TERM")?;
        self.process.kill()
    }

    /// Starts it again.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn revive(&mut self) -> Result<()> {
        self.process = launch(&self.folder, self.port).await?;
        Ok(())
    }

    /// Makes every mailbox of `user` a new one to IMAP: another UIDVALIDITY, the same mails.
    ///
    /// # Errors
    /// Where the list of UIDs cannot be removed.
    pub fn forget_uids(&self, user: &str) -> Result<()> {
        for entry in fs::read_dir(self.maildir(user)).context("list a mailbox")? {
            let path = entry.context("list a mailbox")?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("dovecot") {
                fs::remove_file(&path).with_context(|| format!("remove {name}"))?;
            }
        }
        Ok(())
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Asked, it takes its children along; the drop of the process then only makes sure.
        if self.process.signal("TERM").is_ok() {
            for _ in 0..50 {
                if !matches!(self.process.ended(), Ok(None)) {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

async fn launch(folder: &Path, port: u16) -> Result<process::Process> {
    let program = needs::find("dovecot").context("find dovecot")?;
    let mut command = Command::new(program);
    command.arg("-F").arg("-c").arg(folder.join("dovecot.conf"));
    let mut process = process::Process::start(&mut command, &folder.join("dovecot.log"))?;
    process::listening(&mut process, port).await?;
    Ok(process)
}

/// Makes a folder and, where we are the superuser, gives it to whom the mailboxes belong to.
fn give(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    if needs::is_root() {
        chown(folder, Some(NOBODY), Some(NOBODY))
            .with_context(|| format!("hand over {}", folder.display()))?;
    }
    Ok(())
}

fn settings(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    let users = if needs::is_root() {
        format!(
            "userdb {{\n driver = static\n args = uid={NOBODY} gid={NOBODY} home={folder}/mail/%n\n}}\n\
             first_valid_uid = {NOBODY}\nfirst_valid_gid = {NOBODY}\n"
        )
    } else {
        // As an ordinary user everything runs as that user.
        let me = user_and_group();
        format!(
            "default_internal_user = {0}\ndefault_login_user = {0}\ndefault_internal_group = {1}\n\
             userdb {{\n driver = static\n args = uid={0} gid={1} home={folder}/mail/%n\n}}\n\
             service anvil {{\n chroot =\n}}\nservice imap-login {{\n chroot =\n}}\nservice stats {{\n chroot =\n}}\n",
            me.0, me.1
        )
    };
    format!(
        "base_dir = {folder}/run\nstate_dir = {folder}/state\nlog_path = /dev/stderr\nprotocols = imap\n\
         listen = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\nauth_mechanisms = plain login\n\
         mail_location = maildir:~/Maildir\nmailbox_idle_check_interval = 1 secs\nmail_max_userip_connections = 50\n\
         auth_failure_delay = 0\nstats_writer_socket_path =\n\
         service imap-login {{\n inet_listener imap {{\n  port = {port}\n }}\n inet_listener imaps {{\n  port = 0\n }}\n}}\n\
         passdb {{\n driver = passwd-file\n args = {folder}/passwd\n}}\n\
         passdb {{\n driver = static\n args = password={PASSWORD}\n}}\n{users}"
    )
}

fn user_and_group() -> (String, String) {
    let ask = |option: &str| {
        let output = Command::new("id").arg(option).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    (ask("-un"), ask("-gn"))
}
