//! Whether the sender is who the mail says: Authentication-Results (RFC 8601) of our own servers alone, DMARC (RFC 7489)
//! or aligned DKIM or SPF. Whatever else a mail says about itself counts for nothing.
//!
//! Alignment is by organisational domain. Instead of the whole public suffix list there is a heuristic that errs on the
//! strict side: the last two labels, three below the second-level registries of countries, and for shared hosting
//! domains nothing but equality.

use super::address::domain_of;
use super::fields::Fields;
use super::words::{split_outside_quotes, unfold};
use lodge_domain::Assurance;

/// Second-level labels under which countries register (`example.co.uk`).
const REGISTRIES: &[&str] = &[
    "co", "com", "org", "net", "ac", "gov", "edu", "gob", "or", "ne", "go", "ltd", "plc", "me", "nhs", "sch",
    "mil", "gouv", "asso", "govt", "id", "web", "biz", "info", "firm", "gen", "ind", "nic", "in", "ad", "ed",
    "gr", "lg", "school",
];
/// Domains whose direct children belong to strangers to each other.
const SHARED: &[&str] = &[
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "blogspot.com",
    "azurewebsites.net",
    "cloudapp.net",
    "onmicrosoft.com",
    "web.app",
    "firebaseapp.com",
    "appspot.com",
    "netlify.app",
    "vercel.app",
    "pages.dev",
    "workers.dev",
    "fly.dev",
    "amazonaws.com",
    "cloudfront.net",
    "ngrok.io",
    "myshopify.com",
    "wordpress.com",
    "wixsite.com",
    "zendesk.com",
    "freshdesk.com",
    "dyndns.org",
    "no-ip.org",
    "duckdns.org",
    "sharepoint.com",
];

/// Names of providers whose mailboxes belong to strangers to each other, under whatever top-level domain.
const MAILBOX_PROVIDERS: &[&str] = &[
    "gmail",
    "googlemail",
    "outlook",
    "hotmail",
    "live",
    "msn",
    "yahoo",
    "ymail",
    "rocketmail",
    "icloud",
    "me",
    "mac",
    "aol",
    "gmx",
    "web",
    "freenet",
    "t-online",
    "mail",
    "inbox",
    "bk",
    "list",
    "yandex",
    "rambler",
    "proton",
    "protonmail",
    "pm",
    "tutanota",
    "tuta",
    "posteo",
    "mailbox",
    "fastmail",
    "zoho",
    "hey",
    "orange",
    "wanadoo",
    "free",
    "laposte",
    "sfr",
    "libero",
    "virgilio",
    "tiscali",
    "qq",
    "163",
    "126",
    "sina",
    "naver",
    "daum",
    "hanmail",
    "comcast",
    "verizon",
    "btinternet",
    "seznam",
    "wp",
    "o2",
    "onet",
    "interia",
    "ziggo",
    "kpnmail",
    "bluewin",
    "bigpond",
    "uol",
    "rediffmail",
];

/// The verdict on a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) assurance: Assurance,
    pub(crate) evidence: Vec<String>,
}

/// One `method=result` with its properties.
#[derive(Debug, Default)]
struct Finding {
    method: String,
    result: String,
    properties: Vec<(String, String)>,
}

