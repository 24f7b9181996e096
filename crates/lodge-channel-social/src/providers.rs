//! The providers of this channel: for each its file, and its line in the list of what a table may be.

mod facebook;
mod instagram;
mod messenger;
mod meta;
mod meta_messaging;
mod slack;
mod telegram;
mod webhook;
mod whatsapp;

use crate::speech::{Capabilities, Settings, Unit};
use std::sync::Arc;

macro_rules! providers {
    ($($(#[doc = $doc:literal])+ $name:literal $field:ident: $settings:ty),* $(,)?) => {
        crate::config::settings! { $($(#[doc = $doc])+ #[serde(rename = $name)] $field: $settings),* }

        /// The names of all providers.
        pub const PROVIDERS: &[&str] = &[$($name),*];

        impl SocialSettings {
            /// The tables that are there, with their providers' names.
            pub(crate) fn tables(&self) -> Vec<(&'static str, Arc<dyn Settings>)> {
                let mut tables: Vec<(&'static str, Arc<dyn Settings>)> = Vec::new();
                $(if let Some(settings) = &self.$field {
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

use crate::config::LongText;

providers! {
    /// Messenger of a Facebook page.
    "messenger" messenger: messenger::Messenger,
    /// WhatsApp by the Cloud API.
    "whatsapp" whatsapp: whatsapp::WhatsApp,
    /// A Telegram bot.
    "telegram" telegram: telegram::Telegram,
    /// Any program that signs its webhooks (Standard Webhooks).
    "webhook" webhook: webhook::Generic,
    /// A Slack app.
    "slack" slack: slack::Slack,
    /// Messages and comments of an Instagram account.
    "instagram" instagram: instagram::Instagram,
    /// Comments and posts on a Facebook page.
    "facebook" facebook: facebook::Facebook,
}

/// The least settings by which a provider's raw bodies can be understood, with any non-empty file called `secret` beside
/// them; `None` for an unknown provider.
#[must_use]
pub fn scratch(provider: &str) -> Option<String> {
    let keys = match provider {
        "messenger" | "instagram" | "facebook" => {
            "app_secret = \"file:secret\"\nverify_token = \"file:secret\"\naccess_token = \"file:secret\"\n"
        }
        "whatsapp" => {
            "app_secret = \"file:secret\"\nverify_token = \"file:secret\"\naccess_token = \"file:secret\"\nphone_number_id = \"0\"\n"
        }
        "telegram" => "bot_token = \"file:secret\"\nsecret_token = \"file:secret\"\n",
        "slack" => "signing_secret = \"file:secret\"\nbot_token = \"file:secret\"\n",
        "webhook" => "secret = \"file:secret\"\n",
        _ => return None,
    };
    Some(format!("[inbox.inbox.social.{provider}]\n{keys}"))
}

/// What each provider can do, as a table in Markdown.
#[must_use]
pub fn matrix() -> String {
    let rows = [
        ("messenger", messenger::CAPABILITIES),
        ("whatsapp", whatsapp::CAPABILITIES),
        ("telegram", telegram::CAPABILITIES),
        ("webhook", webhook::CAPABILITIES),
        ("slack", slack::CAPABILITIES),
        ("instagram", instagram::CAPABILITIES),
        ("facebook", facebook::CAPABILITIES),
    ];
    let header = "| provider | verified by | longest text | window | public | files in | files out | changes | receipts | \
                  `webhook register` |\n|---|---|---|---|---|---|---|---|---|---|\n";
    rows.iter().fold(header.to_owned(), |table, (name, can)| table + &row(name, can))
}

fn row(name: &str, can: &Capabilities) -> String {
    let yes = |so: bool| if so { "yes" } else { "no" };
    let unit = match can.text.1 {
        Unit::Characters => "characters",
        Unit::Utf16 => "UTF-16 units",
        Unit::Bytes => "bytes",
    };
    let window = can.window_hours.map_or_else(|| "none".to_owned(), |hours| format!("{hours} h"));
    format!(
        "| `{name}` | {} | {} {unit} | {window} | {} | {} | {} | {} | {} | {} |\n",
        can.verified_by,
        can.text.0,
        yes(can.public),
        yes(can.files_in),
        yes(can.files_out),
        can.changes,
        can.receipts,
        yes(can.registers),
    )
}
