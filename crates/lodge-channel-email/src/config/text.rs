//! Settings that are written as short texts: times such as `60s`, and what is done with a mail once it is filed.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};
use std::borrow::Cow;
use std::time::Duration;

/// A length of time, written as a whole number and `ms`, `s`, `m` or `h`; from a millisecond to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(Duration);

impl Interval {
    /// The interval of this length.
    #[must_use]
    pub const fn new(length: Duration) -> Self {
        Self(length)
    }

    /// Its length.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Reads `60s`, `5m`, `250ms` or `1h`; `None` for anything else, for nothing, and for more than a day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let length = Duration::from_millis(number.checked_mul(millis)?);
        (!length.is_zero() && length <= Duration::from_secs(86_400)).then_some(Self(length))
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "\"{text}\" is no length of time; write a number and ms, s, m or h, up to a day, such as \"60s\""
            ))
        })
    }
}

impl JsonSchema for Interval {
    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h)$",
            "description": "A length of time up to a day, such as `60s` or `5m`."
        })
    }
}

/// What is done with a mail once it is filed; never before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// It stays as it is, at most with the keyword `$LodgeDone`.
    #[default]
    Keep,
    /// It is marked as read.
    Seen,
    /// It is moved to this folder, which is made where it is missing.
    Move(String),
    /// It is deleted for good.
    Delete,
}

impl After {
    /// Reads `keep`, `seen`, `move:FOLDER` or `delete`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "keep" => Some(Self::Keep),
            "seen" => Some(Self::Seen),
            "delete" => Some(Self::Delete),
            other => {
                let folder = other.strip_prefix("move:")?;
                let fits = !folder.is_empty() && !folder.chars().any(char::is_control);
                fits.then(|| Self::Move(folder.to_owned()))
            }
        }
    }
}

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("\"{text}\" is not one of keep, seen, move:FOLDER and delete"))
        })
    }
}

impl JsonSchema for After {
    fn schema_name() -> Cow<'static, str> {
        "After".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(keep|seen|delete|move:.+)$",
            "description": "What is done with a mail once it is filed: `keep`, `seen`, `move:FOLDER` or `delete`."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_within_their_bounds() {
        let read = |text: &str| Interval::parse(text).map(Interval::get);
        assert_eq!(read("60s"), Some(Duration::from_secs(60)));
        assert_eq!(read("5m"), Some(Duration::from_secs(300)));
        assert_eq!(read("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(read("24h"), Some(Duration::from_secs(86_400)));
        for wrong in ["", "60", "s", "0s", "25h", "1 s", "-1s", "1.5s", "99999999999999999999s", "1d", "1ß"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a09_the_four_policies_are_read() {
        assert_eq!(After::parse("keep"), Some(After::Keep));
        assert_eq!(After::parse("seen"), Some(After::Seen));
        assert_eq!(After::parse("delete"), Some(After::Delete));
        assert_eq!(After::parse("move:Done/2026"), Some(After::Move("Done/2026".to_owned())));
        for wrong in ["", "move:", "Keep", "move", "move:a\r\nb"] {
            assert_eq!(After::parse(wrong), None, "{wrong}");
        }
    }
}
