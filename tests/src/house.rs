//! A house for one scenario: a temporary folder with a configuration, a mailbox, a mail sink and a core, in which the
//! gateway is started, killed and started again.

use crate::{
    Core, Desk, Dovecot, Gateway, Output, RedisServer, SmtpSink, core, dovecot, gateway, needs, ports,
    process,
};
use anyhow::{Context, Result, bail};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The store that a scenario runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// One file on disk.
    Embedded,
    /// A redis-server.
    Redis,
}

/// What differs from house to house.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The store.
    pub store: Store,
    /// The mail user whose inbox is read.
    pub user: &'static str,
    /// What is read at the first start: `all` or `now`.
    pub start: &'static str,
    /// What is done with a mail that was accepted.
    pub after: &'static str,
    /// Whether unverified senders are acknowledged too.
    pub acknowledge_anyone: bool,
    /// Further lines at the end of the configuration.
    pub extra: String,
    /// An SMTP port to send through instead of the sink's.
    pub smtp_port: Option<u16>,
    /// Whether there is a core to call.
    pub core: bool,
    /// What customers see as the gateway's address, where that is not its own: something stands between.
    pub public_url: Option<String>,
    /// How talkative the log is; `E2E_LOG` overrides it.
    pub log: &'static str,
}

impl Plan {
    /// The usual house on `store`.
    #[must_use]
    pub fn on(store: Store) -> Self {
        Self {
            store,
            user: "support",
            start: "all",
            after: "keep",
            acknowledge_anyone: false,
            extra: String::new(),
            smtp_port: None,
            core: true,
            public_url: None,
            log: "info",
        }
    }

    /// With further lines at the end of the configuration.
    #[must_use]
    pub fn extra(mut self, lines: &str) -> Self {
        self.extra.push_str(lines);
        self
    }
}

/// What `env:OTHER_PASSWORD` is in the gateway's environment: a password that no mailbox has at first.
pub const OTHER_PASSWORD: &str = "other-canary-77b0";

/// A house.
pub struct House {
    /// The core.
    pub core: Core,
    /// Where acknowledgments and replies go.
    pub sink: SmtpSink,
    /// The mailboxes.
    pub dovecot: Dovecot,
    /// The store's server, where it has one.
    pub redis: Option<RedisServer>,
    /// What was planned.
    pub plan: Plan,
    ports: (u16, u16),
    folder: TempDir,
}

