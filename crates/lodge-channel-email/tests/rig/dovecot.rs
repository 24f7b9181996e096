//! A Dovecot (2.3) of our own: any user, the password `secret`, Maildirs in a temporary folder.

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Dovecot serves no mail as root: then mailboxes belong to nobody.
const NOBODY: u32 = 65_534;

/// A running Dovecot.
pub(crate) struct Dovecot {
    child: Child,
    folder: TempDir,
    /// Plain IMAP, with STARTTLS where certificates were made.
    pub(crate) port: u16,
    /// IMAP over TLS, where certificates were made.
    pub(crate) tls_port: u16,
}

impl Dovecot {
    /// Starts one without TLS.
    pub(crate) fn start() -> Self {
        Self::launch(false)
    }

    /// Starts one with a certificate for `localhost`; see [`Self::ca_file`].
    pub(crate) fn start_with_tls() -> Self {
        Self::launch(true)
    }

    fn launch(tls: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("lodge-dovecot-").tempdir().unwrap();
        let root = folder.path();
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        give(&root.join("mail"));
        if tls {
            certify(root);
        }
        let (port, tls_port) = (free_port(), free_port());
        fs::write(root.join("dovecot.conf"), settings(root, port, tls.then_some(tls_port))).unwrap();
        let log = fs::File::create(root.join("log")).unwrap();
        let child = Command::new("/usr/sbin/dovecot")
            .args(["-F", "-c"])
            .arg(root.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("dovecot-imapd is installed");
        let mut dovecot = Self { child, folder, port, tls_port };
        dovecot.wait_for_port();
        dovecot
    }

    fn wait_for_port(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(10), "dovecot does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The certificate authority to trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The folder `name` of `user` (as it stands on disk: `` for the inbox, `.Done` for Done).
    pub(crate) fn maildir(&self, user: &str, name: &str) -> PathBuf {
        self.folder.path().join("mail").join(user).join("Maildir").join(name)
    }

    /// Makes a folder of `user`.
    pub(crate) fn make(&self, user: &str, name: &str) {
        give(&self.folder.path().join("mail").join(user));
        give(&self.maildir(user, ""));
        for path in ["", "new", "cur", "tmp"].map(|part| self.maildir(user, name).join(part)) {
            give(&path);
        }
    }

    /// Delivers `raw` as a delivery agent does; with `flags` (such as `S`) it was seen by another client already.
    pub(crate) fn deliver(&self, user: &str, folder: &str, raw: &[u8], flags: &str) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        self.make(user, folder);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("17000{count:05}.{}.lodge", std::process::id());
        let (part, name) =
            if flags.is_empty() { ("new", name) } else { ("cur", format!("{name}:2,{flags}")) };
        let aside = self.maildir(user, folder).join("tmp").join(&name);
        fs::write(&aside, raw).unwrap();
        own(&aside);
        fs::rename(&aside, self.maildir(user, folder).join(part).join(&name)).unwrap();
    }

    /// Lets the mails in the inbox of `user`, which no client saw yet, have arrived `age` ago.
    #[expect(clippy::disallowed_methods, reason = "a real server dates mails by their files")]
    pub(crate) fn age(&self, user: &str, age: Duration) {
        for name in self.mails(user, "") {
            let file = fs::File::open(self.maildir(user, "new").join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
        }
    }

    /// File names (with flags) of the mails in a folder, sorted.
    pub(crate) fn mails(&self, user: &str, folder: &str) -> Vec<String> {
        let mut names = Vec::new();
        for part in ["new", "cur"] {
            let Ok(entries) = fs::read_dir(self.maildir(user, folder).join(part)) else { continue };
            names.extend(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
        names.sort();
        names
    }

    /// Makes every folder of `user` a new one to IMAP: another UIDVALIDITY, the same mails.
    pub(crate) fn forget_uids(&self, user: &str) {
        for entry in fs::read_dir(self.maildir(user, "")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("dovecot") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Asked to end, the master takes its children along.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if asked.is_err() {
            let _killed = self.child.kill();
        }
        let _ended = self.child.wait();
    }
}

/// A port of this machine that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn give(path: &Path) {
    fs::create_dir_all(path).unwrap();
    own(path);
}

fn own(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn certify(root: &Path) {
    let (ca, certificate, key) = super::smtp::certificates();
    for (name, text) in [("ca.pem", ca), ("cert.pem", certificate), ("key.pem", key)] {
        fs::write(root.join(name), text).unwrap();
    }
}

fn settings(root: &Path, port: u16, tls_port: Option<u16>) -> String {
    let root = root.display();
    let tls = match tls_port {
        None => "ssl = no\n".to_owned(),
        Some(_) => format!("ssl = yes\nssl_cert = <{root}/cert.pem\nssl_key = <{root}/key.pem\n"),
    };
    let (uid, gid) = if is_root() {
        (NOBODY, NOBODY)
    } else {
        let me = fs::metadata("/proc/self").unwrap();
        (me.uid(), me.gid())
    };
    let internal = if is_root() {
        String::new()
    } else {
        let name = |option| {
            let output = Command::new("id").arg(option).output().unwrap();
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        let (user, group) = (name("-un"), name("-gn"));
        format!(
            "default_internal_user = {user}\ndefault_login_user = {user}\ndefault_internal_group = {group}\n\
             service anvil {{\n chroot =\n}}\nservice imap-login {{\n chroot =\n}}\nservice stats {{\n chroot =\n}}\n"
        )
    };
    format!(
        "base_dir = {root}/run\nstate_dir = {root}/state\nlog_path = /dev/stderr\nprotocols = imap\n\
         listen = 127.0.0.1\n{tls}disable_plaintext_auth = no\nauth_mechanisms = plain login\n\
         mail_location = maildir:~/Maildir\nmailbox_idle_check_interval = 1 secs\n\
         mail_max_userip_connections = 200\nauth_failure_delay = 0\nstats_writer_socket_path =\n\
         service imap-login {{\n inet_listener imap {{\n  port = {port}\n }}\n inet_listener imaps {{\n  \
         port = {secure}\n  ssl = yes\n }}\n}}\npassdb {{\n driver = static\n args = password=secret\n}}\n\
         userdb {{\n driver = static\n args = uid={uid} gid={gid} home={root}/mail/%n\n}}\n\
         first_valid_uid = {uid}\nfirst_valid_gid = {gid}\n{internal}",
        secure = tls_port.unwrap_or(0)
    )
}
