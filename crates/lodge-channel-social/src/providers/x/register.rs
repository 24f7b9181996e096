//! Sets the webhook up: the address by the app's own token, then what it is told of by the account's. Both can be done again.

use super::{Account, failure};
use crate::json::{is, items, text};
use async_trait::async_trait;
use lodge_channel::fetch::{ApiAnswer, ApiBody, ApiCall, Credentials};
use lodge_channel::{Problem, Registrar};
use lodge_domain::DeliveryError;
use reqwest::Method;
use serde_json::json;

/// What the webhook is told of; without the first two it is of no use.
const EVENTS: [&str; 5] = ["dm.received", "post.mention.create", "post.reply.create", "dm.sent", "dm.read"];
const NEEDED: usize = 2;

fn problem(error: &DeliveryError) -> Problem {
    let remedy = "check the consumer key and secret and the access token's rights; X asks a running gateway at an https \
                  address without a port";
    Problem::new("consumer_key", error.to_string(), remedy)
}

impl Account {
    /// A call in the app's own name.
    async fn as_app(&self, method: Method, path: &str, body: ApiBody<'_>) -> Result<ApiAnswer, Problem> {
        let token = self.app.token(self.clock.now()).await.map_err(|error| problem(&error))?;
        let credentials = &Credentials::Bearer(token);
        let call = ApiCall { method, path, credentials, headers: Vec::new(), body };
        let answer = self.api.call(call).await.map_err(|error| problem(&error))?;
        self.checked(answer)
    }

    fn checked(&self, answer: ApiAnswer) -> Result<ApiAnswer, Problem> {
        if answer.is_success() { Ok(answer) } else { Err(problem(&failure(&answer, self.clock.now()))) }
    }

    /// The id of the webhook at `url`: a new one, or the one that is there, which X then asks once more.
    async fn webhook(&self, url: &str) -> Result<String, Problem> {
        let all = self.as_app(Method::GET, "2/webhooks", ApiBody::Empty).await?;
        let known = items(&all.body, "/data").iter().find(|one| text(one, "/url").as_deref() == Some(url));
        if let Some(id) = known.and_then(|one| text(one, "/id")) {
            self.as_app(Method::PUT, &format!("2/webhooks/{id}"), ApiBody::Empty).await?;
            return Ok(id);
        }
        let made = self.as_app(Method::POST, "2/webhooks", ApiBody::Json(&json!({"url": url}))).await?;
        let id = made.text("/data/id").or_else(|| made.text("/id"));
        id.ok_or_else(|| Problem::new("api_base", "X named no webhook", "try again, or look at X's console"))
    }

    async fn own_id(&self) -> Result<String, Problem> {
        if let Some(id) = &self.user_id {
            return Ok(id.clone());
        }
        let answer =
            self.call(Method::GET, "2/users/me", ApiBody::Empty).await.map_err(|error| problem(&error))?;
        let id = self.checked(answer)?.text("/data/id");
        id.ok_or_else(|| Problem::new("user_id", "X does not say whose token it is", "set `user_id`"))
    }
}

#[async_trait]
impl Registrar for Account {
    async fn register(&self, url: &str) -> Result<String, Problem> {
        let webhook = self.webhook(url).await?;
        let user = self.own_id().await?;
        let mut told = Vec::new();
        for (at, event) in EVENTS.iter().enumerate() {
            let body = json!({"event_type": event, "filter": {"user_id": user}, "tag": "lodge", "webhook_id": webhook});
            let answer = self.call(Method::POST, "2/activity/subscriptions", ApiBody::Json(&body)).await;
            let answer = answer.map_err(|error| problem(&error))?;
            // Subscribed before is subscribed.
            let there = answer.status == 409;
            match self.checked(answer) {
                Ok(_) => told.push(*event),
                Err(_) if there => told.push(*event),
                Err(problem) if at < NEEDED => return Err(problem),
                Err(_) => {}
            }
        }
        Ok(format!("webhook {webhook} is told of {}", told.join(", ")))
    }

    async fn status(&self) -> Result<Vec<(String, String)>, Problem> {
        let all = self.as_app(Method::GET, "2/webhooks", ApiBody::Empty).await?;
        let mut state = Vec::new();
        for one in items(&all.body, "/data").iter().take(20) {
            let valid = if is(one, "/valid") { "valid" } else { "not valid: X gets no right answer there" };
            state.push((text(one, "/url").unwrap_or_default(), valid.to_owned()));
        }
        if state.is_empty() {
            state.push(("webhook".to_owned(), "none: `lodge webhook register` makes one".to_owned()));
        }
        let all = self.as_app(Method::GET, "2/activity/subscriptions", ApiBody::Empty).await?;
        let told: Vec<String> =
            items(&all.body, "/data").iter().filter_map(|one| text(one, "/event_type")).take(50).collect();
        state.push((
            "told of".to_owned(),
            if told.is_empty() { "nothing".to_owned() } else { told.join(", ") },
        ));
        Ok(state)
    }
}
