//! The house before it runs: everything is there, nothing moves.

use super::links::SignedLinks;
use super::store::node;
use crate::config::{Checked, CheckedInbox};
use crate::keys;
use crate::system::{SystemClock, SystemEntropy};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_blobs::FolderBlobs;
use lodge_channel::net::TcpConnector;
use lodge_channel::{Arrival, Context, FileLinks, Importer, Neighbour, Parts as DoorParts, Probe, Problem};
use lodge_domain::ports::{
    Blobs, Budgets, Clock, CoreCommands, DeadLetter, DeadLetters, Entropy, InboxState, Intake, Leases, Store,
    Timelines,
};
use lodge_domain::{
    BlobRef, Contact, Conversation, Envelope, Inbound, InboxName, KeyRing, NodeName, Supplement,
};
use lodge_pipeline::{
    AcknowledgmentSettings, AllowanceSettings, Audience, Facets, Limits, Live, Parts, Pipeline,
};
use lodge_pipeline::{RetentionSettings, Settings, TemplateProblem, Templates};
use lodge_ticketing::{SinkSettings, WebhookSink};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use url::Url;

/// What a door notes with a raw original that it could not understand.
#[derive(serde::Deserialize)]
struct QuarantineNote {
    inbox: InboxName,
    raw: BlobRef,
    received_at: Option<Timestamp>,
}

/// Everything the house is made of.
pub struct Building {
    checked: Checked,
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    keys: Arc<KeyRing>,
    node: NodeName,
    sink: Option<Arc<WebhookSink>>,
    pipeline: Arc<Pipeline>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    links: Arc<SignedLinks>,
    neighbours: Arc<Vec<Neighbour>>,
    soft: CancellationToken,
}

impl Building {
    /// Builds it on an open store.
    ///
    /// # Errors
    /// Where a folder cannot be used, a key cannot be read, or the store does not answer.
    pub async fn new(checked: Checked, store: Arc<dyn Store>) -> anyhow::Result<Self> {
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let folder = checked.blobs.clone();
        let blobs = FolderBlobs::open(folder.clone(), Arc::clone(&clock));
        let blobs: Arc<dyn Blobs> =
            Arc::new(blobs.with_context(|| format!("the folder {}", folder.display()))?);
        let state: &dyn InboxState = &*store;
        let keys = Arc::new(keys::open(&checked.signing, &*checked.secrets, state, &*entropy).await?);
        let sink = sink(&checked, Arc::clone(&clock))?;
        let node = node(&checked);
        let local = || format!("http://{}", checked.server.listen);
        let base = Url::parse(&checked.server.public_url.clone().unwrap_or_else(local))
            .context("[server] public_url")?;
        let links = Arc::new(SignedLinks::new(&base, &keys));
        let parts = Parts {
            store: Facets::of(&store),
            blobs: Some(Arc::clone(&blobs)),
            sink: sink.clone().map(|sink| sink as _),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            node: node.clone(),
            links: Arc::clone(&links) as _,
            live: live(&checked)?,
            limits: Limits::default(),
        };
        let pipeline = Pipeline::new(parts);
        let neighbours = checked
            .inboxes
            .values()
            .map(|inbox| Neighbour { inbox: inbox.id.name.clone(), addresses: inbox.door.addresses() });
        let neighbours = Arc::new(neighbours.collect());
        let soft = CancellationToken::new();
        Ok(Self {
            checked,
            store,
            blobs,
            keys,
            node,
            sink,
            pipeline,
            clock,
            entropy,
            links,
            neighbours,
            soft,
        })
    }

    /// The configuration it was built from.
    #[must_use]
    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// Its store.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Its blobs.
    #[must_use]
    pub fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::clone(&self.blobs)
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Its randomness.
    #[must_use]
    pub fn entropy(&self) -> Arc<dyn Entropy> {
        Arc::clone(&self.entropy)
    }

