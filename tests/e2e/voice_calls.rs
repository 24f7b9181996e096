//! A telephone call, as Twilio makes it: signed callbacks in, one ticket out, the recording linked, the reference spoken
//! (I01, I02, I04).

use crate::support::ticket;
use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use data_encoding::BASE64;
use lodge_e2e::{House, Plan, Store};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

on_both_stores!(i01_a_call_becomes_one_ticket_with_its_recording);

const CALL: &str = "CA5e0b1c2d3f4a596877869504132231f0";
const ACCOUNT: &str = "AC0f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// What a recording is made of here.
const SOUND: &[u8] = b"RIFF1234WAVEsound";

/// Twilio, calling.
struct Caller {
    public: String,
    client: reqwest::Client,
}

impl Caller {
    async fn post(&self, address: &str, pairs: &[(&str, &str)], token: &str) -> Result<(u16, String)> {
        let mut form: BTreeMap<&str, &str> = BTreeMap::from([
            ("CallSid", CALL),
            ("AccountSid", ACCOUNT),
            ("From", "+14155550134"),
            ("To", "+18885550190"),
            ("CallStatus", "in-progress"),
        ]);
        form.extend(pairs.iter().copied());
        let signed = form.iter().fold(address.to_owned(), |text, (key, value)| text + key + value);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
        let signature = BASE64.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
        let pair =
            |(key, value): (&&str, &&str)| format!("{key}={}", value.replace('+', "%2B").replace(':', "%3A"));
        let body: Vec<String> = form.iter().map(pair).collect();
        let request = self
            .client
            .post(address)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", signature)
            .body(body.join("&"));
        let answer = request.send().await.context("call the gateway")?;
        Ok((answer.status().as_u16(), answer.text().await.context("read the answer")?))
    }

    async fn call(&self, below: &str, pairs: &[(&str, &str)]) -> Result<String> {
        let (status, body) =
            self.post(&format!("{}/hooks/hotline{below}", self.public), pairs, "12345").await?;
        ensure!((200..300).contains(&status), "{below}: {status} {body}");
        Ok(body)
    }

    /// Follows the first action that an answer names.
    async fn follow(&self, answer: &str, pairs: &[(&str, &str)]) -> Result<String> {
        let after = answer.split("action=\"").nth(1).context("no action in the answer")?;
        let address = after.split('"').next().context("no address")?;
        let (status, body) = self.post(address, pairs, "12345").await?;
        ensure!(status == 200, "{address}: {status} {body}");
        Ok(body)
    }
}

/// Where recordings lie: nothing at first, then the sound.
async fn api() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        let mut misses = 1;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = [0; 4096];
            let read = stream.read(&mut heard).await.unwrap_or(0);
            let authorized =
                String::from_utf8_lossy(&heard[..read]).to_lowercase().contains("authorization: basic");
            let mut answer = if authorized && misses == 0 {
                format!("HTTP/1.1 200 OK\r\ncontent-type: audio/x-wav\r\ncontent-length: {}\r\n", SOUND.len())
            } else {
                misses = 0;
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n".to_owned()
            };
            answer.push_str("connection: close\r\n\r\n");
            let mut bytes = answer.into_bytes();
            if bytes.starts_with(b"HTTP/1.1 200") {
                bytes.extend_from_slice(SOUND);
            }
            drop(stream.write_all(&bytes).await);
        }
    });
    Ok(address)
}

async fn i01_a_call_becomes_one_ticket_with_its_recording(store: Store) -> Result<()> {
    let api = api().await?;
    let inbox = format!(
        "[inbox.hotline.voice.twilio]\nauth_token = \"file:twilio-token\"\napi_base = \"{api}\"\ndialogue = \"hotline\"\n\n\
         [queue.tech]\n\n[[rules]]\nname = \"technical calls\"\nwhen = {{ channel = \"voice\", path = \"technical\" }}\n\
         set = {{ category = \"technical\", priority = \"high\", queue = \"tech\" }}\n"
    );
    let Some(house) = House::build(Plan::on(store).extra(&inbox)).await? else { return Ok(()) };
    std::fs::write(house.folder().join("twilio-token"), "12345")?;
    let mut gateway = house.run().await?;
    let twilio = Caller { public: house.public(), client: reqwest::Client::new() };

    let forged = twilio.post(&format!("{}/hooks/hotline", twilio.public), &[], "54321").await?;
    assert_eq!(forged.0, 401, "{}", forged.1);
    let menu =
        twilio.call("", &[("CallStatus", "ringing"), ("StirVerstat", "TN-Validation-Passed-A")]).await?;
    assert_eq!(
        twilio.call("", &[("CallStatus", "ringing"), ("StirVerstat", "TN-Validation-Passed-A")]).await?,
        menu
    );
    let record = twilio.follow(&menu, &[("Digits", "1")]).await?;
    // The recording's callback comes before anything is filed, and a gateway dies in between.
    let url = format!("{api}/2010-04-01/Accounts/{ACCOUNT}/Recordings/RE1");
    let told = [
        ("RecordingSid", "RE1"),
        ("RecordingUrl", url.as_str()),
        ("RecordingStatus", "completed"),
        ("RecordingDuration", "17"),
    ];
    twilio.call("/recording", &told).await?;
    gateway.kill()?;
    gateway = house.run().await?;
    let done = [
        ("RecordingSid", "RE1"),
        ("RecordingUrl", url.as_str()),
        ("RecordingDuration", "17"),
        ("Digits", "#"),
    ];
    let confirm = twilio.follow(&record, &done).await?;
    assert_eq!(twilio.follow(&record, &done).await?, confirm, "the same callback, the same bytes");
    for _ in 0..2 {
        twilio.call("/status", &[("CallStatus", "completed"), ("CallDuration", "40")]).await?;
        twilio.call("/recording", &told).await?;
    }
    let calls = || {
        let contacts = house.core.contacts().into_iter();
        contacts.filter(|event| event["channel"] == "voice").collect::<Vec<_>>()
    };
    house.until("the call's ticket", 20, || calls().len() == 1).await?;
    house
        .until("recording and status", 60, || house.core.events_of("contact.supplemented").len() == 2)
        .await?;
    let call = calls().remove(0);
    assert_eq!((&call["decision"]["queue"], &call["decision"]["priority"]), (&"tech".into(), &"high".into()));
    assert_eq!(
        (&call["details"]["call_id"], &call["acknowledgment"]["decision"]),
        (&CALL.into(), &"inline".into())
    );
    let spoken: String = confirm.chars().filter(char::is_ascii_digit).collect();
    assert!(spoken.contains(ticket(&call, "reference")), "{confirm}");
    let added = house.core.events_of("contact.supplemented");
    assert!(added.iter().all(|event| event["of"] == call["id"]), "{added:?}");
    let recording = added.iter().find(|event| event["kind"] == "recording").context("the recording")?;
    let href = recording["details"]["attachments"][0]["href"].as_str().context("its link")?;
    let sound = twilio.client.get(href).send().await?.bytes().await?;
    assert_eq!(&sound[..], SOUND);
    assert_eq!(calls().len(), 1);
    drop(gateway);
    Ok(())
}
