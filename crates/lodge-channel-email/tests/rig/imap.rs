//! A scripted IMAP server: one folder, as much of the protocol as a mailbox reader needs, and faults on request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How the server behaves; may be changed while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The greeting, or nothing at all.
    pub(crate) greeting: Option<&'static str>,
    pub(crate) capabilities: &'static str,
    /// Commands that are answered with NO.
    pub(crate) refused: BTreeSet<&'static str>,
    /// UIDs at whose fetching the connection ends in the middle of the literal.
    pub(crate) deadly: BTreeSet<u32>,
    /// UIDs whose bodies are left out of so many answers, although they are found.
    pub(crate) withheld: BTreeMap<u32, u32>,
    /// UIDs that another client removes just before their body is fetched.
    pub(crate) vanishing: BTreeSet<u32>,
    /// Ends connections after this many bytes; each entry serves one connection.
    pub(crate) cuts: Vec<usize>,
    /// Sizes told in place of the true ones.
    pub(crate) sizes: BTreeMap<u32, u64>,
    /// UIDs whose size and date are told in words that nobody understands.
    pub(crate) garbled: BTreeSet<u32>,
    /// Sent in place of the answer to a fetch of bodies.
    pub(crate) instead: Option<&'static [u8]>,
    /// Sent in the same segment as the answer to STARTTLS.
    pub(crate) injected: &'static str,
    /// Whether keywords of clients stay.
    pub(crate) keywords: bool,
    /// Says nothing from this command on.
    pub(crate) mute_at: Option<&'static str>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            greeting: Some("* OK ready"),
            capabilities: "IMAP4rev1 AUTH=PLAIN IDLE UIDPLUS MOVE",
            refused: BTreeSet::new(),
            deadly: BTreeSet::new(),
            withheld: BTreeMap::new(),
            vanishing: BTreeSet::new(),
            sizes: BTreeMap::new(),
            garbled: BTreeSet::new(),
            cuts: Vec::new(),
            instead: None,
            injected: "",
            keywords: true,
            mute_at: None,
        }
    }
}

/// A mail on the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) raw: Vec<u8>,
    pub(crate) flags: BTreeSet<String>,
}

/// What the server holds.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) script: Script,
    pub(crate) mails: BTreeMap<u32, Stored>,
    /// Other folders, by name.
    pub(crate) folders: BTreeMap<String, Vec<Vec<u8>>>,
    /// Every command, without its tag.
    pub(crate) log: Vec<String>,
}

/// A running server.
#[derive(Clone)]
pub(crate) struct FakeImap {
    pub(crate) port: u16,
    pub(crate) state: Arc<Mutex<State>>,
}

impl FakeImap {
    /// Starts one that holds `mails`, with UIDs from 1.
    pub(crate) async fn start(script: Script, mails: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails = (1..).zip(mails).map(|(uid, raw)| (uid, Stored { raw, ..Stored::default() })).collect();
        let state = Arc::new(Mutex::new(State { script, mails, ..State::default() }));
        let server = Self { port, state };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving.state);
                tokio::spawn(async move { Serving::new(stream, state).run().await });
            }
        });
        server
    }

    /// Commands that start with `word`, in order.
    pub(crate) fn commands(&self, word: &str) -> Vec<String> {
        self.state.lock().unwrap().log.iter().filter(|line| line.starts_with(word)).cloned().collect()
    }

    /// The flags of a mail.
    pub(crate) fn flags(&self, uid: u32) -> BTreeSet<String> {
        self.state.lock().unwrap().mails.get(&uid).map(|mail| mail.flags.clone()).unwrap_or_default()
    }
}

/// One connection.
struct Serving {
    stream: BufReader<TcpStream>,
    state: Arc<Mutex<State>>,
    left: usize,
}

/// The connection ended.
struct Ended;

impl Serving {
    fn new(stream: TcpStream, state: Arc<Mutex<State>>) -> Self {
        let left = state.lock().unwrap().script.cuts.pop().unwrap_or(usize::MAX);
        Self { stream: BufReader::new(stream), state, left }
    }

