//! The header block as it stands (RFC 5322 2.2): fields in order, names in lower case, values as raw bytes; and what
//! in it may be read in more than one way. Linear, and bounded by [`limits`].

use super::{limits, words};

/// One field.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: String,
    pub(crate) raw: &'a [u8],
}

/// A header block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a> {
    all: Vec<Field<'a>>,
    /// Cut to a limit.
    pub(crate) truncated: bool,
    /// Where the body starts.
    pub(crate) body_at: usize,
    /// A bare CR or a NUL stood in it.
    pub(crate) dirty: bool,
    /// Helps to guess charsets: the last label of the sender's domain.
    pub(crate) tld: Option<String>,
}

impl<'a> Fields<'a> {
    /// Reads the header block at the start of `raw`. Lines that are no fields are skipped.
    pub(crate) fn parse(raw: &'a [u8]) -> Self {
        let mut fields = Self::default();
        let mut at = raw.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(raw.len());
        let (mut start, mut colon): (usize, Option<usize>) = (at, None);
        let mut end = at;
        loop {
            let line_start = at;
            let line = match raw[at..].iter().position(|b| *b == b'\n') {
                Some(length) => &raw[at..at + length + 1],
                None => &raw[at..],
            };
            at += line.len();
            // A line of blanks alone ends the header, unless what follows can only be more of it.
            let blank = line.trim_ascii().is_empty();
            let goes_on = || line.len() > 2 && matches!(raw.get(at), Some(b' ' | b'\t'));
            let folded = matches!(line.first(), Some(b' ' | b'\t')) && (!blank || goes_on());
            if folded && colon.is_some() {
                end = at;
            } else {
                fields.push(raw, start, colon, end);
                if line.trim_ascii().is_empty() {
                    fields.body_at = at;
                    break;
                }
                (start, colon, end) = (line_start, field_colon(line), at);
            }
            if at > limits::HEADER_BLOCK || fields.all.len() >= limits::FIELDS {
                fields.push(raw, start, colon, end);
                fields.truncated = true;
                fields.body_at = end_of_block(raw, at);
                break;
            }
        }
        let from = fields.first("from").unwrap_or_default();
        fields.tld = tld_of(from);
        fields
    }

    fn push(&mut self, raw: &'a [u8], start: usize, colon: Option<usize>, end: usize) {
        let Some(colon) = colon else { return };
        if self.all.len() >= limits::FIELDS {
            self.truncated = true;
            return;
        }
        let name = String::from_utf8_lossy(&raw[start..start + colon]).trim().to_ascii_lowercase();
        let mut value = raw[start + colon + 1..end].trim_ascii();
        self.dirty |= value.contains(&0) || bare_cr(value);
        if value.len() > limits::FIELD {
            value = &value[..limits::FIELD];
            self.truncated = true;
        }
        self.all.push(Field { name, raw: value });
    }

    /// All fields in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Field<'a>> {
        self.all.iter()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The first field of this name that is not blank, as raw bytes.
    pub(crate) fn first(&self, name: &str) -> Option<&'a [u8]> {
        let named = self.all.iter().filter(|f| f.name == name);
        named.map(|f| f.raw).find(|raw| !raw.is_empty())
    }

    /// All fields of this name, as raw bytes.
    pub(crate) fn every(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.all.iter().filter(move |f| f.name == name).map(|f| f.raw)
    }

    /// Whether there is a field of this name, be it blank.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all.iter().any(|f| f.name == name)
    }

    /// The first field of this name as decoded text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.first(name).map(|raw| words::text(raw, self.tld.as_deref()))
    }

    /// The first field of this name in lower-case ASCII, for comparing with words of protocols.
    pub(crate) fn token(&self, name: &str) -> Option<String> {
        let raw = self.first(name)?;
        Some(String::from_utf8_lossy(&words::unfold(raw)).trim().to_ascii_lowercase())
    }

    /// The structured field of this name.
    pub(crate) fn parameters(&self, name: &str) -> Option<words::Parameters> {
        self.first(name).map(|raw| words::Parameters::parse(raw, self.tld.as_deref()))
    }

    /// Fields that may stand once and stand twice, differing (two From fields always count).
    pub(crate) fn repeated(&self) -> Vec<&'static str> {
        const ONCE: [&str; 9] = [
            "from",
            "sender",
            "date",
            "subject",
            "message-id",
            "content-type",
            "content-transfer-encoding",
            "content-disposition",
            "reply-to",
        ];
        let twice = |name: &&str| {
            let all: Vec<&[u8]> = self.every(name).collect();
            all.len() > 1 && (*name == "from" || all.windows(2).any(|w| w[0] != w[1]))
        };
        ONCE.into_iter().filter(twice).collect()
    }
}

