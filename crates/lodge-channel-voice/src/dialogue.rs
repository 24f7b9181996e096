//! Dialogues: what a caller hears, may press and may say, as configuration. Never speaks any provider's language.
//!
//! A [`Dialogue`] is read from TOML, checked by [`check()`], and walked by [`machine`], a pure function from where a call is
//! and what the caller just did to what happens next.

pub mod call;
pub mod check;
pub mod draw;
mod hours;
pub mod machine;
pub mod settings;
mod words;

pub use call::{Call, Learned, Message, Spoken};
pub use check::{Flaw, check, is_e164};
pub use draw::draw;
pub use machine::{Ears, Input, Line, Moment, Sound, Then, Turn, advance};
pub use settings::{Dialogue, Step, read};
pub use words::spelled;

/// The dialogue that is there without any configuration: `config/dialogues/hotline.toml`.
pub const HOTLINE: &str = include_str!("../../../config/dialogues/hotline.toml");
