//! What was said, and what came with it: which parts are the text, which are files (RFC 2046, RFC 3676).

mod files;
mod flowed;

use super::mime::{Node, Part, Tree, uudecode};
use super::{clean, html, limits};
use bytes::Bytes;
use files::{calendar_method, file_of};
use flowed::unflow;

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: Option<String>,
    pub(crate) original_name: Option<String>,
    /// The name as it was sent, marks and gaps included: for judging, never for showing.
    pub(crate) raw_name: Option<String>,
    pub(crate) media_type: String,
    pub(crate) content: Bytes,
    pub(crate) inline: bool,
    pub(crate) content_id: Option<String>,
}

/// Text and files of a mail.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// All of the text.
    pub(crate) text: String,
    /// The text without what stands in containers of quotes, where HTML had such.
    pub(crate) before_quotes: Option<String>,
    /// Sanitized HTML.
    pub(crate) html: Option<String>,
    pub(crate) files: Vec<File>,
    pub(crate) truncated: bool,
    pub(crate) hid_text: bool,
    /// Part of it is encrypted: `pgp` or `smime`.
    pub(crate) encrypted: Option<&'static str>,
    /// It carries a signature that nobody checked: `pgp` or `smime`.
    pub(crate) signed: Option<&'static str>,
    /// The method of an invitation (RFC 5546), in upper case.
    pub(crate) calendar: Option<String>,
}

/// One stretch of the body: plain text, HTML, or both versions of the same.
#[derive(Default)]
struct Segment {
    plain: Option<usize>,
    html: Option<usize>,
}

/// Reads the content out of `tree`.
pub(crate) fn read(tree: &Tree, tld: Option<&str>) -> Content {
    let mut content = Content { truncated: tree.truncated, ..Content::default() };
    let mut chosen = Choice::default();
    if let Some(root) = &tree.root {
        chosen.walk(root, tree, true);
        if chosen.segments.is_empty() {
            chosen.only_named(tree);
        }
    }
    content.signed = chosen.signed;
    content.encrypted = chosen.encrypted;
    content.speak(tree, &chosen, tld);
    content.collect_files(tree, &chosen);
    content
}

#[derive(Default)]
struct Choice {
    segments: Vec<Segment>,
    /// Other versions of what was chosen, and signatures: neither text nor files.
    dropped: Vec<usize>,
    signed: Option<&'static str>,
    encrypted: Option<&'static str>,
}

impl Choice {
    fn walk(&mut self, node: &Node, tree: &Tree, is_root: bool) {
        match node {
            Node::Leaf(at) => self.leaf(*at, tree, is_root),
            Node::Multi(kind, children) => match kind.value.as_str() {
                "multipart/alternative" => self.alternative(children, tree),
                "multipart/related" => {
                    // The first part is the text, the others belong to it.
                    for (at, child) in children.iter().enumerate() {
                        if at == 0 || matches!(child, Node::Multi(..)) {
                            self.walk(child, tree, false);
                        }
                    }
                }
                "multipart/signed" => {
                    self.signed = Some(scheme(kind.get("protocol").unwrap_or_default()));
                    children.iter().for_each(|child| self.walk(child, tree, false));
                }
                "multipart/encrypted" => {
                    self.encrypted = Some(scheme(kind.get("protocol").unwrap_or("pgp")));
                    // The part that only names the version (RFC 3156 4).
                    self.dropped.extend(children.first().and_then(leaf_of));
                }
                _ => children.iter().for_each(|child| self.walk(child, tree, false)),
            },
        }
    }

