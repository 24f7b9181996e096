//! `lodge trace`: everything that happened to one contact, with the reasons.

use super::configuration;
use crate::cli::{ConfigArg, complain, print};
use crate::compose::open_store;
use lodge_domain::ports::{Ledger, Lookup, Store};
use lodge_domain::{BrandName, Envelope, EnvelopeId, JournalLine, Reference, TraceKey};
use serde_json::json;
use std::process::ExitCode;

/// What to look for.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    /// A reference, an event id, a Message-ID, a call id or a provider's id.
    key: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A contact and its history.
struct Found {
    brand: BrandName,
    envelopes: Vec<Envelope>,
    journal: Vec<JournalLine>,
}

/// Shows the history of a contact.
///
/// # Errors
/// Where the configuration has problems, the store does not answer, or standard output is closed.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let checked = configuration(arguments.config.config.as_deref())?;
    let store = open_store(&checked, false).await?;
    let mut found = Vec::new();
    for brand in store.brands().await? {
        found.extend(find(&*store, brand, &arguments.key).await?);
    }
    if found.is_empty() {
        complain(&format!("nothing is known under `{}`", arguments.key));
        return Ok(ExitCode::FAILURE);
    }
    for one in &found {
        if arguments.json {
            print(&as_json(one).to_string())?;
        } else {
            show(one)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(store: &dyn Store, brand: BrandName, key: &str) -> anyhow::Result<Option<Found>> {
    let trace = TraceKey(key.to_owned()).value().map(Lookup::Trace);
    let lookups =
        [Reference::parse(key).map(Lookup::Reference), EnvelopeId::parse(key).map(Lookup::Envelope), trace];
    for lookup in lookups.into_iter().flatten() {
        let envelopes = Ledger::find(store, &brand, lookup).await?;
        if envelopes.is_empty() {
            continue;
        }
        let mut subjects: Vec<String> = Vec::new();
        for envelope in &envelopes {
            let receipt = &envelope.receipt;
            for subject in [receipt.envelope.to_string(), receipt.conversation.to_string()] {
                if !subjects.contains(&subject) {
                    subjects.push(subject);
                }
            }
        }
        let journal = store.journal(&brand, &subjects).await?;
        return Ok(Some(Found { brand, envelopes, journal }));
    }
    Ok(None)
}

fn as_json(found: &Found) -> serde_json::Value {
    let contacts: Vec<_> = found
        .envelopes
        .iter()
        .map(|envelope| {
            let Envelope { contact, receipt, decision } = envelope;
            json!({
                "id": receipt.envelope, "reference": receipt.reference, "conversation": receipt.conversation,
                "sequence": receipt.sequence, "placement": receipt.placement, "matched": receipt.matched,
                "suggested_parent": receipt.suggested_parent, "follows": receipt.follows, "reopens": receipt.reopens,
                "inbox": contact.inbox.name, "channel": contact.address.channel, "provider": contact.address.provider,
                "accepted_at": receipt.accepted_at, "occurred_at": contact.occurred_at,
                "assurance": contact.from.assurance, "evidence": contact.from.evidence,
                "origin": contact.origin, "flags": contact.flags.union(&receipt.flags).collect::<Vec<_>>(),
                "no_acknowledgment": contact.no_acknowledgment, "trace_keys": contact.trace_keys,
                "thread_keys": contact.thread_keys.iter().map(|k| json!({"label": k.label, "condition": k.condition})).collect::<Vec<_>>(),
                "decision": decision,
            })
        })
        .collect();
    json!({"brand": found.brand, "contacts": contacts, "journal": found.journal})
}

fn show(found: &Found) -> std::io::Result<()> {
    for envelope in &found.envelopes {
        let Envelope { contact, receipt, decision } = envelope;
        print(&format!(
            "{}  reference {}  #{}",
            receipt.envelope,
            receipt.reference.grouped(),
            receipt.sequence
        ))?;
        print(&format!("  inbox         {} ({})", contact.inbox.name, contact.address))?;
        print(&format!("  accepted      {}", receipt.accepted_at))?;
        let matched = receipt.matched.as_deref().unwrap_or("no thread key of it");
        print(&format!("  placement     {:?}, by {matched}", receipt.placement))?;
        for key in &contact.thread_keys {
            print(&format!("  carried       {} ({:?})", key.label, key.condition))?;
        }
        if let Some(parent) = &receipt.suggested_parent {
            print(&format!("  suggested     {} (pointed to, without the right to join)", parent.grouped()))?;
        }
        print(&format!("  sender        {:?} {}", contact.from.assurance, contact.from.evidence.join(", ")))?;
        print(&format!("  origin        {:?} {}", contact.origin.kind, contact.origin.evidence.join(", ")))?;
        for reason in &contact.no_acknowledgment {
            print(&format!("  no ack        {reason}"))?;
        }
        if let Some(decision) = decision {
            print(&format!("  queue         {} (priority {:?})", decision.queue, decision.priority))?;
            for reason in &decision.reasons {
                print(&format!("  because       {}: {}", reason.rule, reason.because))?;
            }
        }
    }
    for line in &found.journal {
        print(&format!("{}  {:<28} {}", line.at, line.step, line.text))?;
    }
    Ok(())
}
