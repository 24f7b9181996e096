//! A length of time as people write it in a configuration: `90s`, `15m`, `4h`, `2d`, `1h30m`.

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;

/// A length of time, never negative. Units are `ms`, `s`, `m`, `h`, `d` and `w`; a day has 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span(SignedDuration);

/// The longest a span may be: a hundred years, so that adding one to a time of our age always works.
const MOST_SECONDS: i64 = 100 * 365 * 86_400;

impl Span {
    /// A span of whole seconds; more than a hundred years are a hundred years.
    #[must_use]
    pub fn seconds(seconds: u32) -> Self {
        Self(SignedDuration::from_secs(i64::from(seconds).min(MOST_SECONDS)))
    }

    /// A span of whole hours.
    #[must_use]
    pub fn hours(hours: u16) -> Self {
        Self(SignedDuration::from_hours(i64::from(hours)))
    }

    /// A span of whole days.
    #[must_use]
    pub fn days(days: u16) -> Self {
        Self(SignedDuration::from_hours(24 * i64::from(days)))
    }

    /// The length.
    #[must_use]
    pub fn duration(self) -> SignedDuration {
        self.0
    }

    /// The length, for timers.
    #[must_use]
    pub fn unsigned(self) -> std::time::Duration {
        self.0.unsigned_abs()
    }

    /// Reads `1h30m` and the like; `None` for anything else, and for more than a hundred years.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut millis: i64 = 0;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at_checked(digits)?;
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at_checked(letters)?;
            let one: i64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "w" => 7 * 86_400_000,
                _ => return None,
            };
            millis = number.parse::<i64>().ok()?.checked_mul(one)?.checked_add(millis)?;
            rest = after.trim_start();
        }
        (millis <= MOST_SECONDS * 1_000).then(|| Self(SignedDuration::from_millis(millis)))
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, one) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
            if rest >= one {
                write!(f, "{}{unit}", rest / one)?;
                rest %= one;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no length of time; write it as `90s`, `15m`, `4h` or `2d`"))
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time such as 90s, 15m, 4h, 2d or 1h30m.",
            "pattern": "^([0-9]+(ms|s|m|min|h|d|w) *)+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print() {
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("4h", 14_400), ("2d", 172_800), ("1h30m", 5_400), ("1w", 604_800)]
        {
            let span = Span::parse(text).unwrap();
            assert_eq!(span.duration().as_secs(), seconds, "{text}");
            assert_eq!(Span::parse(&span.to_string()), Some(span), "{text}");
        }
        for bad in ["", "5", "h", "-1h", "1y", "99999999999999999999s", "200000d", "1 hour", "é"] {
            assert_eq!(Span::parse(bad), None, "{bad}");
        }
    }
}
