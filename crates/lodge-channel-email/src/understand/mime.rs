//! The parts of a mail (RFC 2045, 2046). The one place that speaks with mail-parser: it finds and decodes the parts,
//! their fields are read by our own reader, and nothing of its tree leaves this file.
//!
//! A chain of some ten thousand nested messages would overflow the stack when its tree is dropped, so a linear scan
//! counts their marks first (T21); everything else in the parser is linear and does not recurse.

use super::fields::Fields;
use super::words::{Parameters, find};
use super::{charset, limits, words};
use bytes::Bytes;
use mail_parser::{Encoding, Message, MessageParser, MessagePart, PartType};

/// A part that is no multipart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    /// Media type in lower case; `text/plain` where none is given.
    pub(crate) media_type: String,
    /// Parameters of Content-Type.
    pub(crate) parameters: Parameters,
    /// Content-Disposition.
    pub(crate) disposition: Parameters,
    /// The name the sender gave, decoded, not cleaned.
    pub(crate) name: Option<String>,
    /// Content-ID without brackets.
    pub(crate) content_id: Option<String>,
    /// Content-Location.
    pub(crate) location: Option<String>,
    /// The content, transfer encoding undone.
    pub(crate) content: Bytes,
}

impl Part {
    /// The content as text in its declared charset.
    pub(crate) fn text(&self, tld: Option<&str>) -> String {
        charset::decode(&self.content, self.parameters.get("charset"), tld)
    }

    /// Whether it is a `kind/*` part.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.media_type.split('/').next() == Some(kind)
    }
}

/// A node of the tree of parts.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// An index into [`Tree::parts`].
    Leaf(usize),
    /// A multipart: its subtype and parameters, and its children.
    Multi(Parameters, Vec<Node>),
}

/// All parts of a mail.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) parts: Vec<Part>,
    pub(crate) root: Option<Node>,
    /// A limit was met; the rest is only in the raw original.
    pub(crate) truncated: bool,
    /// What may be read in more than one way.
    pub(crate) ambiguous: Vec<String>,
}

/// Why there is no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTree {
    /// More nested messages than a tree may have.
    TooNested,
    /// The parser found no header.
    NoHeader,
}

/// Builds the tree of parts of `raw`.
pub(crate) fn parse(raw: &Bytes, tld: Option<&str>) -> Result<Tree, NoTree> {
    if nested_marks(raw) > limits::NESTED_MARKS {
        return Err(NoTree::TooNested);
    }
    // Without any header functions the parser keeps values raw, except for the few it needs itself.
    let parser = MessageParser::new().with_mime_headers().default_header_ignore();
    let message = parser.parse(raw.as_ref()).ok_or(NoTree::NoHeader)?;
    let mut builder = Builder { raw, message: &message, tld, tree: Tree::default(), decoded: 0 };
    let root = builder.node(0, 0);
    builder.tree.root = root;
    Ok(builder.tree)
}

/// How often a nested message is announced.
fn nested_marks(raw: &[u8]) -> usize {
    if !may_nest(raw) {
        return 0;
    }
    let mut count = 0;
    let mut at = 0;
    while let Some(found) = raw.get(at..).and_then(|rest| rest.iter().position(|b| matches!(b, b'm' | b'M')))
    {
        at += found + 1;
        let rest = raw.get(at - 1..at + 14).unwrap_or_default();
        let starts = |mark: &[u8]| rest.get(..mark.len()).is_some_and(|r| r.eq_ignore_ascii_case(mark));
        if starts(b"message/rfc822") || starts(b"message/global") {
            count += 1;
        }
    }
    count
}

/// Whether `ge/r` or `ge/g` stands anywhere. Without an early end a compiler reads many bytes at once.
fn may_nest(raw: &[u8]) -> bool {
    let after = |by: usize| raw.get(by..).unwrap_or_default().iter();
    let four = raw.iter().zip(after(1)).zip(after(2)).zip(after(3));
    four.fold(false, |found, (((g, e), slash), kind)| {
        let kind = kind | 0x20;
        found
            | ((g | 0x20 == b'g') & (e | 0x20 == b'e') & (*slash == b'/') & ((kind == b'r') | (kind == b'g')))
    })
}

struct Builder<'a> {
    raw: &'a Bytes,
    message: &'a Message<'a>,
    tld: Option<&'a str>,
    tree: Tree,
    decoded: usize,
}

