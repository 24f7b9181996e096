//! The voice door: settings that check themselves and build what they describe.

use crate::config::{Common, VoiceSettings};
use crate::desk::{Desk, Policy};
use crate::dialect::Dialect;
use crate::dialogue::{self, Dialogue};
use crate::providers::{signalwire, twilio};
use crate::recordings::Recordings;
use crate::replier::CallReplier;
use async_trait::async_trait;
use lodge_channel::fetch::{ApiClient, ApiSettings, MediaClient, MediaPolicy};
use lodge_channel::webhook::{Desk as WebhookDesk, routes};
use lodge_channel::{
    BuildError, Context, Door, Importer, Parts, Probe, Problem, Secret, SecretSource, Task, TaskError,
};
use lodge_domain::{BrandName, Channel, ChannelAddress, InboxName};
use secrecy::SecretString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long one call to a provider may take.
const DEADLINE: Duration = Duration::from_secs(15);
/// The time between two looks for calls whose end was never told.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[async_trait]
impl Door for VoiceSettings {
    fn address(&self) -> ChannelAddress {
        ChannelAddress { channel: Channel::Voice, provider: self.common().provider.to_owned() }
    }

    fn brand(&self) -> Option<&BrandName> {
        self.common().brand
    }

    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    fn check(&self, secrets: &dyn SecretSource) -> Vec<Problem> {
        let Common { provider, dialogue, text_from, api_base, secrets: named, .. } = self.common();
        let key = |key: &str| format!("{provider}.{key}");
        let mut problems = Vec::new();
        for (name, secret) in named {
            if let Err(error) = secrets.read(secret) {
                problems.push(Problem::new(
                    key(name),
                    error.to_string(),
                    "set the variable or write the file",
                ));
            }
        }
        if InboxName::parse(dialogue).is_none() {
            let remedy = "name a file in dialogues/ without its ending, such as \"hotline\"";
            problems.push(Problem::new(key("dialogue"), "it is no name of a dialogue", remedy));
        }
        if text_from.is_some_and(|number| !dialogue::is_e164(number)) {
            let remedy = "write it with country code, such as +493012345";
            problems.push(Problem::new(key("text_from"), "it is no telephone number", remedy));
        }
        if let Some(base) = api_base
            && let Err(error) = ApiClient::new(&ApiSettings { base: base.clone(), deadline: DEADLINE })
        {
            problems.push(Problem::new(key("api_base"), error.to_string(), "correct the address"));
        }
        if let Self::Signalwire(settings) = self
            && settings.host().is_none()
        {
            problems.push(Problem::new(
                key("space"),
                "it is no name of a space",
                "write NAME of NAME.signalwire.com",
            ));
        }
        problems
    }

    async fn probe(&self, context: &Context) -> Vec<Probe> {
        let Common { provider, dialogue, .. } = self.common();
        let result = match open(&context.folder, dialogue) {
            Ok(_) => Ok("the dialogue can be used".to_owned()),
            Err(reason) => Err(Problem::new(format!("{provider}.dialogue"), reason, "correct the dialogue")),
        };
        vec![Probe { what: format!("dialogue {dialogue}"), result }]
    }

    fn build(&self, context: Context) -> Result<Parts, BuildError> {
        let common = self.common();
        let wrong = |key: &str, reason: String, remedy: &str| BuildError {
            inbox: context.inbox.name.clone(),
            problem: Problem::new(format!("{}.{key}", common.provider), reason, remedy),
        };
        let dialogue = open(&context.folder, common.dialogue).map_err(|reason| {
            wrong("dialogue", reason, "correct it; `lodge dialogue check FILE` shows all problems")
        })?;
        let Some(public) = context.public_url.clone() else {
            let remedy = "set `public_url` under [server]: providers sign it and are sent there";
            return Err(wrong("dialogue", "the gateway has no public address".to_owned(), remedy));
        };
        let dialect =
            self.dialect(&*context.secrets).map_err(|(key, reason)| wrong(key, reason, "correct it"))?;
        let recordings = Arc::new(Recordings {
            inbox: context.inbox.clone(),
            dialect: Arc::clone(&dialect),
            delete: common.delete_recordings,
            intake: Arc::clone(&context.intake),
            state: Arc::clone(&context.state),
            blobs: Arc::clone(&context.blobs),
            clock: Arc::clone(&context.clock),
            wake: tokio::sync::Notify::new(),
        });
        let desk = Arc::new(Desk {
            inbox: context.inbox.clone(),
            base: format!("{}/hooks/{}", public.trim_end_matches('/'), context.inbox.name),
            dialogue,
            dialect: Arc::clone(&dialect),
            policy: Policy {
                missed: common.missed,
                abandoned: common.abandoned,
                anonymous: common.anonymous,
            },
            intake: Arc::clone(&context.intake),
            state: Arc::clone(&context.state),
            clock: Arc::clone(&context.clock),
            recordings: Arc::clone(&recordings),
        });
        let webhooks = WebhookDesk::new(
            context.inbox.name.clone(),
            Some(public),
            Arc::clone(&desk) as _,
            Arc::clone(&context.intake),
            Arc::clone(&context.clock),
        );
        Ok(Parts {
            tasks: tasks(&context, &desk, &recordings),
            routes: Some(routes(webhooks)),
            replier: Some(Arc::new(CallReplier { dialect, from: common.text_from.map(ToOwned::to_owned) })),
            health: Vec::new(),
        })
    }

