//! Reads what is there out of a provider's JSON and never fails on what is not: shapes change without notice (G03).

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A text by its JSON pointer; a number is written out, since ids are texts to us (they exceed 2^53).
pub(crate) fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The items of a list by its JSON pointer; none where there is no list.
pub(crate) fn items<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a flag is set.
pub(crate) fn is(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// A time in milliseconds since 1970.
pub(crate) fn millis(value: &Value, pointer: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(text(value, pointer)?.parse().ok()?).ok()
}

/// A time in seconds since 1970, with or without a fraction.
pub(crate) fn seconds(value: &Value, pointer: &str) -> Option<Timestamp> {
    let text = text(value, pointer)?;
    let whole = text.split('.').next().unwrap_or_default();
    Timestamp::from_second(whole.parse().ok()?).ok()
}

/// Details from pairs, without those that say nothing.
pub(crate) fn details<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let filled = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    filled.filter(|(_, value)| !value.is_null()).collect()
}