impl Builder<'_> {
    fn node(&mut self, id: usize, depth: usize) -> Option<Node> {
        let part = self.message.parts.get(id)?;
        if depth > limits::DEPTH || self.tree.parts.len() >= limits::PARTS {
            self.tree.truncated = true;
            return None;
        }
        let head = slice(self.raw, part.offset_header, part.offset_body);
        let fields = Fields::parse(head);
        if let PartType::Multipart(children) = &part.body {
            let parameters = fields.parameters("content-type").unwrap_or_default();
            self.note(&fields, &parameters);
            let children = children.iter().filter_map(|child| {
                let child = usize::try_from(*child).ok()?;
                // Children stand behind their parent: anything else would be a cycle.
                (child > id).then(|| self.node(child, depth + 1)).flatten()
            });
            return Some(Node::Multi(parameters, children.collect()));
        }
        let leaf = self.leaf(part, &fields);
        self.decoded += leaf.content.len();
        if self.decoded > limits::DECODED {
            self.tree.truncated = true;
            return None;
        }
        self.tree.parts.push(leaf);
        Some(Node::Leaf(self.tree.parts.len() - 1))
    }

    fn leaf(&mut self, part: &MessagePart<'_>, fields: &Fields<'_>) -> Part {
        let parameters =
            fields.first("content-type").map(|raw| Parameters::parse(raw, self.tld)).unwrap_or_default();
        let disposition = fields
            .first("content-disposition")
            .map(|raw| Parameters::parse(raw, self.tld))
            .unwrap_or_default();
        self.note(fields, &parameters);
        if disposition.twice {
            self.tree.ambiguous.push("two file names".to_owned());
        }
        let media_type = media_type_of(&parameters.value, &part.body);
        let (content, damaged) = self.content(part, fields);
        if damaged {
            self.tree.ambiguous.push("broken transfer encoding".to_owned());
        }
        let text = |name: &str| fields.first(name).map(|raw| words::text(raw, self.tld));
        Part {
            name: disposition.get("filename").or_else(|| parameters.get("name")).map(str::to_owned),
            content_id: text("content-id").map(|id| id.trim().trim_matches(['<', '>']).to_owned()),
            location: text("content-location"),
            media_type,
            parameters,
            disposition,
            content,
        }
    }

    fn note(&mut self, fields: &Fields<'_>, parameters: &Parameters) {
        if parameters.twice {
            self.tree.ambiguous.push("a parameter of content-type stands twice".to_owned());
        }
        for name in fields.repeated() {
            if name.starts_with("content-") {
                self.tree.ambiguous.push(format!("two {name} fields"));
            }
        }
    }

    /// The content of a part, and whether its encoding was broken.
    fn content(&self, part: &MessagePart<'_>, fields: &Fields<'_>) -> (Bytes, bool) {
        let body = slice(self.raw, part.offset_body, part.offset_end);
        let declared = fields.token("content-transfer-encoding").unwrap_or_default();
        if declared.contains("uue")
            && let Some((_, decoded)) = uudecode(body)
        {
            return (decoded.into(), false);
        }
        match &part.body {
            PartType::Binary(content) | PartType::InlineBinary(content) if !part.is_encoding_problem => {
                (Bytes::copy_from_slice(content), false)
            }
            PartType::Message(nested) if part.encoding != Encoding::None => {
                (Bytes::copy_from_slice(&nested.raw_message), false)
            }
            PartType::Message(_) => (self.raw.slice_ref(body), false),
            _ => match declared.split(';').next().unwrap_or_default().trim() {
                "base64" => {
                    let broken = body.iter().any(|b| !b.is_ascii_whitespace() && !is_base64(*b));
                    // Text that claims to be base64 but plainly is none is kept as it stands.
                    let hopeless = broken && body.iter().filter(|b| **b == b' ').count() > body.len() / 20;
                    let content = if hopeless { body.to_vec() } else { words::base64_lenient(body) };
                    (content.into(), broken)
                }
                "quoted-printable" => (quoted_printable(body).into(), false),
                _ => (self.raw.slice_ref(body), false),
            },
        }
    }
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

fn slice(raw: &[u8], from: u32, to: u32) -> &[u8] {
    let place = |n: u32| usize::try_from(n).unwrap_or(usize::MAX).min(raw.len());
    let (from, to) = (place(from), place(to));
    raw.get(from..to.max(from)).unwrap_or_default()
}

