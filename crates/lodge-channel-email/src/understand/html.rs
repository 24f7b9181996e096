//! HTML of strangers: sanitized for display, turned into text, and cut at the containers mail programs quote in.
//!
//! One linear walk over the tags finds what is hidden, what is quoted, and the text; it builds no tree and cannot be made
//! to recurse. Only what passes [`limits::HTML`] and [`limits::HTML_DEPTH`] is given to the tree builder of the sanitizer.

mod sanitize;
mod tags;

use super::limits;
pub(crate) use sanitize::sanitize;
use std::borrow::Cow;
use tags::{attribute, decode_entities, end_of_raw, is_hidden, is_outlook_rule, is_quote, tag_end, word};

/// What the walk found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// All visible text.
    pub(crate) text: String,
    /// The text before and between quotes, where there were containers of quotes.
    pub(crate) reply: Option<String>,
    /// Text that a reader would not see.
    pub(crate) hid_text: bool,
    /// The deepest nesting.
    pub(crate) depth: usize,
    /// Byte ranges of hidden elements.
    hidden: Vec<(usize, usize)>,
}

const VOID: &[&str] = &[
    "br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr",
    "param", "frame", "o:p",
];
const BLOCK: &[&str] = &[
    "p",
    "div",
    "tr",
    "li",
    "ul",
    "ol",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "hr",
    "section",
    "article",
    "header",
    "footer",
    "dl",
    "dt",
    "dd",
    "form",
    "fieldset",
    "center",
    "address",
    "tbody",
    "thead",
    "body",
];
const RAW: &[&str] =
    &["script", "style", "title", "textarea", "iframe", "noembed", "noframes", "xmp", "template"];
/// Those after which everything was said before.
const QUOTE_STARTS: &[&str] =
    &["divrplyfwdmsg", "outlookmessageheader", "appendonsend", "mail-editor-reference-message-container"];

struct Open {
    name: String,
    hidden_from: Option<usize>,
    quote: bool,
    skip: bool,
}

struct Walk {
    out: Walked,
    open: Vec<Open>,
    hidden: usize,
    quoted: usize,
    skipped: usize,
    pre: usize,
    rest_is_quote: bool,
    found_quote: bool,
    reply: String,
    link: Option<(String, usize)>,
}

/// Walks over `html`.
pub(crate) fn walk(html: &str) -> Walked {
    let mut walk = Walk {
        out: Walked::default(),
        open: Vec::new(),
        hidden: 0,
        quoted: 0,
        skipped: 0,
        pre: 0,
        rest_is_quote: false,
        found_quote: false,
        reply: String::new(),
        link: None,
    };
    let bytes = html.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let next = bytes[at..].iter().position(|b| *b == b'<').map_or(bytes.len(), |n| at + n);
        if next > at {
            walk.text(html.get(at..next).unwrap_or_default());
            at = next;
            continue;
        }
        at = walk.markup(html, at);
        if walk.out.text.len() > 2 * limits::TEXT {
            break;
        }
    }
    walk.finish(bytes.len())
}

