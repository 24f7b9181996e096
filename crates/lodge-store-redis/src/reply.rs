//! Reads what scripts and commands answer, without trusting its shape.

use crate::error::unreadable;
use lodge_domain::ports::StoreError;
use redis::Value;

/// Text, number or status as bytes; nothing where there is none.
pub(crate) fn bytes(value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Okay => Ok(Some(b"OK".to_vec())),
        Value::Int(number) => Ok(Some(number.to_string().into_bytes())),
        Value::Double(number) => Ok(Some(number.to_string().into_bytes())),
        _ => Err(unreadable("an answer has another shape")),
    }
}

/// Bytes that must be there.
pub(crate) fn some_bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    bytes(value)?.ok_or_else(|| unreadable("an answer is empty"))
}

/// Text that must be there.
pub(crate) fn text(value: Value) -> Result<String, StoreError> {
    String::from_utf8(some_bytes(value)?).map_err(|_| unreadable("an answer is no text"))
}

/// A number.
pub(crate) fn number(value: Value) -> Result<u64, StoreError> {
    text(value)?.parse().map_err(|_| unreadable("an answer is no number"))
}

/// A list, pairs of a map one after the other.
pub(crate) fn list(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        _ => Err(unreadable("an answer is no list")),
    }
}

/// A list of byte strings, absent ones as `None`.
pub(crate) fn maybe_list(value: Value) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    list(value)?.into_iter().map(bytes).collect()
}

/// A list of byte strings that must all be there.
pub(crate) fn bytes_list(value: Value) -> Result<Vec<Vec<u8>>, StoreError> {
    list(value)?.into_iter().map(some_bytes).collect()
}

/// Names and values.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A list of names and values.
pub(crate) fn pairs(value: Value) -> Result<Pairs, StoreError> {
    let mut items = bytes_list(value)?.into_iter();
    let mut out = Vec::with_capacity(items.len() / 2);
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        out.push((key, value));
    }
    Ok(out)
}

/// UTF-8 of a stored record.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes).map_err(|_| unreadable("a record is no text"))
}
