//! The providers of this channel: for each its file, and its line in the list of what a table may be.

mod bluesky;
mod discord;
mod facebook;
mod instagram;
mod line;
mod mastodon;
mod messenger;
mod meta;
mod meta_messaging;
mod plivo_messaging;
mod signalwire_messaging;
mod slack;
mod teams;
mod telegram;
mod telnyx_messaging;
mod twilio_compat;
mod twilio_messaging;
mod viber;
mod vonage_messages;
mod webhook;
mod whatsapp;
mod x;

use crate::speech::{Capabilities, FilesOut, Settings, Unit};
use std::sync::Arc;

macro_rules! providers {
    ($($(#[doc = $doc:literal])+ $name:literal $module:ident::$settings:ident),* $(,)?) => {
        crate::config::settings! {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $module: $module::$settings),*
        }

        /// The names of all providers.
        pub const PROVIDERS: &[&str] = &[$($name),*];

        /// What each provider can do.
        const ABLE: &[(&str, Capabilities)] = &[$(($name, $module::CAPABILITIES)),*];

        /// The least keys of each provider's table.
        const LEAST: &[(&str, &str)] = &[$(($name, $module::SCRATCH)),*];

        impl SocialSettings {
            /// The tables that are there, with their providers' names.
            pub(crate) fn tables(&self) -> Vec<(&'static str, Arc<dyn Settings>)> {
                let mut tables: Vec<(&'static str, Arc<dyn Settings>)> = Vec::new();
                $(if let Some(settings) = &self.$module {
                    tables.push(($name, Arc::new(settings.clone())));
                })*
                tables
            }
        }
    };
}

use lodge_domain::BrandName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{LongText, UnsendableFiles};

providers! {
    /// Messenger of a Facebook page.
    "messenger" messenger::Messenger,
    /// WhatsApp by the Cloud API.
    "whatsapp" whatsapp::WhatsApp,
    /// A Telegram bot.
    "telegram" telegram::Telegram,
    /// Any program that signs its webhooks (Standard Webhooks).
    "webhook" webhook::Generic,
    /// A Slack app.
    "slack" slack::Slack,
    /// A Discord application.
    "discord" discord::Discord,
    /// A bot in Microsoft Teams.
    "teams" teams::Teams,
    /// Direct messages and mentions of an X account.
    "x" x::X,
    /// Mentions of an account on Mastodon, public and direct.
    "mastodon" mastodon::Mastodon,
    /// Mentions of an account on Bluesky, and its conversations.
    "bluesky" bluesky::Bluesky,
    /// A LINE official account.
    "line" line::Line,
    /// A Viber bot.
    "viber" viber::Viber,
    /// Text messages and WhatsApp by Twilio.
    "twilio-messaging" twilio_messaging::Twilio,
    /// Text messages by SignalWire.
    "signalwire-messaging" signalwire_messaging::SignalWire,
    /// Text messages by Telnyx.
    "telnyx-messaging" telnyx_messaging::Telnyx,
    /// Text messages, WhatsApp and others by Vonage.
    "vonage-messages" vonage_messages::Vonage,
    /// Text messages and WhatsApp by Plivo.
    "plivo-messaging" plivo_messaging::Plivo,
    /// Messages and comments of an Instagram account.
    "instagram" instagram::Instagram,
    /// Comments and posts on a Facebook page.
    "facebook" facebook::Facebook,
}

/// The least settings by which a provider's raw bodies can be understood, with any non-empty file called `secret` beside
/// them; `None` for an unknown provider.
#[must_use]
pub fn scratch(provider: &str) -> Option<String> {
    let (_, keys) = LEAST.iter().find(|(name, _)| *name == provider)?;
    Some(format!("[inbox.inbox.social.{provider}]\n{keys}"))
}

/// What each provider can do, as a table in Markdown.
#[must_use]
pub fn matrix() -> String {
    let header = "| provider | verified by | longest text | window | public | files in | files out | changes | receipts | \
                  `webhook register` |\n|---|---|---|---|---|---|---|---|---|---|\n";
    ABLE.iter().fold(header.to_owned(), |table, (name, can)| table + &row(name, can))
}

fn row(name: &str, can: &Capabilities) -> String {
    let yes = |so: bool| if so { "yes" } else { "no" };
    let unit = match can.text.1 {
        Unit::Characters => "characters",
        Unit::Utf16 => "UTF-16 units",
        Unit::Bytes => "bytes",
        Unit::Weighted => "weighted characters",
    };
    format!(
        "| `{name}` | {} | {} {unit} | {} | {} | {} | {} | {} | {} | {} |\n",
        can.verified_by,
        can.text.0,
        can.window,
        yes(can.public),
        yes(can.files_in),
        match can.files_out {
            FilesOut::None => "no",
            FilesOut::All => "yes",
            FilesOut::Some(words) => words,
        },
        can.changes,
        can.receipts,
        yes(can.registers),
    )
}