impl Walk {
    /// Reads what starts with `<` at `at`; answers where to go on.
    fn markup(&mut self, html: &str, at: usize) -> usize {
        let bytes = html.as_bytes();
        let rest = &bytes[at..];
        if rest.starts_with(b"<!--") {
            return super::words::find(&rest[4..], b"-->").map_or(bytes.len(), |n| at + 4 + n + 3);
        }
        let starts_tag =
            rest.get(1).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'!' | b'?'));
        if !starts_tag {
            self.text("<");
            return at + 1;
        }
        let end = tag_end(rest).map_or(bytes.len(), |n| at + n + 1);
        let tag = html.get(at + 1..end.saturating_sub(1).max(at + 1)).unwrap_or_default();
        if let Some(name) = tag.strip_prefix('/') {
            self.close(&word(name), end);
            return end;
        }
        let name = word(tag);
        if name.is_empty() {
            return end;
        }
        if RAW.contains(&name.as_str()) {
            return end_of_raw(bytes, end, &name);
        }
        self.open(&name, tag, at);
        end
    }

    fn open(&mut self, name: &str, tag: &str, at: usize) {
        // A head that nobody closed ends where something to be shown starts.
        if self.skipped > 0 && BLOCK.contains(&name) {
            self.close("head", at);
        }
        match name {
            "br" => self.newline(),
            "td" | "th" => self.space(),
            "p" | "h1" | "h2" | "h3" | "h4" | "pre" => self.blank_line(),
            "li" => {
                self.new_block();
                self.emit("* ");
            }
            _ if BLOCK.contains(&name) => self.new_block(),
            _ => {}
        }
        if VOID.contains(&name) || tag.ends_with('/') && BLOCK.contains(&name) {
            return;
        }
        // Most tags are a name alone.
        let lower = if tag.len() == name.len() { name.to_owned() } else { tag.to_ascii_lowercase() };
        if name == "a" {
            self.link = attribute(tag, "href").map(|href| (href, self.out.text.len()));
        }
        let hidden = is_hidden(&lower);
        let quote = is_quote(name, &lower);
        if QUOTE_STARTS.iter().any(|mark| lower.contains(mark)) || is_outlook_rule(&lower) {
            self.rest_is_quote = true;
            self.found_quote = true;
        }
        let skip = name == "head";
        self.hidden += usize::from(hidden);
        self.quoted += usize::from(quote);
        self.found_quote |= quote;
        self.skipped += usize::from(skip);
        self.pre += usize::from(name == "pre");
        if self.open.len() < 4 * limits::HTML_DEPTH {
            let hidden_from = hidden.then_some(at);
            self.open.push(Open { name: name.to_owned(), hidden_from, quote, skip });
        }
        self.out.depth = self.out.depth.max(self.open.len());
    }

    fn close(&mut self, name: &str, end: usize) {
        if name == "a" {
            self.end_link();
        }
        if matches!(name, "p" | "h1" | "h2" | "h3" | "h4" | "pre") {
            self.blank_line();
        } else if BLOCK.contains(&name) {
            self.new_block();
        }
        // A stray end tag closes nothing; a matching one closes what was left open inside it.
        let reach = self.open.len().saturating_sub(64);
        let Some(found) = self.open.iter().rposition(|open| open.name == name).filter(|at| *at >= reach)
        else {
            return;
        };
        while self.open.len() > found {
            self.pop(end);
        }
    }

    fn pop(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        if let Some(from) = open.hidden_from {
            self.hidden = self.hidden.saturating_sub(1);
            if self.hidden == 0 {
                self.out.hidden.push((from, end));
            }
        }
        self.quoted -= usize::from(open.quote).min(self.quoted);
        self.skipped -= usize::from(open.skip).min(self.skipped);
        self.pre -= usize::from(open.name == "pre").min(self.pre);
    }

    fn text(&mut self, raw: &str) {
        if self.skipped > 0 {
            return;
        }
        let decoded = decode_entities(raw);
        if self.hidden > 0 {
            self.out.hid_text |= decoded.chars().any(char::is_alphanumeric);
            return;
        }
        if self.pre > 0 {
            self.emit(&decoded);
            return;
        }
        let collapsed = collapse(&decoded);
        let at_start = self.out.text.is_empty() || self.out.text.ends_with(['\n', ' ']);
        let collapsed = if at_start { collapsed.trim_start_matches(' ') } else { &collapsed };
        self.emit(collapsed);
    }

    fn emit(&mut self, text: &str) {
        if self.hidden > 0 || self.skipped > 0 {
            return;
        }
        self.out.text.push_str(text);
        if self.quoted == 0 && !self.rest_is_quote {
            self.reply.push_str(text);
        }
    }

    fn space(&mut self) {
        if !self.out.text.is_empty() && !self.out.text.ends_with([' ', '\n']) {
            self.emit(" ");
        }
    }

    fn newline(&mut self) {
        while self.out.text.ends_with(' ') {
            self.out.text.pop();
        }
        self.emit("\n");
    }

    fn new_block(&mut self) {
        if !self.out.text.is_empty() && !self.out.text.ends_with('\n') {
            self.newline();
        }
    }

    fn blank_line(&mut self) {
        self.new_block();
        if !self.out.text.is_empty() && !self.out.text.ends_with("\n\n") {
            self.emit("\n");
        }
    }

    /// Shows where a link leads, unless its text says so already.
    fn end_link(&mut self) {
        let Some((href, from)) = self.link.take() else { return };
        let shown = self.out.text.get(from..).unwrap_or_default().trim().to_owned();
        let href = href.trim();
        let target = href.strip_prefix("mailto:").unwrap_or(href);
        let web = href.starts_with("http://") || href.starts_with("https://") || href.starts_with("mailto:");
        let bare = |text: &str| {
            let text =
                text.trim_start_matches("http://").trim_start_matches("https://").trim_start_matches("www.");
            text.trim_end_matches('/').to_lowercase()
        };
        if web && !shown.is_empty() && bare(target) != bare(&shown) && target.len() <= 500 {
            self.emit(&format!(" ({target})"));
        }
    }

    fn finish(mut self, end: usize) -> Walked {
        while !self.open.is_empty() {
            self.pop(end);
        }
        self.out.text = tidy(&self.out.text);
        if self.found_quote {
            self.out.reply = Some(tidy(&self.reply));
        }
        self.out
    }
}

