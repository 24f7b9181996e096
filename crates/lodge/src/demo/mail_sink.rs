//! A mail server (RFC 5321) that accepts everything and keeps the last mails for the sandbox page. Loopback only.

use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// A mail that came in.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Whom it was for.
    pub recipients: Vec<String>,
    /// Its bytes.
    pub raw: Arc<Vec<u8>>,
}

/// The server.
pub struct MailSink {
    port: u16,
    mails: broadcast::Sender<Delivered>,
}

/// More than this in one mail is refused.
const MOST_BYTES: usize = 40 << 20;

impl MailSink {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (mails, _) = broadcast::channel(256);
        let sender = mails.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &sender).await {
                        tracing::debug!(%error, "a mail connection ended early");
                    }
                });
            }
        });
        Ok(Self { port, mails })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Mails from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Delivered> {
        self.mails.subscribe()
    }
}

async fn converse(stream: TcpStream, mails: &broadcast::Sender<Delivered>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sandbox ready\r\n").await?;
    let mut recipients = Vec::new();
    loop {
        let Some(line) = read_line(&mut stream).await? else { return Ok(()) };
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-sandbox\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 41943040\r\n",
            "RCPT" => {
                recipients.extend(line.split(['<', '>']).nth(1).map(ToOwned::to_owned));
                b"250 2.1.5 fine\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let raw = Arc::new(read_data(&mut stream).await?);
                let mail = Delivered { recipients: std::mem::take(&mut recipients), raw };
                // Nobody may be looking; the mail is still accepted.
                drop(mails.send(mail));
                b"250 2.0.0 kept\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            "RSET" => {
                recipients.clear();
                b"250 fine\r\n"
            }
            "HELO" | "MAIL" | "NOOP" => b"250 fine\r\n",
            _ => b"502 not here\r\n",
        };
        stream.write_all(answer).await?;
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = (&mut *stream).take(4096).read_until(b'\n', &mut line).await?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
}

/// Reads up to the final dot and takes the dots away that were stuffed.
async fn read_data(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = (&mut *stream).take(MOST_BYTES as u64).read_until(b'\n', &mut line).await?;
        if read == 0 || raw.len() + line.len() > MOST_BYTES {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" || line == b".\n" {
            return Ok(raw);
        }
        raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
