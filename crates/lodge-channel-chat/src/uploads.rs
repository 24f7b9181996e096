//! Files that visitors send: `POST /chat/{inbox}/uploads`, one a request, with the session's secret as bearer token. The
//! answer's `id` is all that is kept of it beside the bytes: signed, good for an hour, in this session alone.

use crate::clean;
use crate::desk::Desk;
use crate::entry::KeptFile;
use crate::greet;
use crate::sample::Sample;
use crate::token::SessionKey;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64URL_NOPAD;
use futures_util::StreamExt as _;
use lodge_channel::Client;
use lodge_channel::attachment_policy::judge;
use lodge_domain::ports::{BlobError, BlobWriter, StoreError};
use lodge_domain::{BlobRef, Judgement, Suspicion};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long an upload may wait for its message, in seconds.
const LIFE: i64 = 3600;
const PURPOSE: &str = "chat-upload";

/// Files that a visitor may not hand on: what runs, or runs in a browser, when it is opened (T33, T48).
const REFUSED: [Suspicion; 5] = [
    Suspicion::Executable,
    Suspicion::Script,
    Suspicion::DiskImage,
    Suspicion::Shortcut,
    Suspicion::ActiveContent,
];

/// The id of an upload: the file and its end, signed for one session.
fn id(desk: &Desk, session: &str, file: &KeptFile, until: i64) -> String {
    let body = json!([file.name, file.media_type, file.blob.sha256, file.blob.size, file.judgement, until])
        .to_string();
    let parts = [desk.inbox.name.as_str().as_bytes(), session.as_bytes(), body.as_bytes()];
    let (key, mac) = desk.keys.sign(PURPOSE, &desk.inbox.brand, &parts);
    format!("{}.{key}.{}", BASE64URL_NOPAD.encode(body.as_bytes()), BASE64URL_NOPAD.encode(&mac))
}

/// The file behind an id, if that is ours, of this session, and not too old.
pub(crate) fn read(desk: &Desk, session: &str, id: &str) -> Option<KeptFile> {
    let mut fields = id.split('.');
    let (body, key, mac) = (fields.next()?, fields.next()?, fields.next()?);
    let body = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
    let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
    let parts = [desk.inbox.name.as_str().as_bytes(), session.as_bytes(), &body];
    if !desk.keys.verify(key.parse().ok()?, PURPOSE, &desk.inbox.brand, &parts, &mac) {
        return None;
    }
    type Body = (String, String, String, u64, Option<Judgement>, i64);
    let (name, media_type, sha256, size, judgement, until): Body = serde_json::from_slice(&body).ok()?;
    let fresh = until > desk.now().as_second();
    fresh.then_some(KeptFile { name, media_type, blob: BlobRef { sha256, size }, judgement })
}

/// Why an upload is refused, and how long to wait where waiting helps.
struct Refusal(StatusCode, String, Option<Duration>);

impl Refusal {
    fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self(status, words.into(), None)
    }

    fn later() -> Self {
        let words = "files cannot be kept right now; try again".to_owned();
        Self(StatusCode::SERVICE_UNAVAILABLE, words, Some(Duration::from_secs(5)))
    }
}

impl From<BlobError> for Refusal {
    fn from(_: BlobError) -> Self {
        Self::later()
    }
}

impl From<StoreError> for Refusal {
    fn from(_: StoreError) -> Self {
        Self::later()
    }
}

/// Answers a browser's question whether it may (CORS).
pub(crate) async fn preflight(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    allow(&desk, &headers, answer.headers_mut());
    answer
}

/// Takes one file.
pub(crate) async fn upload(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let headers = request.headers().clone();
    let mut answer = match take(&desk, request).await {
        Ok(answer) => (StatusCode::CREATED, axum::Json(answer)).into_response(),
        Err(Refusal(status, detail, wait)) => {
            let title = status.canonical_reason().unwrap_or_default();
            let body =
                json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
            let mut answer = (status, body.to_string()).into_response();
            let problem = HeaderValue::from_static("application/problem+json");
            answer.headers_mut().insert(header::CONTENT_TYPE, problem);
            if let Some(wait) = wait {
                answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            }
            answer
        }
    };
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    allow(&desk, &headers, answer.headers_mut());
    answer
}

/// Says to a configured website's browser that it may read the answer. No cookies, ever.
fn allow(desk: &Desk, asked: &HeaderMap, answer: &mut HeaderMap) {
    let Some(origin) = asked.get(header::ORIGIN) else { return };
    answer.insert(header::VARY, HeaderValue::from_static("origin"));
    if !origin.to_str().is_ok_and(|text| desk.origins.allow(text)) {
        return;
    }
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    let headers = HeaderValue::from_static("authorization, content-type");
    answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}