/// `text` with each stretch of ASCII white space turned into one space.
fn collapse(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let space = |b: u8| b.is_ascii_whitespace();
    let as_it_is = |pair: &[u8]| !matches!(pair, [a, b] if space(*b) && (*b != b' ' || space(*a)));
    if bytes.first().is_none_or(|b| *b == b' ' || !space(*b)) && bytes.windows(2).all(as_it_is) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let word = rest.bytes().position(space).unwrap_or(rest.len());
        out.push_str(rest.get(..word).unwrap_or_default());
        rest = rest.get(word..).unwrap_or_default();
        if rest.is_empty() {
            return Cow::Owned(out);
        }
        out.push(' ');
        rest = rest.trim_ascii_start();
    }
}

/// Blank ends of lines go, and so do more than two empty lines in a row.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.replace('\u{a0}', " ").lines() {
        let line = line.trim_end();
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_text() {
        let text = |html: &str| walk(html).text;
        assert_eq!(text("<p>a &amp; b</p><p>c<br>d</p>"), "a & b\n\nc\nd");
        assert_eq!(text("<head><title>t</title><style>x</style></head>Hi <b>you</b>"), "Hi you");
        assert_eq!(text("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"), "a b\nc");
        assert_eq!(
            text("<a href=\"https://x.y/z\">here</a> <a href='https://x.y'>x.y</a>"),
            "here (https://x.y/z) x.y"
        );
        assert_eq!(text("1 < 2 &eacute; &#233; &nosuch; & <!-- c --> x"), "1 < 2 é é &nosuch; & x");
    }

    #[test]
    fn t49_hidden_text_is_neither_text_nor_html() {
        for style in [
            "display:none",
            "font-size: 0px",
            "color:#fff;background:#fff",
            "mso-hide:all",
            "visibility: hidden !important",
        ] {
            let html = format!("<div>seen<span style=\"{style}\">secret<b>x</b></span> too</div>");
            let walked = walk(&html);
            assert!(walked.hid_text && walked.text == "seen too", "{style}: {}", walked.text);
            let clean = sanitize(&html, &walked).unwrap();
            assert!(!clean.contains("secret") && clean.contains("too"), "{clean}");
        }
        assert!(!walk("<div style=\"color:#fff;background:#000\">x</div>").hid_text);
    }

    #[test]
    fn t26_deep_and_long_html_is_text_only() {
        let deep = |n: usize| format!("{}x", "<div>".repeat(n));
        assert!(sanitize(&deep(limits::HTML_DEPTH), &walk(&deep(limits::HTML_DEPTH))).is_some());
        assert!(sanitize(&deep(limits::HTML_DEPTH + 1), &walk(&deep(limits::HTML_DEPTH + 1))).is_none());
        for html in [
            deep(1_000_000),
            "<table><tr><td>".repeat(100_000),
            "<b ".repeat(300_000),
            "</div>".repeat(300_000),
            "&".repeat(1_000_000),
        ] {
            let walked = walk(&html);
            assert!(sanitize(&html, &walked).is_none() || walked.depth <= limits::HTML_DEPTH);
        }
    }

    #[test]
    fn b05_quote_containers() {
        let reply = |html: &str| walk(html).reply;
        assert_eq!(
            reply("<div>new</div><div class=\"gmail_quote\">On x wrote:<blockquote>old</blockquote></div>")
                .as_deref(),
            Some("new")
        );
        assert_eq!(
            reply("<p>new</p><div id=\"divRplyFwdMsg\">From: x</div><div>old</div>").as_deref(),
            Some("new")
        );
        assert_eq!(reply("<p>a</p><blockquote type=cite>q</blockquote><p>b</p>").as_deref(), Some("a\n\nb"));
        assert_eq!(reply("<p>just text</p>"), None);
    }
}