    fn leaf(&mut self, at: usize, tree: &Tree, is_root: bool) {
        let Some(part) = tree.parts.get(at) else { return };
        match part.media_type.as_str() {
            "application/pgp-signature" | "application/pkcs7-signature" | "application/x-pkcs7-signature" => {
                self.signed.get_or_insert(scheme(&part.media_type));
            }
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
                match part.parameters.get("smime-type") {
                    Some("signed-data" | "certs-only") => self.signed = Some("smime"),
                    _ => self.encrypted = Some("smime"),
                }
            }
            _ => {}
        }
        if is_body(part, is_root) {
            let html = part.media_type == "text/html";
            self.segments.push(Segment { plain: (!html).then_some(at), html: html.then_some(at) });
        }
    }

    /// One of several versions: the first plain one that says something, and the last HTML one.
    fn alternative(&mut self, children: &[Node], tree: &Tree) {
        let mut segment = Segment::default();
        let mut rest = Vec::new();
        for child in children {
            match child {
                Node::Leaf(at) => {
                    let Some(part) = tree.parts.get(*at) else { continue };
                    let attached = part.disposition.value == "attachment";
                    match part.media_type.as_str() {
                        "text/plain" if !attached => {
                            let blank = part.content.trim_ascii().is_empty();
                            match segment.plain {
                                None if !blank => segment.plain = Some(*at),
                                _ => self.dropped.push(*at),
                            }
                        }
                        "text/html" if !attached => self.dropped.extend(segment.html.replace(*at)),
                        // Other versions of the text are neither text nor files, but invitations are files.
                        "text/enriched" | "text/richtext" | "text/x-amp-html" | "text/watch-html" => {
                            self.dropped.push(*at);
                        }
                        _ => {}
                    }
                }
                Node::Multi(..) => {
                    let mut inner = Self::default();
                    inner.walk(child, tree, false);
                    self.dropped.append(&mut inner.dropped);
                    self.signed = self.signed.or(inner.signed);
                    rest.append(&mut inner.segments);
                }
            }
        }
        if let Some(html) = rest.iter().find_map(|inner| inner.html) {
            self.dropped.extend(segment.html.replace(html));
        }
        if segment.plain.is_none() {
            segment.plain = rest.iter().find_map(|inner| inner.plain);
        }
        let further = rest.into_iter().flat_map(|inner| [inner.plain, inner.html]).flatten();
        self.dropped.extend(further.filter(|at| Some(*at) != segment.plain && Some(*at) != segment.html));
        if segment.plain.is_some() || segment.html.is_some() {
            self.segments.push(segment);
        }
    }

    /// Nothing is plainly the body: the first text that is merely named is taken for it.
    fn only_named(&mut self, tree: &Tree) {
        let fits = |part: &Part| part.is("text") && part.disposition.value != "attachment";
        let named = tree
            .parts
            .iter()
            .position(|p| fits(p) && matches!(p.media_type.as_str(), "text/plain" | "text/html"));
        if let Some(at) = named {
            let html = tree.parts.get(at).is_some_and(|p| p.media_type == "text/html");
            self.segments.push(Segment { plain: (!html).then_some(at), html: html.then_some(at) });
        }
    }
}

fn leaf_of(node: &Node) -> Option<usize> {
    match node {
        Node::Leaf(at) => Some(*at),
        Node::Multi(..) => None,
    }
}

fn scheme(protocol: &str) -> &'static str {
    if protocol.to_ascii_lowercase().contains("pkcs7") { "smime" } else { "pgp" }
}

fn is_body(part: &Part, is_root: bool) -> bool {
    let readable = matches!(part.media_type.as_str(), "text/plain" | "text/html")
        || (is_root && part.is("text") && part.media_type != "text/calendar");
    readable && part.disposition.value != "attachment" && (part.name.is_none() || is_root)
}

impl Content {
    fn speak(&mut self, tree: &Tree, chosen: &Choice, tld: Option<&str>) {
        let mut texts = Vec::new();
        let mut replies = Vec::new();
        let mut htmls = Vec::new();
        let mut quoted = false;
        for segment in &chosen.segments {
            let part = |at: Option<usize>| at.and_then(|at| tree.parts.get(at));
            let source = part(segment.html).map(|p| self.cut(p.text(tld), 2 * limits::HTML));
            let walked = source.as_deref().map(html::walk);
            let plain = part(segment.plain).map(|p| self.plain(p, tld));
            if let (Some(source), Some(walked)) = (&source, &walked) {
                self.hid_text |= walked.hid_text;
                if let Some(clean) = html::sanitize(source, walked) {
                    htmls.push(clean);
                }
            }
            let (from_html, reply) = walked.map(|w| (w.text, w.reply)).unwrap_or_default();
            let most = words_in(&from_html);
            let says_less = |plain: &str| most > 0 && words_in(plain) * 5 < most;
            let text = plain.filter(|p| !p.trim().is_empty() && !says_less(p)).unwrap_or(from_html);
            quoted |= reply.is_some();
            replies.push(reply.unwrap_or_else(|| text.clone()));
            texts.push(text);
        }
        let joined = |parts: &[String]| {
            let parts: Vec<&str> = parts.iter().map(|p| p.trim_end()).filter(|p| !p.is_empty()).collect();
            parts.join("\n\n")
        };
        let text = joined(&texts);
        self.hid_text |= clean::has_tags(&text);
        let (text, cut) = clean::block(&text, limits::TEXT);
        self.text = text;
        self.truncated |= cut;
        if quoted {
            self.before_quotes = Some(clean::block(&joined(&replies), limits::TEXT).0);
        }
        // One segment without HTML among others would be missing from it: better none than half.
        if !htmls.is_empty()
            && chosen.segments.iter().all(|s| s.html.is_some())
            && htmls.len() == chosen.segments.len()
        {
            self.html = Some(htmls.join("\n"));
        }
        if self.text.contains("-----BEGIN PGP MESSAGE-----") {
            self.encrypted.get_or_insert("pgp");
        } else if self.text.contains("-----BEGIN PGP SIGNED MESSAGE-----") {
            self.signed.get_or_insert("pgp");
        }
        if self.text.trim().is_empty() && self.encrypted.is_some() {
            "(This message is encrypted to a key that is not at hand here.)".clone_into(&mut self.text);
        }
    }

