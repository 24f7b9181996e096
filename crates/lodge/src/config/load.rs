//! Reads the files: tables one by one, so that one wrong key hides no other.

use super::model::{
    AcknowledgmentSection, AttachmentsSection, BlobSection, CoreSection, HoursSection, InboxSection,
    LimitsSection, LogSection, PrivacySection, RetentionSection, ServerSection, SigningSection, StoreSection,
};
use super::problem::{FileProblem, NO_TABLE, explain};
use crate::channels;
use lodge_channel::Door;
use lodge_domain::InboxName;
use lodge_triage::{QueueSettings, Rule};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// What the files say, and everything wrong with it so far.
#[derive(Default)]
pub struct Loaded {
    /// The main file.
    pub file: PathBuf,
    /// Paths are relative to this folder.
    pub folder: PathBuf,
    /// `[server]`.
    pub server: ServerSection,
    /// `[store]`.
    pub store: StoreSection,
    /// `[blobs]`.
    pub blobs: BlobSection,
    /// `[core]`.
    pub core: CoreSection,
    /// `[signing]`.
    pub signing: SigningSection,
    /// `[acknowledgment]`.
    pub acknowledgment: AcknowledgmentSection,
    /// `[privacy]`.
    pub privacy: PrivacySection,
    /// `[retention]`.
    pub retention: RetentionSection,
    /// `[limits]`.
    pub limits: LimitsSection,
    /// `[attachments]`.
    pub attachments: AttachmentsSection,
    /// `[log]`.
    pub log: LogSection,
    /// `[hours.NAME]`.
    pub hours: BTreeMap<String, HoursSection>,
    /// `[queue.NAME]`.
    pub queues: BTreeMap<String, QueueSettings>,
    /// `[[rules]]`, in order, files in the order they are included.
    pub rules: Vec<(Place, Rule)>,
    /// `[inbox.NAME]` with its one channel table.
    pub inboxes: BTreeMap<InboxName, LoadedInbox>,
    /// What is wrong.
    pub problems: Vec<FileProblem>,
    /// Where tables stand, for problems found later.
    pub places: BTreeMap<String, Place>,
}

/// An inbox as the file has it.
pub struct LoadedInbox {
    /// What all its contacts start with.
    pub defaults: InboxSection,
    /// Its channel's settings.
    pub door: Arc<dyn Door>,
    /// Where its keys stand: dotted path below `inbox.NAME` to line.
    pub lines: BTreeMap<String, Place>,
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

/// Reads the configuration at `path` and what it includes. Only a main file that cannot be read at all is an error.
///
/// # Errors
/// Where the main file cannot be read.
pub fn load(path: &Path) -> std::io::Result<Loaded> {
    let text = std::fs::read_to_string(path)?;
    Ok(load_text(path, &text))
}

/// As [`load`], with the main file's text at hand.
#[must_use]
pub fn load_text(path: &Path, text: &str) -> Loaded {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let mut loaded = Loaded { file: path.to_owned(), folder, ..Loaded::default() };
    loaded.read_file(path, text, true);
    loaded
}

impl Loaded {
    fn read_file(&mut self, path: &Path, text: &str, main: bool) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut file = File { path, text, loaded: self };
        for error in &errors {
            file.syntax(error);
        }
        for (key, value) in table.into_inner() {
            file.top(&key, value, main);
        }
    }

    fn include(&mut self, patterns: &[String], place: &Place) {
        for pattern in patterns {
            let files = match matching(&self.folder, pattern) {
                Ok(files) => files,
                Err(reason) => {
                    self.problem(
                        place.clone(),
                        "include",
                        reason,
                        "name files or one `*` in the last part of a path",
                    );
                    continue;
                }
            };
            for path in files {
                match std::fs::read_to_string(&path) {
                    Ok(text) => self.read_file(&path, &text, false),
                    Err(error) => {
                        let reason = format!("{} cannot be read: {error}", path.display());
                        self.problem(
                            place.clone(),
                            "include",
                            reason,
                            "correct the path or the file's permissions",
                        );
                    }
                }
            }
        }
    }

    /// Notes a problem.
    pub fn problem(&mut self, place: Place, key: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        let Place { file, line } = place;
        let (reason, remedy) = (reason.into(), remedy.into());
        self.problems.push(FileProblem { file, line, key: key.to_owned(), reason, remedy });
    }
}

/// The files that `pattern` names: one file, or those matching `*` in its last part, sorted.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let full = folder.join(pattern);
    if !pattern.contains('*') {
        return Ok(vec![full]);
    }
    let name = full.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    let parent = full.parent().unwrap_or(folder).to_owned();
    if parent.to_string_lossy().contains('*') {
        return Err(format!("`{pattern}` has a `*` before its last part"));
    }
    let Some((before, after)) = name.split_once('*') else { return Ok(vec![full]) };
    let entries = std::fs::read_dir(&parent).map_err(|error| format!("{}: {error}", parent.display()))?;
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).filter(fits).collect();
    files.sort();
    Ok(files)
}

