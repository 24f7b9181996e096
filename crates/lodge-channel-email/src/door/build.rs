//! Builds what a mail inbox's settings describe. Reads secrets and certificate files; touches no network.

use crate::compose::SenderIdentity;
use crate::config::{CopiesSetting, EmailSettings, ImapSettings, SmtpSettings, TlsMode};
use crate::imap::Account;
use crate::importer::Reader;
use crate::poller::{Mailbox, task};
use crate::replier::MailReplier;
use crate::smtp::{Pool, Relay};
use crate::understand::{Copies, OwnAddress, Surroundings, Worker};
use crate::wire::Target;
use lodge_channel::net::tls_client;
use lodge_channel::{BuildError, Context, Door, Health, Parts, Problem, Secret};
use secrecy::SecretString;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::ClientConfig;

/// Threads on which the mails of one inbox are understood.
const THREADS: usize = 2;

/// Everything an inbox is built into.
pub(super) fn parts(settings: &EmailSettings, context: Context) -> Result<Parts, BuildError> {
    let health =
        |part| Health::new(context.inbox.name.clone(), settings.address(), part, Arc::clone(&context.clock));
    let mut parts = Parts::default();
    if let Some(smtp) = &settings.smtp {
        parts.replier = Some(Arc::new(replier(settings, smtp, &context)?));
    }
    let Some(imap) = settings.imap.clone() else { return Ok(parts) };
    let fetching = health("fetch");
    parts.health.push(Arc::clone(&fetching));
    let mailbox = Mailbox {
        account: account(&imap, &context)?,
        settings: imap,
        reader: reader(settings, &context)?,
        health: fetching,
        context,
    };
    parts.tasks.push(task(Arc::new(mailbox)));
    Ok(parts)
}

/// What understands the inbox's mail.
pub(super) fn reader(settings: &EmailSettings, context: &Context) -> Result<Arc<Reader>, BuildError> {
    let own = context.neighbours.iter().flat_map(|neighbour| {
        let own = |address: &String| OwnAddress { inbox: neighbour.inbox.clone(), address: address.clone() };
        neighbour.addresses.iter().map(own)
    });
    let surroundings = Surroundings {
        inbox: context.inbox.clone(),
        provider: settings.provider.as_str().to_owned(),
        own: own.collect(),
        reply_address: settings.recognised_address(),
        authserv_ids: settings.authserv_ids.clone(),
        trusted_headers: false,
        copies: match settings.copies {
            CopiesSetting::One => Copies::One,
            CopiesSetting::Each => Copies::Each,
            CopiesSetting::Primary => Copies::Primary,
        },
        keys: Arc::clone(&context.keys),
        message_id_domain: domain(settings, context)?,
        instance: domain(settings, context)?,
    };
    let worker = Worker::start(THREADS)
        .map_err(|error| problem(context, "provider", &format!("no threads: {error}")))?;
    Ok(Arc::new(Reader::new(
        worker,
        surroundings,
        Arc::clone(&context.blobs),
        Arc::clone(&context.clock),
        Arc::clone(&context.intake),
    )))
}

/// The account whose mailbox is read.
pub(super) fn account(imap: &ImapSettings, context: &Context) -> Result<Account, BuildError> {
    Ok(Account {
        target: Target {
            host: imap.host.clone(),
            port: imap.port(),
            tls: imap.tls,
            trust: trust("imap", imap.tls, imap.ca_file.as_deref(), context)?,
            patience: imap.timeout.get(),
        },
        username: imap.username.clone(),
        password: secret("imap.password", &imap.password, context)?,
        auth: imap.auth,
    })
}

/// The server that sends for us.
pub(super) fn relay(
    settings: &EmailSettings,
    smtp: &SmtpSettings,
    context: &Context,
) -> Result<Relay, BuildError> {
    let login = match (&smtp.username, &smtp.password) {
        (Some(username), Some(password)) => {
            Some((username.clone(), secret("smtp.password", password, context)?))
        }
        _ => None,
    };
    Ok(Relay {
        target: Target {
            host: smtp.host.clone(),
            port: smtp.port(),
            tls: smtp.tls,
            trust: trust("smtp", smtp.tls, smtp.ca_file.as_deref(), context)?,
            patience: smtp.timeout.get(),
        },
        login,
        hello: domain(settings, context)?,
        connector: Arc::clone(&context.connector),
    })
}

fn replier(
    settings: &EmailSettings,
    smtp: &SmtpSettings,
    context: &Context,
) -> Result<MailReplier, BuildError> {
    let from = settings.mailbox().ok_or_else(|| problem(context, "from", "it is no mail address"))?;
    let acknowledge_from = match smtp.envelope_from.as_deref() {
        None | Some("null") => None,
        Some(address) => Some(
            address.parse().map_err(|_| problem(context, "smtp.envelope_from", "it is no mail address"))?,
        ),
    };
    Ok(MailReplier {
        inbox: context.inbox.name.clone(),
        pool: Pool::new(relay(settings, smtp, context)?, smtp.connections),
        sender: SenderIdentity {
            name: from.name,
            address: from.email.to_string(),
            reply_address: settings.reply_address(),
            message_id_domain: domain(settings, context)?,
            instance: domain(settings, context)?,
        },
        acknowledge_from,
        relay_host: smtp.host.clone(),
        keys: Arc::clone(&context.keys),
        blobs: Arc::clone(&context.blobs),
        clock: Arc::clone(&context.clock),
    })
}

/// The domain we send from: the right side of our Message-IDs, and the same for all gateways of an installation.
fn domain(settings: &EmailSettings, context: &Context) -> Result<String, BuildError> {
    let mailbox = settings.mailbox().ok_or_else(|| problem(context, "from", "it is no mail address"))?;
    Ok(mailbox.email.domain().to_ascii_lowercase())
}

fn trust(
    table: &str,
    tls: TlsMode,
    ca_file: Option<&Path>,
    context: &Context,
) -> Result<Option<Arc<ClientConfig>>, BuildError> {
    if tls == TlsMode::None {
        return Ok(None);
    }
    let path = ca_file.map(|path| context.folder.join(path));
    let reading = tls_client(path.as_deref());
    reading.map(Some).map_err(|error| problem(context, &format!("{table}.ca_file"), &error.to_string()))
}

fn secret(key: &str, secret: &Secret, context: &Context) -> Result<SecretString, BuildError> {
    context.secrets.read(secret).map_err(|error| problem(context, key, &error.to_string()))
}

fn problem(context: &Context, key: &str, reason: &str) -> BuildError {
    let remedy = "put it right and run `lodge check`";
    BuildError { inbox: context.inbox.name.clone(), problem: Problem::new(key, reason, remedy) }
}
