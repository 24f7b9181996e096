//! A social inbox as a door: its settings check themselves and build webhook routes, a replier and a task for late files.

use crate::config::SocialSettings;
use crate::contact::Place;
use crate::desk::{SocialDesk, first};
use crate::media::{Fetcher, task};
use crate::names::Names;
use crate::outbox::Outbox;
use crate::pace::Pacer;
use crate::replier::SocialReplier;
use crate::speech::{Settings, Speech};
use crate::watch::{self, Watcher};
use async_trait::async_trait;
use bytes::Bytes;
use lodge_channel::fetch::MediaClient;
use lodge_channel::webhook::{Desk, Provider, routes};
use lodge_channel::{
    Arrival, BuildError, Context, Door, Health, Importer, Parts, Probe, Problem, Registrar, SecretSource,
};
use lodge_domain::ports::{BlobError, Blobs, Clock};
use lodge_domain::{BrandName, Channel, ChannelAddress, Inbound};
use std::sync::{Arc, Mutex};

/// What a provider's table says, and what speaks with the provider.
type Halves = (Arc<dyn Settings>, Arc<dyn Speech>);

impl SocialSettings {
    /// The one provider's table, with its name; the whole of them where it is not one.
    fn chosen(&self) -> Result<(&'static str, Arc<dyn Settings>), usize> {
        let mut tables = self.tables();
        match (tables.len(), tables.pop()) {
            (1, Some(one)) => Ok(one),
            (count, _) => Err(count),
        }
    }

    fn built(&self, context: &Context) -> Result<Halves, BuildError> {
        let problem = |problem| BuildError { inbox: context.inbox.name.clone(), problem };
        let (name, settings) = self.chosen().map_err(|count| problem(one_provider(count)))?;
        if let Some(missing) = self.check_address(context.public_url.as_deref()).pop() {
            return Err(problem(missing));
        }
        let speech = settings.connect(context).map_err(|mut found| {
            found.key = format!("{name}.{}", found.key);
            problem(found)
        })?;
        Ok((settings, speech))
    }

    fn place(&self, context: &Context) -> Place {
        let inbox = context.inbox.clone();
        let vouched_by = self.chosen().map_or("nothing", |(_, settings)| settings.vouches());
        Place { inbox, address: self.address(), acknowledge_public: self.acknowledge_public, vouched_by }
    }

    fn desk(
        &self,
        context: &Context,
        settings: Arc<dyn Settings>,
        speech: Arc<dyn Speech>,
    ) -> Result<SocialDesk, BuildError> {
        let failed = |reason: String| BuildError {
            inbox: context.inbox.name.clone(),
            problem: Problem::new("api_base", reason, "install the system's certificates"),
        };
        let client = MediaClient::new(speech.media_policy()).map_err(failed)?;
        let fetcher = Fetcher { client, speech: Arc::clone(&speech), context: context.clone() };
        Ok(SocialDesk {
            settings,
            speech,
            place: self.place(context),
            blocked: self.blocked.clone(),
            fetcher: Arc::new(fetcher),
            outbox: Outbox { state: Arc::clone(&context.state), inbox: context.inbox.clone() },
            names: Names::default(),
            context: context.clone(),
        })
    }

    /// What answers the provider's webhooks.
    ///
    /// # Errors
    /// As [`Door::build`].
    pub fn provider(&self, context: &Context) -> Result<Arc<dyn Provider>, BuildError> {
        let (settings, speech) = self.built(context)?;
        Ok(Arc::new(self.desk(context, settings, speech)?))
    }

    /// What looks for the provider's news, where that calls nobody.
    ///
    /// # Errors
    /// As [`Door::build`].
    pub fn watcher(&self, context: &Context) -> Result<Option<Arc<Watcher>>, BuildError> {
        let (settings, speech) = self.built(context)?;
        let desk = Arc::new(self.desk(context, settings, Arc::clone(&speech))?);
        Ok(watcher(desk, speech))
    }
}

fn watcher(desk: Arc<SocialDesk>, speech: Arc<dyn Speech>) -> Option<Arc<Watcher>> {
    let watch = speech.watch()?;
    let (name, address) = (desk.context.inbox.name.clone(), desk.place.address.clone());
    let health = Health::new(name, address, "fetch", Arc::clone(&desk.context.clock));
    Some(Arc::new(Watcher { desk, watch, health, failures: Mutex::default() }))
}

fn one_provider(count: usize) -> Problem {
    let known = crate::providers::PROVIDERS.join(", ");
    Problem::new(
        "",
        format!("a social inbox has one provider, this one has {count}"),
        format!("write one table of {known}"),
    )
}

#[async_trait]
impl Door for SocialSettings {
    fn address(&self) -> ChannelAddress {
        let provider = self.chosen().map_or("none", |(name, _)| name).to_owned();
        ChannelAddress { channel: Channel::Social, provider }
    }

    fn brand(&self) -> Option<&BrandName> {
        self.brand.as_ref()
    }

    fn addresses(&self) -> Vec<String> {
        self.chosen().ok().and_then(|(_, settings)| settings.account()).into_iter().collect()
    }

