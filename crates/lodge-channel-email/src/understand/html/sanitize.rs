//! The one place where HTML of strangers is given to a tree builder: sanitized for display, within the limits (T33).

use super::Walked;
use crate::understand::limits;
use ammonia::{Builder, UrlRelative};
use std::collections::HashSet;
use std::sync::LazyLock;

/// Above so many elements no tree is built.
const ELEMENTS: usize = 20_000;

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        .rm_tags(["map", "area", "summary", "details"])
        .add_tags(["font", "tfoot"])
        .link_rel(Some("noopener noreferrer nofollow"))
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel", "cid"]))
        .url_relative(UrlRelative::Deny)
        .strip_comments(true)
        // A picture from elsewhere would tell its owner that the mail was opened (T45): only those in the mail stay.
        .attribute_filter(|element, name, value| match (element, name) {
            ("img", "src") => value.to_ascii_lowercase().starts_with("cid:").then(|| value.into()),
            (_, "src" | "cite" | "longdesc") => None,
            ("a", "href") if value.to_ascii_lowercase().starts_with("cid:") => None,
            _ => Some(value.into()),
        });
    builder
});

/// Sanitizes `html`, hidden elements taken out; `None` where it is above the limits or nothing is left.
pub(crate) fn sanitize(html: &str, walked: &Walked) -> Option<String> {
    if html.len() > limits::HTML || walked.depth > limits::HTML_DEPTH || open_tags(html) > ELEMENTS {
        return None;
    }
    let mut visible = String::with_capacity(html.len());
    let mut at = 0;
    let mut ranges = walked.hidden.clone();
    ranges.sort_unstable();
    for (from, to) in ranges {
        if from >= at {
            visible.push_str(html.get(at..from).unwrap_or_default());
            at = to;
        }
    }
    visible.push_str(html.get(at..).unwrap_or_default());
    let clean = SANITIZER.clean(&visible).to_string();
    // Markup that changes its meaning when it is read again gets no third chance.
    let again = SANITIZER.clean(&clean).to_string();
    (clean == again && !clean.trim().is_empty()).then_some(clean)
}

/// A bound on the elements a tree builder would make, unclosed ones of every name included.
fn open_tags(html: &str) -> usize {
    // Counted first is what a compiler counts many bytes at once of.
    let marks = html.bytes().filter(|b| *b == b'<').count();
    if marks <= ELEMENTS {
        return marks;
    }
    html.as_bytes().windows(2).filter(|w| w[0] == b'<' && w[1].is_ascii_alphabetic()).count()
}

#[cfg(test)]
mod tests {
    use super::super::walk;
    use super::*;

    #[test]
    fn t33_nothing_active_survives() {
        let html = "<p onclick=x()>a<script>alert(1)</script><img src=http://t.r/p.gif><img src=cid:a@b>\
                    <a href=\"javascript:x\">l</a><svg onload=x></svg><form action=x><input></form><iframe src=x></iframe>\
                    <style>p{}</style><a href=https://e.f>m</a></p>";
        let clean = sanitize(html, &walk(html)).unwrap();
        for bad in ["script", "onclick", "http://t.r", "javascript", "svg", "form", "iframe", "style"] {
            assert!(!clean.contains(bad), "{bad}: {clean}");
        }
        assert!(clean.contains("cid:a@b") && clean.contains("https://e.f"), "{clean}");
    }
}
