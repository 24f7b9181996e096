//! Understanding a mail (headers, texts, reply split, automation, hashes, candidate) against the bare MIME parser.

use crate::measure::{Rounds, Watch};
use crate::sample;
use anyhow::{Context, Result};
use lodge_channel_email::understand::understand;
use mail_parser::MessageParser;
use std::hint::black_box;

const MAILS: usize = 200;
const PASSES: usize = 25;

/// Measures; goal: half the bare parser's rate.
pub(crate) fn run() -> Result<()> {
    let mails: Vec<_> = (0..MAILS).map(sample::mail).collect();
    let (around, arrival) = (sample::surroundings()?, sample::arrival());
    let mut rounds = Rounds::default();
    for _ in 0..Rounds::COUNT {
        let watch = Watch::start()?;
        for raw in (0..PASSES).flat_map(|_| &mails) {
            black_box(MessageParser::default().parse(raw.as_ref()).context("parse")?);
        }
        rounds.floor.push(watch.stop(MAILS * PASSES)?);
        let watch = Watch::start()?;
        for raw in (0..PASSES).flat_map(|_| &mails) {
            black_box(understand(raw, &arrival, &around));
        }
        rounds.ours.push(watch.stop(MAILS * PASSES)?);
    }
    rounds.report("parse", 0.5);
    Ok(())
}