    fn check(&self, secrets: &dyn SecretSource) -> Vec<Problem> {
        let (name, settings) = match self.chosen() {
            Ok(chosen) => chosen,
            Err(count) => return vec![one_provider(count)],
        };
        let unreadable = settings.secrets().into_iter().filter_map(|(key, secret)| {
            let error = secrets.read(secret).err()?;
            Some(Problem::new(key, error.to_string(), "set the variable, or write the file"))
        });
        let mut problems: Vec<Problem> = unreadable.chain(settings.problems()).collect();
        let ill_formed = settings.ill_formed(secrets);
        problems.extend(ill_formed.filter(|found| problems.iter().all(|known| known.key != found.key)));
        for problem in &mut problems {
            problem.key = format!("{name}.{}", problem.key);
        }
        problems
    }

    fn check_address(&self, public_url: Option<&str>) -> Vec<Problem> {
        let chosen = self.chosen().ok().filter(|(_, settings)| settings.signs_address());
        let missing = chosen.filter(|_| public_url.is_none()).map(|(name, _)| {
            let reason = "its signatures are over the public address, which is not set";
            Problem::new(name, reason, "set `[server] public_url`")
        });
        missing.into_iter().collect()
    }

    async fn probe(&self, context: &Context) -> Vec<Probe> {
        let Ok(Some(registrar)) = self.registrar(context) else { return Vec::new() };
        let words = |state: Vec<(String, String)>| {
            state.into_iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
        };
        vec![Probe { what: "webhook".to_owned(), result: registrar.status().await.map(words) }]
    }

    fn registrar(&self, context: &Context) -> Result<Option<Arc<dyn Registrar>>, BuildError> {
        Ok(self.built(context)?.1.registrar())
    }

    fn build(&self, context: Context) -> Result<Parts, BuildError> {
        let (settings, speech) = self.built(&context)?;
        let desk = Arc::new(self.desk(&context, Arc::clone(&settings), Arc::clone(&speech))?);
        let watcher = watcher(Arc::clone(&desk), Arc::clone(&speech));
        let is_called = watcher.is_none() || speech.calls_too();
        let clock = Arc::clone(&context.clock);
        let health = Health::new(context.inbox.name.clone(), self.address(), "send", Arc::clone(&clock));
        let replier = SocialReplier {
            speech,
            capabilities: settings.capabilities(),
            pacer: Pacer::new(settings.capabilities().pace),
            budgets: Arc::clone(&context.budgets),
            long_text: self.long_text,
            unsendable_files: self.unsendable_files,
            links: Arc::clone(&context.files),
            outbox: desk.outbox.clone(),
            inbox: context.inbox.clone(),
            blobs: Arc::clone(&context.blobs),
            clock: Arc::clone(&clock),
            health: Arc::clone(&health),
            still_until: Mutex::new(None),
        };
        let mut tasks = vec![task(Arc::clone(&desk.fetcher))];
        let (name, intake) = (context.inbox.name.clone(), Arc::clone(&context.intake));
        let mut health = vec![health];
        if let Some(watcher) = watcher {
            health.push(Arc::clone(&watcher.health));
            tasks.push(watch::task(watcher));
        }
        let served = is_called.then(|| routes(Desk::new(name, context.public_url, desk, intake, clock)));
        Ok(Parts { tasks, routes: served, replier: Some(Arc::new(replier)), health })
    }

    fn importer(&self, context: Context) -> Result<Option<Arc<dyn Importer>>, BuildError> {
        let problem = |count| BuildError { inbox: context.inbox.name.clone(), problem: one_provider(count) };
        let (_, settings) = self.chosen().map_err(problem)?;
        let place = self.place(&context);
        let (blobs, clock) = (Arc::clone(&context.blobs), Arc::clone(&context.clock));
        Ok(Some(Arc::new(Reader { settings, place, blobs, clock })))
    }
}

/// Reads a raw body that an operator gives: its first contact.
struct Reader {
    settings: Arc<dyn Settings>,
    place: Place,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Importer for Reader {
    async fn read(&self, raw: Bytes, arrival: Arrival) -> Result<Inbound, BlobError> {
        let now = arrival.received_at.unwrap_or_else(|| self.clock.now());
        let heard = self.settings.understand(&raw, now);
        let nothing = |reason: &str| Inbound::Skipped {
            inbox: self.place.inbox.clone(),
            reason: reason.to_owned(),
            trace_keys: Vec::new(),
        };
        let strange = heard.iter().find_map(|one| match one {
            crate::heard::Heard::Strange { why, id } => Some((*why, id.clone())),
            _ => None,
        });
        let contact = match (first(heard, &self.place, now), strange) {
            (Some(contact), _) => contact,
            (None, Some((why, id))) => {
                crate::contact::strange(why, &id, self.blobs.put(raw).await?, &self.place, now)
            }
            (None, None) => return Ok(nothing("the body holds nothing to file")),
        };
        let mut contact = contact;
        contact.backfill = arrival.backfill;
        Ok(Inbound::Contact(Box::new(contact)))
    }
}
