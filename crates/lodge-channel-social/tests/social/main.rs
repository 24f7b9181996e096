//! Social inboxes by their real routes and repliers, with the providers' APIs on loopback.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod bluesky;
mod discord;
mod echoes;
mod everyone;
mod files;
mod fixtures;
mod incoming;
mod mastodon;
mod mastodon_push;
mod plivo;
mod replies;
mod rig;
mod security;
mod teams;
mod telnyx;
mod vonage;
mod windows;
mod x;
