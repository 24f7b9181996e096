//! The description of the core's calls, for programs and for people.

use super::{escape, html};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], lodge_ticketing::openapi()).into_response()
}

pub(super) async fn page() -> Response {
    let document: Value = serde_json::from_str(lodge_ticketing::openapi()).unwrap_or_default();
    let mut rows = String::new();
    for (path, calls) in document["paths"].as_object().into_iter().flatten() {
        for (method, call) in calls.as_object().into_iter().flatten() {
            let words = call["description"].as_str().or_else(|| call["summary"].as_str()).unwrap_or_default();
            let answers: Vec<&str> =
                call["responses"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
            rows.push_str(&format!(
                "<tr><th><code>{} {}</code></th><td>{}</td><td>{}</td></tr>",
                escape(&method.to_uppercase()),
                escape(path),
                escape(words),
                escape(&answers.join(", "))
            ));
        }
    }
    html(
        "Lodge: calls of the core",
        &format!(
            "<h1>Calls of the core</h1><nav><a href=\"/\">overview</a><a href=\"/openapi.json\">openapi.json</a></nav>\
             <p>Signed like the events (Standard Webhooks), or with a bearer token from <code>[core] tokens</code>.</p>\
             <div class=\"wide\"><table><tr><th>call</th><th>does</th><th>answers</th></tr>{rows}</table></div>"
        ),
    )
}
