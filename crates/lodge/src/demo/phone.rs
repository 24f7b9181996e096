//! Calls of the sandbox page: plays the carrier between the keypad and the gateway, step by step, as its documents say.
//! The page is told what it hears and what it may do; where that is told, and how it is signed, stays here.

use super::carrier::{ACCOUNT, Carrier};
use super::sandbox::{Sandbox, problem};
use super::script::{self, Line, Script, Then};
use super::tone::tone;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The numbers that can be called: number, inbox, and name.
pub(super) const NUMBERS: [(&str, &str, &str); 2] =
    [("+18885550190", "hotline", "Hotline"), ("+18885550191", "orders", "Order line")];

/// The most calls at a time; the oldest is forgotten first.
const MOST_CALLS: usize = 20;
/// The most redirects that are followed in a row.
const MOST_REDIRECTS: usize = 5;
/// The longest recording in seconds, whatever the page says.
const LONGEST: u32 = 30;

/// A call under way.
#[derive(Clone)]
struct Call {
    id: String,
    inbox: &'static str,
    from: String,
    to: &'static str,
    vouched: bool,
    began: Timestamp,
    then: Option<Then>,
    otherwise: Option<String>,
}

/// All calls under way.
#[derive(Default)]
pub struct Calls(Mutex<VecDeque<Call>>);

impl Calls {
    fn all(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, call: Call) {
        let mut all = self.all();
        if all.len() == MOST_CALLS {
            all.pop_front();
        }
        all.push_back(call);
    }

    fn take(&self, id: &str) -> Option<Call> {
        let mut all = self.all();
        let at = all.iter().position(|call| call.id == id)?;
        all.remove(at)
    }
}

/// Who calls whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialled {
    to: String,
    /// Nothing where the number is withheld.
    from: Option<String>,
    /// Whether the network vouches for the number.
    #[serde(default)]
    vouched: bool,
}

/// What a caller did.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Act {
    Keys(String),
    Speech(String),
    Silence,
    Recorded(Message),
    /// Whether somebody answered.
    Operator(bool),
    /// With what was recorded until then.
    HangUp(Option<Message>),
}

/// A message on the tape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    seconds: u32,
    /// What was said, for who asks for the words.
    #[serde(default)]
    words: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acted {
    call: String,
    act: Act,
}

/// What the page shows next.
#[derive(Serialize)]
struct Scene {
    call: String,
    lines: Vec<Line>,
    /// What can be done; nothing where the call is over.
    then: Option<Then>,
}

/// What the page calls.
pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/phone/call", post(call)).route("/sandbox/phone/act", post(act))
}

async fn call(State(sandbox): State<Arc<Sandbox>>, Json(dialled): Json<Dialled>) -> Response {
    let Some((to, inbox, _)) = NUMBERS.into_iter().find(|(number, ..)| *number == dialled.to) else {
        return problem(StatusCode::BAD_REQUEST, "nobody has that number here");
    };
    let from =
        dialled.from.map(|from| from.chars().filter(|c| !matches!(c, ' ' | '-' | '/')).collect::<String>());
    if from.as_deref().is_some_and(|from| !is_number(from)) {
        return problem(
            StatusCode::BAD_REQUEST,
            "write your number with its country code, such as +4930123456",
        );
    }
    let carrier = &sandbox.carrier;
    let call = Call {
        id: format!("CA{}", carrier.entropy.token()),
        inbox,
        vouched: dialled.vouched && from.is_some(),
        from: from.unwrap_or_else(|| "anonymous".to_owned()),
        to,
        began: carrier.clock.now(),
        then: None,
        otherwise: None,
    };
    let connection = Connection { carrier, call };
    let door = carrier.door(inbox);
    let answer = connection.tell(&door, "ringing", []).await;
    shown(&sandbox, connection.follow(answer).await)
}

async fn act(State(sandbox): State<Arc<Sandbox>>, Json(acted): Json<Acted>) -> Response {
    // Taken out until the answer is there: nobody presses two keys at once.
    let Some(call) = sandbox.calls.take(&acted.call) else {
        return problem(StatusCode::CONFLICT, "this call is over");
    };
    let connection = Connection { carrier: &sandbox.carrier, call };
    shown(&sandbox, connection.act(acted.act).await)
}

fn shown(sandbox: &Sandbox, went: Result<(Call, Scene), String>) -> Response {
    match went {
        Ok((call, scene)) => {
            if scene.then.is_some() {
                sandbox.calls.put(call);
            }
            Json(scene).into_response()
        }
        Err(reason) => problem(StatusCode::BAD_GATEWAY, &reason),
    }
}

/// Whether it is a number with its country code (E.164).
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A call and who carries it.
struct Connection<'c> {
    carrier: &'c Carrier,
    call: Call,
}

