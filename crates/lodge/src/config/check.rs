//! Says everything that is wrong with what the files say together, and makes of it what the house is built from.

use super::load::{Loaded, Place};
use super::model::{
    AcknowledgmentSection, AttachmentsSection, InboxSection, LimitsSection, LogSection, PrivacySection,
    RetentionSection, ServerSection,
};
use super::problem::Problems;
use super::secrets::Secrets;
use lodge_channel::net::is_loopback;
use lodge_channel::{Door, Secret, SecretSource};
use lodge_domain::{BrandName, Hours, InboxId, InboxName, NodeName};
use lodge_pipeline::{InboxFacts, Templates};
use lodge_ticketing::signature::SigningSecrets;
use lodge_triage::{InboxDefault, InboxDefaults, Queues, Rule, Rules};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::Url;

/// Where contacts are kept.
#[derive(Clone)]
pub enum StoreUrl {
    /// One file in this folder.
    Embedded(PathBuf),
    /// A Redis, by its URL, which may hold a password.
    Redis(SecretString),
}

/// The core, with its secrets read.
#[derive(Clone)]
pub struct CheckedCore {
    /// Where events are posted.
    pub url: Option<Url>,
    /// Standard Webhooks secrets; the first signs.
    pub secrets: Vec<SecretString>,
    /// Bearer tokens.
    pub tokens: Vec<SecretString>,
    /// Plain HTTP off this machine is allowed.
    pub insecure: bool,
}

/// An inbox that can be built.
#[derive(Clone)]
pub struct CheckedInbox {
    /// Its name and brand.
    pub id: InboxId,
    /// Its settings.
    pub door: Arc<dyn Door>,
    /// What the hallway knows of it.
    pub facts: InboxFacts,
}

/// What triage decides by; known to compile.
#[derive(Clone)]
pub struct Triage {
    rules: Vec<Rule>,
    queues: Queues,
    inboxes: InboxDefaults,
}

impl Triage {
    /// The compiled rules.
    ///
    /// # Errors
    /// Only for rules that were never checked.
    pub fn compile(&self) -> Result<Rules, Vec<lodge_triage::RuleError>> {
        lodge_triage::compile(&self.rules, &self.queues, &self.inboxes)
    }
}

/// A configuration without a problem.
#[derive(Clone)]
pub struct Checked {
    /// Paths are relative to this folder.
    pub folder: PathBuf,
    /// The listeners.
    pub server: ServerSection,
    /// This process among several.
    pub node: NodeName,
    /// What the operator pages ask for.
    pub operator_token: Option<SecretString>,
    /// Where contacts are kept.
    pub store: StoreUrl,
    /// Where originals are kept.
    pub blobs: PathBuf,
    /// The core.
    pub core: CheckedCore,
    /// Keys of our own.
    pub signing: Vec<Secret>,
    /// Acknowledgments.
    pub acknowledgment: AcknowledgmentSection,
    /// What is masked.
    pub privacy: PrivacySection,
    /// How long things are kept.
    pub retention: RetentionSection,
    /// How much one sender may bring.
    pub limits: LimitsSection,
    /// What is put under quarantine.
    pub attachments: AttachmentsSection,
    /// Logs.
    pub log: LogSection,
    /// Triage.
    pub triage: Triage,
    /// Business hours.
    pub hours: Arc<BTreeMap<String, Hours>>,
    /// The doors.
    pub inboxes: BTreeMap<InboxName, CheckedInbox>,
    /// Values behind references.
    pub secrets: Arc<Secrets>,
}

impl Loaded {
    /// Checks everything that can be seen without a network.
    ///
    /// # Errors
    /// All problems at once.
    pub fn check(mut self) -> Result<Checked, Problems> {
        let secrets = Arc::new(Secrets::new(self.folder.clone()));
        let node = self.node();
        let operator_token = self.listeners(&secrets);
        let store = self.store_url(&secrets);
        let blobs = self.blob_folder();
        let core = self.core(&secrets);
        for (at, key) in self.signing.keys.clone().iter().enumerate() {
            let long_enough = |value: &SecretString| value.expose_secret().len() >= 16;
            if self
                .secret(&secrets, "signing", &format!("signing.keys[{at}]"), key)
                .is_some_and(|v| !long_enough(&v))
            {
                self.note(
                    "signing",
                    "signing.keys",
                    "a signing key has fewer than 16 bytes",
                    "take 32 random bytes, in base64",
                );
            }
        }
        self.templates();
        let triage = self.triage();
        let hours = Arc::new(self.hours());
        let inboxes = self.doors(&secrets);
        if !self.problems.is_empty() {
            self.problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            return Err(Problems(self.problems));
        }
        let (Some(node), Some(store), Some(blobs), Some(triage)) = (node, store, blobs, triage) else {
            return Err(Problems(self.problems));
        };
        Ok(Checked {
            folder: self.folder,
            server: self.server,
            node,
            operator_token,
            store,
            blobs,
            core,
            signing: self.signing.keys,
            acknowledgment: self.acknowledgment,
            privacy: self.privacy,
            retention: self.retention,
            limits: self.limits,
            attachments: self.attachments,
            log: self.log,
            triage,
            hours,
            inboxes,
            secrets,
        })
    }

