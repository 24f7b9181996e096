//! Text messages by Twilio's API and those made after it: the same forms come in, signed over the public address and every
//! field, and the same call sends. An answer to a webhook would be sent as a message: ours is an empty document.

use super::meta::unreadable;
use crate::heard::{About, Fared, Heard, Media, Said, Thread, Who};
use crate::json::{details, text};
use crate::pace::Pace;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Speech, Unit, no_files};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{
    ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaError, MediaPolicy, escaped,
};
use lodge_channel::webhook::{Answer, Forged, Form, Unverified, Verified};
use lodge_channel::{Context, Problem, Secrets};
use lodge_domain::delivery::OutboundState;
use lodge_domain::ports::Outcome;
use lodge_domain::{DeliveryError, Disposition, HandleKind, PartyHandle};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

/// What such a number can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA1, or HMAC-SHA256 by a shared key, of address and form",
    text: (1600, Unit::Characters),
    window: "24 h by WhatsApp",
    public: false,
    files_in: true,
    files_out: FilesOut::Some("up to 5 MB, by link"),
    changes: "none",
    receipts: "sent, delivered, read, failed",
    registers: false,
    pace: Pace::new((50, 1), (20, 20)),
};

/// How long a WhatsApp message that came this way can be answered.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// What a form says: a message, or news of one of ours.
pub(crate) fn understand(body: &[u8], now: Timestamp) -> Vec<Heard> {
    let form = Form::parse(body);
    let field = |key: &str| form.filled(key).map(str::to_owned);
    // Key and value are signed without a border between them: what is needed has to be there under its own name.
    let (Some(id), Some(from), Some(to)) =
        (field("MessageSid").or_else(|| field("SmsSid")), field("From"), field("To"))
    else {
        return vec![Heard::Strange { why: "not a message's fields", id: String::new() }];
    };
    let incoming = |status: &String| !matches!(status.as_str(), "received" | "receiving");
    vec![match field("MessageStatus").filter(incoming) {
        Some(status) => fared(&form, id, &to, &status),
        None => message(&form, id, &from, &to, now),
    }]
}

/// The number in an address such as `whatsapp:+14155550134`.
fn number(address: &str) -> &str {
    address.split_once(':').map_or(address, |(_, number)| number)
}

fn fared(form: &Form, id: String, to: &str, status: &str) -> Heard {
    let state = match status {
        "sent" => OutboundState::Sent,
        "delivered" | "read" => OutboundState::Delivered,
        "undelivered" | "failed" | "canceled" => OutboundState::Bounced,
        _ => return Heard::Nothing { reason: "on its way", id: Some(id) },
    };
    let words =
        form.filled("ErrorCode").map_or_else(|| status.to_owned(), |code| format!("{status} ({code})"));
    Heard::Fared(Fared { about: About::Id(id), party: number(to).to_owned(), state, words: Some(words) })
}

fn message(form: &Form, id: String, from: &str, to: &str, now: Timestamp) -> Heard {
    let field = |key: &str| form.filled(key).map(str::to_owned);
    let party = number(from);
    let is_phone = party.strip_prefix('+').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let who = Who {
        account: party.to_owned(),
        phone: is_phone.then(|| party.to_owned()),
        name: field("ProfileName"),
        ..Who::default()
    };
    let mut said = Said::new(id, who, Thread::Private(vec![format!("{to}/{from}")]), now);
    said.to = Some(to.to_owned());
    said.way = json!({"to": from, "from": to});
    let whatsapp = from.starts_with("whatsapp:");
    said.window_ends_at = whatsapp.then(|| now.checked_add(WINDOW).ok()).flatten();
    said.text = field("Body").or_else(|| field("ButtonText")).unwrap_or_default();
    said.answers = field("OriginalRepliedMessageSid");
    said.details = details([
        ("payload", field("ButtonPayload").or_else(|| field("ListId")).map(Value::from)),
        ("opt_out", field("OptOutType").map(Value::from)),
    ]);
    if field("OptOutType").is_some() {
        said.quiet = Some("the sender opted out, or asks how to");
        said.gesture = true;
    }
    let count = field("NumMedia").and_then(|count| count.parse::<usize>().ok()).unwrap_or(0).min(20);
    for at in 0..count {
        let Some(handle) = field(&format!("MediaUrl{at}")) else { continue };
        let media_type = field(&format!("MediaContentType{at}"));
        let kind = crate::speech::family(media_type.as_deref().unwrap_or_default(), "file").to_owned();
        let identity = handle.rsplit('/').next().map(str::to_owned);
        said.media.push(Media { kind, handle, by_id: false, name: None, media_type, identity });
    }
    if let (Some(latitude), Some(longitude)) = (field("Latitude"), field("Longitude")) {
        let place = [field("Label"), field("Address")].into_iter().flatten().collect::<Vec<_>>().join(", ");
        said.details.insert(
            "location".to_owned(),
            json!({"latitude": latitude, "longitude": longitude, "place": place}),
        );
        let words = format!("[location {latitude}, {longitude}] {place}").trim().to_owned();
        return Heard::Said(Box::new(said.as_kind("location", words)));
    }
    let (kind, words) = match (said.media.first(), said.details.contains_key("payload")) {
        (_, true) => ("button".to_owned(), "[button]".to_owned()),
        (Some(media), _) => (media.kind.clone(), format!("[{}]", media.kind)),
        (None, _) => ("text".to_owned(), "[a message without words]".to_owned()),
    };
    Heard::Said(Box::new(said.as_kind(&kind, words)))
}