impl Connection<'_> {
    /// Tells the gateway of the call, with further fields.
    async fn tell<const N: usize>(
        &self,
        address: &str,
        status: &str,
        also: [(&'static str, String); N],
    ) -> Result<String, String> {
        let call = &self.call;
        let mut fields = BTreeMap::from([
            ("CallSid", call.id.clone()),
            ("AccountSid", ACCOUNT.to_owned()),
            ("From", call.from.clone()),
            ("To", call.to.to_owned()),
            ("Direction", "inbound".to_owned()),
            ("CallStatus", status.to_owned()),
        ]);
        if call.vouched {
            fields.insert("StirVerstat", "TN-Validation-Passed-A".to_owned());
        }
        fields.extend(also);
        self.carrier.tell_form(address, &fields).await
    }

    /// Goes on with a document, and with those that it leads to.
    async fn follow(mut self, mut answer: Result<String, String>) -> Result<(Call, Scene), String> {
        let mut lines = Vec::new();
        for _ in 0..MOST_REDIRECTS {
            let script = script::read(&answer?).ok_or("the gateway's answer is not understood")?;
            let Script { lines: more, then, otherwise } = script;
            lines.extend(more);
            match (&then, &otherwise) {
                (None, Some(next)) => answer = self.tell(next, "in-progress", []).await,
                (None, None) => {
                    self.end().await?;
                    return Ok(self.scene(lines, None));
                }
                _ => {
                    self.call.otherwise = otherwise;
                    return Ok(self.scene(lines, then));
                }
            }
        }
        Err("the gateway sends the call around in circles".to_owned())
    }

    fn scene(mut self, lines: Vec<Line>, then: Option<Then>) -> (Call, Scene) {
        self.call.then.clone_from(&then);
        let scene = Scene { call: self.call.id.clone(), lines, then };
        (self.call, scene)
    }

    async fn act(self, act: Act) -> Result<(Call, Scene), String> {
        let then = self.call.then.clone().ok_or("the call waits for nothing")?;
        let otherwise = self.call.otherwise.clone();
        let listening = "in-progress";
        let answer = match (act, then) {
            (Act::HangUp(message), then) => return self.hang_up(message, then).await,
            (Act::Keys(keys), Then::Listen { action, .. }) => {
                let keys = keys.chars().filter(|key| matches!(key, '0'..='9' | '*' | '#')).take(32).collect();
                self.tell(&action, listening, [("Digits", keys)]).await
            }
            (Act::Speech(words), Then::Listen { action, .. }) => {
                let said = [("SpeechResult", words), ("Confidence", "0.92".to_owned())];
                self.tell(&action, listening, said).await
            }
            (Act::Silence, Then::Listen { action, .. }) => self.tell(&action, listening, []).await,
            (Act::Silence, Then::Record { action, .. }) => {
                self.tell(&otherwise.unwrap_or(action), listening, []).await
            }
            (Act::Recorded(message), then @ Then::Record { .. }) => {
                self.recorded(message, &then, listening, "#").await
            }
            (Act::Operator(answered), Then::Dial { action, .. }) => {
                let ended = if answered { "completed" } else { "no-answer" };
                self.tell(&action, listening, [("DialCallStatus", ended.to_owned())]).await
            }
            _ => return Err("that is not what the call waits for".to_owned()),
        };
        self.follow(answer).await
    }

    /// A message was recorded: the carrier keeps it, tells that it ended, that it is there, and what was said; what is
    /// answered to its end.
    async fn recorded(
        &self,
        message: Message,
        then: &Then,
        status: &str,
        by: &str,
    ) -> Result<String, String> {
        let Then::Record { action, told, words, .. } = then else {
            return Err("nothing is recorded".to_owned());
        };
        let seconds = message.seconds.clamp(1, LONGEST);
        let id = format!("RE{}", self.carrier.entropy.token());
        self.carrier.held().keep(&id, "audio/x-wav", tone(seconds));
        let about = || {
            let url = format!("{}/calls/2010-04-01/Accounts/{ACCOUNT}/Recordings/{id}", self.carrier.own);
            [("RecordingSid", id.clone()), ("RecordingUrl", url), ("RecordingDuration", seconds.to_string())]
        };
        let [sid, url, duration] = about();
        let answer = self.tell(action, status, [sid, url, duration, ("Digits", by.to_owned())]).await?;
        if let Some(told) = told {
            let [sid, url, duration] = about();
            let there = [sid, url, duration, ("RecordingStatus", "completed".to_owned())];
            self.tell(told, status, there).await?;
        }
        if let Some(words) = words.as_ref().filter(|_| !message.words.trim().is_empty()) {
            let [sid, url, _] = about();
            let transcript = [
                sid,
                url,
                ("TranscriptionSid", format!("TR{}", self.carrier.entropy.token())),
                ("TranscriptionStatus", "completed".to_owned()),
                ("TranscriptionText", message.words),
            ];
            self.tell(words, status, transcript).await?;
        }
        Ok(answer)
    }

    async fn hang_up(self, message: Option<Message>, then: Then) -> Result<(Call, Scene), String> {
        if let (Some(message), Then::Record { .. }) = (message, &then) {
            self.recorded(message, &then, "completed", "hangup").await?;
        }
        self.end().await?;
        Ok(self.scene(Vec::new(), None))
    }

    /// Tells that the call is over, and how long it took.
    async fn end(&self) -> Result<(), String> {
        let status = format!("{}/status", self.carrier.door(self.call.inbox));
        let seconds = self.carrier.clock.now().duration_since(self.call.began).as_secs().max(1);
        self.tell(&status, "completed", [("CallDuration", seconds.to_string())]).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::is_number;

    #[test]
    fn a_number_has_its_country_code() {
        assert!(is_number("+14155550134"));
        for text in ["", "+", "014155550134", "+1415", "+1415555x134", "+1234567890123456"] {
            assert!(!is_number(text), "{text}");
        }
    }
}
