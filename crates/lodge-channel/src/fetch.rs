//! The one way out over HTTP for doors: calls to providers' APIs, and media that contacts bring along.
//!
//! Two rules make it safe. Calls go to the address that the configuration names, and nowhere else: redirects are not
//! followed. Media goes by an address that a stranger may have chosen, so it is fetched only from hosts on the provider's
//! list, over https, from global addresses, with credentials for the listed host alone (T50, T51). No proxy of the
//! environment is ever used.

mod api;
mod app_key;
mod grant;
mod guard;
mod media;

pub use api::{ApiAnswer, ApiBody, ApiCall, ApiClient, ApiError, ApiSettings, escaped};
pub use app_key::AppKey;
pub use grant::ClientGrant;
pub use guard::{Origin, is_global, listed};
pub use media::{Credentials, Fetched, MediaClient, MediaError, MediaPolicy, sniff};

use reqwest::redirect::Policy;
use std::time::Duration;

/// What every client of this house has in common.
fn builder(deadline: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .no_gzip()
        .redirect(Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(deadline.min(Duration::from_secs(5)))
        .timeout(deadline)
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("lodge/", env!("CARGO_PKG_VERSION")))
}