/// Judges the sender `address` by what servers named in `trusted` say in the topmost block of theirs.
pub(crate) fn judge(fields: &Fields<'_>, trusted: &[String], address: &str, ambiguous: &[String]) -> Verdict {
    if let Some(first) = ambiguous.first() {
        return Verdict { assurance: Assurance::Failed, evidence: vec![format!("ambiguous: {first}")] };
    }
    let findings = topmost(fields, trusted);
    let domain = domain_of(address);
    if domain.is_empty() {
        return Verdict { assurance: Assurance::Unverified, evidence: Vec::new() };
    }
    let of = |method: &'static str| findings.iter().filter(move |f| f.method == method);
    let about_sender = |f: &&Finding| {
        f.property(&["header.from"]).is_none_or(|from| domain_of(&format!("@{from}")) == domain)
    };
    if let Some(dmarc) = of("dmarc").find(about_sender) {
        match dmarc.result.as_str() {
            "pass" => {
                return Verdict {
                    assurance: Assurance::Authenticated,
                    evidence: vec!["dmarc=pass".to_owned()],
                };
            }
            "fail" | "permerror" => {
                let evidence = vec![format!("dmarc={}", dmarc.result)];
                return Verdict { assurance: Assurance::Failed, evidence };
            }
            _ => {}
        }
    }
    let dkim = of("dkim")
        .filter(|f| f.result == "pass")
        .find_map(|f| aligned(f, &["header.d", "header.i"], &domain));
    if let Some(signer) = dkim {
        let evidence = vec![format!("dkim=pass header.d={signer}")];
        return Verdict { assurance: Assurance::Authenticated, evidence };
    }
    let names = ["smtp.mailfrom", "smtp.mail"];
    let spf = of("spf").filter(|f| f.result == "pass").find_map(|f| aligned(f, &names, &domain));
    if let Some(sender) = spf {
        let evidence = vec![format!("spf=pass smtp.mailfrom={sender}")];
        return Verdict { assurance: Assurance::Authenticated, evidence };
    }
    // A pass for somebody else's domain is none for this sender.
    let other = |f: &Finding| if f.result == "pass" { " (other domain)" } else { "" };
    let shown = findings.iter().take(10).map(|f| format!("{}={}{}", f.method, f.result, other(f)));
    let evidence = shown.map(|text| super::clean::line(&text, 100)).collect();
    Verdict { assurance: Assurance::Unverified, evidence }
}

/// What the topmost block of Authentication-Results by a trusted server says: the first such field, and those that
/// follow before the next `Received`, since some servers write one field a method.
fn topmost(fields: &Fields<'_>, trusted: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut begun = false;
    for field in fields.iter() {
        match field.name.as_str() {
            "received" if begun => break,
            "authentication-results" => match parse(field.raw) {
                Some((id, found)) if trusted.iter().any(|t| t.eq_ignore_ascii_case(&id)) => {
                    begun = true;
                    findings.extend(found);
                }
                _ if begun => break,
                _ => {}
            },
            _ => {}
        }
    }
    findings
}

fn aligned(finding: &Finding, names: &[&str], domain: &str) -> Option<String> {
    let signer = finding.property(names)?;
    let signer = signer.rsplit('@').next().unwrap_or_default().trim_end_matches('.').to_lowercase();
    // The name is shown as evidence: only what looks like a domain is.
    let fits = signer.len() <= 253
        && signer.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    (fits && same_organisation(&signer, domain)).then_some(signer)
}

impl Finding {
    fn property(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.properties.iter().find(|(n, _)| n == name)).map(|(_, v)| v.as_str())
    }
}

/// Whether two domains belong to one organisation.
pub(crate) fn same_organisation(a: &str, b: &str) -> bool {
    a == b || organisation(a).is_some_and(|o| organisation(b) == Some(o))
}

/// Whether people of two domains belong to one house: one organisation, and none that lends mailboxes to everybody (T02).
pub(crate) fn same_house(a: &str, b: &str) -> bool {
    let name = organisation(a).unwrap_or(a);
    let lends = MAILBOX_PROVIDERS.contains(&name.split('.').next().unwrap_or_default());
    same_organisation(a, b) && !lends
}

/// The organisational domain, where it can be told.
fn organisation(domain: &str) -> Option<&str> {
    let (rest, top) = domain.rsplit_once('.')?;
    if domain.split('.').any(str::is_empty) || domain.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let last = |n: usize| match domain.rmatch_indices('.').nth(n - 1) {
        Some((dot, _)) => domain.get(dot + 1..),
        None => (domain.split('.').count() == n).then_some(domain),
    };
    let below = |shared: &str| domain.strip_suffix(shared).is_some_and(|b| b.is_empty() || b.ends_with('.'));
    if SHARED.iter().any(|shared| below(shared)) {
        return None;
    }
    let second = rest.rsplit('.').next().unwrap_or_default();
    let registry = top.len() == 2 && (REGISTRIES.contains(&second) || second.len() <= 2);
    // A domain directly under a registry's label may itself be a registry: equality alone counts.
    if registry { last(3) } else { last(2) }
}