/// Where the name of a field ends; `None` where the line is no field. A mailbox's own `From ` line is none.
fn field_colon(line: &[u8]) -> Option<usize> {
    let colon = line.iter().take(200).position(|b| *b == b':')?;
    let name = line[..colon].trim_ascii_end();
    let fits = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    fits.then_some(colon)
}

/// Where the block that goes on at `at` ends.
fn end_of_block(raw: &[u8], at: usize) -> usize {
    // The last line end may belong to the mark.
    let at = at.min(raw.len()).saturating_sub(1);
    let rest = &raw[at..];
    let blank = |mark: &[u8]| words::find(rest, mark).map(|found| at + found + mark.len());
    blank(b"\n\r\n").into_iter().chain(blank(b"\n\n")).min().unwrap_or(raw.len())
}

fn bare_cr(value: &[u8]) -> bool {
    value.iter().enumerate().any(|(at, b)| *b == b'\r' && value.get(at + 1) != Some(&b'\n'))
}

fn tld_of(from: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(from);
    let domain = text.rsplit('@').next()?.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let tld = domain.rsplit('.').next()?.to_ascii_lowercase();
    let fits = (2..=20).contains(&tld.len()) && tld.bytes().all(|b| b.is_ascii_lowercase());
    fits.then_some(tld)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_blank_and_broken_lines() {
        let raw = b"\r\nFrom a@b Mon\r\nSubject: a\r\n b\r\n \r\nX: 1\r\n\r\nbody";
        let fields = Fields::parse(raw);
        assert_eq!(fields.text("subject").unwrap(), "a b");
        let raw = b"Subject: one\nno field here\nTO: x@y\n\nbody";
        let fields = Fields::parse(raw);
        assert_eq!(fields.first("to").unwrap(), b"x@y");
        assert_eq!(&raw[fields.body_at..], b"body");
        assert!(Fields::parse(b"no header at all").is_empty());
    }

    #[test]
    fn t22_limits_of_the_block() {
        let many = |n: usize| "X: 1\r\n".repeat(n) + "\r\nbody";
        assert!(!Fields::parse(many(limits::FIELDS - 1).as_bytes()).truncated);
        let raw = many(limits::FIELDS + 1);
        let fields = Fields::parse(raw.as_bytes());
        assert!(fields.truncated && fields.iter().count() <= limits::FIELDS);
        assert_eq!(&raw.as_bytes()[fields.body_at..], b"body");
        for (length, cut) in [(limits::FIELD, false), (limits::FIELD + 1, true)] {
            let raw = format!("Subject:{}\r\n\r\n", "x".repeat(length));
            assert_eq!(Fields::parse(raw.as_bytes()).truncated, cut, "{length}");
        }
    }

    #[test]
    fn t23_what_stands_twice_is_seen() {
        let fields = Fields::parse(
            b"From: a@b.c\r\nFrom: a@b.c\r\nSubject: x\r\nSubject: y\r\nDate: z\r\nDate: z\r\n\r\n",
        );
        assert_eq!(fields.repeated(), ["from", "subject"]);
        assert!(
            Fields::parse(b"Subject: a\rBcc: x\r\n\r\n").dirty
                && Fields::parse(b"Subject: a\0b\r\n\r\n").dirty
        );
    }
}
