//! Where the core listens, and the one HTTP client that speaks with it.

use crate::signature::{SecretError, SigningSecrets};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use secrecy::SecretString;
use std::time::Duration;
use url::{Host, Url};

/// How the core is reached.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// Where ticket events are posted: `https`, or `http` to loopback.
    pub url: Url,
    /// Standard Webhooks secrets, the newest first.
    pub secrets: Vec<SecretString>,
    /// Whether `http` to another machine is allowed.
    pub insecure: bool,
    /// Certificates (PEM) of authorities to trust besides those of the system.
    pub authorities: Vec<Vec<u8>>,
    /// How long one attempt may take as a whole.
    pub deadline: Duration,
    /// How long connecting may take.
    pub connect: Duration,
}

impl SinkSettings {
    /// The usual settings: 10 s an attempt, 5 s of them to connect.
    #[must_use]
    pub fn new(url: Url, secrets: Vec<SecretString>) -> Self {
        let (deadline, connect) = (Duration::from_secs(10), Duration::from_secs(5));
        Self { url, secrets, insecure: false, authorities: Vec::new(), deadline, connect }
    }

    pub(super) fn signing(&self) -> Result<SigningSecrets, SinkError> {
        Ok(SigningSecrets::new(&self.secrets)?)
    }

    pub(super) fn check(&self) -> Result<(), SinkError> {
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return Err(SinkError::Credentials);
        }
        match self.url.scheme() {
            "https" => Ok(()),
            "http" if self.insecure || is_loopback(&self.url) => Ok(()),
            "http" => Err(SinkError::Insecure),
            _ => Err(SinkError::Scheme),
        }
    }

    pub(super) fn client(&self) -> Result<Client, SinkError> {
        // No proxy from the environment and no redirects: events go where the configuration says, or nowhere.
        let mut builder = Client::builder()
            .no_proxy()
            .no_gzip()
            .redirect(Policy::none())
            .tcp_nodelay(true)
            .connect_timeout(self.connect)
            .timeout(self.deadline)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("lodge/", env!("CARGO_PKG_VERSION")));
        for pem in &self.authorities {
            for certificate in Certificate::from_pem_bundle(pem).map_err(|error| client_error(&error))? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder.build().map_err(|error| client_error(&error))
    }
}

/// Why a sink cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The address is neither `http` nor `https`.
    #[error("the core's address begins with https:// or http://")]
    Scheme,
    /// Plain HTTP to another machine.
    #[error("the core's address is plain http to another machine: use https, or say insecure = true")]
    Insecure,
    /// A name or password stands in the address.
    #[error(
        "the core's address holds a name or password, which would end up in logs: requests are signed instead"
    )]
    Credentials,
    /// The client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

fn client_error(error: &reqwest::Error) -> SinkError {
    SinkError::Client(error.to_string())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
