//! Telnyx by Call Control, with an API that does what it is told: commands go out one at a time, each with the state of what is
//! still to come, and the events that they end by lead on to the end of the call.

use super::phone::Phone;
use super::rig::{House, Plan};
use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use data_encoding::BASE64;
use lodge_domain::Reference;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A command as it came: its name, and what it says.
type Taken = Arc<Mutex<Vec<(String, Value)>>>;

/// What the API says when it is asked whether the caller is there.
type Alive = Arc<Mutex<(u16, Value)>>;

/// Telnyx's API: notes every command, and fails as often as told.
async fn telnyx(refusals: usize, status: u16) -> (String, Taken, Alive) {
    let taken: Taken = Arc::default();
    let alive: Alive = Arc::new(Mutex::new((200, json!(true))));
    let (log, left) = (Arc::clone(&taken), Arc::new(Mutex::new(refusals)));
    let says = Arc::clone(&alive);
    let app = Router::new().fallback(move |request: Request| {
        let (log, left, says) = (Arc::clone(&log), Arc::clone(&left), Arc::clone(&says));
        async move {
            let (parts, body) = request.into_parts();
            assert_eq!(parts.headers["authorization"], "Bearer api");
            if parts.method == Method::GET {
                assert_eq!(parts.uri.path(), "/v2/calls/v3:k7Q0pYxB9n");
                let (status, alive) = says.lock().unwrap().clone();
                let body = axum::Json(json!({"data": {"record_type": "call", "is_alive": alive}}));
                return (StatusCode::from_u16(status).unwrap(), body).into_response();
            }
            let command =
                parts.uri.path().strip_prefix("/v2/calls/v3:k7Q0pYxB9n/actions/").unwrap().to_owned();
            let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
            log.lock().unwrap().push((command, serde_json::from_slice(&body).unwrap()));
            let mut left = left.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return StatusCode::from_u16(status).unwrap().into_response();
            }
            axum::Json(json!({"data": {"result": "ok"}})).into_response()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, taken, alive)
}

struct Call {
    house: House,
    taken: Taken,
    alive: Alive,
    told: usize,
}

impl Call {
    async fn new(refusals: usize, status: u16) -> Self {
        let (api, taken, alive) = telnyx(refusals, status).await;
        Self { house: Plan::of(&Phone::of("telnyx-call-control")).api(&api).build(), taken, alive, told: 0 }
    }

    fn names(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    fn last(&self) -> (String, Value) {
        self.taken.lock().unwrap().last().unwrap().clone()
    }

    /// An event with the state of the last command, where there was one.
    fn event(&mut self, kind: &str, payload: &Value) -> Value {
        self.told += 1;
        let mut event = self.house.phone().value["call"].clone();
        event["data"]["event_type"] = json!(kind);
        event["data"]["id"] = json!(format!("event-{}", self.told));
        let of = event["data"]["payload"].as_object_mut().unwrap();
        of.extend(payload.as_object().unwrap().clone());
        let last = self.taken.lock().unwrap().last().map(|(_, body)| body["client_state"].clone());
        of.insert("client_state".to_owned(), last.unwrap_or_default());
        event
    }

    async fn post(&self, event: &Value) -> StatusCode {
        let (status, body) = self.house.post("", event.to_string().as_bytes()).await;
        assert!(body.is_empty(), "{body}");
        status
    }

    /// Something happens, and is told twice, the second time as another attempt; that makes no difference.
    async fn tell(&mut self, kind: &str, payload: Value) {
        let mut event = self.event(kind, &payload);
        assert_eq!(self.post(&event).await, StatusCode::OK, "{kind}");
        let names = self.names();
        event["meta"]["attempt"] = json!(2);
        assert_eq!(self.post(&event).await, StatusCode::OK, "{kind}");
        assert_eq!(self.names(), names, "{kind}: orders go out once");
    }

    /// What was said last comes to its end.
    async fn spoken(&mut self) {
        assert_eq!(self.last().0, "speak");
        self.tell("call.speak.ended", json!({"status": "completed"})).await;
    }
}

#[tokio::test]
async fn i01_a_call_is_led_by_commands_from_its_answer_to_its_end() {
    let mut call = Call::new(0, 200).await;
    call.tell("call.initiated", json!({"direction": "incoming", "state": "parked"})).await;
    assert_eq!(call.names(), ["answer"]);
    call.tell("call.answered", json!({"state": "answered"})).await;
    assert_eq!(call.names()[1..], ["speak"], "one at a time");
    call.spoken().await;
    assert_eq!(call.names()[2..], ["transcription_start", "gather_using_speak"]);
    call.tell("call.gather.ended", json!({"digits": "1", "status": "valid"})).await;
    assert_eq!(call.names()[4..], ["transcription_stop", "speak"]);
    call.spoken().await;
    assert_eq!(call.last().0, "record_start");
    call.tell("call.dtmf.received", json!({"digit": "5"})).await;
    assert_eq!(call.last().0, "record_start", "only # ends a message");
    call.tell("call.dtmf.received", json!({"digit": "#"})).await;
    assert_eq!(call.last().0, "record_stop");
    let urls = json!({"mp3": "https://elsewhere.example/RE1"});
    let saved = json!({"call_control_id": null, "recording_id": "RE1", "recording_urls": urls});
    call.tell("call.recording.saved", saved).await;
    let contact = call.house.contacts().remove(0);
    assert_eq!(contact.details["outcome"], "confirmed");
    assert_eq!(contact.details["recording"]["recording_id"], "RE1");
    let said = call.last().1["payload"].as_str().unwrap().to_owned();
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    assert!(Reference::parse(&digits).is_some(), "{said}");
    for _ in 0..3 {
        call.spoken().await;
    }
    assert_eq!(call.last().0, "hangup", "after the reference, again, and goodbye");
    call.tell("call.hangup", json!({"hangup_cause": "normal_clearing"})).await;
    assert_eq!((call.house.contacts().len(), call.names().len()), (1, 12), "{:?}", call.names());
    let ids: BTreeSet<String> =
        call.taken.lock().unwrap().iter().map(|(_, body)| body["command_id"].to_string()).collect();
    assert_eq!(ids.len(), 12, "each command has an id of its own");
}

#[tokio::test]
async fn i01_words_end_the_listening_and_what_comes_too_late_changes_nothing() {
    let mut call = Call::new(0, 200).await;
    call.tell("call.answered", json!({})).await;
    call.spoken().await;
    let late = call.event("call.gather.ended", &json!({"digits": "", "status": "timeout"}));
    let partial = json!({"transcript": "my", "is_final": false, "confidence": null});
    call.tell("call.transcription", json!({"transcription_data": partial})).await;
    assert_eq!(call.last().0, "gather_using_speak", "words that are still being spoken");
    let words = json!({"transcript": "My invoice, please!", "is_final": true, "confidence": 0.9});
    call.tell("call.transcription", json!({"transcription_data": words})).await;
    assert_eq!(call.names()[3..], ["transcription_stop", "gather_stop", "speak"]);
    assert_eq!(call.post(&late).await, StatusCode::OK);
    assert_eq!(call.names().len(), 6, "nothing is spoken into what is spoken");
}

#[tokio::test]
async fn i01_commands_that_are_in_doubt_go_out_again_as_the_same() {
    let mut call = Call::new(1, 503).await;
    let event = call.event("call.answered", &json!({}));
    assert_eq!(call.post(&event).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(call.post(&event).await, StatusCode::OK);
    let taken = call.taken.lock().unwrap().clone();
    assert_eq!((taken.len(), &taken[0]), (2, &taken[1]), "name, id and state are the same");
}

/// A caller who was asked for a message, and is being recorded.
async fn recording() -> Call {
    let mut call = Call::new(0, 200).await;
    call.tell("call.answered", json!({})).await;
    call.spoken().await;
    call.tell("call.gather.ended", json!({"digits": "1", "status": "valid"})).await;
    call.spoken().await;
    assert_eq!(call.last().0, "record_start");
    call
}

fn saved() -> Value {
    json!({
        "recording_id": "r1", "recording_urls": {"mp3": "https://elsewhere.example/r1"},
        "recording_started_at": "2026-11-21T19:59:58Z", "recording_ended_at": "2026-11-21T20:00:15Z",
    })
}

#[tokio::test]
async fn i03_who_hangs_up_while_a_message_is_recorded_left_one_and_confirmed_nothing() {
    let mut call = recording().await;
    // A recording is saved in the same words, whoever ended it: only the API knows.
    *call.alive.lock().unwrap() = (503, json!(false));
    let event = call.event("call.recording.saved", &saved());
    assert_eq!(call.post(&event).await, StatusCode::SERVICE_UNAVAILABLE, "told again, when the API is back");
    assert!(call.house.contacts().is_empty());
    *call.alive.lock().unwrap() = (200, json!(false));
    let names = call.names();
    for _ in 0..2 {
        assert_eq!(call.post(&event).await, StatusCode::OK);
    }
    assert_eq!(call.names(), names, "who is gone is told nothing");
    call.tell("call.hangup", json!({"hangup_cause": "normal_clearing"})).await;
    let [contact] = <[_; 1]>::try_from(call.house.contacts()).unwrap();
    assert_eq!((&contact.details["outcome"], contact.acknowledges_inline), (&json!("voicemail"), false));
    assert_eq!(contact.details["recording"], json!({"recording_id": "r1", "duration": 17}));
}

#[tokio::test]
async fn i03_who_stays_after_a_message_hears_the_reference_whatever_the_api_knows() {
    for (status, alive) in [(200, json!(true)), (200, Value::Null), (404, Value::Null), (501, Value::Null)] {
        let mut call = recording().await;
        *call.alive.lock().unwrap() = (status, alive);
        call.tell("call.recording.saved", saved()).await;
        assert_eq!(call.last().0, "speak", "{status}");
        let contact = call.house.contacts().remove(0);
        assert_eq!((&contact.details["outcome"], contact.acknowledges_inline), (&json!("confirmed"), true));
    }
}

#[tokio::test]
async fn what_the_call_is_over_for_is_given_up_and_never_answered_calls_are_missed() {
    let mut call = Call::new(usize::MAX, 422).await;
    call.tell("call.initiated", json!({"direction": "incoming"})).await;
    assert_eq!(call.names(), ["answer"], "asked once");
    call.tell("call.hangup", json!({"hangup_cause": "originator_cancel"})).await;
    assert_eq!(call.house.contacts()[0].details["outcome"], "missed");
}

#[tokio::test]
async fn the_operators_leg_says_where_its_caller_is() {
    const OPERATED: &str = "start = \"operator\"\nlanguages = [\"en\"]\n[step.operator.operator]\nsay = { en = \"One moment.\" }\n\
        number = \"+493012345\"\nnext = \"end\"\notherwise = \"end\"\n[step.end.goodbye]\nsay = { en = \"Goodbye.\" }\n";
    let (api, taken, alive) = telnyx(0, 200).await;
    let phone = Phone::of("telnyx-call-control");
    let house = Plan::of(&phone).dialogue(OPERATED).api(&api).build();
    let mut call = Call { house, taken, alive, told: 0 };
    call.tell("call.answered", json!({})).await;
    call.spoken().await;
    let (name, transfer) = call.last();
    assert_eq!((name.as_str(), &transfer["to"]), ("transfer", &json!("+493012345")));
    let state = transfer["target_leg_client_state"].clone();
    let plain: Value =
        serde_json::from_slice(&BASE64.decode(state.as_str().unwrap().as_bytes()).unwrap()).unwrap();
    assert_eq!(plain, json!({"turn": 1, "of": "v3:k7Q0pYxB9n", "doing": "operator"}));
    for (kind, cause) in [("call.initiated", ""), ("call.answered", ""), ("call.hangup", "user_busy")] {
        let mut event = call.event(kind, &json!({"direction": "outgoing", "hangup_cause": cause}));
        event["data"]["payload"]["client_state"] = state.clone();
        event["data"]["payload"]["call_control_id"] = json!("v3:another");
        assert_eq!(call.post(&event).await, StatusCode::OK, "{kind}");
    }
    // The API takes commands for the caller's leg alone.
    assert_eq!(call.names()[2..], ["speak"]);
    call.tell("call.hangup", json!({"hangup_cause": "normal_clearing"})).await;
    assert_eq!(call.house.contacts()[0].details["operator"], json!(false));
}
