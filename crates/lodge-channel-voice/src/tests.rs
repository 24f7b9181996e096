//! Tests of what an inbox does, one suite for all providers: a provider's phone (`fixtures/voice/PROVIDER/phone.json`) says
//! what it sends and how it signs, and inherits them all.

mod answers;
mod attacks;
mod callbacks;
mod calls;
mod commands;
mod dialogues;
mod hangups;
mod invented;
mod misdirected;
mod orders;
mod outward;
mod phone;
mod reading;
mod rig;
mod sign;
mod streams;
mod uploads;
mod vectors;