/// Reads one field: the authserv-id and its findings.
fn parse(raw: &[u8]) -> Option<(String, Vec<Finding>)> {
    let bytes = without_comments(&unfold(raw));
    let mut pieces = split_outside_quotes(&bytes, b';').into_iter();
    let head = String::from_utf8_lossy(pieces.next()?).into_owned();
    let id = head.split_whitespace().next()?.trim_matches('"').to_lowercase();
    Some((id, pieces.take(50).filter_map(finding).collect()))
}

fn finding(piece: &[u8]) -> Option<Finding> {
    let text = String::from_utf8_lossy(piece).into_owned();
    let text = text.replace(" =", "=").replace("= ", "=");
    let mut words = text.split_whitespace();
    let (method, result) = words.next()?.split_once('=')?;
    let method = method.split('/').next().unwrap_or_default().to_lowercase();
    let properties = words.filter_map(|word| word.split_once('='));
    let clean = |(name, value): (&str, &str)| (name.to_lowercase(), value.trim_matches('"').to_owned());
    Some(Finding {
        method,
        result: result.to_lowercase(),
        properties: properties.take(30).map(clean).collect(),
    })
}

fn without_comments(bytes: &[u8]) -> Vec<u8> {
    let (mut depth, mut quoted) = (0_usize, false);
    let mut out = Vec::with_capacity(bytes.len());
    for b in bytes {
        match b {
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted && depth > 0 => {
                depth -= 1;
                out.push(b' ');
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            out.push(*b);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(head: &str) -> (Assurance, String) {
        let raw = format!("{head}\r\n\r\n");
        let fields = Fields::parse(raw.as_bytes());
        let verdict = judge(&fields, &["mx.acme.example".to_owned()], "ann@example.com", &[]);
        (verdict.assurance, verdict.evidence.join(" "))
    }

    #[test]
    fn t38_only_our_topmost_block_counts() {
        use Assurance::{Authenticated, Failed, Unverified};
        let ours = |what: &str| format!("Authentication-Results: mx.acme.example; {what}");
        for (head, want) in [
            (ours("dmarc=pass header.from=example.com"), Authenticated),
            (ours("dmarc=pass (p=none) header.from=evil.com"), Unverified),
            (ours("dmarc=fail header.from=example.com"), Failed),
            (ours("dkim=pass header.d=mail.example.com"), Authenticated),
            (ours("dkim=pass header.i=@evil.com"), Unverified),
            (ours("dkim=fail header.d=example.com; spf=pass smtp.mailfrom=x@example.com"), Authenticated),
            (ours("spf=pass smtp.mailfrom=x@evil.com"), Unverified),
            (ours("spf=pass (dmarc=pass) smtp.mailfrom=x@evil.com"), Unverified),
            ("Authentication-Results: evil.com; dmarc=pass".to_owned(), Unverified),
            (
                format!("{}\r\n{}", ours("spf=softfail"), "Authentication-Results: evil.com; dmarc=pass"),
                Unverified,
            ),
            (format!("{}\r\nReceived: x\r\n{}", ours("dkim=none"), ours("dmarc=pass")), Unverified),
            (format!("{}\r\n{}", ours("spf=none"), ours("dmarc=pass")), Authenticated),
            ("Subject: dmarc=pass".to_owned(), Unverified),
        ] {
            assert_eq!(verdict(&head).0, want, "{head}");
        }
    }

    #[test]
    fn t02_customers_of_one_mailbox_provider_are_no_house() {
        assert!(same_house("example.com", "example.com") && same_house("mail.example.com", "example.com"));
        for shared in ["gmail.com", "yahoo.co.uk", "gmx.net", "hotmail.fr", "web.de"] {
            assert!(!same_house(shared, shared), "{shared}");
        }
        assert!(!same_house("example.com", "evil.example"));
    }

    #[test]
    fn t38_alignment_errs_on_the_strict_side() {
        assert!(same_organisation("mail.example.com", "example.com"));
        assert!(same_organisation("a.example.co.uk", "b.example.co.uk"));
        assert!(!same_organisation("a.co.uk", "b.co.uk"));
        assert!(
            !same_organisation("a.github.io", "b.github.io")
                && same_organisation("a.github.io", "a.github.io")
        );
        assert!(!same_organisation("com", "example.com") && !same_organisation("10.0.0.1", "11.0.0.1"));
    }
}
