//! `lodge run`.

use super::{config_path, configuration};
use crate::cli::{ConfigArg, complain};
use crate::compose::{Building, House, open_store};
use crate::config::{Checked, LogFormatName};
use crate::http::{HttpLimits, Proxies, serve};
use crate::shutdown::Shutdown;
use crate::{admin, supervise};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use lodge_channel::Backoff;
use lodge_domain::ports::{Feed, Ledger, Store};
use lodge_telemetry::logging::{LogFormat, start};
use lodge_ticketing::{CommandsState, SigningSecrets, blob_router, router};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How to run.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
}

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// Where the configuration has problems, or an address or the store cannot be used.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = config_path(arguments.config.config.as_deref())?;
    let checked = configuration(Some(&path))?;
    let format = match checked.log.format {
        LogFormatName::Json => LogFormat::Json,
        LogFormatName::Text => LogFormat::Text,
    };
    let sampler = start(format, &checked.log.level, checked.log.repeats);
    if let Some(sampler) = &sampler {
        supervise::tell_left_out(sampler.clone());
    }
    let shutdown = Shutdown::listen()?;
    let mut listeners = Listeners::bind(checked.server.listen, checked.server.internal).await?;
    let Some(store) = patiently(&checked, &mut listeners, &shutdown).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let ended = run_house(checked, store, listeners, shutdown, Some(path), |_| Ok(Router::new())).await;
    if let Some(sampler) = sampler {
        sampler.tell();
    }
    ended
}

/// The two listeners, bound before anything else: an address that is taken is told at once.
pub struct Listeners {
    /// For the outside.
    pub public: TcpListener,
    /// For the core and the operator.
    pub internal: TcpListener,
}

impl Listeners {
    /// Binds both.
    ///
    /// # Errors
    /// Where an address is taken or not ours.
    pub async fn bind(public: SocketAddr, internal: SocketAddr) -> anyhow::Result<Self> {
        let bind = |address: SocketAddr, key: &'static str| async move {
            let listener = TcpListener::bind(address).await;
            listener.with_context(|| {
                format!("`[server] {key}` {address} cannot be used; is another Lodge running?")
            })
        };
        Ok(Self { public: bind(public, "listen").await?, internal: bind(internal, "internal").await? })
    }
}

impl Listeners {
    /// The internal listener twice, on one socket.
    fn twice(&mut self) -> anyhow::Result<(TcpListener, TcpListener)> {
        use std::os::fd::AsFd as _;
        let copy = || -> std::io::Result<TcpListener> {
            let socket = std::net::TcpListener::from(self.internal.as_fd().try_clone_to_owned()?);
            TcpListener::from_std(socket)
        };
        Ok((copy()?, copy()?))
    }
}

/// Opens the store. One that does not answer yet is waited for; one that refuses us for good is an error.
async fn patiently(
    checked: &Checked,
    listeners: &mut Listeners,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<Arc<dyn Store>>> {
    let mut waiting: Option<Waiting> = None;
    let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15))
        .context("constant bounds are valid")?;
    let mut failures = 0;
    loop {
        let opened = tokio::select! {
            opened = open_store(checked, true) => opened,
            () = shutdown.soft.cancelled() => return Ok(None),
        };
        let error = match opened {
            Ok(store) => {
                if let Some(waiting) = waiting {
                    waiting.end().await;
                }
                return Ok(Some(store));
            }
            Err(error) => error,
        };
        let down = matches!(error.downcast_ref(), Some(lodge_store_redis::OpenError::Unreachable { .. }));
        if !down {
            return Err(error);
        }
        failures += 1;
        match &waiting {
            Some(waiting) => waiting.tell(&error),
            None => waiting = Some(Waiting::begin(listeners, &error)?),
        }
        tracing::error!(error = format!("{error:#}"), "the store does not answer; it is tried again");
        tokio::select! {
            () = tokio::time::sleep(backoff.delay(failures, u64::from(failures) * 7919)) => {}
            () = shutdown.soft.cancelled() => return Ok(None),
        }
    }
}

/// Answers for the house while its store is waited for: alive, and not ready, with the reason.
struct Waiting {
    reason: Arc<ArcSwap<String>>,
    end: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

impl Waiting {
    fn begin(listeners: &mut Listeners, error: &anyhow::Error) -> anyhow::Result<Self> {
        let address = listeners.internal.local_addr()?;
        // The same socket, a second time: connections that come meanwhile are answered, later ones by the house.
        let (first, second) = listeners.twice()?;
        listeners.internal = first;
        let reason = Arc::new(ArcSwap::from_pointee(format!("{error:#}")));
        let shown = Arc::clone(&reason);
        let ready = move || {
            let body = serde_json::json!({"ready": false, "reasons": [shown.load().as_str()], "inboxes": [], "parked_lanes": []});
            async move { (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "5")], Json(body)) }
        };
        let routes = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready));
        let end = CancellationToken::new();
        let server = tokio::spawn(serve(second, routes, HttpLimits::default(), None, end.clone()));
        tracing::info!(internal = %address, "waiting for the store");
        Ok(Self { reason, end, server })
    }

    fn tell(&self, error: &anyhow::Error) {
        self.reason.store(Arc::new(format!("{error:#}")));
    }

    async fn end(self) {
        self.end.cancel();
        // A panic there would have been logged, and changes nothing here.
        drop(self.server.await);
    }
}

