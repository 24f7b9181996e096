//! A provider to which turns go as orders, told by an invented one: they are carried out once, and again where it is not
//! known whether they were.

use super::invented::Invented;
use crate::dialect::{Dialect, Event, Facts, Heard, Held, Manner, TextMessage};
use crate::dialogue::{Input, Turn};
use crate::outward::never;
use crate::places::Script;
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use lodge_channel::fetch::{Fetched, MediaError};
use lodge_channel::webhook::{Desk as WebhookDesk, Forged, SharedToken, Unverified, Verified};
use lodge_domain::{DeliveryError, Disposition, Sent, Timestamp};
use secrecy::SecretString;
use std::sync::{Arc, Mutex};

/// Says "ring", or "key 1 of turn 1"; takes orders, or fails as told.
#[derive(Default)]
struct Commanded {
    taken: Mutex<Vec<String>>,
    fails: Mutex<Option<DeliveryError>>,
}

#[async_trait]
impl Dialect for Commanded {
    fn media_types(&self) -> &[&str] {
        &["text/plain"]
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        SharedToken::new(&[SecretString::from("t")]).verify(request, "x-token", "")
    }

    fn read(&self, request: &Verified<'_>) -> Option<Heard> {
        let said = std::str::from_utf8(request.body()).ok()?;
        let (number, input, gone) = match said {
            "ring" => (None, Input::Begin, false),
            "key" => (Some(1), Input::Keys("1".to_owned()), false),
            "gone" => (Some(1), Input::Silence, true),
            _ => return None,
        };
        let events = vec![Event::Turn { number, input, gone }];
        Some(Heard {
            facts: Facts { control: Some("control-1".to_owned()), ..Facts::of("call-1", "") },
            events,
        })
    }

    fn manner(&self) -> Manner {
        Manner::Orders
    }

    fn write(&self, turn: &Turn, script: &Script<'_>) -> String {
        format!("{} {}", script.turn, turn.lines.len())
    }

    async fn order(&self, call: &Facts, orders: &str) -> Result<(), DeliveryError> {
        assert_eq!(call.control.as_deref(), Some("control-1"));
        self.taken.lock().unwrap().push(orders.to_owned());
        self.fails.lock().unwrap().take().map_or(Ok(()), Err)
    }

    async fn recording(&self, _: Held<'_>) -> Result<Fetched, MediaError> {
        Err(MediaError::Refused)
    }

    async fn delete_recording(&self, _: Held<'_>) -> Result<(), DeliveryError> {
        Err(never("delete anything"))
    }

    async fn text(&self, _: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        Err(never("send anything"))
    }
}

struct House {
    provider: Arc<Commanded>,
    webhooks: WebhookDesk,
}

fn house() -> House {
    let provider = Arc::new(Commanded::default());
    let Invented { webhooks, .. } = Invented::of(provider.clone());
    House { provider, webhooks }
}

impl House {
    async fn tell(&self, said: &'static str) -> StatusCode {
        let request =
            Request::post("/hooks/page").header("content-type", "text/plain").header("x-token", "t");
        let answer = self.webhooks.answer("", request.body(Body::from(said)).unwrap()).await;
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1024).await.unwrap();
        assert!(body.is_empty(), "an answer says nothing");
        status
    }

    fn taken(&self) -> Vec<String> {
        self.provider.taken.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn orders_go_out_once_however_often_a_callback_comes() {
    let house = house();
    for _ in 0..3 {
        assert_eq!(house.tell("ring").await, StatusCode::OK);
    }
    assert_eq!(house.taken(), ["1 2"]);
    for _ in 0..2 {
        assert_eq!(house.tell("key").await, StatusCode::OK);
    }
    assert_eq!(house.taken(), ["1 2", "2 1"]);
    assert_eq!(house.tell("gone").await, StatusCode::OK);
    assert_eq!(house.taken().len(), 2, "who is gone is ordered nothing");
}

#[tokio::test]
async fn orders_in_doubt_go_out_again_the_same_and_refused_ones_do_not() {
    let house = house();
    *house.provider.fails.lock().unwrap() = Some(DeliveryError::later("get an answer").doubtful());
    assert_eq!(house.tell("ring").await, StatusCode::SERVICE_UNAVAILABLE, "the provider comes again");
    assert_eq!(house.tell("ring").await, StatusCode::OK);
    assert_eq!(house.taken(), ["1 2", "1 2"], "the same orders");
    *house.provider.fails.lock().unwrap() = Some(DeliveryError::new(Disposition::Never, "speak"));
    assert_eq!(house.tell("key").await, StatusCode::OK, "the call is over: nobody is helped by asking again");
    assert_eq!(house.tell("key").await, StatusCode::OK);
    assert_eq!(house.taken().len(), 3);
}
