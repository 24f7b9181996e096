//! Chat on a website: WebSocket sessions that forget nothing, and the widget that speaks them.
//!
//! [`ChatSettings`] is the door. A session is a timeline in the store: what a visitor says is appended in the very step that
//! accepts it as a contact, what an agent answers is appended by the replier, and every socket of the session, on
//! whatever gateway, tells what stands there, in order, once. Start reading at `socket.rs`, then `talk.rs`. Here never
//! lives a message in memory only, an identity that was typed and not proven, or a cookie.
//!
//! RFC 6455 (WebSocket), RFC 7515 and 7519 (signed-in visitors), RFC 9457 (refused uploads).
#![warn(missing_docs)]

mod bot;
mod clean;
pub mod config;
mod contact;
mod crowd;
mod desk;
mod door;
pub mod entry;
mod follow;
mod greet;
mod handover;
pub mod identity;
mod note;
mod origins;
pub mod protocol;
mod registry;
mod replier;
mod routes;
mod sample;
mod socket;
mod talk;
pub mod token;
mod uploads;
mod widget;

pub use config::ChatSettings;
pub use widget::widget_route;

/// A commented example of a chat inbox's table.
pub const EXAMPLE: &str = include_str!("../example.toml");