/// Runs a house: doors, hallway and listeners, until `shutdown`. `extra` adds routes to the public listener.
///
/// # Errors
/// Where a part cannot be built.
pub async fn run_house(
    checked: Checked,
    store: Arc<dyn Store>,
    listeners: Listeners,
    shutdown: Shutdown,
    reload_from: Option<PathBuf>,
    extra: impl FnOnce(&Building) -> anyhow::Result<Router>,
) -> anyhow::Result<ExitCode> {
    let server = checked.server.clone();
    let building = Arc::new(Building::new(checked, store).await?);
    let doors = building.doors()?;
    let mut public = extra(&building)?.merge(lodge_channel_chat::widget_route()).merge(blob_router(
        (*building.keys()).clone(),
        building.blobs(),
        building.clock(),
    ));
    let (mut tasks, mut health) = (Vec::new(), Vec::new());
    for door in doors {
        tasks.extend(door.tasks);
        health.extend(door.health);
        if let Some(routes) = door.routes {
            public = public.merge(routes);
        }
    }
    let house = House::new(&building, health);
    let internal = internal_routes(&building, &house)?;
    let tls = server
        .tls
        .as_ref()
        .map(|tls| crate::http::tls_config(&building.checked().folder, tls))
        .transpose()?;
    let limits = HttpLimits::default();
    let limits = HttpLimits { proxies: Proxies::parse(&server.proxies).unwrap_or_default(), ..limits };
    let (listen, inside) = (listeners.public.local_addr()?, listeners.internal.local_addr()?);
    let tracker = TaskTracker::new();
    tracker.spawn(serve(listeners.public, public, limits.clone(), tls, shutdown.soft.clone()));
    // The operator sees the house until it is empty, so that readiness can say that it closes.
    let closed = shutdown.hard.child_token();
    let internal_server = tokio::spawn(serve(listeners.internal, internal, limits, None, closed.clone()));
    for task in tasks {
        let (soft, hard) = (shutdown.soft.clone(), shutdown.hard.clone());
        supervise::keep_running(&tracker, task, soft, hard, building.entropy());
    }
    let pipeline = building.pipeline();
    let (soft, hard) = (shutdown.soft.clone(), shutdown.hard.clone());
    tracker.spawn(async move { pipeline.run(soft, hard).await });
    if let Some(path) = reload_from {
        reload_on_hangup(Arc::clone(&building), path)?;
    }
    tracing::info!(%listen, internal = %inside, inboxes = building.checked().inboxes.len(), "gateway is open");
    shutdown.soft.cancelled().await;
    building.closing().cancel();
    tracker.close();
    tokio::select! {
        () = tracker.wait() => tracing::info!("everything under way is finished"),
        () = shutdown.hard.cancelled() => tracing::warn!("ended with work under way; it comes back at the next start"),
    }
    closed.cancel();
    // Nothing that matters runs there any more.
    drop(tokio::time::timeout(Duration::from_secs(2), internal_server).await);
    Ok(ExitCode::SUCCESS)
}

fn internal_routes(building: &Building, house: &Arc<House>) -> anyhow::Result<Router> {
    let checked = building.checked();
    let secrets = &checked.core.secrets;
    let verifier = if secrets.is_empty() { None } else { Some(SigningSecrets::new(secrets)?) };
    let store = building.store();
    let state = CommandsState {
        commands: building.commands(),
        feed: Arc::clone(&store) as Arc<dyn Feed>,
        blobs: building.blobs(),
        verifier,
        tokens: checked.core.tokens.clone(),
        clock: building.clock(),
        settles: checked.core.url.is_none().then_some(store as Arc<dyn Ledger>),
        closing: building.closing(),
    };
    Ok(admin::routes(Arc::clone(house), checked.operator_token.clone()).merge(router(state)))
}

/// Takes over a changed configuration on SIGHUP, as far as it can change under a running house; an invalid one is refused.
fn reload_on_hangup(building: Arc<Building>, path: PathBuf) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || configuration(Some(&path))).await;
            match read {
                Ok(Ok(fresh)) => match building.reload(&fresh) {
                    Ok(()) => tracing::info!(
                        "configuration reloaded: rules, queues, acknowledgments, templates, privacy, retention, limits, attachments"
                    ),
                    Err(error) => tracing::error!(
                        error = format!("{error:#}"),
                        "configuration refused, the old one stays"
                    ),
                },
                Ok(Err(error)) => {
                    complain(&format!("configuration refused, the old one stays:\n{error}"));
                    tracing::error!("configuration refused, the old one stays");
                }
                Err(error) => tracing::error!(%error, "configuration could not be read"),
            }
        }
    });
    Ok(())
}
