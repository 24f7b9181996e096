//! The providers of this channel: one file each, and one entry each in [`crate::config::VoiceSettings`].

pub(crate) mod signalwire;
pub(crate) mod twilio;
