//! The voice door: settings that check themselves and build what they describe.

use crate::calls::Calls;
use crate::desk::Desk;
use crate::dialect::Capabilities;
use crate::dialogue::settings::About;
use crate::dialogue::{self, Dialogue, Step};
use crate::filing::Policy;
use crate::outward::DEADLINE;
use crate::providers::VoiceSettings;
use crate::recordings::Recordings;
use crate::replier::CallReplier;
use crate::streams::Streams;
use async_trait::async_trait;
use lodge_channel::fetch::{ApiClient, ApiSettings};
use lodge_channel::webhook::{Desk as WebhookDesk, routes};
use lodge_channel::{
    BuildError, Context, Door, Importer, Parts, Probe, Problem, SecretSource, Task, TaskError,
};
use lodge_domain::{BrandName, Channel, ChannelAddress, InboxName};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The time between two looks for calls whose end was never told.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What a voice inbox is made of.
pub(crate) struct Works {
    pub(crate) desk: Arc<Desk>,
    pub(crate) recordings: Arc<Recordings>,
    pub(crate) replier: Arc<CallReplier>,
}

impl Works {
    /// Where audio comes in, for a provider that sends it.
    pub(crate) fn streams(&self, context: &Context) -> Option<Streams> {
        let (protocol, tickets) = self.desk.dialect.streams()?;
        Some(Streams::new(Arc::clone(&self.desk), protocol, tickets, context.shutdown.clone()))
    }
}

impl VoiceSettings {
    /// Builds them around a dialogue.
    ///
    /// # Errors
    /// As [`Door::build`].
    pub(crate) fn works(
        &self,
        context: &Context,
        dialogue: impl FnOnce() -> Result<Dialogue, Vec<String>>,
    ) -> Result<Works, BuildError> {
        let (provider, settings) = self.table();
        let common = settings.common();
        let wrong = |mut problem: Problem| {
            problem.key = format!("{provider}.{}", problem.key);
            BuildError { inbox: context.inbox.name.clone(), problem }
        };
        let dialogue = dialogue().map_err(|flaws| {
            let remedy = "correct it; `lodge dialogue check FILE` shows all problems";
            wrong(Problem::new("dialogue", flaws.join("; "), remedy))
        })?;
        let Some(public) = context.public_url.as_deref() else {
            let remedy = "set `public_url` under [server]: providers sign it and are sent there";
            return Err(wrong(Problem::new("dialogue", "the gateway has no public address", remedy)));
        };
        let dialect = settings.connect(context).map_err(wrong)?;
        let (state, clock) = (Arc::clone(&context.state), Arc::clone(&context.clock));
        let calls = Arc::new(Calls::new(context.inbox.clone(), state, clock));
        let recordings = Arc::new(Recordings {
            inbox: context.inbox.clone(),
            dialect: Arc::clone(&dialect),
            delete: common.delete_recordings,
            intake: Arc::clone(&context.intake),
            state: Arc::clone(&context.state),
            calls: Arc::clone(&calls),
            blobs: Arc::clone(&context.blobs),
            clock: Arc::clone(&context.clock),
            wake: tokio::sync::Notify::new(),
        });
        let desk = Arc::new(Desk {
            inbox: context.inbox.clone(),
            provider,
            base: format!("{}/hooks/{}", public.trim_end_matches('/'), context.inbox.name),
            dialogue,
            dialect: Arc::clone(&dialect),
            policy: Policy {
                missed: common.missed,
                abandoned: common.abandoned,
                anonymous: common.anonymous,
            },
            texts: settings.capabilities().texts,
            intake: Arc::clone(&context.intake),
            calls,
            clock: Arc::clone(&context.clock),
            recordings: Arc::clone(&recordings),
        });
        let from = common.text_from.map(ToOwned::to_owned);
        Ok(Works { desk, recordings, replier: Arc::new(CallReplier { dialect, from }) })
    }
}

#[async_trait]
impl Door for VoiceSettings {
    fn address(&self) -> ChannelAddress {
        ChannelAddress { channel: Channel::Voice, provider: self.table().0.to_owned() }
    }