    async fn say(&mut self, text: impl AsRef<[u8]>) -> Result<(), Ended> {
        let bytes = text.as_ref();
        let fits = bytes.len().min(self.left);
        self.left -= fits;
        self.stream.get_mut().write_all(&bytes[..fits]).await.map_err(|_| Ended)?;
        if fits < bytes.len() { Err(Ended) } else { Ok(()) }
    }

    async fn hear(&mut self) -> Result<String, Ended> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await {
            Ok(count) if count > 0 => Ok(line.trim_end().to_owned()),
            _ => Err(Ended),
        }
    }

    fn script(&self) -> Script {
        self.state.lock().unwrap().script.clone()
    }

    async fn run(mut self) {
        // How a connection ends does not matter to the server.
        let _ended = self.serve().await;
    }

    async fn serve(&mut self) -> Result<(), Ended> {
        let Some(greeting) = self.script().greeting else {
            std::future::pending::<()>().await;
            return Ok(());
        };
        self.say(format!("{greeting}\r\n")).await?;
        loop {
            let line = self.hear().await?;
            let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
            let (tag, command) = (tag.to_owned(), command.to_owned());
            self.state.lock().unwrap().log.push(command.clone());
            let words: Vec<&str> = command.split(' ').collect();
            let name = if words[0] == "UID" { format!("UID {}", words[1]) } else { words[0].to_owned() };
            let script = self.script();
            if script.mute_at.is_some_and(|mute| mute == name) {
                std::future::pending::<()>().await;
            }
            if script.refused.contains(name.as_str()) {
                self.say(format!("{tag} NO not today\r\n")).await?;
                continue;
            }
            self.answer(&name, &words, &script).await?;
            self.say(format!("{tag} OK done\r\n{}", if name == "STARTTLS" { script.injected } else { "" }))
                .await?;
            if name == "LOGOUT" {
                return Ok(());
            }
        }
    }

    async fn answer(&mut self, name: &str, words: &[&str], script: &Script) -> Result<(), Ended> {
        match name {
            "CAPABILITY" => self.say(format!("* CAPABILITY {}\r\n", script.capabilities)).await,
            "AUTHENTICATE" => {
                self.say("+ \r\n").await?;
                self.hear().await.map(drop)
            }
            "SELECT" => {
                let (exists, next) = {
                    let state = self.state.lock().unwrap();
                    (state.mails.len(), state.mails.last_key_value().map_or(1, |(uid, _)| uid + 1))
                };
                let permanent = if script.keywords { " \\*" } else { "" };
                self.say(format!(
                    "* FLAGS (\\Seen \\Deleted)\r\n* {exists} EXISTS\r\n* 0 RECENT\r\n\
                     * OK [PERMANENTFLAGS (\\Seen \\Deleted{permanent})] ok\r\n\
                     * OK [UIDVALIDITY 42] ok\r\n* OK [UIDNEXT {next}] ok\r\n"
                ))
                .await
            }
            "UID SEARCH" => {
                let found = self.search(&words[2..].join(" "));
                let found: String = found.iter().map(|uid| format!(" {uid}")).collect();
                self.say(format!("* SEARCH{found}\r\n")).await
            }
            "UID FETCH" => self.fetch(words, script).await,
            "UID STORE" => {
                let flags = words[4..].join(" ");
                let flags = flags.trim_matches(['(', ')']);
                let mut state = self.state.lock().unwrap();
                for uid in set(words[2], &state.mails) {
                    let mail = state.mails.get_mut(&uid).unwrap();
                    mail.flags.extend(flags.split(' ').map(ToOwned::to_owned));
                }
                Ok(())
            }
            "UID MOVE" | "UID COPY" => {
                let target = words[3..].join(" ").trim_matches('"').to_owned();
                let mut state = self.state.lock().unwrap();
                for uid in set(words[2], &state.mails) {
                    let raw = state.mails[&uid].raw.clone();
                    state.folders.entry(target.clone()).or_default().push(raw);
                    if name == "UID MOVE" {
                        state.mails.remove(&uid);
                    }
                }
                Ok(())
            }
            "UID EXPUNGE" => {
                let mut state = self.state.lock().unwrap();
                for uid in set(words[2], &state.mails) {
                    if state.mails[&uid].flags.contains("\\Deleted") {
                        state.mails.remove(&uid);
                    }
                }
                Ok(())
            }
            "IDLE" => {
                self.say("+ idling\r\n").await?;
                self.hear().await.map(drop)
            }
            _ => Ok(()),
        }
    }

    fn search(&self, criteria: &str) -> Vec<u32> {
        let state = self.state.lock().unwrap();
        let has = |mail: &Stored, keyword: &str| mail.flags.contains(keyword);
        if let Some(range) = criteria.strip_prefix("UID ") {
            let mut found = set(range, &state.mails);
            // `n:*` names the last mail, however low it is.
            if range.ends_with('*') && found.is_empty() {
                found.extend(state.mails.keys().last());
            }
            return found;
        }
        let fits = |mail: &Stored| match criteria.split(' ').next() {
            Some("KEYWORD") => has(mail, "$LodgeDone"),
            Some("UNKEYWORD") => !has(mail, "$LodgeDone") && !has(mail, "$LodgeFailed"),
            _ => true,
        };
        state.mails.iter().filter(|(_, mail)| fits(mail)).map(|(uid, _)| *uid).collect()
    }

    fn leaves_out(&self, uid: u32) -> bool {
        let mut state = self.state.lock().unwrap();
        if state.script.vanishing.contains(&uid) {
            state.mails.remove(&uid);
            return true;
        }
        match state.script.withheld.get_mut(&uid) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    async fn fetch(&mut self, words: &[&str], script: &Script) -> Result<(), Ended> {
        let items = words[3..].join(" ");
        let chosen: Vec<(u32, Vec<u8>)> = {
            let state = self.state.lock().unwrap();
            set(words[2], &state.mails).into_iter().map(|uid| (uid, state.mails[&uid].raw.clone())).collect()
        };
        let bodies = items.contains("BODY.PEEK[]");
        if let (Some(instead), true) = (script.instead, bodies) {
            return self.say(instead).await;
        }
        for (uid, raw) in chosen {
            if bodies && self.leaves_out(uid) {
                continue;
            }
            if !bodies {
                if script.garbled.contains(&uid) {
                    self.say(format!("* {uid} FETCH (UID {uid} RFC822.SIZE none of your business)\r\n"))
                        .await?;
                    continue;
                }
                let size = script.sizes.get(&uid).copied().unwrap_or(raw.len() as u64);
                self.say(format!(
                    "* {uid} FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE \"01-Mar-2026 10:00:00 +0000\")\r\n"
                ))
                .await?;
                continue;
            }
            let (label, raw) = match items.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
                None => ("BODY[]".to_owned(), raw),
                Some((range, _)) => {
                    let (offset, length) = range.split_once('.').unwrap();
                    let (offset, length): (usize, usize) = (offset.parse().unwrap(), length.parse().unwrap());
                    let from = offset.min(raw.len());
                    (format!("BODY[]<{offset}>"), raw[from..(from + length).min(raw.len())].to_vec())
                }
            };
            self.say(format!("* {uid} FETCH (UID {uid} {label} {{{}}}\r\n", raw.len())).await?;
            if script.deadly.contains(&uid) {
                self.say(&raw[..raw.len() / 2]).await?;
                return Err(Ended);
            }
            self.say(&raw).await?;
            self.say(")\r\n").await?;
        }
        Ok(())
    }
}

/// The UIDs that `text` names and that are there.
fn set(text: &str, mails: &BTreeMap<u32, Stored>) -> Vec<u32> {
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        let from: u32 = from.parse().unwrap();
        let to: u32 = if to == "*" { u32::MAX } else { to.parse().unwrap() };
        all.extend(mails.range(from..=to).map(|(uid, _)| *uid));
    }
    all.into_iter().collect()
}