/// The largest file of a message.
const LARGEST_FILE: u64 = 5 * 1000 * 1000;

/// Decides whether the provider made a request.
pub(crate) type Verify = Box<dyn for<'r> Fn(&'r Unverified) -> Result<Verified<'r>, Forged> + Send + Sync>;

/// Speaks with one of these APIs.
pub(crate) struct Numbers {
    pub(crate) verify: Verify,
    /// Who we are there, and what authenticates that.
    pub(crate) account: String,
    pub(crate) password: SecretString,
    /// The number or service that sends.
    pub(crate) from: String,
    pub(crate) api: ApiClient,
    /// What stands between the API's base and the version.
    pub(crate) prefix: &'static str,
    pub(crate) hosts: &'static [&'static str],
    pub(crate) base: Option<Url>,
    /// Where news of what we send is posted.
    pub(crate) status_callback: Option<String>,
}

/// The secrets that sign an account's webhooks, and the newest of them.
pub(crate) fn keys(
    key: &'static str,
    secrets: &Secrets,
    context: &Context,
) -> Result<(Vec<SecretString>, SecretString), Problem> {
    let values = secrets.read(&*context.secrets).map_err(|error| unreadable(key, error))?;
    let newest = values.first().cloned().ok_or_else(|| Problem::new(key, "there is none", "name one"))?;
    Ok((values, newest))
}

/// Where an inbox's status callbacks go.
pub(crate) fn own_address(context: &Context) -> Option<String> {
    let base = context.public_url.as_ref()?;
    Some(format!("{}/hooks/{}", base.trim_end_matches('/'), context.inbox.name))
}

fn failure(answer: &ApiAnswer) -> DeliveryError {
    let code = answer.text("/code").unwrap_or_default();
    let words = answer.text("/message").map(|words| format!("{words} (code {code})"));
    let disposition = match code.as_str() {
        "20429" | "14107" | "63018" | "30001" | "30008" => Disposition::Later { after: answer.retry_after },
        // The number, the person, their choice, the window.
        "21211" | "21610" | "21614" | "30003" | "30004" | "30005" | "30006" | "30007" | "63003" | "63016"
        | "63024" => Disposition::Never,
        "20003" | "20005" | "21606" | "21603" | "63007" => Disposition::Misconfigured,
        _ => return answer.error("send a message", words.as_deref()),
    };
    answer.error_as(disposition, "send a message", words.as_deref())
}

#[async_trait]
impl Speech for Numbers {
    fn media_types(&self) -> &[&str] {
        &["application/x-www-form-urlencoded"]
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        (self.verify)(request)
    }

    fn answer(&self, _: &Verified<'_>, _: &[Outcome]) -> Answer {
        Answer::with("text/xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>")
    }

    fn beyond_window(&self, _: Timestamp, _: Timestamp) -> Result<(), String> {
        Err("allowed templates: those approved for this number, by its console".to_owned())
    }

    fn carries(&self, _: &Value, media_type: &str, size: u64) -> Carries {
        let fits = crate::numbers::mms(media_type) && size <= LARGEST_FILE;
        if fits { Carries::Link } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let said = match &outgoing.content {
            Content::Text(words) => ("Body", (*words).to_owned()),
            Content::Link { href, .. } => ("MediaUrl", (*href).to_owned()),
            Content::File { .. } => return Err(no_files()),
        };
        let to = text(outgoing.way, "/to").unwrap_or_default();
        let from = text(outgoing.way, "/from").unwrap_or_else(|| self.from.clone());
        let sender = if from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let mut form = vec![("To", to), (sender, from), said];
        form.extend(self.status_callback.clone().map(|address| ("StatusCallback", address)));
        let account = escaped(&self.account);
        let path = format!("{}2010-04-01/Accounts/{account}/Messages.json", self.prefix);
        let credentials = &Credentials::Basic(self.account.clone(), self.password.clone());
        let body = ApiBody::Form(&form);
        let call = ApiCall { method: Method::POST, path: &path, credentials, headers: Vec::new(), body };
        let answer = self.api.call(call).await?;
        if answer.is_success() { Ok(answer.text("/sid")) } else { Err(failure(&answer)) }
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(self.hosts, self.base.clone())
    }

    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        Ok((media.handle.clone(), Credentials::Basic(self.account.clone(), self.password.clone())))
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        let fits = party.kind == HandleKind::Phone && !self.from.starts_with("whatsapp:");
        fits.then(|| json!({"to": party.value, "from": self.from}))
    }
}
