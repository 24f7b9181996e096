//! Chat over the real socket: durable before `accepted`, resumed by number, whole after kills, the same on every gateway
//! (H01, H02, H03, H05, H07, H08).

use anyhow::{Context, Result};
use lodge_e2e::chat::{ORIGIN, knock};
use lodge_e2e::{Chat, House, Plan, Store, needs};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

on_both_stores!(
    h01_random_drops_miss_and_repeat_nothing,
    an_agents_writing_and_reading_are_shown,
    h02_a_message_is_a_ticket_and_an_agents_answer_comes_back,
    h01_who_was_away_is_told_everything_once,
    h04_who_left_is_answered_by_mail_and_continues_by_mail,
    h02_a_kill_while_many_write_loses_and_doubles_nothing,
);

const INBOX: &str = "[inbox.website.chat]\norigins = [\"https://www.acme.example\"]\ncontinue_by = \"support\"\n\
                     continue_after = 10\n\n[inbox.website]\nqueue = \"general\"\n";

async fn house(store: Store) -> Result<Option<House>> {
    House::build(Plan::on(store).extra(INBOX)).await
}

/// The beginning of a program for Windows.
const PROGRAM: &[u8] = &{
    let mut bytes = [0; 96];
    (bytes[0], bytes[1], bytes[2]) = (b'M', b'Z', 0x90);
    bytes
};

fn from_system(frame: &Value) -> bool {
    frame["t"] == "message" && frame["from"] == "system"
}

fn from_agent(frame: &Value) -> bool {
    frame["t"] == "message" && frame["from"] == "agent"
}

fn chats(house: &House) -> Vec<Value> {
    house.core.contacts().into_iter().filter(|contact| contact["channel"] == "chat").collect()
}

