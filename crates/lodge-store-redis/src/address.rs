//! Addresses of the store: `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://`, and the last two with TLS
//! (`rediss+…`). Showing one never shows its credentials.

use crate::error::OpenError;
use percent_encoding::percent_decode_str;

/// How the servers behind an address play together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One server, and which of its databases.
    Single { db: i64 },
    /// Sentinels that know where the primary of `service` is, and which of its databases.
    Sentinel { service: String, db: i64 },
    /// A cluster.
    Cluster,
}

/// Where the store is.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) layout: Layout,
    pub(crate) tls: bool,
    pub(crate) hosts: Vec<(String, u16)>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secure = if self.tls { "s" } else { "" };
        let (kind, path) = match &self.layout {
            Layout::Single { db } => ("", if *db == 0 { String::new() } else { format!("/{db}") }),
            Layout::Sentinel { service, db } => ("+sentinel", format!("/{service}/{db}")),
            Layout::Cluster => ("+cluster", String::new()),
        };
        let hosts: Vec<String> = self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(f, "redis{secure}{kind}://{}{path}", hosts.join(","))
    }
}

impl Address {
    /// Reads an address.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let wrong = |why: &str| OpenError::Address(why.to_owned());
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| wrong("it has no scheme such as redis://"))?;
        let (tls, kind) = match scheme {
            "redis" => (false, ""),
            "rediss" => (true, ""),
            "redis+sentinel" => (false, "sentinel"),
            "rediss+sentinel" => (true, "sentinel"),
            "redis+cluster" => (false, "cluster"),
            "rediss+cluster" => (true, "cluster"),
            _ => return Err(wrong("its scheme is none of redis, rediss, redis+sentinel, redis+cluster")),
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (credentials, hosts),
            None => ("", authority),
        };
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (decode(user)?, decode(password)?),
            None => (None, decode(credentials)?),
        };
        let default_port = if kind == "sentinel" { 26379 } else { 6379 };
        let hosts: Vec<(String, u16)> = hosts
            .split(',')
            .map(|host| read_host(host, default_port))
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("a host is not of the form name:port"))?;
        if kind.is_empty() && hosts.len() > 1 {
            return Err(wrong("several hosts need redis+sentinel:// or redis+cluster://"));
        }
        let layout = read_layout(kind, path).ok_or_else(|| wrong("what follows the hosts cannot be read"))?;
        Ok(Self { layout, tls, hosts, user, password })
    }
}

fn read_layout(kind: &str, path: &str) -> Option<Layout> {
    let db =
        |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i64>().ok().filter(|n| *n >= 0) };
    match kind {
        "sentinel" => {
            let (service, number) = path.split_once('/').unwrap_or((path, ""));
            (!service.is_empty()).then_some(())?;
            Some(Layout::Sentinel { service: service.to_owned(), db: db(number)? })
        }
        "cluster" => matches!(path, "" | "0").then_some(Layout::Cluster),
        _ => Some(Layout::Single { db: db(path)? }),
    }
}

/// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`.
fn read_host(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        (host, port.strip_prefix(':'))
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let port = port.map_or(Some(default_port), |port| port.parse().ok())?;
    (!host.is_empty() && !host.contains(' ')).then(|| (host.to_owned(), port))
}

fn decode(text: &str) -> Result<Option<String>, OpenError> {
    if text.is_empty() {
        return Ok(None);
    }
    let text = percent_decode_str(text).decode_utf8();
    text.map(|text| Some(text.into_owned()))
        .map_err(|_| OpenError::Address("its credentials are no percent-encoded text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let one = Address::parse("rediss://ann:p%40ss@cache.example:6380/3").unwrap();
        assert_eq!((one.layout, one.tls), (Layout::Single { db: 3 }, true));
        assert_eq!((one.user.as_deref(), one.password.as_deref()), (Some("ann"), Some("p@ss")));
        assert_eq!(one.hosts, [("cache.example".to_owned(), 6380)]);

        let many = Address::parse("redis+sentinel://:secret@a,b:1,[::1]:2/main/1").unwrap();
        assert_eq!(many.layout, Layout::Sentinel { service: "main".to_owned(), db: 1 });
        assert_eq!(many.hosts[0], ("a".to_owned(), 26379));
        assert_eq!(many.hosts[2], ("::1".to_owned(), 2));
        assert_eq!((many.user, many.password.as_deref()), (None, Some("secret")));

        assert_eq!(Address::parse("redis+cluster://a:1,b:2").unwrap().layout, Layout::Cluster);
    }

    #[test]
    fn wrong_ones_are_refused_without_repeating_the_password() {
        for text in [
            "",
            "localhost",
            "http://u:hunter2@a",
            "redis://u:hunter2@a:x",
            "redis://a,b",
            "redis+sentinel://a",
            "redis://:hunter2@a/x",
            "redis+cluster://a/3",
            "redis://",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn t59_showing_an_address_hides_its_credentials() {
        let address = Address::parse("redis://ann:hunter2@a:1/2").unwrap();
        assert_eq!(address.to_string(), "redis://a:1/2");
        assert!(!format!("{address:?}").contains("hunter2"));
    }
}
