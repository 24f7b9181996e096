//! Audio that comes by a WebSocket, spoken by a real client to a real door.

use super::phone::Phone;
use super::rig::{House, PUBLIC, Plan, inbox};
use bytes::Bytes;
use data_encoding::BASE64;
use futures_util::{SinkExt, StreamExt};
use lodge_domain::ports::Blobs;
use lodge_domain::{SignedDuration, Supplement};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const PROTOCOL: &str = "audio.drachtio.org";

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// So many seconds of a tone that is to be heard.
fn tone(seconds: usize) -> Vec<u8> {
    let sample = |at: usize| if at % 16 < 8 { 4000_i16 } else { -4000 };
    (0..seconds * 8000).flat_map(|at| sample(at).to_le_bytes()).collect()
}

/// A house that waits for a message, and where its door is.
struct Waiting {
    house: House,
    door: String,
    /// `/hooks/page/audio/TURN/CALL`.
    path: String,
    password: String,
}

impl Waiting {
    async fn new() -> Self {
        Self::of(Plan::of(&Phone::of("jambonz"))).await
    }

    async fn of(plan: Plan) -> Self {
        let house = plan.build();
        let menu = house.rings().await;
        let record = house.presses("1", &menu).await;
        let verbs: Value = serde_json::from_str(&record.whole).unwrap();
        let listen = verbs.as_array().unwrap().iter().find(|verb| verb["verb"] == "listen").unwrap().clone();
        let own = format!("{}/", PUBLIC.replace("https", "wss"));
        let path = format!("/{}", listen["url"].as_str().unwrap().strip_prefix(&own).unwrap());
        assert_eq!(path, format!("/hooks/page/audio/2/{}", house.phone().call_id()));
        let password = listen["wsAuth"]["password"].as_str().unwrap().to_owned();
        let routes = house.routes();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { house, door, path, password }
    }