    fn brand(&self) -> Option<&BrandName> {
        self.table().1.common().brand
    }

    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    fn check(&self, secrets: &dyn SecretSource) -> Vec<Problem> {
        let (provider, settings) = self.table();
        let common = settings.common();
        let mut problems = Vec::new();
        for (name, secret) in settings.secrets() {
            if let Err(error) = secrets.read(secret) {
                problems.push(Problem::new(name, error.to_string(), "set the variable or write the file"));
            }
        }
        if InboxName::parse(common.dialogue).is_none() {
            let remedy = "name a file in dialogues/ without its ending, such as \"hotline\"";
            problems.push(Problem::new("dialogue", "it is no name of a dialogue", remedy));
        }
        if common.text_from.is_some_and(|number| !dialogue::is_e164(number)) {
            let remedy = "write it with country code, such as +493012345";
            problems.push(Problem::new("text_from", "it is no telephone number", remedy));
        }
        if common.text_from.is_some() && !settings.capabilities().texts {
            let reason = format!("{provider} sends no text messages for Lodge");
            problems.push(Problem::new("text_from", reason, "leave it out"));
        }
        if common.delete_recordings && !settings.capabilities().deletes {
            let reason = format!("{provider} has no recordings that Lodge could delete");
            problems.push(Problem::new("delete_recordings", reason, "leave it out"));
        }
        if let Some(base) = common.api_base
            && let Err(error) = ApiClient::new(&ApiSettings { base: base.clone(), deadline: DEADLINE })
        {
            problems.push(Problem::new("api_base", error.to_string(), "correct the address"));
        }
        problems.extend(settings.problems());
        for problem in &mut problems {
            problem.key = format!("{provider}.{}", problem.key);
        }
        problems
    }

    fn check_files(&self, folder: &Path) -> Vec<Problem> {
        let (provider, settings) = self.table();
        let name = settings.common().dialogue;
        if InboxName::parse(name).is_none() {
            // Said already, and no name of a file.
            return Vec::new();
        }
        let flaws = open(folder, name, settings.capabilities()).err().unwrap_or_default();
        let problem = |flaw| {
            let remedy = format!("correct dialogues/{name}.toml");
            Problem::new(format!("{provider}.dialogue"), flaw, remedy)
        };
        flaws.into_iter().map(problem).collect()
    }

    async fn probe(&self, _: &Context) -> Vec<Probe> {
        Vec::new()
    }

    fn build(&self, context: Context) -> Result<Parts, BuildError> {
        let (_, settings) = self.table();
        let name = settings.common().dialogue;
        let works = self.works(&context, || open(&context.folder, name, settings.capabilities()))?;
        let webhooks = WebhookDesk::new(
            context.inbox.name.clone(),
            context.public_url.clone(),
            Arc::clone(&works.desk) as _,
            Arc::clone(&context.intake),
            Arc::clone(&context.clock),
        );
        let mut tasks = tasks(&context, &works);
        let mut routes = routes(webhooks);
        if let Some(streams) = works.streams(&context) {
            tasks.push(keeping(&context, &streams));
            routes = routes.merge(streams.routes());
        }
        Ok(Parts { tasks, routes: Some(routes), replier: Some(works.replier), health: Vec::new() })
    }

    fn importer(&self, _: Context) -> Result<Option<Arc<dyn Importer>>, BuildError> {
        // A call is no document: nothing of it exists outside of its provider.
        Ok(None)
    }
}

fn tasks(context: &Context, works: &Works) -> Vec<Task> {
    let (desk, recordings) = (Arc::clone(&works.desk), Arc::clone(&works.recordings));
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

/// Closing waits for messages that are being spoken: they are kept as far as they came.
fn keeping(context: &Context, streams: &Streams) -> Task {
    let (shutdown, open) = (context.shutdown.clone(), streams.sockets.clone());
    Task::new(format!("audio {}", context.inbox.name), move || {
        let (shutdown, open) = (shutdown.clone(), open.clone());
        async move {
            shutdown.cancelled().await;
            open.close();
            open.wait().await;
            Ok(())
        }
    })
}

/// The dialogue of this name: the file beside the configuration, else the built-in one; else all that is wrong with it,
/// what the provider cannot do included.
fn open(folder: &Path, name: &str, can: Capabilities) -> Result<Dialogue, Vec<String>> {
    let path = folder.join("dialogues").join(format!("{name}.toml"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && name == "hotline" => {
            dialogue::HOTLINE.to_owned()
        }
        Err(error) => return Err(vec![format!("{} cannot be read: {error}", path.display())]),
    };
    let dialogue = dialogue::read(&text).map_err(|error| vec![error])?;
    let flaws = dialogue::check(&dialogue).into_iter().map(|flaw| flaw.to_string());
    let flaws: Vec<String> = flaws.chain(beyond(&dialogue, can)).collect();
    if flaws.is_empty() { Ok(dialogue) } else { Err(flaws) }
}

/// What a dialogue asks for and its provider cannot do.
fn beyond(dialogue: &Dialogue, can: Capabilities) -> Vec<String> {
    let missing = |step: &Step| match step {
        Step::Speech(_) if !can.hears => Some("understand spoken words"),
        Step::Record(_) if !can.records && !can.hears => Some("take messages"),
        Step::Record(record) if record.transcribe && !can.transcribes => Some("write recordings down"),
        Step::Consent(asked) if asked.about == About::TextMessage && !can.texts => Some("send text messages"),
        Step::Operator(_) if !can.dials => Some("connect callers with operators"),
        _ => None,
    };
    let flaws = dialogue.step.iter().filter_map(|(name, step)| {
        missing(step).map(|what| format!("step \"{name}\": this provider cannot {what}"))
    });
    flaws.collect()
}