    fn importer(&self, _: Context) -> Result<Option<Arc<dyn Importer>>, BuildError> {
        // A call is no document: nothing of it exists outside of its provider.
        Ok(None)
    }
}

impl VoiceSettings {
    /// The provider's side, with its secrets read; else which key is wrong, and why.
    pub(crate) fn dialect(
        &self,
        secrets: &dyn SecretSource,
    ) -> Result<Arc<dyn Dialect>, (&'static str, String)> {
        let read = |key: &'static str, secret: &Secret| {
            secrets.read(secret).map_err(|error| (key, error.to_string()))
        };
        let all = |key: &'static str, named: &[Secret]| -> Result<Vec<SecretString>, _> {
            named.iter().map(|secret| read(key, secret)).collect()
        };
        match self {
            Self::Twilio(settings) => {
                let tokens = all("auth_token", &settings.auth_token.0)?;
                let first = tokens.first().cloned().ok_or(("auth_token", "there is none".to_owned()))?;
                let (api, media) = outward(twilio::API, twilio::MEDIA_HOSTS, settings.api_base.as_ref())?;
                let places = ("2010-04-01/Accounts", api, media);
                let account = settings.account_sid.clone();
                let header = "x-twilio-signature";
                Ok(Arc::new(twilio::cxml("twilio", header, (&tokens, first), account, places)))
            }
            Self::Signalwire(settings) => {
                let keys = all("signing_key", &settings.signing_key.0)?;
                let token = read("token", &settings.token)?;
                let host = settings.host().ok_or(("space", "it is no name of a space".to_owned()))?;
                let base = settings.api_base.as_ref();
                let (api, media) = outward(&format!("https://{host}"), &[&host, "*.signalwire.com"], base)?;
                let places = (signalwire::ACCOUNTS, api, media);
                let project = Some(settings.project.clone());
                let header = "x-signalwire-signature";
                Ok(Arc::new(twilio::cxml("signalwire", header, (&keys, token), project, places)))
            }
        }
    }
}

/// The ways out to a provider: its API and its media.
fn outward(
    api: &str,
    hosts: &[&str],
    base: Option<&Url>,
) -> Result<(ApiClient, MediaClient), (&'static str, String)> {
    let own =
        base.cloned().map_or_else(|| Url::parse(api).map_err(|error| ("api_base", error.to_string())), Ok)?;
    let client = ApiClient::new(&ApiSettings { base: own, deadline: DEADLINE });
    let media = MediaClient::new(MediaPolicy::new(hosts, base.cloned()));
    Ok((
        client.map_err(|error| ("api_base", error.to_string()))?,
        media.map_err(|error| ("api_base", error))?,
    ))
}

fn tasks(context: &Context, desk: &Arc<Desk>, recordings: &Arc<Recordings>) -> Vec<Task> {
    let (desk, recordings) = (Arc::clone(desk), Arc::clone(recordings));
    let (stop, halt) = (context.shutdown.clone(), context.shutdown.clone());
    let fetching = Task::new(format!("recordings {}", context.inbox.name), move || {
        let (recordings, stop) = (Arc::clone(&recordings), stop.clone());
        async move { recordings.run(stop).await }
    });
    let sweeping = Task::new(format!("calls {}", context.inbox.name), move || {
        let (desk, halt) = (Arc::clone(&desk), halt.clone());
        async move {
            loop {
                if let Err(refusal) = desk.sweep().await {
                    tracing::debug!(%refusal, "calls without an end are looked at later");
                }
                tokio::select! {
                    () = tokio::time::sleep(SWEEP_EVERY) => {}
                    () = halt.cancelled() => return Ok::<(), TaskError>(()),
                }
            }
        }
    });
    vec![fetching, sweeping]
}

/// The dialogue of this name: the file beside the configuration, else the built-in one.
fn open(folder: &Path, name: &str) -> Result<Dialogue, String> {
    let path = folder.join("dialogues").join(format!("{name}.toml"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && name == "hotline" => {
            dialogue::HOTLINE.to_owned()
        }
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let dialogue = dialogue::read(&text)?;
    let flaws: Vec<String> = dialogue::check(&dialogue).iter().map(ToString::to_string).collect();
    if flaws.is_empty() { Ok(dialogue) } else { Err(flaws.join("; ")) }
}
