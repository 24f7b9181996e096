//! Whole calls over signed webhooks, a store in memory and a hallway that remembers.

mod calls;
mod dialogues;
mod fixtures;
mod outward;
mod rig;