    fn cut(&mut self, mut text: String, most: usize) -> String {
        if text.len() > most {
            self.truncated = true;
            let mut end = most;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        text
    }

    fn plain(&mut self, part: &Part, tld: Option<&str>) -> String {
        if let Some((name, file)) = uudecode(&part.content) {
            self.files.push(File {
                name: clean::file_name(&name),
                original_name: None,
                raw_name: Some(name),
                media_type: "application/octet-stream".to_owned(),
                content: file.into(),
                inline: false,
                content_id: None,
            });
            let text = part.text(tld);
            let before = text.split("begin ").next().unwrap_or_default().len();
            let after =
                text.get(before..).and_then(|t| t.split_once("\nend").map(|(_, rest)| rest.to_owned()));
            return text.get(..before).unwrap_or_default().to_owned() + &after.unwrap_or_default();
        }
        let text = part.text(tld);
        let flowed = part.parameters.get("format").is_some_and(|f| f.eq_ignore_ascii_case("flowed"));
        let delete_space = part.parameters.get("delsp").is_some_and(|d| d.eq_ignore_ascii_case("yes"));
        if flowed { unflow(&text, delete_space) } else { text }
    }

    fn collect_files(&mut self, tree: &Tree, chosen: &Choice) {
        let spoken = |at: usize| chosen.segments.iter().any(|s| s.plain == Some(at) || s.html == Some(at));
        let html_raw: String = self.html.clone().unwrap_or_default();
        for (at, part) in tree.parts.iter().enumerate() {
            if part.media_type == "text/calendar" {
                let method = part
                    .parameters
                    .get("method")
                    .map(str::to_ascii_uppercase)
                    .or_else(|| calendar_method(part));
                self.calendar = self.calendar.take().or(method).or_else(|| Some("PUBLISH".to_owned()));
            }
            let bare_signature = part.media_type.ends_with("-signature") && part.name.is_none();
            if spoken(at) || chosen.dropped.contains(&at) || bare_signature {
                continue;
            }
            if part.content.is_empty() && part.name.is_none() && part.content_id.is_none() {
                continue;
            }
            if self.unpacked(part) {
                continue;
            }
            if self.files.len() >= limits::ATTACHMENTS {
                self.truncated = true;
                break;
            }
            self.files.push(file_of(part, &html_raw));
        }
    }
}

fn words_in(text: &str) -> usize {
    if !text.is_ascii() {
        return text.split_whitespace().count();
    }
    let blank = |b: &u8| matches!(b, b'\t'..=b'\r' | b' ');
    let starts = text.as_bytes().iter().zip(text.as_bytes().iter().skip(1));
    starts.filter(|(before, at)| blank(before) & !blank(at)).count()
        + usize::from(text.as_bytes().first().is_some_and(|first| !blank(first)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::understand::mime;

    fn content(raw: &str) -> Content {
        read(&mime::parse(&Bytes::from(raw.to_owned()), None).unwrap(), None)
    }

    #[test]
    fn alternatives_and_stubs() {
        let alternative = |plain: &str, html: &str| {
            format!(
                "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{plain}\r\n--b\r\nContent-Type: text/html\r\n\r\n{html}\r\n--b--\r\n"
            )
        };
        assert_eq!(content(&alternative("plain words", "<p>plain words</p>")).text, "plain words");
        assert_eq!(content(&alternative(" ", "<p>only here</p>")).text, "only here");
        assert_eq!(
            content(&alternative("see HTML", &"<p>word word word</p>".repeat(9)))
                .text
                .matches("word")
                .count(),
            27
        );
        assert!(content(&alternative("x", "<p>x</p>")).files.is_empty());
    }

    #[test]
    fn b04_pictures_are_linked() {
        let content = content(
            "Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x<img src=\"cid:p@q\"></p>\r\n\
             --b\r\nContent-Type: image/png\r\nContent-ID: <p@q>\r\n\r\nPNG\r\n--b--\r\n",
        );
        assert!(content.files[0].inline && content.files[0].content_id.as_deref() == Some("p@q"));
    }

    #[test]
    fn b08_signed_and_encrypted() {
        let signed = content(
            "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nxx\r\n--b--\r\n",
        );
        assert_eq!((signed.text.as_str(), signed.signed, signed.files.len()), ("hello", Some("pgp"), 0));
        let closed = content(
            "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n",
        );
        assert_eq!((closed.encrypted, closed.files.len()), (Some("smime"), 1));
        assert!(closed.text.contains("encrypted"));
    }

    #[test]
    fn t22_files_have_an_end() {
        let many = |n: usize| {
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
                "--b\r\nContent-Type: image/png\r\n\r\nx\r\n".repeat(n)
            )
        };
        assert!(!content(&many(limits::ATTACHMENTS)).truncated);
        let over = content(&many(limits::ATTACHMENTS + 1));
        assert!(over.truncated && over.files.len() == limits::ATTACHMENTS);
    }
}
