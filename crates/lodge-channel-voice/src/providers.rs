//! The providers of this channel: for each its file, and its line in the list of what a table may be.

mod bandwidth;
mod freeswitch;
mod jambonz;
mod plivo;
mod signalwire;
mod telnyx;
mod telnyx_call_control;
mod twilio;
mod twiml;
mod vonage;

use crate::dialect::Settings;
use schemars::JsonSchema;
use serde::Deserialize;

macro_rules! providers {
    ($($module:ident: $variant:ident($settings:ident) = $name:literal,)*) => {
        /// `[inbox.NAME.voice.PROVIDER]`: one provider's table.
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        pub enum VoiceSettings {
            $(
                #[doc = concat!("The table `", $name, "`.")]
                #[serde(rename = $name)]
                $variant($module::$settings),
            )*
        }

        $(pub use $module::$settings;)*

        /// The names of all providers.
        pub const PROVIDERS: &[&str] = &[$($name),*];

        impl VoiceSettings {
            /// The provider's name and its table.
            pub(crate) fn table(&self) -> (&'static str, &dyn Settings) {
                match self {
                    $(Self::$variant(settings) => ($name, settings),)*
                }
            }
        }

        /// What each provider can do, as a table in Markdown.
        #[must_use]
        pub fn matrix() -> String {
            crate::dialect::matrix(&[$(($name, $module::CAPABILITIES)),*])
        }
    };
}

providers! {
    twilio: Twilio(TwilioSettings) = "twilio",
    signalwire: Signalwire(SignalwireSettings) = "signalwire",
    plivo: Plivo(PlivoSettings) = "plivo",
    bandwidth: Bandwidth(BandwidthSettings) = "bandwidth",
    telnyx: Telnyx(TelnyxSettings) = "telnyx",
    vonage: Vonage(VonageSettings) = "vonage",
    jambonz: Jambonz(JambonzSettings) = "jambonz",
    freeswitch: Freeswitch(FreeswitchSettings) = "freeswitch",
}
