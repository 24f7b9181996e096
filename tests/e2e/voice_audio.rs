//! Messages that no provider keeps a file of: jambonz sends what is spoken to a socket of ours, FreeSWITCH brings a file along.
//! Either is one ticket with its recording, on the real listener (I01, I04).

use crate::support::ticket;
use crate::voice_support::{opening, speak, verb};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use lodge_e2e::{House, Plan, Store};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

on_both_stores!(
    i04_what_is_spoken_at_jambonz_becomes_the_calls_recording,
    i04_what_freeswitch_brings_along_becomes_the_calls_recording,
);

const CALL: &str = "7b9c2d1e-5a3f-4d6b-8f10-2c4e6a8b0d12";

/// The one call's ticket, and the sound of its one recording as the core fetches it.
async fn ticket_and_sound(house: &House) -> Result<(Value, Vec<u8>)> {
    let calls = || {
        let contacts = house.core.contacts().into_iter();
        contacts.filter(|event| event["channel"] == "voice").collect::<Vec<_>>()
    };
    house.until("the call's ticket", 20, || calls().len() == 1).await?;
    let recordings = || {
        let added = house.core.events_of("contact.supplemented").into_iter();
        added.filter(|event| event["kind"] == "recording").collect::<Vec<_>>()
    };
    house.until("its recording", 30, || recordings().len() == 1).await?;
    let (call, recording) = (calls().remove(0), recordings().remove(0));
    assert_eq!(recording["of"], call["id"]);
    let href = recording["details"]["attachments"][0]["href"].as_str().context("its link")?;
    let sound = reqwest::get(href).await?.bytes().await?;
    Ok((call, sound.to_vec()))
}

/// jambonz, calling.
async fn jambonz(address: &str, says: &Value) -> Result<Value> {
    let mut body = json!({
        "call_sid": CALL, "account_sid": "a1", "direction": "inbound", "from": "+14155550134", "to": "+18885550190",
        "call_status": "in-progress",
    });
    let all = body.as_object_mut().context("an object")?;
    all.extend(says.as_object().context("an object")?.clone());
    let (body, time) = (body.to_string(), lodge_e2e::clock::now().as_second());
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"12345");
    let signature = HEXLOWER.encode(hmac::sign(&key, format!("{time}.{body}").as_bytes()).as_ref());
    let request = reqwest::Client::new()
        .post(address)
        .header("content-type", "application/json")
        .header("jambonz-signature", format!("t={time},v1={signature}"))
        .body(body);
    let answer = request.send().await.context("call the gateway")?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "{address}: {status} {text}");
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

async fn i04_what_is_spoken_at_jambonz_becomes_the_calls_recording(store: Store) -> Result<()> {
    let inbox = "[inbox.hotline.voice.jambonz]\naccount_sid = \"a1\"\napi_key = \"file:jambonz-secret\"\n\
                 webhook_secret = \"file:jambonz-secret\"\napi_base = \"http://127.0.0.1:9\"\n";
    let Some(house) = House::build(Plan::on(store).extra(inbox)).await? else { return Ok(()) };
    std::fs::write(house.folder().join("jambonz-secret"), "12345")?;
    let gateway = house.run().await?;
    let hotline = format!("{}/hooks/hotline", house.public());
    let menu = jambonz(&hotline, &json!({"call_status": "trying"})).await?;
    let turn = |verb: &Value| verb["actionHook"].as_str().map(ToOwned::to_owned).context("an address");
    let pressed = json!({"digits": "1", "reason": "dtmfDetected"});
    let listen = verb(&jambonz(&turn(&verb(&menu, "gather")?)?, &pressed).await?, "listen")?;

    let refused = connect_async(opening(&listen, "another")?).await;
    ensure!(matches!(&refused, Err(Error::Http(answer)) if answer.status() == 401), "{refused:?}");
    let tone: Vec<u8> = (0..24_000).flat_map(|at| if at % 16 < 8 { [0, 16] } else { [0, 240] }).collect();
    speak(&listen, CALL, &tone).await?;

    let confirm = jambonz(&turn(&listen)?, &json!({"dial_call_duration": 3, "digits": "#"})).await?;
    jambonz(&format!("{hotline}/status"), &json!({"call_status": "completed", "duration": 40})).await?;
    let (call, sound) = ticket_and_sound(&house).await?;
    let spoken: String = confirm.to_string().chars().filter(char::is_ascii_digit).collect();
    assert!(spoken.contains(ticket(&call, "reference")), "{confirm}");
    assert_eq!((&sound[..4], &sound[8..16], &sound[44..]), (&b"RIFF"[..], &b"WAVEfmt "[..], &tone[..]));
    drop(gateway);
    Ok(())
}

/// FreeSWITCH, asking what comes next; with a file where it brings one.
async fn freeswitch(address: &str, says: &[(&str, &str)], file: Option<&[u8]>) -> Result<String> {
    let all = [("session_id", CALL), ("Caller-Caller-ID-Number", "+14155550134"), ("url", address)];
    let fields = all.iter().chain(says);
    let mut body = Vec::new();
    for (key, value) in fields {
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    if let Some(file) = file {
        let head =
            "--b\r\nContent-Disposition: form-data; name=\"recording\"; filename=\"message.wav\"\r\n\r\n";
        body.extend([head.as_bytes(), file, b"\r\n"].concat());
    }
    body.extend_from_slice(b"--b--\r\n");
    let request = reqwest::Client::new()
        .post(address)
        .header("content-type", "multipart/form-data; boundary=b")
        .basic_auth("lodge", Some("12345"))
        .body(body);
    let answer = request.send().await.context("call the gateway")?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "{address}: {status} {text}");
    Ok(text)
}

async fn i04_what_freeswitch_brings_along_becomes_the_calls_recording(store: Store) -> Result<()> {
    let inbox =
        "[inbox.hotline.voice.freeswitch]\nusername = \"lodge\"\npassword = \"file:gateway-password\"\n";
    let Some(house) = House::build(Plan::on(store).extra(inbox)).await? else { return Ok(()) };
    std::fs::write(house.folder().join("gateway-password"), "12345")?;
    let gateway = house.run().await?;
    let hotline = format!("{}/hooks/hotline", house.public());
    let action = |answer: &str| -> Result<String> {
        let after = answer.split("action=\"").nth(1).with_context(|| format!("no action: {answer}"))?;
        Ok(after.split('"').next().context("no address")?.to_owned())
    };
    let menu = freeswitch(&hotline, &[], None).await?;
    let record = action(&freeswitch(&action(&menu)?, &[("digits", "1")], None).await?)?;
    // As long a message as there is: ten minutes, of which nothing is held back for want of room.
    let sound = [
        &b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0"[..],
        &vec![7; 9_600_000],
    ]
    .concat();
    let confirm = freeswitch(&record, &[], Some(&sound)).await?;
    freeswitch(&record, &[("exiting", "true")], None).await?;
    let (call, kept) = ticket_and_sound(&house).await?;
    let spoken: String = confirm.chars().filter(char::is_ascii_digit).collect();
    assert!(spoken.contains(ticket(&call, "reference")), "{confirm}");
    assert_eq!(call["details"]["recording"]["duration"], 600);
    assert!(kept == sound, "{} bytes of {}", kept.len(), sound.len());
    drop(gateway);
    Ok(())
}
