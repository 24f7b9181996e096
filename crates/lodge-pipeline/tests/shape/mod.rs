//! Checks a document against the part of JSON Schema (2020-12) that our schemas use.

use serde_json::Value;

/// What does not fit, each with its place; empty where all does.
pub(crate) fn misfits(schema: &Value, document: &Value) -> Vec<String> {
    let mut out = Vec::new();
    check(schema, schema, document, "", &mut out);
    out
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        match root.pointer(reference.trim_start_matches('#')) {
            Some(target) => check(root, target, value, at, out),
            None => out.push(format!("{at}: {reference} leads nowhere")),
        }
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(word).and_then(Value::as_array) {
            let fits = |choice: &&Value| {
                let mut inner = Vec::new();
                check(root, choice, value, at, &mut inner);
                inner.is_empty()
            };
            let count = choices.iter().filter(fits).count();
            if count == 0 || (word == "oneOf" && count > 1) {
                out.push(format!("{at}: fits {count} of {} choices", choices.len()));
            }
        }
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        check(root, part, value, at, out);
    }
    if let Some(kind) = schema.get("type") {
        let kinds: Vec<&str> = kind.as_array().map_or_else(
            || kind.as_str().into_iter().collect(),
            |kinds| kinds.iter().filter_map(Value::as_str).collect(),
        );
        if !kinds.iter().any(|kind| is(kind, value)) {
            out.push(format!("{at}: is no {}", kinds.join(" or ")));
        }
    }
    if schema.get("const").is_some_and(|only| only != value) {
        out.push(format!("{at}: is not the constant"));
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|known| !known.contains(value)) {
        out.push(format!("{at}: {value} is not among the values"));
    }
    inside(root, schema, value, at, out);
}

fn inside(root: &Value, schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    if let Some(object) = value.as_object() {
        for name in
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if !object.contains_key(name) {
                out.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if let Some(value) = object.get(name) {
                check(root, inner, value, &format!("{at}/{name}"), out);
            }
        }
    }
    if let (Some(values), Some(items)) = (value.as_array(), schema.get("items")) {
        for (n, value) in values.iter().enumerate() {
            check(root, items, value, &format!("{at}/{n}"), out);
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
