//! A complete toy channel: every line that comes in over TCP is a contact, and the answer is its reference.
//!
//! `cargo run -p lodge-channel --example echo_adapter` shows what a peer of a closed house hears; in a house, the composer
//! builds the door and its task listens. The contract of every adapter: understand, accept, and only then say "accepted".

use async_trait::async_trait;
use bytes::Bytes;
use lodge_channel::{
    Arrival, BuildError, Context, Door, Importer, Parts, Probe, Problem, SecretSource, Task, TaskError,
};
use lodge_domain::ports::{BlobError, Intake, Outcome, Refusal};
use lodge_domain::{
    Assurance, BrandName, Channel, ChannelAddress, Contact, DedupeKey, HandleKind, Inbound, InboxId,
};
use lodge_domain::{InboxName, Origin, Party, PartyHandle, Receipt, Timestamp, digest_parts};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The settings of one inbox.
struct EchoSettings {
    listen: String,
}

/// What a line means. Pure, so that a test needs no socket.
fn understand(inbox: &InboxId, line: &str, peer: &str, now: Timestamp) -> Contact {
    let content = digest_parts(&[peer.as_bytes(), line.as_bytes()]);
    Contact {
        version: Contact::VERSION,
        inbox: inbox.clone(),
        address: ChannelAddress { channel: Channel::Form, provider: "echo".to_owned() },
        // Nothing names a line, so that the same words of the same peer are the same contact.
        dedupe: DedupeKey {
            scope: format!("form/{}", inbox.name),
            source: "-".to_owned(),
            content: content.iter().map(|b| format!("{b:02x}")).collect(),
        },
        thread_keys: Vec::new(),
        registers: Vec::new(),
        rebinds: Vec::new(),
        entry: None,
        trace_keys: Vec::new(),
        from: Party {
            name: None,
            handle: PartyHandle::new(HandleKind::Anonymous, peer),
            assurance: Assurance::Unverified,
            evidence: Vec::new(),
        },
        recipients: Vec::new(),
        introduces: Vec::new(),
        subject: None,
        topic: None,
        body: lodge_domain::Body {
            text: line.to_owned(),
            reply: line.to_owned(),
            html: None,
            language: None,
        },
        attachments: Vec::new(),
        origin: Origin::human(),
        no_acknowledgment: Vec::new(),
        flags: Default::default(),
        delivery_reports: Vec::new(),
        details: Default::default(),
        headers: Default::default(),
        raw: None,
        return_path: None,
        occurred_at: now,
        received_at: now,
        backfill: false,
        acknowledges_inline: true,
    }
}

/// What the peer hears: the reference, or when to try again. Never "accepted" before the hallway said so.
fn answer(outcome: Result<Vec<Outcome>, Refusal>) -> String {
    match outcome.map(|mut all| all.pop()) {
        Ok(Some(Outcome::Accepted(Receipt { reference, .. }))) => {
            format!("accepted {}\n", reference.grouped())
        }
        Ok(_) => "nothing to file\n".to_owned(),
        Err(refusal) => format!("not now, try again in {} s\n", refusal.retry_after().as_secs()),
    }
}

async fn converse(stream: TcpStream, peer: String, context: &Context) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while lines.read_line(&mut line).await? > 0 {
        let contact = understand(&context.inbox, line.trim(), &peer, context.clock.now());
        let outcome = context.intake.accept(vec![Inbound::Contact(Box::new(contact))]).await;
        lines.write_all(answer(outcome).as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

async fn listen(address: String, context: Context) -> Result<(), TaskError> {
    let listener = TcpListener::bind(&address).await.map_err(|error| TaskError(error.to_string()))?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted.map_err(|error| TaskError(error.to_string()))?,
            () = context.shutdown.cancelled() => return Ok(()),
        };
        let (stream, peer) = accepted;
        if let Err(error) = converse(stream, peer.ip().to_string(), &context).await {
            tracing::debug!(%error, "a peer went away");
        }
    }
}

#[async_trait]
impl Door for EchoSettings {
    fn address(&self) -> ChannelAddress {
        ChannelAddress { channel: Channel::Form, provider: "echo".to_owned() }
    }

    fn brand(&self) -> Option<&BrandName> {
        None
    }

    fn addresses(&self) -> Vec<String> {
        vec![self.listen.clone()]
    }

    fn check(&self, _: &dyn SecretSource) -> Vec<Problem> {
        let fits = self.listen.parse::<std::net::SocketAddr>().is_ok();
        let problem = || Problem::new("listen", "this is no address", "write it as `127.0.0.1:7007`");
        if fits { Vec::new() } else { vec![problem()] }
    }

    async fn probe(&self, _: &Context) -> Vec<Probe> {
        Vec::new()
    }

    fn build(&self, context: Context) -> Result<Parts, BuildError> {
        let address = self.listen.clone();
        let task = Task::new("echo", move || listen(address.clone(), context.clone()));
        Ok(Parts { tasks: vec![task], ..Parts::default() })
    }

    fn importer(&self, _: Context) -> Result<Option<Arc<dyn Importer>>, BuildError> {
        Ok(Some(Arc::new(OneLine)))
    }
}

/// Reads a raw original: one line.
struct OneLine;

#[async_trait]
impl Importer for OneLine {
    async fn read(&self, raw: Bytes, arrival: Arrival) -> Result<Inbound, BlobError> {
        let Some(name) = InboxName::parse("echo") else { return Err(BlobError::Missing) };
        let inbox = InboxId { brand: BrandName::unbranded(), name };
        let received_at = arrival.received_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let contact = understand(&inbox, &String::from_utf8_lossy(&raw), "archive", received_at);
        Ok(Inbound::Contact(Box::new(contact)))
    }
}

/// A hallway that accepts nothing, to show what a peer hears then.
struct Closed;

#[async_trait]
impl Intake for Closed {
    async fn accept(&self, _: Vec<Inbound>) -> Result<Vec<Outcome>, Refusal> {
        Err(Refusal::Closing)
    }
}

#[tokio::main]
async fn main() {
    let door = EchoSettings { listen: "127.0.0.1:7007".to_owned() };
    println!("{} at {:?}", door.address(), door.addresses());
    let inbound =
        OneLine.read(Bytes::from_static(b"hello"), Arrival { received_at: None, backfill: false }).await;
    let outcome = Closed.accept(inbound.into_iter().collect()).await;
    println!("a peer that writes `hello` to a closed house hears: {}", answer(outcome).trim());
}