fn media_type_of(declared: &str, body: &PartType<'_>) -> String {
    let fits = |kind: &str| {
        kind.split_once('/').is_some_and(|(a, b)| {
            let token = |t: &str| {
                !t.is_empty() && t.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&c))
            };
            token(a) && token(b)
        })
    };
    match body {
        // A multipart whose boundary is nowhere is read as the text it holds.
        PartType::Text(_) if declared.starts_with("multipart/") => "text/plain".to_owned(),
        _ if fits(declared) && declared.len() < 128 => declared.to_owned(),
        PartType::Html(_) => "text/html".to_owned(),
        PartType::Message(_) => "message/rfc822".to_owned(),
        PartType::Text(_) => "text/plain".to_owned(),
        _ if declared.is_empty() || declared == "text" => "text/plain".to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

/// Quoted-printable (RFC 2045 6.7) that keeps what is not well formed as it stands.
pub(crate) fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut at = 0;
    while at < body.len() {
        if body[at] != b'=' {
            out.push(body[at]);
            at += 1;
            continue;
        }
        if let (Some(high), Some(low)) = (hex(body.get(at + 1)), hex(body.get(at + 2))) {
            out.push(high * 16 + low);
            at += 3;
            continue;
        }
        let blanks = body[at + 1..].iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
        match body.get(at + 1 + blanks) {
            Some(b'\n') | None => at += 2 + blanks,
            Some(_) => {
                out.push(b'=');
                at += 1;
            }
        }
    }
    out
}

/// The first uuencoded file in `body`: its name and content. `None` where there is none, or it has no end.
pub(crate) fn uudecode(body: &[u8]) -> Option<(String, Vec<u8>)> {
    let start = if body.starts_with(b"begin ") { 0 } else { find(body, b"\nbegin ")? + 1 };
    let mut lines = body.get(start..)?.split(|b| *b == b'\n');
    let first = String::from_utf8_lossy(lines.next()?).into_owned();
    let mut words = first.split_whitespace().skip(1);
    let mode = words.next()?;
    if mode.len() < 3 || !mode.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return None;
    }
    let name = words.collect::<Vec<_>>().join(" ");
    let mut out = Vec::new();
    for line in lines {
        let line = line.trim_ascii_end();
        if line == b"end" {
            return Some((name, out));
        }
        let Some((count, rest)) = line.split_first() else { continue };
        let length = usize::from(count.wrapping_sub(32) & 63);
        let mut decoded = Vec::with_capacity(48);
        for four in rest.chunks(4) {
            let six = |at: usize| four.get(at).map_or(0, |b| u32::from(b.wrapping_sub(32) & 63));
            let all = six(0) << 18 | six(1) << 12 | six(2) << 6 | six(3);
            decoded.extend(all.to_be_bytes().into_iter().skip(1));
        }
        decoded.truncate(length);
        out.extend(decoded);
        if out.len() > limits::DECODED {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(raw: &str) -> Tree {
        parse(&Bytes::from(raw.to_owned()), None).unwrap()
    }

    #[test]
    fn leaves_are_decoded() {
        let tree = tree(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9 =\r\nau lait\r\n--b\r\n\
             Content-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n--b--\r\n",
        );
        assert_eq!(tree.parts[0].text(None), "café au lait");
        assert_eq!(
            (&tree.parts[1].content[..], tree.parts[1].name.as_deref()),
            (&b"hello"[..], Some("x.pdf"))
        );
        assert!(tree.ambiguous.is_empty() && !tree.truncated);
    }

    #[test]
    fn t21_nested_messages_are_counted_before_the_tree_is_built() {
        let chain = |n: usize| format!("{}\r\nend", "Content-Type: message/rfc822\r\n\r\n".repeat(n));
        assert!(parse(&Bytes::from(chain(limits::NESTED_MARKS)), None).is_ok());
        assert_eq!(
            parse(&Bytes::from(chain(limits::NESTED_MARKS + 1)), None).unwrap_err(),
            NoTree::TooNested
        );
    }

    #[test]
    fn t22_depth_and_parts_have_an_end() {
        let nest = |n: usize| {
            let open: String = (0..n)
                .map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n"))
                .collect();
            format!("{open}\r\ntext\r\n")
        };
        assert!(!tree(&nest(limits::DEPTH)).truncated);
        assert!(tree(&nest(limits::DEPTH + 1)).truncated);
        let many = |n: usize| {
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
                "--b\r\n\r\nx\r\n".repeat(n)
            )
        };
        assert!(!tree(&many(limits::PARTS)).truncated);
        assert!(tree(&many(limits::PARTS + 1)).truncated);
    }

    #[test]
    fn t23_two_boundaries_and_broken_base64_are_seen() {
        let two =
            tree("Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n");
        assert!(!two.ambiguous.is_empty());
        let broken =
            tree("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs!bG8=\r\n");
        assert!(!broken.ambiguous.is_empty() && broken.parts[0].text(None).starts_with("hello"));
    }

    #[test]
    fn uuencoded_files() {
        let (name, content) = uudecode(b"hi\nbegin 644 a b.txt\n%:&5L;&\\\n`\nend\n").unwrap();
        assert_eq!((name.as_str(), content.as_slice()), ("a b.txt", &b"hello"[..]));
        assert!(uudecode(b"begin 644 x\n%:&5L;&\\\n").is_none() && uudecode(b"I begin 2 day\n").is_none());
    }
}
