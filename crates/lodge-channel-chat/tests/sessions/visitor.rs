//! A visitor with a careful client and a bad connection: keeps what was not accepted, resumes by number, and insists that
//! every number comes once and in order.

use crate::gateway::inbox;
use crate::wire::{self, Gone, Socket, next, send};
use crate::world::World;
use lodge_channel_chat::token;
use lodge_domain::{Reference, TimelineId};
use lodge_testkit::SeededEntropy;
use serde_json::{Value, json};
use std::time::Duration;
pub(crate) struct Visitor {
    pub(crate) seed: u64,
    dice: SeededEntropy,
    session: Option<String>,
    /// Who said what, by number from 1.
    pub(crate) told: Vec<(String, String)>,
    /// Everything this visitor said, in order.
    pub(crate) said: Vec<String>,
    /// What is not known to be accepted, by its place in `said`.
    pub(crate) pending: Vec<usize>,
    /// Everything an agent said to them, in order.
    pub(crate) answered: Vec<String>,
    /// How many sockets broke under them.
    pub(crate) broken: usize,
    reference: Option<Reference>,
}

fn id(number: usize) -> String {
    format!("m-{number}")
}

impl Visitor {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            dice: SeededEntropy::new(seed),
            session: None,
            told: Vec::new(),
            said: Vec::new(),
            pending: Vec::new(),
            answered: Vec::new(),
            broken: 0,
            reference: None,
        }
    }

    pub(crate) fn timeline(&self) -> Option<TimelineId> {
        let session = self.session.as_ref()?.split('.').next()?;
        Some(token::timeline(&inbox(), session))
    }

    pub(crate) async fn pause(&self, most: u64) {
        tokio::time::sleep(Duration::from_millis(self.dice.below(most))).await;
    }

    /// One connection, from hello to whatever end it takes.
    pub(crate) async fn come_and_go(&mut self, world: &World) -> Result<(), Gone> {
        let whole = self.dice.below(3) == 0;
        let bytes = |most| if whole { usize::MAX } else { usize::try_from(self.dice.below(most)).unwrap() };
        let (up, down) = (bytes(2500), bytes(6000));
        let mut socket = wire::open(world.address(self.dice.below(2)), up, down).await?;
        self.resume(&mut socket).await?;
        for _ in 0..self.dice.below(7) {
            match self.dice.below(6) {
                0..=2 => self.say(&mut socket).await?,
                3 => self.hear_from_an_agent(world).await,
                4 => self.listen(&mut socket, 8).await?,
                _ => self.pause(10).await,
            }
        }
        if self.dice.below(2) == 0 { self.listen(&mut socket, 40).await } else { Ok(()) }
    }

    /// A connection that holds, until nothing more comes.
    pub(crate) async fn catch_up(&mut self, world: &World) -> Result<(), Gone> {
        let mut socket = wire::open(world.address(self.dice.below(2)), usize::MAX, usize::MAX).await?;
        self.resume(&mut socket).await?;
        self.listen(&mut socket, 150).await
    }

    /// Says hello, waits for the welcome, and sends again what was not accepted.
    async fn resume(&mut self, socket: &mut Socket) -> Result<(), Gone> {
        let hello = match &self.session {
            Some(session) => json!({"t": "hello", "session": session, "after": self.told.len()}),
            None => json!({"t": "hello"}),
        };
        send(socket, &hello).await?;
        let welcome = next(socket, 10_000).await?.ok_or(Gone)?;
        if welcome["t"] != "welcome" {
            self.pause(50).await;
            assert_ne!(welcome["code"], "session_unknown", "{}: {welcome}", self.seed);
            return Err(Gone);
        }
        let (resumed, last) = (&welcome["resumed"], welcome["seq"].as_u64().unwrap());
        assert_eq!(*resumed, self.session.is_some(), "{}: {welcome}", self.seed);
        assert!(last >= self.told.len() as u64, "{}: {welcome} after {}", self.seed, self.told.len());
        self.session = welcome["session"].as_str().map(ToOwned::to_owned);
        for number in self.pending.clone() {
            send(socket, &json!({"t": "message", "id": id(number), "text": self.said[number]})).await?;
        }
        Ok(())
    }

    async fn say(&mut self, socket: &mut Socket) -> Result<(), Gone> {
        let number = self.said.len();
        let text = format!("visitor {} says {number} {}", self.seed, "…".repeat(number % 40));
        let frame = json!({"t": "message", "id": id(number), "text": text});
        self.said.push(text);
        self.pending.push(number);
        send(socket, &frame).await
    }

    async fn hear_from_an_agent(&mut self, world: &World) {
        let Some(reference) = self.reference.clone() else { return };
        let text = format!("agent says {} to visitor {}", self.answered.len(), self.seed);
        world.reply(self.dice.below(2), &reference, &text).await;
        self.answered.push(text);
    }

    /// Takes frames until none comes for so many milliseconds.
    async fn listen(&mut self, socket: &mut Socket, patience: u64) -> Result<(), Gone> {
        while let Some(frame) = next(socket, patience).await? {
            self.take(&frame);
            if frame["t"] == "error" {
                self.pause(30).await;
                return Err(Gone);
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: &Value) {
        let seed = self.seed;
        let known = self.told.len() as u64;
        let number = frame["id"].as_str().and_then(|id| id.strip_prefix("m-")?.parse::<usize>().ok());
        match frame["t"].as_str().unwrap() {
            "message" => {
                assert_eq!(frame["seq"], known + 1, "{seed}: in order, once: {frame}");
                let text = |key: &str| frame[key].as_str().unwrap().to_owned();
                self.told.push((text("from"), text("text")));
            }
            "accepted" => {
                let text = self.said[number.unwrap()].trim().to_owned();
                let reference = Reference::parse(frame["reference"].as_str().unwrap());
                assert!(self.reference.is_none() || self.reference == reference, "{seed}: {frame}");
                self.reference = reference;
                let seq = frame["seq"].as_u64().unwrap();
                if seq == known + 1 {
                    self.told.push(("visitor".to_owned(), text.clone()));
                }
                let at = usize::try_from(seq).unwrap() - 1;
                assert!(at < self.told.len(), "{seed}: something is left out before {frame}");
                assert_eq!(self.told[at], ("visitor".to_owned(), text), "{seed}: {frame}");
            }
            "error" => {}
            _ => panic!("{seed}: {frame}"),
        }
        if let Some(number) = number.filter(|_| frame["t"] != "error") {
            self.pending.retain(|pending| *pending != number);
        }
    }
}
