//! Addresses (RFC 5322 3.4, RFC 6532), read from the undecoded grammar: an encoded word may hold anything and becomes a
//! name, never an address (T24). Obsolete routes, groups, comments and the usual mistakes are understood.

use super::{charset, clean, limits, words};

/// One mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, decoded and cleaned.
    pub name: Option<String>,
    /// The address as it was written, without brackets and spaces; not necessarily one that exists.
    pub address: String,
}

impl Mailbox {
    /// The form in which addresses are compared: lower case.
    #[must_use]
    pub fn handle(&self) -> String {
        self.address.to_lowercase()
    }

    /// Whether it has the shape `local@domain`.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        is_address(&self.address)
    }
}

/// Whether `text` has the shape `local@domain`, without spaces, controls or brackets.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let clean = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '<' | '>' | ',' | ';');
    let quoted = local.starts_with('"') && local.ends_with('"') && local.len() > 2;
    let local_fits = quoted || (!local.contains(['"', '@', '(', ')', '\\']) && local.chars().all(clean));
    !local.is_empty()
        && local_fits
        && text.len() <= 320
        && !domain.is_empty()
        && domain.chars().all(|c| clean(c) && !matches!(c, '"' | '(' | ')' | '\\' | '='))
        && !domain.starts_with('.')
}

/// The domain of an address in lower case; empty where it has none.
#[must_use]
pub fn domain_of(address: &str) -> String {
    address
        .rsplit_once('@')
        .map(|(_, domain)| domain.trim_end_matches('.').to_lowercase())
        .unwrap_or_default()
}

/// Reads the list in a field; whatever cannot be read as a mailbox becomes one without a valid address.
pub(crate) fn parse_list(raw: &[u8], tld: Option<&str>) -> Vec<Mailbox> {
    let bytes = words::unfold(raw);
    let mut pieces = split(&bytes, true);
    if pieces.is_none() {
        // A quote that never closes is an ordinary character.
        pieces = split(&bytes, false);
    }
    let pieces = pieces.unwrap_or_default();
    pieces.into_iter().take(limits::RECIPIENTS).filter_map(|piece| mailbox(&piece, tld)).collect()
}

/// What one mailbox is made of: the phrase, what stands in angle brackets, and comments.
#[derive(Default)]
struct Piece {
    phrase: Vec<u8>,
    angle: Option<Vec<u8>>,
    comment: Vec<u8>,
}

/// Cuts a list at top-level commas and semicolons; `None` where a quote stays open.
fn split(bytes: &[u8], honour_quotes: bool) -> Option<Vec<Piece>> {
    let mut out = Vec::new();
    let mut piece = Piece::default();
    let (mut quoted, mut comments, mut in_angle) = (false, 0_usize, false);
    let mut at = 0;
    while at < bytes.len() && out.len() <= limits::RECIPIENTS {
        let b = bytes[at];
        at += 1;
        if b == b'\\' && (quoted || comments > 0) {
            let escaped = bytes.get(at).copied().unwrap_or(b'\\');
            at += 1;
            if comments > 0 {
                piece.comment.push(escaped);
            } else {
                piece.push(in_angle, escaped, true);
            }
            continue;
        }
        match b {
            b'"' if honour_quotes && comments == 0 => {
                quoted = !quoted;
                if in_angle {
                    piece.push(true, b, true);
                }
            }
            _ if quoted => piece.push(in_angle, b, true),
            b'(' if honour_quotes => {
                comments += 1;
                if comments > 1 {
                    piece.comment.push(b);
                }
            }
            b')' if comments > 0 => {
                comments -= 1;
                if comments > 0 {
                    piece.comment.push(b);
                }
            }
            _ if comments > 0 => piece.comment.push(b),
            b'<' => {
                // `<<a@b>>` and a second bracket: the last one counts, the first becomes phrase.
                if let Some(earlier) = piece.angle.replace(Vec::new()).filter(|a| !a.is_empty()) {
                    piece.phrase.extend(earlier);
                }
                in_angle = true;
            }
            b'>' => in_angle = false,
            b':' if !in_angle && !piece.phrase.contains(&b'@') && piece.angle.is_none() => {
                piece = Piece::default();
            }
            b',' | b';' if !in_angle => out.push(std::mem::take(&mut piece)),
            _ => piece.push(in_angle, b, false),
        }
    }
    out.push(piece);
    (!quoted && comments == 0).then_some(out)
}

impl Piece {
    fn push(&mut self, in_angle: bool, b: u8, quoted: bool) {
        match &mut self.angle {
            Some(angle) if in_angle => {
                if quoted || !b.is_ascii_whitespace() {
                    angle.push(b);
                }
            }
            _ => self.phrase.push(b),
        }
    }
}

fn mailbox(piece: &Piece, tld: Option<&str>) -> Option<Mailbox> {
    let name_of = |bytes: &[u8]| clean::name(&words::decode_words(bytes.trim_ascii(), tld));
    let comment = name_of(&piece.comment);
    let (name, address) = match &piece.angle {
        Some(angle) => (name_of(&piece.phrase).or(comment), without_route(angle)),
        None => bare(&piece.phrase, comment, tld),
    };
    let address = charset::guess(address.trim_ascii(), tld);
    let address: String = address.chars().filter(|c| !c.is_control() && !clean::is_invisible(*c)).collect();
    let address = address.trim_end_matches('.').to_owned();
    // `a@b <>`: the address stands where the name should.
    match name {
        Some(name) if address.is_empty() && is_address(&name) && piece.phrase.contains(&b'@') => {
            Some(Mailbox { name: None, address: name })
        }
        None if address.is_empty() => None,
        name => {
            let told_twice = name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(&address));
            Some(Mailbox { name: name.filter(|_| !told_twice), address })
        }
    }
}

