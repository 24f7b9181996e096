//! Calls, as Twilio makes them: signed forms in, documents out. First callbacks of new calls against the least handler that
//! could be written (axum, HMAC-SHA1, the form read, a fixed document); then 200 calls a second, each with its menu, its recorded
//! message and its end.

use crate::load::{Line, flood, paced, percentile};
use crate::measure::{Rounds, Watch};
use crate::servers::{gateway, own};
use anyhow::{Context as _, Result};
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use data_encoding::BASE64;
use lodge_e2e::process::Process;
use lodge_e2e::{RedisServer, needs};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FIRST: usize = 6_000;
/// Calls a second, and seconds.
const STEADY: usize = 200;
const SECONDS: usize = 15;
const TOKEN: &str = "12345";
const PATH: &str = "/hooks/hotline";
/// The argument by which this program is the bare handler instead.
pub(crate) const FLOOR: &str = "voice-floor";

/// Measures; goals: 0.7 of the bare handler, p99 at most 200 ms.
pub(crate) async fn run() -> Result<()> {
    let mut rounds = Rounds::default();
    for round in 0..Rounds::COUNT {
        let folder = tempfile::tempdir()?;
        let (process, port) = hotline(folder.path(), "embedded:store").await?;
        let requests: Vec<_> = (0..FIRST).map(|number| first(port, &format!("CA{round}f{number}"))).collect();
        let requests = Arc::new(requests);
        let watch = Watch::on(process.id().to_string())?;
        flood(port, &requests).await?;
        rounds.ours.push(watch.stop(FIRST)?);
        drop(process);
        let (process, floor_port) = own(folder.path(), FLOOR).await?;
        let requests = (0..FIRST).map(|number| first(floor_port, &format!("CA{round}f{number}"))).collect();
        let watch = Watch::on(process.id().to_string())?;
        flood(floor_port, &Arc::new(requests)).await?;
        rounds.floor.push(watch.stop(FIRST)?);
    }
    rounds.report("voice", 0.7);
    let folder = tempfile::tempdir()?;
    steady(folder.path(), "embedded", "embedded:store").await?;
    if needs::has(&["redis"]) {
        let folder = tempfile::tempdir()?;
        let redis = RedisServer::start(&folder.path().join("redis"), &["--appendfsync", "everysec"]).await?;
        steady(folder.path(), "Redis", &redis.url()).await?;
    }
    Ok(())
}

async fn steady(folder: &Path, name: &str, store: &str) -> Result<()> {
    let (process, port) = hotline(folder, store).await?;
    let count = STEADY * SECONDS;
    let watch = Watch::on(process.id().to_string())?;
    let calls = paced(port, STEADY, count, move |line, number, due| call(line, port, number, due)).await?;
    let cpu = watch.stop(count)?.cpu;
    let mut times: Vec<Duration> = calls.into_iter().flatten().collect();
    let answers = times.len();
    let (p50, p99) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
    let verdict = if p99 <= 200.0 { "reached" } else { "MISSED" };
    println!(
        "voice, {name:<11} {STEADY} calls/s, {answers} answers: p50 {p50:.0} ms, p99 {p99:.0} ms (goal 200) {verdict}; \
         CPU {cpu:.0} µs a call with its contact"
    );
    Ok(())
}

/// One whole call; how long each answer took.
async fn call(mut line: Line, port: u16, number: usize, due: Instant) -> Result<(Line, Vec<Duration>)> {
    let call = format!("CAs{number}");
    let mut times = Vec::with_capacity(4);
    let menu = String::from_utf8_lossy(line.ask(&first(port, &call)).await?).into_owned();
    times.push(due.elapsed());
    let steps: [&[(&str, &str)]; 2] =
        [&[("Digits", "1")], &[("RecordingSid", "RE1"), ("RecordingDuration", "17"), ("Digits", "#")]];
    let mut answer = menu;
    for pairs in steps {
        let action = answer.split("action=\"").nth(1).and_then(|rest| rest.split('"').next());
        let address = action.with_context(|| format!("no action in {answer}"))?.replace("&amp;", "&");
        let begun = Instant::now();
        answer = String::from_utf8_lossy(line.ask(&form(port, &address, &call, pairs)).await?).into_owned();
        times.push(begun.elapsed());
    }
    let address = format!("http://127.0.0.1:{port}{PATH}/status");
    let begun = Instant::now();
    line.ask(&form(port, &address, &call, &[("CallStatus", "completed"), ("CallDuration", "40")])).await?;
    times.push(begun.elapsed());
    Ok((line, times))
}

fn first(port: u16, call: &str) -> Vec<u8> {
    form(port, &format!("http://127.0.0.1:{port}{PATH}"), call, &[("CallStatus", "ringing")])
}

/// A signed form to `address`, which is below this port.
fn form(port: u16, address: &str, call: &str, pairs: &[(&str, &str)]) -> Vec<u8> {
    let from =
        format!("+1415555{:04}", call.len() * 37 + call.bytes().map(usize::from).sum::<usize>() % 5000);
    let mut form = BTreeMap::from([
        ("AccountSid", "AC0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ("CallSid", call),
        ("CallStatus", "in-progress"),
        ("From", from.as_str()),
        ("To", "+18885550190"),
    ]);
    form.extend(pairs.iter().copied());
    let signed = form.iter().fold(address.to_owned(), |text, (key, value)| text + key + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
    let signature = BASE64.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    let escaped = |value: &str| value.replace('+', "%2B").replace('#', "%23");
    let body: Vec<String> = form.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
    let body = body.join("&");
    let path = address.trim_start_matches(&format!("http://127.0.0.1:{port}"));
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Twilio-Signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Serves the bare handler on `port`, until it is killed.
pub(crate) async fn floor(port: u16) -> Result<()> {
    let answer = move |headers: HeaderMap, body: Bytes| async move {
        let pairs: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
        let address = format!("http://127.0.0.1:{port}{PATH}");
        let signed = pairs.iter().fold(address, |text, (key, value)| text + key + value);
        let given = headers.get("x-twilio-signature").map(|value| BASE64.decode(value.as_bytes()));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
        let is_theirs =
            matches!(given, Some(Ok(given)) if hmac::verify(&key, signed.as_bytes(), &given).is_ok());
        let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>Welcome.</Say></Response>";
        if is_theirs { (StatusCode::OK, document) } else { (StatusCode::UNAUTHORIZED, "") }
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, Router::new().route(PATH, post(answer))).await?)
}

/// A gateway with a telephone number; where it listens.
async fn hotline(folder: &Path, store: &str) -> Result<(Process, u16)> {
    let inbox = "[inbox.hotline.voice.twilio]\nauth_token = \"file:token\"\napi_base = \"http://127.0.0.1:1\"\n\
         dialogue = \"hotline\"\n";
    gateway(folder, "phone", store, &[("token", TOKEN)], inbox).await
}
