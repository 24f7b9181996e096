//! What every social inbox's table has beside its provider's.

use schemars::JsonSchema;
use serde::Deserialize;

/// What becomes of a reply that is longer than the provider takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LongText {
    /// It goes out in several parts.
    #[default]
    Split,
    /// It is refused, with the limit as the reason.
    Refuse,
}

/// What becomes of a file in a reply that the provider does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnsendableFiles {
    /// The reply is refused, with the reason.
    #[default]
    Refuse,
    /// A link to the file, good for a week, goes out with the words. Whoever reads them can open it.
    Link,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ #[serde(rename = $name:literal)] $field:ident: $settings:ty),*) => {
        /// A social inbox: one provider's table, and what holds for all of them.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct SocialSettings {
            /// The brand this inbox belongs to; brands have keys, budgets and templates of their own.
            pub brand: Option<BrandName>,
            /// Whether what everybody can read is acknowledged, for everybody to read. Private messages are, as ever.
            pub acknowledge_public: bool,
            /// What becomes of a reply that is longer than the provider takes: `split` or `refuse`.
            pub long_text: LongText,
            /// What becomes of a file in a reply that the provider does not take: `refuse`, or `link`, which anybody can open
            /// who reads it.
            pub unsendable_files: UnsendableFiles,
            /// Accounts and telephone numbers that are not heard: nothing of theirs is filed or fetched.
            pub blocked: Vec<String>,
            $($(#[doc = $doc])+ #[serde(rename = $name)] pub $field: Option<$settings>,)*
        }
    };
}
pub(crate) use settings;

pub use crate::providers::SocialSettings;
