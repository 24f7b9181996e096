//! A telephone call, as Plivo makes it: a caller who agrees to text messages gets the reference spoken and as a text message,
//! through the provider's API, and the core gets one ticket with the recording (I01, I04, I05).

use crate::support::ticket;
use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use data_encoding::BASE64;
use lodge_e2e::{House, Plan, Store};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

on_both_stores!(i05_a_caller_who_agrees_is_sent_the_reference);

const CALL: &str = "97ceeb52-58b6-11f0-86da-77300b68f8bb";
/// What a recording is made of here.
const SOUND: &[u8] = b"RIFF1234WAVEsound";

const DIALOGUE: &str = r#"
start = "consent"
languages = ["en"]
[step.consent.consent]
about = "text-message"
say = { en = "For a text message with your reference press 9." }
yes = "9"
next = "message"
[step.message.record]
say = { en = "What can we do for you?" }
next = "confirm"
[step.confirm.confirm]
say = { en = "Your reference is {reference}." }
next = "end"
[step.end.goodbye]
say = { en = "Goodbye." }
"#;

/// Plivo, calling.
struct Caller {
    public: String,
    client: reqwest::Client,
}

impl Caller {
    /// Posts a form, signed over address, fields and a nonce; status and body of the answer.
    async fn post(&self, address: &str, pairs: &[(&str, &str)], token: &str) -> Result<(u16, String)> {
        let mut form: BTreeMap<&str, &str> = BTreeMap::from([
            ("CallUUID", CALL),
            ("From", "14155550134"),
            ("To", "18885550190"),
            ("CallStatus", "in-progress"),
        ]);
        form.extend(pairs.iter().copied());
        let fields: String = form.iter().map(|(key, value)| format!("{key}{value}")).collect();
        let (base, query) = address.split_once('?').unwrap_or((address, ""));
        let dot = if query.is_empty() { "" } else { "." };
        let signed = format!("{base}?{query}{dot}{fields}.nonce-1");
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
        let signature = BASE64.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
        let pair = |(key, value): (&&str, &&str)| format!("{key}={}", value.replace(':', "%3A"));
        let body: Vec<String> = form.iter().map(pair).collect();
        let request = self
            .client
            .post(address)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-plivo-signature-v3", signature)
            .header("x-plivo-signature-v3-nonce", "nonce-1")
            .body(body.join("&"));
        let answer = request.send().await.context("call the gateway")?;
        Ok((answer.status().as_u16(), answer.text().await.context("read the answer")?))
    }

    async fn call(&self, address: &str, pairs: &[(&str, &str)]) -> Result<String> {
        let (status, body) = self.post(address, pairs, "12345").await?;
        ensure!((200..300).contains(&status), "{address}: {status} {body}");
        Ok(body)
    }

    /// Follows the address that an answer names.
    async fn follow(&self, answer: &str, attribute: &str, pairs: &[(&str, &str)]) -> Result<String> {
        let after = answer.split(&format!("{attribute}=\"")).nth(1).context("no such address")?;
        let address = after.split('"').next().context("no address")?.replace("&amp;", "&");
        self.call(&address, pairs).await
    }
}

/// Plivo's API: has recordings, and takes text messages.
async fn api() -> Result<(String, Arc<Mutex<Vec<String>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
    let address = format!("http://{}", listener.local_addr()?);
    let taken: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = vec![0; 16 * 1024];
            let mut length = 0;
            // A request of a few hundred bytes may come in two pieces: head, then body.
            loop {
                let read = stream.read(&mut heard[length..]).await.unwrap_or(0);
                length += read;
                let text = String::from_utf8_lossy(&heard[..length]).into_owned();
                let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let said = head.to_lowercase();
                    let length = said.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                    body.len() >= length.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
                });
                if whole || read == 0 {
                    break;
                }
            }
            let text = String::from_utf8_lossy(&heard[..length]).into_owned();
            let known = text.to_lowercase().contains("authorization: basic");
            let (head, body): (&str, &[u8]) = if !known {
                ("401 Unauthorized", b"")
            } else if text.starts_with("POST /v1/Account/MA1/Message/ ") {
                log.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                ("202 Accepted", b"{\"message_uuid\":[\"m-1\"]}")
            } else {
                ("200 OK", SOUND)
            };
            let head =
                format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            drop(stream.write_all(&[head.as_bytes(), body].concat()).await);
        }
    });
    Ok((address, taken))
}

async fn i05_a_caller_who_agrees_is_sent_the_reference(store: Store) -> Result<()> {
    let (api, taken) = api().await?;
    let inbox = format!(
        "[inbox.hotline.voice.plivo]\nauth_id = \"MA1\"\nauth_token = \"file:plivo-token\"\napi_base = \"{api}\"\n\
         dialogue = \"asks\"\n"
    );
    // Plivo does not vouch for a caller's number: texting such callers is the operator's decision.
    let plan = Plan { acknowledge_anyone: true, ..Plan::on(store).extra(&inbox) };
    let Some(house) = House::build(plan).await? else { return Ok(()) };
    std::fs::write(house.folder().join("plivo-token"), "12345")?;
    std::fs::create_dir_all(house.folder().join("dialogues"))?;
    std::fs::write(house.folder().join("dialogues/asks.toml"), DIALOGUE)?;
    let gateway = house.run().await?;
    let plivo = Caller { public: house.public(), client: reqwest::Client::new() };
    let inbox = format!("{}/hooks/hotline", plivo.public);

    assert_eq!(plivo.post(&inbox, &[], "54321").await?.0, 401);
    let asks = plivo.call(&inbox, &[("CallStatus", "ringing"), ("Event", "StartApp")]).await?;
    let record = plivo.follow(&asks, "action", &[("InputType", "dtmf"), ("Digits", "9")]).await?;
    let url = format!("{api}/v1/Account/MA1/Recording/r1.mp3");
    let recorded = [("RecordUrl", url.as_str()), ("RecordingID", "r1"), ("RecordingDuration", "17")];
    let confirm = plivo.follow(&record, "action", &recorded).await?;
    assert_eq!(
        plivo.follow(&record, "action", &recorded).await?,
        confirm,
        "the same callback, the same bytes"
    );
    for _ in 0..2 {
        plivo.follow(&record, "callbackUrl", &recorded).await?;
        let over = [("CallStatus", "completed"), ("Event", "Hangup"), ("Duration", "41")];
        plivo.call(&format!("{inbox}/status"), &over).await?;
    }
    let calls = || {
        let contacts = house.core.contacts().into_iter();
        contacts.filter(|event| event["channel"] == "voice").collect::<Vec<_>>()
    };
    house.until("the call's ticket", 20, || calls().len() == 1).await?;
    let call = calls().remove(0);
    assert_eq!(call["details"]["call_id"], CALL);
    let reference = ticket(&call, "reference").to_owned();
    let spoken: String = confirm.chars().filter(char::is_ascii_digit).collect();
    assert!(spoken.contains(&reference), "{confirm}");
    house
        .until("recording and status", 60, || house.core.events_of("contact.supplemented").len() == 2)
        .await?;
    let texts = || taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    house.until("the text message", 60, || !texts().is_empty()).await?;
    let [text] = <[String; 1]>::try_from(texts()).map_err(|all| anyhow::anyhow!("{all:?}"))?;
    let digits: String =
        text.split("\"text\"").nth(1).unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    assert!(digits.contains(&reference) && text.contains("\"dst\":\"14155550134\""), "{text}");
    assert_eq!(calls().len(), 1);
    drop(gateway);
    Ok(())
}
