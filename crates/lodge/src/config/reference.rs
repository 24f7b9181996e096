//! The JSON Schema of the configuration and the reference, both made from the types that read it.

use super::model::{
    AcknowledgmentSection, AttachmentsSection, BlobSection, CoreSection, HoursSection, InboxSection,
    LimitsSection, LogSection, PrivacySection, RetentionSection, ServerSection, SigningSection, StoreSection,
};
use crate::channels;
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The JSON Schema (2020-12) of the configuration.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let mut properties = Map::new();
    for (name, schema) in sections(&mut generator) {
        properties.insert(name.to_owned(), schema.to_value());
    }
    let queue = generator.subschema_for::<lodge_triage::QueueSettings>();
    properties.insert("queue".to_owned(), table_of(&queue.to_value()));
    let hours = generator.subschema_for::<HoursSection>();
    properties.insert("hours".to_owned(), table_of(&hours.to_value()));
    let rule = generator.subschema_for::<lodge_triage::Rule>();
    properties.insert("rules".to_owned(), serde_json::json!({"type": "array", "items": rule}));
    properties.insert("inbox".to_owned(), table_of(&inbox(&mut generator)));
    let include = json_schema!({"type": "array", "items": {"type": "string"}, "description": "Further files of the same shape."});
    properties.insert("include".to_owned(), include.to_value());
    let definitions = generator.take_definitions(true);
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lodge configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions,
    })
}

fn sections(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
    vec![
        ("server", generator.subschema_for::<ServerSection>()),
        ("store", generator.subschema_for::<StoreSection>()),
        ("blobs", generator.subschema_for::<BlobSection>()),
        ("core", generator.subschema_for::<CoreSection>()),
        ("signing", generator.subschema_for::<SigningSection>()),
        ("acknowledgment", generator.subschema_for::<AcknowledgmentSection>()),
        ("privacy", generator.subschema_for::<PrivacySection>()),
        ("retention", generator.subschema_for::<RetentionSection>()),
        ("limits", generator.subschema_for::<LimitsSection>()),
        ("attachments", generator.subschema_for::<AttachmentsSection>()),
        ("log", generator.subschema_for::<LogSection>()),
    ]
}

fn table_of(item: &Value) -> Value {
    serde_json::json!({"type": "object", "additionalProperties": item})
}

/// An inbox: its defaults, and one table named after its channel.
fn inbox(generator: &mut SchemaGenerator) -> Value {
    let mut own = generator.root_schema_for::<InboxSection>().to_value();
    let channels: Vec<(&str, Schema)> =
        channels::all().iter().map(|e| (e.channel, (e.schema)(generator))).collect();
    if let Some(properties) = own.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, schema) in channels {
            properties.insert(name.to_owned(), schema.to_value());
        }
    }
    if let Some(object) = own.as_object_mut() {
        object.remove("$schema");
        object.remove("$defs");
    }
    own
}

/// The reference in Markdown: every table, key, type, default and meaning.
#[must_use]
pub fn reference() -> String {
    let schema = schema();
    let mut out = String::from(
        "# Configuration reference\n\nMade by `lodge config-reference` from the types that read the configuration. TOML; unknown keys \
         are errors. A secret is\nwritten `\"env:NAME\"` or `\"file:PATH\"`. Paths are relative to the configuration file.\n",
    );
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    const NAMES: [&str; 11] = [
        "server",
        "store",
        "blobs",
        "core",
        "signing",
        "acknowledgment",
        "privacy",
        "retention",
        "limits",
        "attachments",
        "log",
    ];
    for name in NAMES {
        if let Some(section) = properties.get(name) {
            table(&mut out, &schema, &format!("[{name}]"), section);
        }
    }
    table(&mut out, &schema, "[hours.NAME]", &properties["hours"]["additionalProperties"]);
    table(&mut out, &schema, "[queue.NAME]", &properties["queue"]["additionalProperties"]);
    table(&mut out, &schema, "[[rules]]", &properties["rules"]["items"]);
    table(&mut out, &schema, "[inbox.NAME]", &properties["inbox"]["additionalProperties"]);
    for entry in channels::all() {
        let section = &properties["inbox"]["additionalProperties"]["properties"][entry.channel];
        table(&mut out, &schema, &format!("[inbox.NAME.{}]", entry.channel), section);
        let notes = (entry.notes)();
        if !notes.is_empty() {
            put(&mut out, format_args!("\n{notes}"));
        }
    }
    out
}

/// Follows a reference into the definitions.
fn resolve<'v>(root: &'v Value, schema: &'v Value) -> &'v Value {
    let target = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/"));
    if let Some(name) = target {
        return resolve(root, &root["$defs"][name]);
    }
    let any = schema["anyOf"].as_array().or_else(|| schema["allOf"].as_array());
    any.and_then(|all| {
        all.iter().find(|one| one["type"] != "null" && (all.len() == 1 || one.get("$ref").is_some()))
    })
    .map_or(schema, |one| resolve(root, one))
}

fn table(out: &mut String, root: &Value, title: &str, section: &Value) {
    // Conditions nest in themselves: what is above needs no table of its own again.
    if title.matches('.').count() > 4
        || title.split('.').any(|part| matches!(part.trim_end_matches(']'), "not" | "any" | "all"))
    {
        return;
    }
    let resolved = resolve(root, section);
    let text = resolved["description"].as_str().unwrap_or_default();
    // A table that names one of several providers has one below it for each.
    for variant in resolved["oneOf"].as_array().into_iter().flatten() {
        for (name, schema) in variant["properties"].as_object().into_iter().flatten() {
            table(
                out,
                root,
                &format!("[{}.{name}]", title.trim_start_matches('[').trim_end_matches(']')),
                schema,
            );
        }
    }
    let Some(properties) = resolved["properties"].as_object() else { return };
    put(
        out,
        format_args!(
            "\n## `{title}`\n\n{}\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
            one_line(text)
        ),
    );
    let required: Vec<&str> =
        resolved["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut nested = Vec::new();
    for (key, schema) in properties {
        if channels::entry(key).is_some() && title == "[inbox.NAME]" {
            continue;
        }
        let below = resolve(root, schema);
        let default = match schema.get("default") {
            Some(Value::Null) | None if required.contains(&key.as_str()) => "required".to_owned(),
            Some(Value::Null) | None => String::new(),
            Some(Value::Object(_)) => String::new(),
            Some(value) => format!("`{value}`"),
        };
        let text =
            schema["description"].as_str().or_else(|| below["description"].as_str()).unwrap_or_default();
        put(out, format_args!("| `{key}` | {} | {default} | {} |\n", kind(root, schema), one_line(text)));
        if below.get("properties").is_some() {
            nested.push((key, schema));
        }
    }
    for (key, schema) in nested {
        let inner = title.trim_start_matches('[').trim_end_matches(']');
        table(out, root, &format!("[{inner}.{key}]"), schema);
    }
}

fn kind(root: &Value, schema: &Value) -> String {
    let resolved = resolve(root, schema);
    if let Some(values) = resolved["enum"].as_array() {
        return values.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(" or ");
    }
    if let Some(all) = resolved["oneOf"].as_array() {
        let words: Vec<String> =
            all.iter().filter_map(|v| v.get("const")).map(|v| format!("`{v}`")).collect();
        if !words.is_empty() {
            return words.join(" or ");
        }
    }
    match &resolved["type"] {
        Value::String(name) if name == "object" => "table".to_owned(),
        Value::String(name) if name == "array" => "list".to_owned(),
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|n| *n != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => "string or list".to_owned(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    if out.write_fmt(text).is_err() {
        out.push('?');
    }
}
