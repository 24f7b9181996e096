//! Bodies as the providers would write them, and what came of them.

use super::Rig;
use lodge_domain::Inbound;
use lodge_domain::delivery::OutboundState;
use serde_json::{Value, json};

pub(crate) fn messenger(mid: &str, text: &str) -> Value {
    let message = json!({"mid": mid, "text": text});
    item(json!({"message": message}))
}

pub(crate) fn item(mut item: Value) -> Value {
    item["sender"] = json!({"id": "71"});
    item["recipient"] = json!({"id": "10"});
    item["timestamp"] = json!(1_795_291_190_000_i64);
    json!({"object": "page", "entry": [{"id": "10", "time": 1_795_291_190_123_i64, "messaging": [item]}]})
}

pub(crate) fn reports(rig: &Rig) -> Vec<(String, OutboundState)> {
    let of = |item: Inbound| match item {
        Inbound::Report(report) => Some((report.about.to_string(), report.recipients[0].state)),
        _ => None,
    };
    rig.intake.taken().into_iter().filter_map(of).collect()
}

pub(crate) fn whatsapp(message: Value) -> Value {
    let mut message = message;
    message["timestamp"] = json!("1795291190");
    value(json!({"messages": [message], "contacts": []}))
}

pub(crate) fn value(mut value: Value) -> Value {
    value["metadata"] = json!({"phone_number_id": "106540352242922"});
    let change = json!({"field": "messages", "value": value});
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]})
}
