//! Which addresses media may come from. Pure, but for the look-up of names.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// Whether an address belongs to the public internet, whatever it is wrapped in.
#[must_use]
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => is_global_v6(v6),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation();
    // This network, carrier-grade NAT (RFC 6598), protocol assignments (RFC 6890), 6to4 relays (RFC 7526), benchmarks
    // (RFC 2544), reserved (RFC 1112).
    let reserved = a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    !special && !reserved
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    let words = address.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_global_v4(Ipv4Addr::new(a, b, c, d))
    };
    match words {
        // v4-mapped and v4-compatible; covers :: and ::1 as well.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => inner(high, low),
        // IPv4 behind a translator (RFC 6052); of the local-use prefix (RFC 8215) nothing.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x64, 0xff9b, ..] => false,
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => inner(high, low),
        // Teredo and other protocol assignments, documentation, discard.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Global unicast is 2000::/3; everything else is local, multicast or not given out.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

/// Looks names up once and hands on global addresses alone, so that what was checked is what is connected to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GlobalOnly;

impl Resolve for GlobalOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let global: Vec<SocketAddr> = found.filter(|address| is_global(address.ip())).collect();
            if global.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(global.into_iter()) as Addrs)
        })
    }
}

/// Scheme, host and port, and the path below which everything belongs to it: what the configuration names as a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    url: Url,
}

impl Origin {
    /// The origin of `url`; `None` where it is no web address or holds credentials.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
        (web && url.username().is_empty() && url.password().is_none()).then(|| Self { url: url.clone() })
    }

    /// Whether `url` lies on the same scheme, host and port, and below the same path.
    #[must_use]
    pub fn holds(&self, url: &Url) -> bool {
        let base = self.url.path().trim_end_matches('/');
        let rest = url.path().strip_prefix(base);
        self.url.scheme() == url.scheme()
            && self.url.host() == url.host()
            && self.url.port_or_known_default() == url.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none()
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether `url` names a listed host, over https on its usual port; `*.example.com` lists all names below it.
#[must_use]
pub fn listed<H: AsRef<str>>(url: &Url, hosts: &[H]) -> bool {
    let Some(Host::Domain(name)) = url.host() else { return false };
    let name = name.trim_end_matches('.');
    let fits = |host: &H| match host.as_ref().strip_prefix("*.") {
        Some(parent) => {
            name.strip_suffix(parent).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
        }
        None => name.eq_ignore_ascii_case(host.as_ref()),
    };
    url.scheme() == "https"
        && url.port_or_known_default() == Some(443)
        && url.username().is_empty()
        && url.password().is_none()
        && hosts.iter().any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t50_only_public_addresses_are_global() {
        let public = ["8.8.8.8", "151.101.1.69", "2606:4700::1111", "2002:0808:0808::1", "64:ff9b::8.8.8.8"];
        for address in public {
            assert!(is_global(address.parse().unwrap()), "{address}");
        }
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in private {
            assert!(!is_global(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn t50_only_listed_hosts_over_https_on_the_usual_port() {
        let hosts = ["api.example.com".to_owned(), "*.cdn.example".to_owned()];
        let is_listed = |text: &str| Url::parse(text).is_ok_and(|url| listed(&url, &hosts));
        for good in [
            "https://api.example.com/a",
            "https://API.EXAMPLE.COM:443/",
            "https://x.cdn.example/",
            "https://a.b.cdn.example/",
            "https://api.example.com./a",
            "https://api.example.com\\@evil.example/",
        ] {
            assert!(is_listed(good), "{good}");
        }
        for bad in [
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://user@api.example.com/",
            "https://api.example.com@evil.example/",
            "https://api.example.com.evil.example/",
            "https://evilapi.example.com/",
            "https://cdn.example/",
            "https://evilcdn.example/",
            "https://.cdn.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://127.1/",
            "https://169.254.169.254.nip.io/",
            "ftp://api.example.com/",
            "file:///etc/passwd",
            "gopher://api.example.com/",
            "https://evil.example/#api.example.com",
            "https://evil.example?api.example.com",
            "https://%61pi.example.com.evil/",
            "https://localhost/",
            "https://①②⑦.⓪.⓪.①/",
        ] {
            assert!(!is_listed(bad), "{bad}");
        }
    }

    #[test]
    fn t50_an_origin_holds_what_lies_below_it() {
        let origin = Origin::of(&Url::parse("http://127.0.0.1:9000/base").unwrap()).unwrap();
        let holds = |text: &str| origin.holds(&Url::parse(text).unwrap());
        assert!(holds("http://127.0.0.1:9000/base/media/1") && holds("http://127.0.0.1:9000/base"));
        for bad in [
            "http://127.0.0.1:9001/base/x",
            "https://127.0.0.1:9000/base/x",
            "http://127.0.0.1:9000/basement",
            "http://localhost:9000/base/x",
            "http://127.0.0.1:9000/base/../x",
            "http://a@127.0.0.1:9000/base/x",
        ] {
            assert!(!holds(bad), "{bad}");
        }
    }
}
