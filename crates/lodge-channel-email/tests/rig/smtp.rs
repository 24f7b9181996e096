//! A scripted SMTP server, and certificates for `localhost`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// An authority of its own, a certificate for `localhost` and its key, all PEM.
pub(crate) fn certificates() -> (String, String, String) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::from_params(&ca, &ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    (ca_certificate.pem(), certificate.pem(), key.serialize_pem())
}

/// What the server does in place of its usual answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers this line.
    Say(&'static str),
    /// Says nothing more.
    Hang,
    /// Ends the connection.
    Reset,
}

/// A running server.
#[derive(Clone)]
pub(crate) struct FakeSmtp {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Faults by phase (`banner`, `EHLO`, `AUTH`, `MAIL`, `RCPT`, `DATA`, `.`, `QUIT`, `NOOP`), first come first served.
    faults: VecDeque<(&'static str, Fault)>,
    extensions: Vec<&'static str>,
    injected: &'static str,
    answer: &'static str,
    connections: u32,
    log: Vec<String>,
    mails: Vec<String>,
}

impl FakeSmtp {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State {
            answer: "250 2.0.0 Ok: queued as 4XYZ",
            extensions: vec!["8BITMIME"],
            ..State::default()
        };
        let server = Self { port, state: Arc::new(Mutex::new(state)) };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                serving.state.lock().unwrap().connections += 1;
                tokio::spawn(async move { serving.serve(BufReader::new(stream)).await });
            }
        });
        server
    }

    /// At the next `phase` the server does this instead.
    pub(crate) fn fault(&self, phase: &'static str, fault: Fault) {
        self.state.lock().unwrap().faults.push_back((phase, fault));
    }

    /// Offers these extensions.
    pub(crate) fn offer(&self, extensions: &[&'static str], injected: &'static str) {
        let mut state = self.state.lock().unwrap();
        state.extensions = extensions.to_vec();
        state.injected = injected;
    }

    /// Answers mails with this line.
    pub(crate) fn answer(&self, line: &'static str) {
        self.state.lock().unwrap().answer = line;
    }

    /// The mails it took, with their envelope commands.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.state.lock().unwrap().mails.clone()
    }

    /// Commands that start with `word`.
    pub(crate) fn commands(&self, word: &str) -> Vec<String> {
        self.state.lock().unwrap().log.iter().filter(|line| line.starts_with(word)).cloned().collect()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> u32 {
        self.state.lock().unwrap().connections
    }

    fn take_fault(&self, phase: &str) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let at = state.faults.iter().position(|(at, _)| *at == phase)?;
        state.faults.remove(at).map(|(_, fault)| fault)
    }

    async fn say(&self, stream: &mut BufReader<TcpStream>, phase: &str, usual: &str) -> Option<()> {
        let line = match self.take_fault(phase) {
            None => usual.to_owned(),
            Some(Fault::Say(line)) => line.to_owned(),
            Some(Fault::Hang) => {
                std::future::pending::<()>().await;
                return None;
            }
            Some(Fault::Reset) => return None,
        };
        stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.ok()
    }

    async fn serve(&self, mut stream: BufReader<TcpStream>) -> Option<()> {
        self.say(&mut stream, "banner", "220 fake ready").await?;
        let mut envelope = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_owned();
            self.state.lock().unwrap().log.push(line.clone());
            let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let usual = match word.as_str() {
                "EHLO" => {
                    let state = self.state.lock().unwrap();
                    let mut lines: Vec<String> =
                        state.extensions.iter().map(|e| format!("250-{e}")).collect();
                    lines.insert(0, "250-fake".to_owned());
                    lines.push("250 HELP".to_owned());
                    lines.join("\r\n")
                }
                "AUTH" => "235 welcome".to_owned(),
                "STARTTLS" => format!("220 go\r\n{}", self.state.lock().unwrap().injected),
                "DATA" => "354 go on".to_owned(),
                "QUIT" => "221 bye".to_owned(),
                _ => "250 ok".to_owned(),
            };
            if word == "MAIL" || word == "RCPT" {
                envelope.push_str(&format!("{line}\n"));
            }
            let refused = self.state.lock().unwrap().faults.iter().any(|(phase, _)| *phase == word);
            self.say(&mut stream, &word, &usual).await?;
            if word == "DATA" && !refused {
                let mut mail = std::mem::take(&mut envelope);
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.ok()? == 0 {
                        return None;
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    mail.push_str(&line);
                }
                self.state.lock().unwrap().mails.push(mail);
                let answer = self.state.lock().unwrap().answer;
                self.say(&mut stream, ".", answer).await?;
            }
            if word == "QUIT" {
                return None;
            }
        }
    }
}
