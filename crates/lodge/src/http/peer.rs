//! Who is at the far end: the socket's peer, and behind a proxy of ours the client it names. `X-Forwarded-For` is believed
//! from configured proxies alone, and of it only the right-most hop that is none of them (T64).

use axum::http::{HeaderMap, HeaderValue};
pub use lodge_channel::Client;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The far end of the connection; in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Networks of proxies in front of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies(Vec<Network>);

/// A network that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network such as 10.0.0.0/8 or ::1/128")]
pub struct ProxyError(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: u128,
    mask: u128,
}

impl Proxies {
    /// Reads networks (`10.0.0.0/8`, `::1/128`) and single addresses.
    ///
    /// # Errors
    /// [`ProxyError`] with the first that is none.
    pub fn parse<T: AsRef<str>>(networks: &[T]) -> Result<Self, ProxyError> {
        let read =
            |text: &T| Network::parse(text.as_ref()).ok_or_else(|| ProxyError(text.as_ref().to_owned()));
        networks.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address` is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.0.iter().any(|network| bits & network.mask == network.base)
    }
}

impl Default for Proxies {
    /// This machine.
    fn default() -> Self {
        let v4 = Network::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8);
        let v6 = Network::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 128);
        Self([v4, v6].into_iter().flatten().collect())
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address.parse().ok()?, Some(length.parse().ok()?)),
            None => (text.trim().parse().ok()?, None),
        };
        let whole = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        Self::new(address, length.unwrap_or(whole))
    }

    /// IPv4 is kept as its mapped IPv6 form, so that both spellings of an address are one.
    fn new(address: IpAddr, length: u32) -> Option<Self> {
        let (whole, outer) = if matches!(address, IpAddr::V4(_)) { (32, 96) } else { (128, 0) };
        if length > whole {
            return None;
        }
        let mask = u128::MAX.checked_shl(128 - outer - length).unwrap_or(0);
        Some(Self { base: bits(address) & mask, mask })
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The client behind `peer`: the peer itself unless it is a proxy of ours, else the right-most hop of `X-Forwarded-For`
/// that is none. A hop that cannot be read ends the search at the last proxy.
#[must_use]
pub fn forwarded_for(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> IpAddr {
    let mut client = peer.to_canonical();
    let values: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    let hops = values.iter().rev().flat_map(|value| value.rsplit(|b| *b == b','));
    for hop in hops {
        if !proxies.contains(client) {
            break;
        }
        match std::str::from_utf8(hop).ok().and_then(|text| address(text.trim())) {
            Some(next) => client = next.to_canonical(),
            None => break,
        }
    }
    client
}

/// An address, with or without a port and brackets.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip());
    }
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn client(peer: &str, values: &[&str], proxies: &Proxies) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        forwarded_for(peer.parse().unwrap(), &headers, proxies).to_string()
    }

    #[test]
    fn t64_only_the_right_most_untrusted_hop_is_believed() {
        let proxies = Proxies::parse(&["127.0.0.0/8", "::1/128", "10.1.0.0/16", "2001:db8::/32"]).unwrap();
        for (peer, values, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.2.3.4, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            ("127.0.0.1", &["1.2.3.4", "198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.2.3.4", "198.51.100.1", "10.1.2.3"], "198.51.100.1"),
            ("127.0.0.1", &["10.1.2.3, 10.1.2.4"], "10.1.2.3"),
            ("127.0.0.1", &["1.2.3.4, nonsense"], "127.0.0.1"),
            ("127.0.0.1", &["1.2.3.4, nonsense, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", &["1.2.3.4,"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::1", &["[2a00::1]:4711"], "2a00::1"),
            ("::1", &["[2a00::1]"], "2a00::1"),
            ("2001:db8::7", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("::ffff:127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
        ] {
            assert_eq!(client(peer, values, &proxies), expected, "{peer} {values:?}");
        }
        assert_eq!(client("127.0.0.1", &["1.2.3.4"], &Proxies::parse::<&str>(&[]).unwrap()), "127.0.0.1");
    }

    #[test]
    fn networks_are_read_or_refused() {
        let all = Proxies::parse(&["0.0.0.0/0"]).unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()) && !all.contains("2a00::1".parse().unwrap()));
        assert!(Proxies::parse(&["::/0"]).unwrap().contains("203.0.113.9".parse().unwrap()));
        let one = Proxies::parse(&["192.0.2.7"]).unwrap();
        assert!(one.contains("192.0.2.7".parse().unwrap()) && !one.contains("192.0.2.6".parse().unwrap()));
        for bad in ["", "10.0.0.0/33", "::1/129", "10.0.0/8", "example.com", "10.0.0.0/-1", "10.0.0.0/"] {
            assert_eq!(Proxies::parse(&[bad]), Err(ProxyError(bad.to_owned())));
        }
    }
}