async fn h02_a_message_is_a_ticket_and_an_agents_answer_comes_back(store: Store) -> Result<()> {
    let Some(house) = house(store).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let hello = json!({"profile": {"name": "Ann", "email": "ann@example.com"}, "language": "de-DE",
                       "page": {"url": "https://www.acme.example/lamps", "title": "Lamps"}});
    let mut chat = Chat::open(&gateway.public, "website", hello).await?;
    assert_eq!((&chat.welcome["seq"], &chat.welcome["resumed"]), (&json!(0), &json!(false)));
    let accepted = chat.say("m-1", "Where is my lamp?").await?;
    assert_eq!(accepted["seq"], 1);
    let reference = accepted["reference"].as_str().context("a reference")?.to_owned();
    let system = chat.until(from_system).await?;
    assert_eq!(system["seq"], 2);
    let words = system["text"].as_str().unwrap_or_default().replace(' ', "");
    assert!(words.contains(&reference) && words.contains("Nummer"), "in the visitor's language: {system}");
    let again = chat.say("m-1", "Where is my lamp?").await?;
    assert_eq!((&again["seq"], &again["reference"]), (&accepted["seq"], &accepted["reference"]));
    house.exactly(1, 20).await?;
    let contact = house.core.contacts().remove(0);
    assert_eq!((&contact["channel"], &contact["provider"]), (&json!("chat"), &json!("chat")));
    assert_eq!(contact["from"]["kind"], "anonymous");
    assert_eq!(contact["details"]["claimed_email"], "ann@example.com");
    assert_eq!(contact["details"]["page"]["title"], "Lamps");
    let heard = house.desk()?.reply(&reference, "It is on its way.", "k1").await?;
    assert_eq!(heard.status, 202, "{}", heard.body);
    let answer = chat.until(from_agent).await?;
    assert_eq!((&answer["seq"], answer["text"].as_str()), (&json!(3), Some("It is on its way.")));
    chat.send(&json!({"t": "read", "seq": 3})).await?;
    let path = format!("/v1/replies/{}", heard.body["id"].as_str().unwrap_or_default());
    let desk = house.desk()?;
    for _ in 0..200 {
        if desk.get(&path).await?.body["state"] == "delivered" {
            assert_eq!(chat.say("m-2", "Thanks").await?["seq"], 4);
            house.exactly(2, 20).await?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("a reply that was read is not delivered")
}

async fn h01_who_was_away_is_told_everything_once(store: Store) -> Result<()> {
    let Some(house) = house(store).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let mut chat = Chat::open(&gateway.public, "website", json!({})).await?;
    let accepted = chat.say("m-1", "Hello").await?;
    let reference = accepted["reference"].as_str().context("a reference")?.to_owned();
    chat.until(from_system).await?;
    let session = chat.session.clone();
    drop(chat);
    for number in 1..=5 {
        let heard =
            house.desk()?.reply(&reference, &format!("answer {number}"), &format!("k{number}")).await?;
        assert_eq!(heard.status, 202, "{}", heard.body);
    }
    gateway.kill()?;
    let gateway = house.run().await?;
    let mut second = Chat::open(&gateway.public, "website", json!({"session": session, "after": 2})).await?;
    assert_eq!(second.welcome["resumed"], true);
    for number in 1..=5 {
        let frame = second.until(from_agent).await?;
        assert_eq!(frame["seq"], 2 + number);
        assert_eq!(frame["text"], format!("answer {number}"));
    }
    second.hello(json!({"session": session, "after": 5})).await?;
    let seqs = [second.next().await?["seq"].clone(), second.next().await?["seq"].clone()];
    assert_eq!(seqs, [json!(6), json!(7)], "again from where it asks");
    let refused = Chat::open(&gateway.public, "website", json!({"session": format!("{session}x")})).await;
    assert!(refused.err().context("a forged secret opens nothing")?.to_string().contains("session_unknown"));
    Ok(())
}

/// A visitor and an agent talk while the visitor's sockets break at random moments: every number comes once, in order.
async fn h01_random_drops_miss_and_repeat_nothing(store: Store) -> Result<()> {
    const ANSWERS: usize = 40;
    let Some(house) = house(store).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let mut chat = Chat::open(&gateway.public, "website", json!({})).await?;
    let accepted = chat.say("m-0", "Hello").await?;
    let reference = accepted["reference"].as_str().context("a reference")?.to_owned();
    let (session, public) = (chat.session.clone(), gateway.public.clone());
    let desk = house.desk()?;
    let agent = tokio::spawn(async move {
        for number in 0..ANSWERS {
            let heard = desk.reply(&reference, &format!("answer {number:02}"), &format!("k{number}")).await?;
            anyhow::ensure!(heard.status == 202, "{}", heard.body);
        }
        Ok(())
    });
    let (mut last, mut texts, mut said, mut sockets) = (1, Vec::new(), 1_u64, 0);
    let mut dice = 20_261_121_u64;
    while texts.len() < ANSWERS {
        drop(chat);
        chat = Chat::open(&public, "website", json!({"session": session, "after": last})).await?;
        sockets += 1;
        anyhow::ensure!(sockets < 500, "{} of {ANSWERS} after {sockets} sockets", texts.len());
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if (dice >> 40).is_multiple_of(3) && said < 18 {
            // Sent and not waited for: accepted or not, the next socket sends it again if it must.
            let id = format!("m-{said}");
            chat.send(&json!({"t": "message", "id": id, "text": format!("question {said:02}")})).await?;
        }
        for _ in 0..(dice >> 33) % 7 {
            let next = tokio::time::timeout(Duration::from_millis(300), chat.next()).await;
            let Ok(frame) = next else { break };
            let frame = frame?;
            let Some(seq) = frame["seq"].as_u64() else { continue };
            if frame["t"] == "accepted" && seq <= last {
                continue;
            }
            assert_eq!(seq, last + 1, "in order, once: {frame}");
            last = seq;
            if frame["from"] == "agent" {
                texts.push(frame["text"].as_str().unwrap_or_default().to_owned());
            } else if frame["t"] == "accepted" || frame["from"] == "visitor" {
                said += 1;
            }
        }
    }
    agent.await??;
    let expected: Vec<String> = (0..ANSWERS).map(|number| format!("answer {number:02}")).collect();
    assert_eq!(texts, expected);
    house.core.audit()
}

async fn an_agents_writing_and_reading_are_shown(store: Store) -> Result<()> {
    let Some(house) = house(store).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let mut chat = Chat::open(&gateway.public, "website", json!({})).await?;
    let accepted = chat.say("m-1", "Hello").await?;
    let path = format!("/v1/conversations/{}/presence", accepted["reference"].as_str().unwrap_or_default());
    house.exactly(1, 20).await?;
    let desk = house.desk()?;
    let heard = desk.post(&path, &json!({"state": "typing", "author": "Sam"}), &[]).await?;
    assert_eq!(heard.status, 204, "{}", heard.body);
    let typing = chat.until(|frame| frame["t"] == "typing").await?;
    assert_eq!((&typing["from"], &typing["name"]), (&json!("agent"), &json!("Sam")));
    assert_eq!(desk.post(&path, &json!({"state": "read"}), &[]).await?.status, 204);
    assert!(chat.until(|frame| frame["t"] == "read").await?["seq"].as_u64() >= Some(1));
    Ok(())
}

async fn h04_who_left_is_answered_by_mail_and_continues_by_mail(store: Store) -> Result<()> {
    let Some(house) = house(store).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let profile = json!({"profile": {"name": "Ann", "email": "ann@example.com"}});
    let mut chat = Chat::open(&gateway.public, "website", profile).await?;
    let accepted = chat.say("m-1", "My lamp is broken").await?;
    let reference = accepted["reference"].as_str().context("a reference")?.to_owned();
    drop(chat);
    for (key, text) in [("k1", "Which lamp is it?"), ("k2", "A photo would help.")] {
        assert_eq!(house.desk()?.reply(&reference, text, key).await?.status, 202);
    }
    house.until("the mail", 40, || !house.sink.taken().is_empty()).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let taken = house.sink.taken();
    assert_eq!(taken.len(), 1, "one mail for both answers");
    let mail = taken.first().context("a mail")?;
    assert_eq!(mail.to, ["ann@example.com"]);
    let text = String::from_utf8_lossy(&mail.raw).into_owned();
    assert!(text.contains("Which lamp is it?") && text.contains("A photo would help."), "{text}");
    let id = mail.header("Message-ID").context("its id")?;
    let answer = lodge_e2e::Mail::authenticated("ann@example.com")
        .subject("Re: lamp")
        .answering(id.trim_matches(|c| c == '<' || c == '>'));
    house.dovecot.deliver("support", &answer)?;
    house.exactly(2, 30).await?;
    let contacts = house.core.contacts();
    let last = contacts.last().context("the answer")?;
    assert_eq!((&last["channel"], &last["ticket"]["reference"]), (&json!("email"), &json!(reference)));
    assert_eq!(last["flags"], json!([]), "who answers our mail is no stranger");
    Ok(())
}

/// `E2E_WRITERS` says how many sessions write (1,000 for the long run).
async fn h02_a_kill_while_many_write_loses_and_doubles_nothing(store: Store) -> Result<()> {
    const MESSAGES: usize = 6;
    let writers = needs::variable("E2E_WRITERS").and_then(|text| text.parse::<usize>().ok()).unwrap_or(40);
    let extra = "[limits]\nburst = 0\n\n[inbox.website.chat]\norigins = [\"https://www.acme.example\"]\n\
                 sessions_per_address = 1000000\nsockets_per_address = 1000000\nmessages = 1000\n";
    let Some(house) = House::build(Plan::on(store).extra(extra)).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let count = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for visitor in 0..writers {
        let (public, count) = (gateway.public.clone(), Arc::clone(&count));
        tasks.spawn(async move { write_stubbornly(&public, visitor, MESSAGES, &count).await });
    }
    let total = writers * MESSAGES;
    house.until("some are accepted", 120, || count.load(Ordering::SeqCst) > total / 5).await?;
    gateway.kill()?;
    let (killed, before) = (begun.elapsed(), count.load(Ordering::SeqCst));
    let _gateway = house.run().await?;
    let mut accepted: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        accepted.extend(done??);
    }
    let written = begun.elapsed();
    assert_eq!(accepted.len(), total);
    house.exactly(total, 60 + total as u64 / 20).await?;
    println!(
        "{store:?}: {writers} sessions, {before} of {total} accepted when killed after {killed:.1?}, all after {written:.1?}, \
         all at the core after {:.1?}",
        begun.elapsed()
    );
    let mut by_conversation: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for contact in chats(&house) {
        let place = contact["ticket"]["conversation"].as_str().unwrap_or_default().to_owned();
        let sequence = contact["ticket"]["sequence"].as_u64().unwrap_or_default();
        let text = contact["body"]["text"].as_str().unwrap_or_default().to_owned();
        assert!(accepted.remove(&text).is_some(), "never accepted, or twice at the core: {text}");
        by_conversation.entry(place).or_default().push((sequence, text));
    }
    assert!(accepted.is_empty(), "accepted, and not at the core: {accepted:?}");
    assert_eq!(by_conversation.len(), writers);
    for said in by_conversation.values_mut() {
        said.sort();
        let words: Vec<&str> = said.iter().map(|(_, text)| text.as_str()).collect();
        let mut in_order = words.clone();
        in_order.sort_unstable();
        assert_eq!(words, in_order, "in the order they were said");
    }
    Ok(())
}

/// Writes messages one after the other, coming back and sending again until each is accepted; text to number.
async fn write_stubbornly(
    public: &str,
    visitor: usize,
    messages: usize,
    count: &AtomicUsize,
) -> Result<BTreeMap<String, u64>> {
    let mut accepted = BTreeMap::new();
    let mut session: Option<String> = None;
    let mut chat: Option<Chat> = None;
    let mut tries = 0;
    while accepted.len() < messages {
        tries += 1;
        anyhow::ensure!(tries < 400, "visitor {visitor} gets nowhere");
        let Some(open) = chat.as_mut() else {
            let hello = session.as_ref().map_or_else(|| json!({}), |session| json!({"session": session}));
            match Chat::open(public, "website", hello).await {
                Ok(open) => {
                    session = Some(open.session.clone());
                    chat = Some(open);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
            continue;
        };
        let number = accepted.len();
        let text = format!("visitor {visitor:04} message {number}");
        match open.say(&format!("v{visitor}-m{number}"), &text).await {
            Ok(answer) => {
                count.fetch_add(1, Ordering::SeqCst);
                accepted.insert(text, answer["seq"].as_u64().unwrap_or_default());
            }
            Err(error) if error.to_string().contains("not accepted") => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(_) => chat = None,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(accepted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h07_a_reply_reaches_the_socket_on_another_gateway() -> Result<()> {
    let Some(house) = house(Store::Redis).await? else { return Ok(()) };
    let first = house.run().await?;
    let second = house.run_second().await?;
    let mut here = Chat::open(&second.public, "website", json!({})).await?;
    let accepted = here.say("m-1", "Hello").await?;
    let reference = accepted["reference"].as_str().context("a reference")?.to_owned();
    here.until(from_system).await?;
    let mut there =
        Chat::open(&first.public, "website", json!({"session": here.session, "after": 2})).await?;
    assert_eq!(house.desk()?.reply(&reference, "Hello you", "k1").await?.status, 202);
    for chat in [&mut here, &mut there] {
        assert_eq!(chat.until(from_agent).await?["text"], "Hello you");
    }
    second.kill()?;
    let mut moved =
        Chat::open(&first.public, "website", json!({"session": here.session, "after": 1})).await?;
    assert_eq!(moved.until(from_agent).await?["seq"], 3);
    assert_eq!(moved.say("m-2", "Still here").await?["seq"], 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h05_t08_t70_strangers_floods_and_nonsense_are_refused_readably() -> Result<()> {
    let Some(house) = house(Store::Embedded).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let public = &gateway.public;
    for origin in [None, Some("null"), Some("https://evil.example"), Some("http://www.acme.example")] {
        assert_eq!(knock(public, "website", origin).await?.err(), Some(403), "{origin:?}");
    }
    assert_eq!(knock(public, "nowhere", Some(ORIGIN)).await?.err(), Some(404));
    let mut chat = Chat::open(public, "website", json!({})).await?;
    for (frame, code) in [
        (json!({"t": "dance"}), "bad_frame"),
        (json!({"t": "message", "id": "x y", "text": "a"}), "bad_frame"),
        (json!({"t": "message", "id": "x", "text": " "}), "bad_frame"),
        (json!({"t": "message", "id": "x", "text": "a".repeat(8001)}), "text_too_long"),
        (json!({"t": "message", "id": "x", "text": "a", "attachments": ["forged"]}), "upload_refused"),
    ] {
        chat.send(&frame).await?;
        assert_eq!(chat.next().await?["code"], code, "{frame}");
    }
    for number in 0..19 {
        chat.say(&format!("m{number}"), "flood").await.with_context(|| format!("message {number}"))?;
    }
    chat.send(&json!({"t": "message", "id": "m99", "text": "flood"})).await?;
    let refused = chat.until(|frame| frame["t"] == "error").await?;
    assert_eq!(refused["code"], "rate");
    assert!(refused["retry_after"].as_u64().is_some_and(|wait| (1..=10).contains(&wait)), "{refused}");
    let mut large = Chat::open(public, "website", json!({})).await?;
    large.send(&json!({"t": "message", "id": "x", "text": "a".repeat(70_000)})).await?;
    let end = large.next().await.err().context("a frame of 70 KB ends the socket")?;
    assert!(end.to_string().contains("1009") || format!("{end:#}").contains("reset"), "{end:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h08_files_are_uploaded_sniffed_and_handed_on() -> Result<()> {
    let Some(house) = house(Store::Embedded).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let mut chat = Chat::open(&gateway.public, "website", json!({})).await?;
    let url = format!("{}/chat/website/uploads?name=shot.png", gateway.public);
    let client = reqwest::Client::new();
    let post = |secret: &str, body: &'static [u8]| {
        client.post(&url).header("content-type", "image/png").bearer_auth(secret).body(body).send()
    };
    assert_eq!(post("nobody", b"x").await?.status(), 401);
    assert_eq!(post(&chat.session, PROGRAM).await?.status(), 415);
    // What a file is does not depend on how its bytes are cut.
    let pieces = PROGRAM.chunks(1).map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let cut = client.post(&url).header("content-type", "image/png").bearer_auth(&chat.session).body(body);
    assert_eq!(cut.send().await?.status(), 415);
    let answer = post(&chat.session, b"\x89PNG picture").await?;
    assert_eq!(answer.status(), 201);
    let file: Value = serde_json::from_slice(&answer.bytes().await?)?;
    assert_eq!((&file["name"], &file["size"]), (&json!("shot.png"), &json!(12)));
    let id = file["id"].as_str().context("an id")?;
    chat.send(&json!({"t": "message", "id": "m-1", "text": "", "attachments": [id]})).await?;
    assert_eq!(chat.until(|frame| frame["t"] == "accepted").await?["seq"], 1);
    house.exactly(1, 20).await?;
    let attachment = house.core.contacts().remove(0)["attachments"][0].clone();
    assert_eq!((&attachment["name"], &attachment["media_type"]), (&json!("shot.png"), &json!("image/png")));
    let mut again =
        Chat::open(&gateway.public, "website", json!({"session": chat.session, "after": 0})).await?;
    let told = again.until(|frame| frame["t"] == "message" && frame["from"] == "visitor").await?;
    let href = told["attachments"][0]["href"].as_str().context("a link")?;
    let fetched = client.get(href).send().await?;
    assert_eq!(fetched.bytes().await?.as_ref(), b"\x89PNG picture");
    Ok(())
}