    async fn ask(&self, path: &str, password: Option<&str>, protocol: &str) -> Result<Client, u16> {
        let mut request = format!("ws://{}{path}", self.door).into_client_request().unwrap();
        let headers = request.headers_mut();
        if let Some(password) = password {
            let login = format!("Basic {}", BASE64.encode(format!("lodge:{password}").as_bytes()));
            headers.insert("authorization", login.parse().unwrap());
        }
        headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
        match connect_async(request).await {
            Ok((client, _)) => Ok(client),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The switch, after it said whose call it is.
    async fn switch(&self) -> Client {
        let mut client = self.ask(&self.path, Some(&self.password), PROTOCOL).await.unwrap();
        let call = self.house.phone().call_id();
        let told = json!({"callSid": call, "sampleRate": 8000, "mixType": "mono", "from": "+14155550134"});
        client.send(Message::text(told.to_string())).await.unwrap();
        client
    }

    /// Supplements that tell of recordings, once there is one.
    async fn told(&self) -> Vec<Supplement> {
        for _ in 0..200 {
            self.house.works.recordings.round().await.unwrap();
            let told: Vec<_> = self.house.supplements();
            let told: Vec<_> = told.into_iter().filter(|one| one.source.starts_with("recording/")).collect();
            if !told.is_empty() {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing is told of a recording");
    }

    /// What the one recording holds after its head.
    async fn kept(&self) -> Vec<u8> {
        let told = self.told().await;
        let [one] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(one.of, crate::contact::envelope(&inbox(), self.house.phone().call_id()));
        let file = &one.attachments[0];
        assert_eq!(file.media_type, "audio/wav");
        let bytes = self.house.shared.blobs.read(&file.blob).await.unwrap();
        let (head, audio) = bytes.split_at(44);
        assert_eq!(head, &crate::wav::head(8000, audio.len() as u64)[..]);
        assert_eq!(one.details["duration"], json!(audio.len() / 16_000), "{:?}", one.details);
        audio.to_vec()
    }
}

async fn speak(client: &mut Client, audio: &[u8]) {
    for piece in audio.chunks(3200) {
        client.send(Message::Binary(Bytes::copy_from_slice(piece))).await.unwrap();
    }
}

/// The code that the door closes with.
async fn closed(mut client: Client) -> Option<u16> {
    let wait = async {
        while let Some(frame) = client.next().await {
            if let Ok(Message::Close(close)) = frame {
                return close.map(|close| u16::from(close.code));
            }
        }
        None
    };
    tokio::time::timeout(Duration::from_secs(8), wait).await.expect("the door closes")
}

#[tokio::test]
async fn i04_what_is_spoken_becomes_the_calls_recording() {
    let waiting = Waiting::new().await;
    let mut switch = waiting.switch().await;
    speak(&mut switch, &tone(3)).await;
    switch.close(None).await.unwrap();
    assert_eq!(waiting.kept().await, tone(3));
    let record = Phone::of("jambonz").says("recorded", &[]);
    let (status, _) = waiting.house.post("turn/2", &record.body).await;
    assert!(status.is_success());
    let contacts = waiting.house.contacts();
    assert_eq!(contacts.len(), 1);
    let id = &waiting.house.supplements()[0].details["recording_id"];
    let recording = &contacts[0].details["recording"];
    assert_eq!(&recording["recording_id"], id, "told of by the same name");
    assert_eq!(recording["duration"], 17, "as long as the switch says, though it was told of before");
    assert!(waiting.house.kept("recording/").await.is_empty() && waiting.told().await.len() == 1);
}

#[tokio::test]
async fn i04_a_broken_socket_keeps_what_came_and_who_hung_up_left_a_message() {
    let waiting = Waiting::of(Plan::of(&Phone::of("jambonz")).extra(json!({"abandoned": false}))).await;
    let mut switch = waiting.switch().await;
    speak(&mut switch, &tone(2)).await;
    // Half a sample more, and then nothing any more.
    switch.send(Message::Binary(Bytes::from_static(&[7]))).await.unwrap();
    switch.flush().await.unwrap();
    drop(switch);
    assert_eq!(waiting.kept().await, [&tone(2)[..], &[7, 0]].concat());
    waiting.house.told("completed", &[]).await;
    let contacts = waiting.house.contacts();
    assert_eq!((contacts.len(), contacts[0].details["outcome"].as_str()), (1, Some("voicemail")));
}

#[tokio::test]
async fn i04_silence_ends_a_message_and_so_does_its_greatest_length() {
    let waiting = Waiting::new().await;
    let mut switch = waiting.switch().await;
    speak(&mut switch, &[tone(1), vec![0; 5 * 16_000]].concat()).await;
    assert_eq!(closed(switch).await, Some(1000));
    let kept = waiting.kept().await.len();
    assert!((5 * 16_000..=6 * 16_000).contains(&kept), "{kept}");
    let waiting = Waiting::new().await;
    let (mut tell, hear) = waiting.switch().await.split();
    // Faster than anybody speaks, and more than is taken.
    tokio::spawn(async move {
        for _ in 0..200 {
            if tell.send(Message::Binary(tone(1).into())).await.is_err() {
                break;
            }
        }
    });
    let frames = hear.take_while(|frame| std::future::ready(frame.is_ok()));
    tokio::time::timeout(Duration::from_secs(8), frames.for_each(|_| std::future::ready(()))).await.unwrap();
    assert_eq!(waiting.kept().await.len(), 130 * 16_000);
}

#[tokio::test]
async fn i04_without_consent_it_is_heard_to_its_end_and_nothing_is_kept() {
    let waiting = Waiting::new().await;
    let calls = &waiting.house.works.desk.calls;
    let call = waiting.house.phone().call_id().to_owned();
    let (mut kept, version) = calls.known(&call).await.unwrap().unwrap();
    kept.call.learned.recording = Some(false);
    assert!(calls.save(&mut kept, version).await.unwrap());
    let mut switch = waiting.switch().await;
    speak(&mut switch, &[tone(1), vec![0; 5 * 16_000]].concat()).await;
    assert_eq!(closed(switch).await, Some(1000));
    let told = waiting.told().await;
    assert!(told[0].attachments.is_empty());
    assert_eq!(told[0].details["missing"], "no consent to being recorded");
    assert_eq!(waiting.house.shared.blobs.len(), 0);
}

#[tokio::test]
async fn t13_t14_only_the_turns_own_password_opens_its_door_and_once() {
    let waiting = Waiting::new().await;
    let call = waiting.house.phone().call_id();
    let tickets = waiting.house.works.desk.dialect.streams().unwrap().1;
    let before = waiting.house.kept("").await;
    let (path, password) = (waiting.path.as_str(), waiting.password.as_str());
    let another = path.replace(call, "0b9c2d1e-5a3f-4d6b-8f10-2c4e6a8b0d12");
    let (of_another, of_first) = (tickets.password("0b9c2d1e", 2), tickets.password(call, 1));
    for (what, path, password, expected) in [
        ("no password", path, None, 401),
        ("an empty one", path, Some(""), 401),
        ("a wrong one", path, Some("x"), 401),
        ("another call's", path, Some(of_another.as_str()), 401),
        ("another turn's", path, Some(of_first.as_str()), 401),
        ("at another call", another.as_str(), Some(password), 401),
        ("a call that nobody knows", "/hooks/page/audio/2/0b9c2d1e", Some(of_another.as_str()), 404),
        ("a turn that is over", &path.replace("/2/", "/1/"), Some(of_first.as_str()), 404),
        ("no turn", &path.replace("/2/", "/x/"), Some(password), 400),
    ] {
        assert_eq!(waiting.ask(path, password, PROTOCOL).await.err(), Some(expected), "{what}");
    }
    let refused = waiting.ask(path, Some(password), "another").await.err();
    assert_eq!(refused, Some(400), "another subprotocol");
    assert_eq!(waiting.house.kept("").await, before, "nothing of that is kept");
    let first = waiting.ask(path, Some(password), PROTOCOL).await.unwrap();
    assert_eq!(waiting.ask(path, Some(password), PROTOCOL).await.err(), Some(404), "a second one");
    drop(first);
    waiting.told().await;
    assert_eq!(waiting.ask(path, Some(password), PROTOCOL).await.err(), Some(404), "and after the first");
    let late = Waiting::new().await;
    late.house.told("completed", &[]).await;
    assert_eq!(
        late.ask(&late.path, Some(&late.password), PROTOCOL).await.err(),
        Some(404),
        "the call is over"
    );
}

#[tokio::test]
async fn t70_large_frames_and_strange_words_end_it_and_what_came_before_is_kept() {
    let strange = json!({"callSid": "another"}).to_string();
    let rate = json!({"sampleRate": 7}).to_string();
    for (frame, code, heard) in [
        (Message::Binary(vec![0; 64 * 1024 + 1].into()), None, true),
        (Message::text(strange), Some(1008), true),
        (Message::text(rate), Some(1003), false),
    ] {
        let waiting = Waiting::new().await;
        let mut switch = waiting.switch().await;
        if heard {
            speak(&mut switch, &tone(1)).await;
        }
        switch.send(frame).await.unwrap();
        assert_eq!(closed(switch).await, code);
        if heard {
            assert_eq!(waiting.kept().await, tone(1));
        } else {
            let told = waiting.told().await;
            assert!(told[0].attachments.is_empty() && told[0].details["missing"].is_string(), "{told:?}");
        }
    }
}

#[tokio::test]
async fn c12_a_house_that_closes_keeps_what_was_spoken_and_one_that_died_says_that_it_is_lost() {
    let waiting = Waiting::new().await;
    let mut switch = waiting.switch().await;
    speak(&mut switch, &tone(1)).await;
    // What is on its way is heard first.
    while waiting
        .house
        .works
        .desk
        .calls
        .known(waiting.house.phone().call_id())
        .await
        .unwrap()
        .unwrap()
        .0
        .call
        .learned
        .messages
        .is_empty()
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    waiting.house.shutdown.cancel();
    assert_eq!(closed(switch).await, Some(1012));
    let kept = waiting.kept().await;
    assert!(!kept.is_empty() && tone(1).starts_with(&kept));
    let sockets = &waiting.house.streams.as_ref().unwrap().sockets;
    sockets.close();
    tokio::time::timeout(Duration::from_secs(5), sockets.wait()).await.expect("nothing is open any more");

    let waiting = Waiting::new().await;
    let _switch = waiting.switch().await;
    waiting.house.shared.clock.advance(SignedDuration::from_secs(200));
    let told = waiting.told().await;
    assert!(told[0].attachments.is_empty() && told[0].details["missing"].is_string(), "{told:?}");
}

#[tokio::test]
async fn c12_a_message_is_noted_before_the_switch_is_let_in() {
    let waiting = Waiting::new().await;
    let login = BASE64.encode(format!("lodge:{}", waiting.password).as_bytes());
    // Nobody brings it: this connection becomes no socket.
    let mut request = axum::extract::Request::get(&waiting.path)
        .header("authorization", format!("Basic {login}"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", PROTOCOL)
        .body(axum::body::Body::empty())
        .unwrap();
    let call = waiting.house.phone().call_id();
    let answer = waiting.house.streams.as_ref().unwrap().take((2, call), &mut request).await.unwrap_err();
    assert_eq!(answer.status().as_u16(), 426);
    waiting.house.shared.clock.advance(SignedDuration::from_secs(200));
    let told = waiting.told().await;
    assert!(told[0].attachments.is_empty() && told[0].details["missing"].is_string(), "{told:?}");
}