/// One file being read.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
    loaded: &'a mut Loaded,
}

impl File<'_> {
    fn place(&self, at: usize) -> Place {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        Place { file: self.path.to_owned(), line }
    }

    fn syntax(&mut self, error: &toml::de::Error) {
        let place = self.place(error.span().map_or(0, |span| span.start));
        let reason = error.message().lines().next().unwrap_or("cannot be read").to_owned();
        self.loaded.problem(
            place,
            "",
            format!("not valid TOML: {reason}"),
            "correct the line; quotes, brackets and `=` are the usual cause",
        );
    }

    fn top(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, value: Spanned<DeValue<'_>>, main: bool) {
        let name = key.get_ref().clone().into_owned();
        let place = self.place(key.span().start);
        self.loaded.places.entry(name.clone()).or_insert_with(|| place.clone());
        if !matches!(name.as_str(), "inbox" | "rules") {
            let mut lines = BTreeMap::new();
            self.note_lines(&name, &value, &mut lines);
            self.loaded.places.append(&mut lines);
        }
        match name.as_str() {
            "server" => self.put(&name, value, |loaded, section| loaded.server = section),
            "store" => self.put(&name, value, |loaded, section| loaded.store = section),
            "blobs" => self.put(&name, value, |loaded, section| loaded.blobs = section),
            "core" => self.put(&name, value, |loaded, section| loaded.core = section),
            "signing" => self.put(&name, value, |loaded, section| loaded.signing = section),
            "acknowledgment" => self.put(&name, value, |loaded, section| loaded.acknowledgment = section),
            "privacy" => self.put(&name, value, |loaded, section| loaded.privacy = section),
            "retention" => self.put(&name, value, |loaded, section| loaded.retention = section),
            "limits" => self.put(&name, value, |loaded, section| loaded.limits = section),
            "attachments" => self.put(&name, value, |loaded, section| loaded.attachments = section),
            "log" => self.put(&name, value, |loaded, section| loaded.log = section),
            "queue" => {
                let queues = self.named("queue", value);
                self.loaded.queues.extend(queues);
            }
            "hours" => {
                let hours = self.named("hours", value);
                self.loaded.hours.extend(hours);
            }
            "rules" => self.rules(value),
            "inbox" => self.inboxes(value),
            "include" if main => {
                if let Some(patterns) = self.section::<Vec<String>>(&name, value) {
                    self.loaded.include(&patterns, &place);
                }
            }
            _ => {
                const KNOWN: &str = "`server`, `store`, `blobs`, `core`, `signing`, `acknowledgment`, `privacy`, \
                                     `retention`, `limits`, `attachments`, `log`, `hours`, `queue`, `rules`, `inbox`, `include`";
                let (reason, remedy) = explain(&format!("unknown field `{name}`, expected one of {KNOWN}"));
                self.loaded.problem(place, &name, reason, remedy);
            }
        }
    }

    /// Reads the table `name` and puts it where it belongs.
    fn put<T: DeserializeOwned>(
        &mut self,
        name: &str,
        value: Spanned<DeValue<'_>>,
        put: impl FnOnce(&mut Loaded, T),
    ) {
        if let Some(section) = self.section(name, value) {
            put(self.loaded, section);
        }
    }

    /// The tables below `table`, each with its name.
    fn named<T: DeserializeOwned>(
        &mut self,
        table: &str,
        value: Spanned<DeValue<'_>>,
    ) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        for (key, value) in self.entries(table, value) {
            let name = key.get_ref().clone().into_owned();
            let path = format!("{table}.{name}");
            self.loaded.places.insert(path.clone(), self.place(key.span().start));
            all.extend(self.section(&path, value).map(|section| (name, section)));
        }
        all
    }

    fn rules(&mut self, value: Spanned<DeValue<'_>>) {
        let place = self.place(value.span().start);
        let DeValue::Array(rules) = value.into_inner() else {
            return self.loaded.problem(place, "rules", "rules are a list of tables", "write `[[rules]]`");
        };
        for rule in rules {
            let place = self.place(rule.span().start);
            let path = format!("rules[{}]", self.loaded.rules.len());
            if let Some(rule) = self.section(&path, rule) {
                self.loaded.rules.push((place, rule));
            }
        }
    }

    fn inboxes(&mut self, value: Spanned<DeValue<'_>>) {
        for (key, value) in self.entries("inbox", value) {
            let text = key.get_ref().clone().into_owned();
            let place = self.place(key.span().start);
            let path = format!("inbox.{text}");
            let Some(name) = InboxName::parse(&text) else {
                let remedy = "use letters, digits, `-`, `_` and `.`, at most 64";
                self.loaded.problem(place, &path, "an inbox cannot have this name", remedy);
                continue;
            };
            self.inbox(name, &path, place, value);
        }
    }

    fn inbox(&mut self, name: InboxName, path: &str, place: Place, value: Spanned<DeValue<'_>>) {
        let span = value.span();
        let mut lines = BTreeMap::new();
        self.note_lines("", &value, &mut lines);
        let mut own = DeTable::new();
        let mut found = Vec::new();
        for (key, value) in self.entries(path, value) {
            match channels::entry(key.get_ref()) {
                Some(entry) => found.push((entry, value)),
                None => drop(own.insert(key, value)),
            }
        }
        let defaults = self.section(path, Spanned::new(span, DeValue::Table(own))).unwrap_or_default();
        if found.len() != 1 {
            let known: Vec<String> =
                channels::all().iter().map(|e| format!("[{path}.{}]", e.channel)).collect();
            let reason = format!("an inbox has one channel, this one has {}", found.len());
            return self.loaded.problem(place, path, reason, format!("write one of {}", known.join(", ")));
        }
        let Some((entry, value)) = found.pop() else { return };
        let channel_path = format!("{path}.{}", entry.channel);
        let parse = entry.parse;
        let mut reader = |value: Spanned<DeValue<'_>>| {
            parse(&mut SectionReader { file: self, path: &channel_path }, value)
        };
        if let Some(door) = reader(value) {
            let inbox = LoadedInbox { defaults, door, lines };
            if self.loaded.inboxes.insert(name, inbox).is_some() {
                self.loaded.problem(place, path, "this inbox stands twice", "give one of them another name");
            }
        }
    }

    /// Notes the line of every key below `value`.
    fn note_lines(&self, path: &str, value: &Spanned<DeValue<'_>>, lines: &mut BTreeMap<String, Place>) {
        let DeValue::Table(table) = value.get_ref() else { return };
        for (key, value) in table {
            let below =
                if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
            lines.insert(below.clone(), self.place(key.span().start));
            self.note_lines(&below, value, lines);
        }
    }

    fn entries<'t>(
        &mut self,
        path: &str,
        value: Spanned<DeValue<'t>>,
    ) -> Vec<(Spanned<std::borrow::Cow<'t, str>>, Spanned<DeValue<'t>>)> {
        let place = self.place(value.span().start);
        match value.into_inner() {
            DeValue::Table(table) => table.into_iter().collect(),
            _ => {
                self.loaded.problem(place, path, "this is a table", format!("write `[{path}.NAME]`"));
                Vec::new()
            }
        }
    }

    /// Reads a table into its type. A wrong key is noted, taken out, and the rest read again.
    fn section<T: DeserializeOwned>(&mut self, path: &str, value: Spanned<DeValue<'_>>) -> Option<T> {
        const MOST: usize = 50;
        let mut value = value;
        let mut removed: Vec<String> = Vec::new();
        for _ in 0..MOST {
            let deserializer = ValueDeserializer::from(value.clone());
            let error = match serde_path_to_error::deserialize::<_, T>(deserializer) {
                Ok(section) => return Some(section),
                Err(error) => error,
            };
            let span = error.inner().span().unwrap_or_else(|| value.span());
            let (reason, remedy) = explain(error.inner().message());
            let below = error.path().to_string();
            let key = if below == "." { path.to_owned() } else { format!("{path}.{below}") };
            // A required key that was taken out because its value was wrong is not missing as well.
            let missing = |gone: &String| reason == format!("`{gone}` is missing");
            // Nor is there no table at all where the one that was there was taken out.
            let emptied = !removed.is_empty() && reason == NO_TABLE;
            let follow_on = emptied || removed.iter().any(missing);
            if !follow_on {
                let place = self.place(span.start);
                self.loaded.problem(place, &key, reason, remedy);
            }
            removed.push(take_out(&mut value, &span)?);
        }
        None
    }
}

/// What a channel's entry needs to read its table.
pub struct SectionReader<'f, 'a> {
    file: &'f mut File<'a>,
    path: &'f str,
}

impl SectionReader<'_, '_> {
    /// Reads the table into the channel's settings; problems are noted.
    pub fn read<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>) -> Option<T> {
        self.file.section(self.path, value)
    }
}

/// Removes the smallest entry that holds `span`; its name. `None` where there is none to remove.
fn take_out(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    let holds = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let DeValue::Table(table) = value.get_mut() else { return None };
    let mut victim = None;
    for (key, value) in table.iter_mut() {
        if key.span() == *span {
            victim = Some(key.get_ref().to_string());
            break;
        }
        if holds(value.span()) {
            // A nested table loses only its wrong key; where the table itself is wrong, it goes.
            if value.span() != *span
                && let Some(name) = take_out(value, span)
            {
                return Some(name);
            }
            victim = Some(key.get_ref().to_string());
            break;
        }
        // Tables written as `[a.b]` headers do not enclose what stands below them.
        if let Some(name) = take_out(value, span) {
            return Some(name);
        }
    }
    let name = victim?;
    let key = table.keys().find(|key| key.get_ref().as_ref() == name)?.clone();
    table.remove(&key);
    Some(name)
}