    /// Its signing keys.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys)
    }

    /// The hallway.
    #[must_use]
    pub fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.pipeline)
    }

    /// The hallway's entrance.
    #[must_use]
    pub fn intake(&self) -> Arc<dyn Intake> {
        self.pipeline.intake()
    }

    /// What the core may ask for.
    #[must_use]
    pub fn commands(&self) -> Arc<dyn CoreCommands> {
        self.pipeline.commands()
    }

    /// Cancelled when the doors close.
    #[must_use]
    pub fn closing(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// What `inbox`'s door is given.
    #[must_use]
    pub fn context(&self, inbox: &CheckedInbox) -> Context {
        let store = &self.store;
        Context {
            inbox: inbox.id.clone(),
            node: self.node.clone(),
            public_url: self.checked.server.public_url.clone(),
            folder: self.checked.folder.clone(),
            neighbours: Arc::clone(&self.neighbours),
            intake: self.intake(),
            timelines: Arc::clone(store) as Arc<dyn Timelines>,
            files: Arc::clone(&self.links) as Arc<dyn FileLinks>,
            hours: Arc::clone(&self.checked.hours),
            state: Arc::clone(store) as Arc<dyn InboxState>,
            leases: Arc::clone(store) as Arc<dyn Leases>,
            budgets: Arc::clone(store) as Arc<dyn Budgets>,
            dead_letters: Arc::clone(store) as Arc<dyn DeadLetters>,
            blobs: self.blobs(),
            clock: self.clock(),
            entropy: self.entropy(),
            connector: Arc::new(TcpConnector),
            keys: self.keys(),
            secrets: Arc::clone(&self.checked.secrets) as _,
            shutdown: self.soft.clone(),
        }
    }

    /// Builds all doors and hands their repliers to the hallway.
    ///
    /// # Errors
    /// Where a door cannot be built.
    pub fn doors(&self) -> anyhow::Result<Vec<DoorParts>> {
        let mut doors = Vec::new();
        for inbox in self.checked.inboxes.values() {
            let parts = inbox.door.build(self.context(inbox))?;
            if let Some(replier) = &parts.replier {
                self.pipeline.set_replier(inbox.id.name.clone(), Arc::clone(replier));
            }
            doors.push(parts);
        }
        Ok(doors)
    }

    /// Reads raw originals for `inbox`.
    ///
    /// # Errors
    /// Where a secret cannot be read.
    pub fn importer(&self, inbox: &CheckedInbox) -> anyhow::Result<Option<Arc<dyn Importer>>> {
        Ok(inbox.door.importer(self.context(inbox))?)
    }

    /// Tries the connections of all doors and of the core.
    pub async fn probe(&self) -> Vec<Probe> {
        let mut probes = Vec::new();
        for inbox in self.checked.inboxes.values() {
            for mut probe in inbox.door.probe(&self.context(inbox)).await {
                probe.what = format!("inbox {}: {}", inbox.id.name, probe.what);
                probes.push(probe);
            }
        }
        if let Some(sink) = &self.sink {
            let result = match sink.probe().await {
                Ok(report) => Ok(format!("answers {}: {}", report.status, report.meaning)),
                Err(error) => {
                    let remedy = "start the core, or correct `[core] url`, its certificate or `secret`";
                    Err(Problem::new("core.url", error.to_string(), remedy))
                }
            };
            probes.push(Probe { what: "core".to_owned(), result });
        }
        probes
    }

    /// Takes over what may change under a running house.
    ///
    /// # Errors
    /// Where the templates cannot be read; then nothing changes.
    pub fn reload(&self, fresh: &Checked) -> anyhow::Result<()> {
        self.pipeline.reload(live(fresh)?);
        Ok(())
    }

    /// Puts what came in into the shape of a contact, whatever it is.
    ///
    /// # Errors
    /// Where it is nothing to file at all.
    pub fn as_contact(&self, inbound: Inbound) -> anyhow::Result<Contact> {
        match inbound {
            Inbound::Contact(contact) => Ok(*contact),
            Inbound::Report(report) => report.contact.context("this is news of something we sent"),
            Inbound::Skipped { reason, .. } => bail!("nothing to file: {reason}"),
            _ => bail!("this is no contact"),
        }
    }

    /// The event that an accepted contact would become, without doing anything.
    ///
    /// # Errors
    /// Where the event cannot be written.
    pub fn preview(&self, envelope: Envelope, conversation: Option<&Conversation>) -> anyhow::Result<String> {
        let event = lodge_pipeline::preview(&self.pipeline.live(), &*self.links, envelope, conversation);
        Ok(serde_json::to_string(&event)?)
    }

    /// Takes raw originals and supplements out of quarantine: they are understood once more and accepted; how many went
    /// through.
    ///
    /// # Errors
    /// Where blobs or store do not answer; a raw original that is still not understood stays where it is.
    pub async fn release(&self, letters: &[DeadLetter]) -> anyhow::Result<usize> {
        let mut released = 0;
        for letter in letters {
            if let Ok(supplement) = serde_json::from_str::<Supplement>(&letter.work.payload) {
                // Added to its contact, or it waits for it once more.
                self.intake().accept(vec![Inbound::Supplement(Box::new(supplement))]).await?;
                self.store.discard(&letter.work.brand, &letter.work.id).await?;
                released += 1;
                continue;
            }
            let note: QuarantineNote = serde_json::from_str(&letter.work.payload)
                .with_context(|| format!("the note of {} cannot be read", letter.work.id))?;
            let Some(inbox) = self.checked.inboxes.get(&note.inbox) else {
                bail!("the inbox `{}` of {} is not configured any more", note.inbox, letter.work.id);
            };
            let Some(importer) = self.importer(inbox)? else { continue };
            let raw: Bytes = self.blobs.read(&note.raw).await?;
            let inbound =
                importer.read(raw, Arrival { received_at: note.received_at, backfill: true }).await?;
            self.intake().accept(vec![inbound]).await?;
            self.store.discard(&letter.work.brand, &letter.work.id).await?;
            released += 1;
        }
        Ok(released)
    }
}