/// A mailbox without brackets: the word with an `@` is the address, the rest the name.
fn bare(phrase: &[u8], comment: Option<String>, tld: Option<&str>) -> (Option<String>, Vec<u8>) {
    let phrase = phrase.trim_ascii();
    let is_encoded = |word: &[u8]| word.starts_with(b"=?");
    let joined = around_dots(phrase);
    let parts: Vec<&[u8]> = joined.iter().map(Vec::as_slice).collect();
    let with_at: Vec<&&[u8]> = parts.iter().filter(|w| w.contains(&b'@') && !is_encoded(w)).collect();
    match (parts.len(), with_at.as_slice()) {
        (0, _) => (comment, Vec::new()),
        (1, _) if !is_encoded(phrase) => (comment, parts.concat()),
        // `a @ b . c` has spaces that the grammar allows.
        (_, [only]) if only.len() == 1 || only.starts_with(b"@") || only.ends_with(b"@") => {
            (comment, parts.concat())
        }
        (_, [only]) => {
            let rest: Vec<&[u8]> = parts.iter().filter(|w| *w != *only).copied().collect();
            let name = clean::name(&words::decode_words(&rest.join(&b' '), tld));
            (name.or(comment), only.to_vec())
        }
        _ => (clean::name(&words::decode_words(phrase, tld)), Vec::new()),
    }
}

/// The words of a phrase; obsolete white space around the dots of an address is taken out.
fn around_dots(phrase: &[u8]) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for word in phrase.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()) {
        match out.last_mut() {
            Some(last) if last.contains(&b'@') && (word.starts_with(b".") || last.ends_with(b".")) => {
                last.extend_from_slice(word);
            }
            _ => out.push(word.to_vec()),
        }
    }
    out
}

/// `@a,@b:user@c` (RFC 5322 4.4): the route is no part of the address.
fn without_route(angle: &[u8]) -> Vec<u8> {
    let angle = angle.strip_prefix(b"mailto:").unwrap_or(angle);
    match (angle.first(), angle.iter().position(|b| *b == b':')) {
        (Some(b'@'), Some(colon)) => angle[colon + 1..].to_vec(),
        _ => angle.to_vec(),
    }
}

/// Whether a name is made to look like an address, or holds one that is not the sender's.
pub(crate) fn name_looks_like_address(name: &str, address: &str) -> bool {
    let own = address.to_lowercase();
    let lower = name.to_lowercase();
    lower
        .split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | ',' | '\''))
        .any(|word| word.contains(['@', '＠', '﹫']) && word.len() > 2 && word != own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(raw: &str) -> Vec<(Option<String>, String)> {
        parse_list(raw.as_bytes(), None).into_iter().map(|m| (m.name, m.address)).collect()
    }

    fn one(raw: &str) -> (Option<String>, String) {
        list(raw).into_iter().next().unwrap()
    }

    #[test]
    fn the_usual_shapes() {
        let named = |name: &str, address: &str| (Some(name.to_owned()), address.to_owned());
        assert_eq!(one("Ann Lee <ann@b.c>"), named("Ann Lee", "ann@b.c"));
        assert_eq!(one("\"Lee, Ann\" <ann@b.c>"), named("Lee, Ann", "ann@b.c"));
        assert_eq!(one("ann@b.c (Ann (the) Lee)"), named("Ann (the) Lee", "ann@b.c"));
        assert_eq!(one("=?utf-8?Q?J=C3=B6?= <j@b.c>"), named("Jö", "j@b.c"));
        assert_eq!(one("<@x.y,@z.y:ann@b.c>"), (None, "ann@b.c".to_owned()));
        assert_eq!(one("Ann ann@b.c"), named("Ann", "ann@b.c"));
        assert_eq!(one("\"ann@b.c\" <ann@b.c>"), (None, "ann@b.c".to_owned()));
        assert_eq!(one("\"open <ann@b.c>"), named("open", "ann@b.c"));
        assert_eq!(list("Team: a@b.c, X <d@e.f>;, g@h.i").len(), 3);
        assert_eq!(list("undisclosed-recipients:;"), []);
        assert_eq!(one("<mailer-daemon>"), (None, "mailer-daemon".to_owned()));
        assert_eq!(one("a@b.c <>"), (None, "a@b.c".to_owned()));
    }

    #[test]
    fn t24_encoded_words_are_never_addresses() {
        assert!(
            !parse_list(b"=?utf-8?q?a=40b?=@evil.com", None)[0].is_valid()
                || one("=?utf-8?q?a=40b?=@evil.com").1.ends_with("@evil.com")
        );
        let all = parse_list(b"=?utf-8?q?ceo=40bank.com=3E?= <x@evil.com>", None);
        assert_eq!((all.len(), all[0].address.as_str()), (1, "x@evil.com"));
        assert!(name_looks_like_address(all[0].name.as_deref().unwrap(), "x@evil.com"));
        assert!(parse_list(b"=?utf-8?q?ceo=40bank.com?=", None).iter().all(|m| !m.is_valid()));
        assert!(!name_looks_like_address("Ann", "a@b.c") && !name_looks_like_address("a@b.c", "A@B.c"));
    }

    #[test]
    fn t22_a_list_has_an_end() {
        let many = "a@b.c,".repeat(limits::RECIPIENTS + 5);
        assert_eq!(parse_list(many.as_bytes(), None).len(), limits::RECIPIENTS);
        assert!(parse_list(&b"(".repeat(100_000), None).iter().all(|m| !m.is_valid()));
    }
}