    pub(super) fn note(
        &mut self,
        table: &str,
        key: &str,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let nowhere = Place { file: self.file.clone(), line: 0 };
        let known =
            self.places.get(key).or_else(|| nearest(&self.places, key)).or_else(|| self.places.get(table));
        let place = known.cloned().unwrap_or(nowhere);
        self.problem(place, key, reason, remedy);
    }

    fn secret(&mut self, secrets: &Secrets, table: &str, key: &str, secret: &Secret) -> Option<SecretString> {
        match secrets.read(secret) {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(
                    table,
                    key,
                    error.to_string(),
                    "set the variable or correct the path, for the user Lodge runs as",
                );
                None
            }
        }
    }

    fn node(&mut self) -> Option<NodeName> {
        let name = self.server.node.clone().unwrap_or_else(host_name);
        let node = NodeName::parse(&name);
        if node.is_none() {
            let remedy = "use letters, digits, `-`, `_` and `.`, at most 64";
            self.note("server", "server.node", format!("`{name}` is no name for a node"), remedy);
        }
        node
    }

    fn listeners(&mut self, secrets: &Secrets) -> Option<SecretString> {
        let server = self.server.clone();
        if server.listen == server.internal && server.listen.port() != 0 {
            self.note(
                "server",
                "server.internal",
                "both listeners have one address",
                "give `internal` another port",
            );
        }
        if let Some(text) = &server.public_url {
            let fits = Url::parse(text).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
            if !fits {
                let remedy = "write it as `https://help.example.com`";
                self.note("server", "server.public_url", "this is no http or https address", remedy);
            }
        }
        for proxy in &server.proxies {
            if crate::http::Proxies::parse(std::slice::from_ref(proxy)).is_err() {
                let reason = format!("`{proxy}` is no network");
                self.note("server", "server.proxies", reason, "write networks as `10.0.0.0/8` or `::1/128`");
            }
        }
        if let Some(tls) = &server.tls {
            for (key, path) in [("server.tls.certificate", &tls.certificate), ("server.tls.key", &tls.key)] {
                if let Err(error) = std::fs::metadata(self.folder.join(path)) {
                    self.note("server", key, format!("`{path}` cannot be read: {error}"), "correct the path");
                }
            }
        }
        let token = server.operator_token.as_ref();
        let value = token.and_then(|token| self.secret(secrets, "server", "server.operator_token", token));
        if token.is_none() && !server.internal.ip().is_loopback() {
            let reason = format!("`internal` listens on {}, which others can reach", server.internal.ip());
            let remedy = "set `operator_token`, or listen on 127.0.0.1";
            self.note("server", "server.operator_token", reason, remedy);
        }
        value
    }

    fn store_url(&mut self, secrets: &Secrets) -> Option<StoreUrl> {
        let text = self.store.url.clone();
        let reference = match text.split_once(':') {
            Some(("env", name)) => Some(Secret::Env(name.to_owned())),
            Some(("file", path)) => Some(Secret::File(path.to_owned())),
            _ => None,
        };
        let url = match reference {
            Some(secret) => self.secret(secrets, "store", "store.url", &secret)?.expose_secret().to_owned(),
            None => text,
        };
        if let Some(folder) = url.strip_prefix("embedded:") {
            return Some(StoreUrl::Embedded(self.folder.join(folder)));
        }
        const REDIS: [&str; 4] = ["redis://", "rediss://", "redis+sentinel://", "redis+cluster://"];
        if REDIS.iter().any(|scheme| url.starts_with(scheme)) {
            return Some(StoreUrl::Redis(SecretString::from(url)));
        }
        let remedy =
            "write `embedded:FOLDER`, `redis://…`, `rediss://…`, `redis+sentinel://…` or `redis+cluster://…`";
        self.note("store", "store.url", "this is no store that Lodge knows", remedy);
        None
    }

    fn blob_folder(&mut self) -> Option<PathBuf> {
        if let Some(folder) = self.blobs.url.strip_prefix("file:") {
            return Some(self.folder.join(folder));
        }
        let reason = format!("`{}` is no place that this build can keep blobs in", self.blobs.url);
        self.note("blobs", "blobs.url", reason, "write `file:FOLDER`");
        None
    }

    fn core(&mut self, secrets: &Secrets) -> CheckedCore {
        let section = self.core.clone();
        let references = section.secret.map(|all| all.0).unwrap_or_default();
        let mut values = Vec::new();
        for reference in &references {
            values.extend(self.secret(secrets, "core", "core.secret", reference));
        }
        if values.len() == references.len()
            && !values.is_empty()
            && let Err(error) = SigningSecrets::new(&values)
        {
            let remedy = "make one with: echo whsec_$(head -c 32 /dev/urandom | base64)";
            self.note("core", "core.secret", error.to_string(), remedy);
        }
        let mut tokens = Vec::new();
        for (at, token) in section.tokens.iter().enumerate() {
            tokens.extend(self.secret(secrets, "core", &format!("core.tokens[{at}]"), token));
        }
        let url = section.url.as_deref().and_then(|text| self.core_url(text, section.insecure));
        let told_already = self.problems.iter().any(|problem| problem.key == "core.secret");
        if section.url.is_some() && references.is_empty() && !told_already {
            let remedy = "add `secret = \"env:LODGE_CORE_SECRET\"`; events are never sent unsigned";
            self.note("core", "core.secret", "there is a `url` but no `secret`", remedy);
        }
        CheckedCore { url, secrets: values, tokens, insecure: section.insecure }
    }

    fn core_url(&mut self, text: &str, insecure: bool) -> Option<Url> {
        let Ok(url) = Url::parse(text) else {
            self.note(
                "core",
                "core.url",
                "this is no address",
                "write it as `https://desk.example.com/lodge`",
            );
            return None;
        };
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(host) || insecure => {}
            "http" => {
                let remedy = "use https, or say `insecure = true` if that network is yours";
                self.note("core", "core.url", "events would cross the network in clear", remedy);
            }
            other => self.note("core", "core.url", format!("`{other}` is not http or https"), "use https"),
        }
        Some(url)
    }

    fn templates(&mut self) {
        const KEY: &str = "acknowledgment.templates";
        let Some(folder) = self.acknowledgment.templates.clone() else { return };
        let files = match template_files(&self.folder.join(&folder)) {
            Ok(files) => files,
            Err(error) => {
                let reason = format!("the folder `{folder}` cannot be read: {error}");
                return self.note("acknowledgment", KEY, reason, "correct the path, or leave the key out");
            }
        };
        for problem in Templates::new(files).err().unwrap_or_default() {
            let reason = format!("{folder}/{}: {}", problem.name, problem.problem);
            self.note(
                "acknowledgment",
                KEY,
                reason,
                "correct the template; config/templates has working ones",
            );
        }
    }

    fn triage(&mut self) -> Option<Triage> {
        let defaults = self.inboxes.iter().map(|(name, inbox)| {
            let InboxSection { queue, category, priority, kind, tags, .. } = inbox.defaults.clone();
            (name.clone(), InboxDefault { queue, category, priority, kind, tags })
        });
        let inboxes = InboxDefaults(defaults.collect());
        let rules = self.rules.iter().map(|(_, rule)| rule.clone()).collect();
        let triage = Triage { rules, queues: Queues(self.queues.clone()), inboxes };
        let Err(errors) = triage.compile() else { return Some(triage) };
        for error in errors {
            let place =
                self.rules.iter().find(|(_, rule)| rule.name == error.rule).map(|(place, _)| place.clone());
            let table = if error.rule == "queues" { "queue" } else { "rules" };
            let key = format!("{} {}", error.rule, error.field);
            match place {
                Some(place) => self.problem(place, &key, error.problem, error.remedy),
                None => self.note(table, &key, error.problem, error.remedy),
            }
        }
        None
    }

    fn doors(&mut self, secrets: &Secrets) -> BTreeMap<InboxName, CheckedInbox> {
        let mut problems = Vec::new();
        let mut checked = BTreeMap::new();
        for (name, inbox) in &self.inboxes {
            for (key, problem) in self.wrong(name, &*inbox.door, secrets) {
                let place = inbox
                    .lines
                    .get(&key)
                    .or_else(|| nearest(&inbox.lines, &key))
                    .cloned()
                    .unwrap_or_default();
                problems.push((place, format!("inbox.{name}.{key}"), problem));
            }
            let brand = inbox.door.brand().cloned().unwrap_or_else(BrandName::unbranded);
            let id = InboxId { brand, name: name.clone() };
            let InboxSection { language, burst, burst_automated, .. } = inbox.defaults.clone();
            let facts = InboxFacts { brand: Some(id.brand.clone()), language, burst, burst_automated };
            checked.insert(name.clone(), CheckedInbox { id, door: Arc::clone(&inbox.door), facts });
        }
        for (place, key, problem) in problems {
            self.problem(place, &key, problem.reason, problem.remedy);
        }
        checked
    }
}

/// The place of the longest known path that `key` lies below.
fn nearest<'p>(lines: &'p BTreeMap<String, Place>, key: &str) -> Option<&'p Place> {
    let mut path = key;
    while let Some((parent, _)) = path.rsplit_once('.') {
        if let Some(place) = lines.get(parent) {
            return Some(place);
        }
        path = parent;
    }
    None
}

fn host_name() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        text.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')).collect();
    if name.is_empty() { "lodge".to_owned() } else { name }
}

/// The templates in `folder` by file name: `*.txt` and `*.html`.
///
/// # Errors
/// Where the folder or one of the files cannot be read.
pub fn template_files(folder: &Path) -> std::io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if name.ends_with(".txt") || name.ends_with(".html") {
            files.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(files)
}