fn sink(checked: &Checked, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Arc<WebhookSink>>> {
    let Some(url) = checked.core.url.clone() else { return Ok(None) };
    let mut settings = SinkSettings::new(url, checked.core.secrets.clone());
    settings.insecure = checked.core.insecure;
    Ok(Some(Arc::new(WebhookSink::new(&settings, clock)?)))
}

/// What a reload may change.
///
/// # Errors
/// Where the templates cannot be read.
pub(super) fn live(checked: &Checked) -> anyhow::Result<Live> {
    let section = &checked.acknowledgment;
    let signed = |span: lodge_triage::Span| -> SignedDuration { span.duration() };
    let acknowledgment = AcknowledgmentSettings {
        enabled: section.enabled,
        to: match section.to {
            crate::config::AcknowledgeTo::Authenticated => Audience::Authenticated,
            crate::config::AcknowledgeTo::Anyone => Audience::Anyone,
        },
        address_per_hour: section.per_address_hour,
        address_per_day: section.per_address_day,
        unverified_per_hour: section.unverified_hour,
        max_age: signed(section.max_age),
        language: section.language.clone(),
        signature: section.signature.clone(),
    };
    let retention = RetentionSettings {
        dedupe: signed(checked.retention.dedupe),
        conversations: signed(checked.retention.conversations),
        feed: signed(checked.retention.events),
        originals: signed(checked.retention.originals),
        timelines: signed(checked.retention.timelines),
        ..RetentionSettings::default()
    };
    let inboxes = checked.inboxes.iter().map(|(name, inbox)| (name.clone(), inbox.facts.clone()));
    let limits = &checked.limits;
    let allowances = AllowanceSettings {
        burst: limits.burst,
        burst_automated: limits.burst_automated,
        burst_window: signed(limits.burst_window),
        sender_bytes: limits.sender_mib.saturating_mul(1 << 20),
        brand_bytes: limits.brand_mib.saturating_mul(1 << 20),
        bytes_window: signed(limits.bytes_window),
    };
    let settings = Settings {
        acknowledgment,
        mask_cards: checked.privacy.mask_cards,
        retention,
        inboxes: inboxes.collect::<BTreeMap<_, _>>(),
        quarantines: checked.attachments.quarantine.clone(),
        allowances,
        ..Settings::default()
    };
    let folder = section.templates.as_ref().map(|folder| checked.folder.join(folder));
    let own = folder.map(|folder| crate::config::template_files(&folder)).transpose()?.unwrap_or_default();
    let broken = |problems: Vec<TemplateProblem>| {
        let words: Vec<String> =
            problems.iter().map(|p| format!("template {}: {}", p.name, p.problem)).collect();
        anyhow::anyhow!("{}", words.join("; "))
    };
    let templates = Templates::new(own).map_err(broken)?;
    let rules = checked
        .triage
        .compile()
        .map_err(|_| anyhow::anyhow!("the rules do not compile: run `lodge check`"))?;
    Ok(Live { rules, settings, templates })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn j11_what_is_set_is_how_long_things_are_kept() {
        let text = "[server]\nlisten = \"127.0.0.1:0\"\ninternal = \"127.0.0.1:0\"\n[retention]\noriginals = \"1d\"\n\
                    conversations = \"2d\"\ndedupe = \"3d\"\nevents = \"15d\"\ntimelines = \"4d\"\n";
        let checked = crate::config::load_text(Path::new("lodge.toml"), text).check().unwrap();
        let kept = live(&checked).unwrap().settings.retention;
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        assert_eq!(
            [kept.originals, kept.conversations, kept.dedupe, kept.feed, kept.timelines],
            [days(1), days(2), days(3), days(15), days(4)]
        );
        assert_eq!(kept.transient, RetentionSettings::default().transient);
    }
}