async fn take(desk: &Desk, request: Request) -> Result<serde_json::Value, Refusal> {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // A browser always says where it comes from; what is no browser proves itself by the secret alone.
    if text(header::ORIGIN).is_some_and(|origin| !desk.origins.allow(origin)) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "this website is not configured"));
    }
    let now = desk.now();
    let secret = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let session = secret.and_then(|secret| SessionKey::read(secret, &desk.keys, &desk.inbox, now));
    let unknown = || Refusal::new(StatusCode::UNAUTHORIZED, "the session is not known here");
    let session = session.ok_or_else(unknown)?;
    let note = desk.note(&session.timeline(&desk.inbox)).await?;
    // What opens no chat any more brings no files either.
    if note.ended || greet::is_void(&session, &note, now) {
        return Err(unknown());
    }
    let client = request.extensions().get::<Client>().copied();
    let too_large = || {
        let most = desk.settings.upload_bytes;
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a file has at most {most} bytes"))
    };
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    // Some room for what stands around the file.
    if length.is_some_and(|length| length > desk.settings.upload_bytes + 4096) {
        return Err(too_large());
    }
    let multipart = text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("multipart/form-data"));
    let file = if multipart {
        from_form(desk, client, request).await?
    } else {
        let kind = text(header::CONTENT_TYPE).unwrap_or("application/octet-stream").to_owned();
        let query = request.uri().query().unwrap_or_default();
        let name = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "name");
        let name = name.map(|(_, name)| name.into_owned()).unwrap_or_default();
        keep(desk, client, &name, &kind, request.into_body().into_data_stream()).await?
    };
    let Some(file) = file else { return Err(too_large()) };
    let until = now.as_second() + LIFE;
    let id = id(desk, &session.id, &file, until);
    Ok(json!({"id": id, "name": file.name, "media_type": file.media_type, "size": file.blob.size}))
}

async fn from_form(
    desk: &Desk,
    client: Option<Client>,
    request: Request,
) -> Result<Option<KeptFile>, Refusal> {
    let unreadable = || Refusal::new(StatusCode::BAD_REQUEST, "the form cannot be read");
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| unreadable())?;
    while let Some(field) = form.next_field().await.map_err(|_| unreadable())? {
        let Some(name) = field.file_name().map(ToOwned::to_owned) else { continue };
        let kind = field.content_type().unwrap_or("application/octet-stream").to_owned();
        return keep(desk, client, &name, &kind, field).await;
    }
    Err(Refusal::new(StatusCode::BAD_REQUEST, "the form has no file"))
}

/// The name and media type, cleaned.
fn cleaned(name: &str, kind: &str) -> (String, String) {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_type = kind.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    let plain = kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.+-_".contains(&b)) && kind.len() <= 100;
    let kind = if is_type && plain { kind } else { "application/octet-stream".to_owned() };
    let bare = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = clean::line(bare).trim_matches('.').chars().take(120).collect();
    (if name.is_empty() { "file".to_owned() } else { name }, kind)
}

/// What the file is by its name as it was sent and its bytes; refused where it is nothing to hand on.
fn judged(name: &str, kind: &str, start: &[u8]) -> Result<Judgement, Refusal> {
    let judgement = judge(Some(name).filter(|name| !name.is_empty()), kind, start);
    if REFUSED.iter().any(|bad| judgement.suspicions.contains(bad)) {
        let words = "files of this kind are not taken; send a picture, a document or an archive";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    Ok(judgement)
}

/// Keeps the bytes; `None` where there are too many.
async fn keep<E: std::fmt::Debug>(
    desk: &Desk,
    client: Option<Client>,
    sent_as: &str,
    kind: &str,
    mut pieces: impl futures_util::Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<Option<KeptFile>, Refusal> {
    let mut writer: Box<dyn BlobWriter> = desk.blobs.begin().await?;
    let mut sample = Sample::default();
    let mut size = 0;
    while let Some(piece) = pieces.next().await {
        let broken = |_| Refusal::new(StatusCode::BAD_REQUEST, "the upload broke off");
        let piece = piece.map_err(broken)?;
        size += piece.len() as u64;
        if size > desk.settings.upload_bytes {
            return Ok(None);
        }
        if let Some(client) = client {
            let wait = desk.crowd.bring(client, desk.now(), piece.len() as u64, &desk.settings).err();
            if wait.is_some() {
                let words = "too many files from your network; wait a while".to_owned();
                return Err(Refusal(StatusCode::TOO_MANY_REQUESTS, words, wait));
            }
        }
        // Early, so that little is kept of what is refused; the end may still say otherwise.
        if sample.take(&piece) {
            judged(sent_as, kind, sample.head())?;
        }
        writer.write(piece).await?;
    }
    if size == 0 {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "the file is empty"));
    }
    let judgement = Some(judged(sent_as, kind, &sample.whole())?);
    let (name, media_type) = cleaned(sent_as, kind);
    Ok(Some(KeptFile { name, media_type, blob: writer.finish().await?, judgement }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h08_t47_names_are_cleaned_and_programs_refused() {
        let (name, kind) = cleaned("../../etc/pass\u{202e}wd.png", "Image/PNG; x=1");
        assert_eq!((name.as_str(), kind.as_str()), ("passwd.png", "image/png"));
        assert_eq!(cleaned("", "nonsense"), ("file".to_owned(), "application/octet-stream".to_owned()));
        let png = b"\x89PNG\r\n\x1a\n".as_slice();
        assert!(judged("shot.png", "image/png", png).is_ok());
        let program = b"MZ\x90\0".as_slice();
        for (name, kind, start) in [
            ("a.exe", "image/png", png),
            ("a.png", "text/html", b"<html>".as_slice()),
            ("a.svg", "image/svg+xml", b"<svg>"),
            ("x.LNK", "a/b", b"x"),
            ("shot.png", "image/png", program),
        ] {
            assert!(judged(name, kind, start).is_err(), "{name} {kind}");
        }
    }
}
