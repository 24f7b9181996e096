//! The settings of a voice inbox: one table, named after its provider. What every provider's table has is written once,
//! here; a provider's file adds its own keys with [`table!`].

use lodge_domain::BrandName;
use url::Url;

/// What all providers' tables have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common<'s> {
    pub(crate) dialogue: &'s str,
    pub(crate) brand: Option<&'s BrandName>,
    pub(crate) text_from: Option<&'s str>,
    pub(crate) delete_recordings: bool,
    pub(crate) missed: bool,
    pub(crate) abandoned: bool,
    pub(crate) anonymous: bool,
    pub(crate) api_base: Option<&'s Url>,
}

/// A table that has them; [`table!`] says so.
pub(crate) trait Shared {
    fn common(&self) -> Common<'_>;
}

/// A provider's table: its own keys, and those of all. One flat struct, so that an unknown key is an error where it stands.
macro_rules! table {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$doc:meta])* pub $key:ident: $value:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$doc])* pub $key: $value,)*
            /// Where the provider's API is; its real address where nothing is named.
            #[schemars(with = "Option<String>")]
            pub api_base: Option<url::Url>,
            /// The dialogue: `dialogues/NAME.toml` beside the configuration, else a built-in one of this name.
            #[serde(default = "crate::config::hotline")]
            pub dialogue: String,
            /// The brand whose keys, budgets and conversations it uses.
            pub brand: Option<lodge_domain::BrandName>,
            /// The number that text messages go out from, where it is not the one that was called.
            pub text_from: Option<String>,
            /// Whether recordings are deleted at the provider once they are kept here.
            #[serde(default)]
            pub delete_recordings: bool,
            /// Whether calls that nobody took become tickets.
            #[serde(default = "crate::config::yes")]
            pub missed: bool,
            /// Whether calls become tickets whose caller hung up without leaving a message.
            #[serde(default = "crate::config::yes")]
            pub abandoned: bool,
            /// Whether missed and abandoned calls with a withheld number become tickets.
            #[serde(default = "crate::config::yes")]
            pub anonymous: bool,
        }

        impl crate::config::Shared for $name {
            fn common(&self) -> crate::config::Common<'_> {
                crate::config::Common {
                    dialogue: &self.dialogue,
                    brand: self.brand.as_ref(),
                    text_from: self.text_from.as_deref(),
                    delete_recordings: self.delete_recordings,
                    missed: self.missed,
                    abandoned: self.abandoned,
                    anonymous: self.anonymous,
                    api_base: self.api_base.as_ref(),
                }
            }
        }
    };
}
pub(crate) use table;

pub(crate) fn hotline() -> String {
    "hotline".to_owned()
}

pub(crate) fn yes() -> bool {
    true
}
