//! The registration list: every channel this build has, in one place.

use crate::config::SectionReader;
use lodge_channel::Door;
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeValue;

type Parse = fn(&mut SectionReader<'_, '_>, Spanned<DeValue<'_>>) -> Option<Arc<dyn Door>>;

/// One channel.
pub struct Entry {
    /// Its name: the key below `[inbox.NAME]`.
    pub channel: &'static str,
    /// Reads its table.
    pub parse: Parse,
    /// The JSON Schema of its table.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// A commented example of its table.
    pub example: &'static str,
    /// What the reference says below its tables, in Markdown.
    pub notes: fn() -> String,
}

/// All channels.
#[must_use]
pub fn all() -> &'static [Entry] {
    const ALL: &[Entry] = &[
        Entry {
            channel: "chat",
            parse: |reader, value| {
                let settings: lodge_channel_chat::ChatSettings = reader.read(value)?;
                Some(Arc::new(settings))
            },
            schema: |generator| generator.subschema_for::<lodge_channel_chat::ChatSettings>(),
            example: lodge_channel_chat::EXAMPLE,
            notes: String::new,
        },
        Entry {
            channel: "email",
            parse: |reader, value| {
                let settings: lodge_channel_email::EmailSettings = reader.read(value)?;
                Some(Arc::new(settings))
            },
            schema: |generator| generator.subschema_for::<lodge_channel_email::EmailSettings>(),
            example: lodge_channel_email::EXAMPLE,
            notes: String::new,
        },
        Entry {
            channel: "social",
            parse: |reader, value| {
                let settings: lodge_channel_social::SocialSettings = reader.read(value)?;
                Some(Arc::new(settings))
            },
            schema: |generator| generator.subschema_for::<lodge_channel_social::SocialSettings>(),
            example: lodge_channel_social::EXAMPLE,
            notes: || format!("What each provider can do:\n\n{}", lodge_channel_social::matrix()),
        },
        Entry {
            channel: "voice",
            parse: |reader, value| {
                let settings: lodge_channel_voice::VoiceSettings = reader.read(value)?;
                Some(Arc::new(settings))
            },
            schema: |generator| generator.subschema_for::<lodge_channel_voice::VoiceSettings>(),
            example: lodge_channel_voice::EXAMPLE,
            notes: || format!("What each provider can do:\n\n{}", lodge_channel_voice::matrix()),
        },
    ];
    ALL
}

/// The channel of this name.
#[must_use]
pub fn entry(name: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| entry.channel == name)
}