impl House {
    /// Builds the house; `None` where a server it needs is not installed and may be missing.
    ///
    /// # Errors
    /// Where anything cannot be started.
    pub async fn build(plan: Plan) -> Result<Option<Self>> {
        let servers: &[&str] = if plan.store == Store::Redis { &["dovecot", "redis"] } else { &["dovecot"] };
        if !needs::has(servers) {
            return Ok(None);
        }
        let folder = tempfile::Builder::new().prefix("lodge-e2e-").tempdir().context("make a folder")?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).context("open the folder")?;
        let redis = match plan.store {
            Store::Redis => Some(RedisServer::start(&folder.path().join("redis"), &[]).await?),
            Store::Embedded => None,
        };
        let dovecot = Dovecot::start(&folder.path().join("dovecot")).await?;
        dovecot.mailbox(plan.user)?;
        let ports = (ports::free()?, ports::free()?);
        let house = Self {
            core: Core::start().await?,
            sink: SmtpSink::start().await?,
            dovecot,
            redis,
            plan,
            ports,
            folder,
        };
        house.configure()?;
        Ok(Some(house))
    }

    /// Writes the configuration anew, as `plan` says by now.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn configure(&self) -> Result<()> {
        fs::write(self.config(), self.settings()).context("write the configuration")
    }

    /// The configuration's text.
    #[must_use]
    pub fn settings(&self) -> String {
        let store = self.redis.as_ref().map_or_else(|| "embedded:data/store".to_owned(), RedisServer::url);
        let (listen, internal) = self.ports;
        let core = if self.plan.core {
            format!(
                "url = \"{}\"\nsecret = \"env:LODGE_CORE_SECRET\"\ntokens = [\"env:LODGE_CORE_TOKEN\"]",
                self.core.url()
            )
        } else {
            "secret = \"env:LODGE_CORE_SECRET\"".to_owned()
        };
        let to = if self.plan.acknowledge_anyone { "anyone" } else { "authenticated" };
        let talkative = needs::variable("E2E_LOG").filter(|_| self.plan.log == "info");
        let log = talkative.unwrap_or_else(|| self.plan.log.to_owned());
        format!(
            "[log]\nlevel = \"{log}\"\n\n[server]\nlisten = \"127.0.0.1:{listen}\"\ninternal = \"127.0.0.1:{internal}\"\n\
             public_url = \"{public}\"\n\n[store]\nurl = \"{store}\"\n\n\
             [blobs]\nurl = \"file:data/blobs\"\n\n[core]\n{core}\n\n[acknowledgment]\nto = \"{to}\"\n\n\
             {inbox}\n[queue.general]\nfallback = true\n\n{extra}",
            public = self.plan.public_url.clone().unwrap_or_else(|| self.public()),
            inbox = self.inbox("support", "support@acme.example", self.plan.user),
            extra = self.plan.extra,
        )
    }

    /// The tables of a mail inbox called `name`.
    #[must_use]
    pub fn inbox(&self, name: &str, from: &str, user: &str) -> String {
        format!(
            "[inbox.{name}.email]\nprovider = \"imap\"\nfrom = \"Acme Support <{from}>\"\n\
             authserv_ids = [\"mx.acme.example\"]\n\n\
             [inbox.{name}.email.imap]\nhost = \"127.0.0.1\"\nport = {imap}\ntls = \"none\"\nusername = \"{user}\"\n\
             password = \"env:IMAP_PASSWORD\"\nfolder = \"INBOX\"\nafter = \"{after}\"\nstart = \"{start}\"\npoll = \"1s\"\n\n\
             [inbox.{name}.email.smtp]\nhost = \"127.0.0.1\"\nport = {smtp}\ntls = \"none\"\n",
            imap = self.dovecot.port(),
            after = self.plan.after,
            start = self.plan.start,
            smtp = self.plan.smtp_port.unwrap_or_else(|| self.sink.port()),
        )
    }

    /// The house's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration's path.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder().join("lodge.toml")
    }

    /// Where providers and customers come in.
    #[must_use]
    pub fn public(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.0)
    }

    /// Where the core and operators come in.
    #[must_use]
    pub fn internal(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.1)
    }

    /// The core's voice towards the gateway of this house.
    ///
    /// # Errors
    /// Where the client cannot be built.
    pub fn desk(&self) -> Result<Desk> {
        Desk::new(&self.internal())
    }

    /// Starts the gateway and waits until it is ready and has looked into the mailbox.
    ///
    /// # Errors
    /// Where it does not become ready.
    pub async fn run(&self) -> Result<Gateway> {
        let mut gateway = self.launch("")?;
        gateway.ready().await?;
        gateway.settled("support").await?;
        Ok(gateway)
    }

    /// Lets the gateway have its first look into the mailbox, and stops it again.
    ///
    /// # Errors
    /// Where it does not become ready.
    pub async fn move_in(&self) -> Result<()> {
        self.run().await?.kill()
    }

    /// Starts the gateway with fail points, without waiting for anything.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn launch(&self, failpoints: &str) -> Result<Gateway> {
        let mut command = self.lodge()?;
        command.args(["run", "--config"]).arg(self.config()).env("LODGE_FAILPOINTS", failpoints);
        let process = process::Process::start(&mut command, &self.log())?;
        Ok(Gateway { process, log: self.log(), internal: self.internal(), public: self.public() })
    }

    /// Starts a second gateway on the same store and mailbox, with listeners and a name of its own, and waits until it
    /// is ready.
    ///
    /// # Errors
    /// Where it does not become ready.
    pub async fn run_second(&self) -> Result<Gateway> {
        let (listen, internal) = (ports::free()?, ports::free()?);
        let own = self.settings().replace(&self.ports.0.to_string(), &listen.to_string());
        let own = own.replace(&self.ports.1.to_string(), &internal.to_string());
        let own = own.replace("[server]\n", "[server]\nnode = \"second\"\n");
        let config = self.folder().join("second.toml");
        fs::write(&config, own).context("write the second configuration")?;
        let mut command = self.lodge()?;
        command.args(["run", "--config"]).arg(&config);
        let process = process::Process::start(&mut command, &self.log())?;
        let mut gateway = Gateway {
            process,
            log: self.log(),
            internal: format!("http://127.0.0.1:{internal}"),
            public: format!("http://127.0.0.1:{listen}"),
        };
        gateway.ready().await?;
        Ok(gateway)
    }

    /// Runs another command of the gateway, with `input` as its standard input, for at most 60 s.
    ///
    /// # Errors
    /// Where it cannot be run, or does not end.
    pub async fn command(&self, arguments: &[&str], input: &[u8]) -> Result<Output> {
        use tokio::io::AsyncWriteExt;
        let mut command = tokio::process::Command::from(self.lodge()?);
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("start the gateway")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads no input may be gone before it is written.
            drop(stdin.write_all(input).await);
        }
        let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output());
        let output = output
            .await
            .with_context(|| format!("{arguments:?} does not end"))?
            .context("run the gateway")?;
        Ok(Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Waits until `is_so`, looking 20 times a second.
    ///
    /// # Errors
    /// Where it is not so within `seconds`; with the end of the gateway's log.
    pub async fn until(&self, what: &str, seconds: u64, mut is_so: impl FnMut() -> bool) -> Result<()> {
        let started = Instant::now();
        while !is_so() {
            if started.elapsed() > Duration::from_secs(seconds) {
                let (contacts, mails) = (self.core.contacts().len(), self.sink.taken().len());
                bail!(
                    "not within {seconds} s: {what} (contacts {contacts}, mails sent {mails}) {}",
                    gateway::tail(&self.log())
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until the core has `count` contacts, and then makes sure that no further one comes.
    ///
    /// # Errors
    /// Where they do not come, too many come, or the core complains.
    pub async fn exactly(&self, count: usize, seconds: u64) -> Result<()> {
        self.until(&format!("{count} contacts"), seconds, || self.core.contacts().len() >= count).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let contacts = self.core.contacts().len();
        if contacts != count {
            bail!("{contacts} contacts instead of {count}");
        }
        self.core.audit()
    }

    /// Everything the gateway logged in this house.
    #[must_use]
    pub fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder().join("lodge.log")
    }

    fn lodge(&self) -> Result<Command> {
        let mut command = Command::new(gateway::binary()?);
        // Nothing of the developer's own environment gets in.
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder())
            .current_dir(self.folder());
        command.env("LODGE_CORE_SECRET", core::SECRET).env("LODGE_CORE_TOKEN", core::TOKEN);
        command.env("IMAP_PASSWORD", dovecot::PASSWORD).env("OTHER_PASSWORD", OTHER_PASSWORD);
        Ok(command)
    }
}

impl Drop for House {
    /// Every scenario ends with a look at what was logged: no panic, and no secret (J12). After a failure, with its end.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the gateway's log ends with:{}", gateway::tail(&self.log()));
            return;
        }
        let log = self.log_text();
        assert!(!log.contains("panicked at"), "the gateway panicked:{}", gateway::tail(&self.log()));
        let secret = core::SECRET.trim_start_matches("whsec_");
        for canary in [secret, core::TOKEN, dovecot::PASSWORD, OTHER_PASSWORD] {
            assert!(!log.contains(canary), "a secret is in the log");
        }
    }
}
