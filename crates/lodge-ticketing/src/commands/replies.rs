//! Replies of agents: taken over, asked about, sent once more.

use super::auth::Repeated;
use super::problem::Problem;
use super::state::Shared;
use crate::names;
use axum::Json;
use axum::extract::{Extension, Path, State};
use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, StatusCode};
use lodge_domain::delivery::OutboundAttachment;
use lodge_domain::ports::NewReply;
use lodge_domain::ticket::ReplyState;
use lodge_domain::{Digest, OutboundId, Reference, digest_parts};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const LONGEST_TEXT: usize = 1024 * 1024;
const MOST_ATTACHMENTS: usize = 100;
const LONGEST_KEY: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyBody {
    text: String,
    html: Option<String>,
    #[serde(default)]
    attachments: Vec<AttachmentBody>,
    author: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttachmentBody {
    name: String,
    media_type: String,
    content: String,
}

/// The answer to a reply that is durable now.
#[derive(Serialize)]
pub(super) struct Queued {
    id: OutboundId,
    state: &'static str,
}

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    reference: Result<Path<String>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Queued>), Problem> {
    let reference = reference.ok().and_then(|Path(text)| Reference::parse(&text));
    let reference = reference.ok_or_else(|| Problem::unknown("conversation"))?;
    let idempotency_key = idempotency_key(&headers)?;
    let body: ReplyBody = read(&body)?;
    check(&body)?;
    let decoded = decode(&body.attachments)?;
    let content = content_digest(&reference, &body, &decoded);
    let mut attachments = Vec::with_capacity(decoded.len());
    for (name, media_type, bytes) in decoded {
        let blob = shared.given.blobs.put(bytes).await?;
        attachments.push(OutboundAttachment { name, media_type, blob });
    }
    let ReplyBody { text, html, author, .. } = body;
    let reply = NewReply { text, html, attachments, author, idempotency_key, content };
    let queued = shared.given.commands.reply(&reference, reply).await?;
    Ok((StatusCode::ACCEPTED, Json(Queued { id: queued.id, state: "queued" })))
}

pub(super) async fn state(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Json<ReplyState>, Problem> {
    let id = outbound_id(id)?;
    Ok(Json(shared.given.commands.reply_state(&id).await?))
}

pub(super) async fn resend(
    State(shared): State<Arc<Shared>>,
    Extension(Repeated(repeated)): Extension<Repeated>,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<(StatusCode, Json<ReplyState>), Problem> {
    let id = outbound_id(id)?;
    // Somebody who caught a signed call must not be able to send the reply again by repeating it.
    let state = if repeated {
        shared.given.commands.reply_state(&id).await?
    } else {
        shared.given.commands.resend(&id).await?
    };
    Ok((StatusCode::ACCEPTED, Json(state)))
}

fn outbound_id(
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<OutboundId, Problem> {
    let id = id.ok().and_then(|Path(text)| OutboundId::parse(&text));
    id.ok_or_else(|| Problem::unknown("reply"))
}

/// Reads a JSON body; the message names the member that is wrong, never its content.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let text = error.to_string();
        let about_names = text.starts_with("unknown field") || text.starts_with("missing field");
        let about_names = about_names || text.starts_with("duplicate field");
        if about_names {
            Problem::invalid(lodge_telemetry::redact::line(&text, 200))
        } else {
            Problem::invalid(format!("the body is not the JSON expected here, at {place}"))
        }
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let first = values.next().and_then(|value| value.to_str().ok()).map(str::trim);
    match first {
        Some(key) if values.next().is_none() && !key.is_empty() && key.len() <= LONGEST_KEY => {
            Ok(key.to_owned())
        }
        Some(_) => Err(Problem::invalid("Idempotency-Key is one text of 1 to 255 visible characters")),
        None => Err(Problem::invalid("the header Idempotency-Key is required")),
    }
}

fn check(body: &ReplyBody) -> Result<(), Problem> {
    let has_html = body.html.as_ref().is_some_and(|html| !html.trim().is_empty());
    if body.text.trim().is_empty() && !has_html && body.attachments.is_empty() {
        return Err(Problem::invalid("a reply has a text or an attachment"));
    }
    if body.text.len() > LONGEST_TEXT || body.html.as_ref().is_some_and(|html| html.len() > LONGEST_TEXT) {
        return Err(Problem::invalid("text and html have at most 1 MiB each"));
    }
    if body.attachments.len() > MOST_ATTACHMENTS {
        return Err(Problem::invalid("a reply has at most 100 attachments"));
    }
    if body.author.as_ref().is_some_and(|author| author.chars().count() > 200) {
        return Err(Problem::invalid("author has at most 200 characters"));
    }
    Ok(())
}

fn decode(attachments: &[AttachmentBody]) -> Result<Vec<(String, String, Bytes)>, Problem> {
    let mut decoded = Vec::with_capacity(attachments.len());
    for (at, attachment) in attachments.iter().enumerate() {
        let media_type = names::media_type(&attachment.media_type);
        let media_type = media_type
            .ok_or_else(|| Problem::invalid(format!("attachments[{at}].media_type is no media type")))?;
        let content = BASE64.decode(attachment.content.as_bytes());
        let content =
            content.map_err(|_| Problem::invalid(format!("attachments[{at}].content is no base64")))?;
        decoded.push((names::file_name(&attachment.name), media_type, Bytes::from(content)));
    }
    Ok(decoded)
}

/// What is asked for, however the JSON was written down: a repeat may order its members otherwise.
fn content_digest(
    reference: &Reference,
    body: &ReplyBody,
    attachments: &[(String, String, Bytes)],
) -> Digest {
    let optional =
        |text: &Option<String>| text.as_ref().map_or_else(|| "-".to_owned(), |text| format!("+{text}"));
    let (html, author) = (optional(&body.html), optional(&body.author));
    let mut parts: Vec<&[u8]> = vec![b"reply", reference.as_str().as_bytes(), body.text.as_bytes()];
    parts.extend([html.as_bytes(), author.as_bytes()]);
    for (name, media_type, content) in attachments {
        parts.extend([name.as_bytes(), media_type.as_bytes(), content.as_ref()]);
    }
    digest_parts(&parts)
}
