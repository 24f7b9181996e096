//! `lodge demo`.

use super::run::{Listeners, run_house};
use crate::cli::{complain, print};
use crate::compose::{Building, open_store};
use crate::config::load_text;
use crate::demo::{
    ACCOUNT, Calls, Carrier, CarrierKeys, MailSink, NUMBER, PAGE, Sandbox, StandInCore, carrier_routes,
    routes,
};
use crate::http::{HttpLimits, serve};
use crate::shutdown::Shutdown;
use crate::system::{Scratch, SystemClock, SystemEntropy};
use anyhow::Context as _;
use data_encoding::BASE64;
use lodge_domain::ports::Entropy;
use lodge_telemetry::logging::{LogFormat, start};
use lodge_ticketing::SigningSecrets;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// How to run the demo.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where the page is.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Log what the gateway does, such as `info` or `debug`.
    #[arg(long, default_value = "warn", value_name = "LEVEL")]
    log: String,
}

const ADDRESS: &str = "support@lodge.example";
/// The second telephone line's dialogue; the first one's is built in.
const ORDERS: &str = include_str!("../../assets/sandbox/orders.toml");

/// Runs the gateway with stand-ins until it is told to stop.
///
/// # Errors
/// Where the address is taken, or the temporary folder cannot be written.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    start(LogFormat::Text, &arguments.log, 0);
    let shutdown = Shutdown::listen()?;
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let listeners = Listeners::bind(arguments.listen, free).await?;
    let (public, internal) = (listeners.public.local_addr()?, listeners.internal.local_addr()?);
    let folder = Scratch::new()?;
    let mut key = [0; 32];
    SystemEntropy.fill(&mut key);
    let secret = format!("whsec_{}", BASE64.encode(&key));
    std::fs::write(folder.path().join("core.secret"), &secret)?;
    let signing = SigningSecrets::new(&[SecretString::from(secret)])?;

    let mails = MailSink::start().await?;
    let core = StandInCore::new(signing.clone(), Arc::new(SystemClock));
    let core_listener = TcpListener::bind(free).await?;
    let core_url = format!("http://{}/lodge", core_listener.local_addr()?);
    tokio::spawn(serve(core_listener, core.routes(), HttpLimits::default(), None, shutdown.soft.clone()));

    let carrier_listener = TcpListener::bind(free).await?;
    let carriers = format!("http://{}", carrier_listener.local_addr()?);
    let keys = CarrierKeys::draw(&SystemEntropy, folder.path())?;
    let system = (Arc::new(SystemClock) as _, Arc::new(SystemEntropy) as _);
    let carrier = Carrier::new(keys, format!("http://{public}"), carriers.clone(), system)?;
    let api = carrier_routes(&carrier);
    tokio::spawn(serve(carrier_listener, api, HttpLimits::default(), None, shutdown.soft.clone()));
    let dialogues = folder.path().join("dialogues");
    std::fs::create_dir(&dialogues)?;
    std::fs::write(dialogues.join("orders.toml"), ORDERS)?;

    let text = configuration(public, internal, &core_url, mails.port()) + &carried(&carriers);
    let checked = load_text(&folder.path().join("lodge.toml"), &text).check()?;
    let store = open_store(&checked, true).await?;
    let page = |building: &Building| {
        let inboxes = &building.checked().inboxes;
        let mail = inboxes.iter().find(|(name, _)| name.as_str() == "support");
        let (_, inbox) = mail.context("the demo has a mail inbox")?;
        let importer = building.importer(inbox)?.context("mail has raw originals")?;
        let sandbox = Arc::new(Sandbox {
            address: ADDRESS.to_owned(),
            importer,
            intake: building.intake(),
            clock: building.clock(),
            entropy: building.entropy(),
            internal: format!("http://{internal}"),
            signer: signing,
            http: reqwest::Client::builder().no_proxy().build()?,
            last: Mutex::default(),
            carrier,
            calls: Calls::default(),
            history: Mutex::default(),
            live: broadcast::channel(1024).0,
        });
        sandbox.follow(&mails, &core);
        Ok(routes(sandbox))
    };
    print(&format!("The sandbox is open:  http://{public}/sandbox"))?;
    complain(&format!(
        "operator pages: http://{internal}/   ·   everything is kept in {} until you press Ctrl-C",
        folder.path().display()
    ));
    run_house(checked, store, listeners, shutdown, None, page).await
}

fn configuration(public: SocketAddr, internal: SocketAddr, core: &str, smtp: u16) -> String {
    format!(
        r#"[server]
listen = "{public}"
internal = "{internal}"
public_url = "http://{public}"
[store]
url = "embedded:store"
[blobs]
url = "file:blobs"
[core]
url = "{core}"
secret = "file:core.secret"
[acknowledgment]
to = "anyone"
signature = "Lodge demo"
per_address_hour = 100
per_address_day = 1000
[queue.billing]
[queue.technical]
[queue.general]
fallback = true
[[rules]]
name = "money"
when = {{ any = [{{ subject = "(?i)invoice|refund|rechnung" }}, {{ text = "(?i)refund|invoice" }}] }}
set = {{ type = "question", category = "billing", queue = "billing", tags = ["money"] }}
[[rules]]
name = "cannot get in"
when = {{ any = [{{ subject = "(?i)log ?in|password|passwort" }}, {{ text = "(?i)log ?in|password|passwort" }}] }}
set = {{ type = "incident", category = "access", priority = "high", queue = "technical" }}
[[rules]]
name = "urgent words"
when = {{ text = "(?i)\\burgent|asap|dringend" }}
set = {{ priority = "urgent" }}
[inbox.support.email]
provider = "pipe"
from = "Lodge demo <{ADDRESS}>"
authserv_ids = ["mx.sandbox.example"]
[inbox.support.email.smtp]
host = "127.0.0.1"
port = {smtp}
tls = "none"
[inbox.website.chat]
origins = ["http://{public}", "http://localhost:{port}"]
continue_by = "support"
continue_after = 60
ask = ["name", "email"]
"#,
        port = public.port(),
    )
}

/// The inboxes that calls and messages come to, carried by the stand-ins at `carriers`.
fn carried(carriers: &str) -> String {
    format!(
        r#"
[inbox.hotline.voice.twilio]
account_sid = "{ACCOUNT}"
auth_token = "file:calls.secret"
api_base = "{carriers}/calls"
dialogue = "hotline"
[inbox.orders.voice.twilio]
account_sid = "{ACCOUNT}"
auth_token = "file:calls.secret"
api_base = "{carriers}/calls"
dialogue = "orders"
[inbox.messenger.social.messenger]
app_secret = "file:app.secret"
verify_token = "file:verify.secret"
access_token = "file:access.secret"
page_id = "{PAGE}"
api_base = "{carriers}/graph"
[inbox.whatsapp.social.whatsapp]
app_secret = "file:app.secret"
verify_token = "file:verify.secret"
access_token = "file:access.secret"
phone_number_id = "{NUMBER}"
api_base = "{carriers}/graph"
[[rules]]
name = "technical calls"
when = {{ channel = "voice", path = "technical" }}
set = {{ category = "technical", queue = "technical" }}
[[rules]]
name = "calls about money"
when = {{ channel = "voice", path = "billing" }}
set = {{ category = "billing", queue = "billing" }}
"#
    )
}
