//! Writes XML 1.0, the only way in which an answer is made: names are fixed words of ours, and everything else is escaped
//! (T40).

/// An XML document in the making.
pub(crate) struct Markup {
    out: String,
    open: Vec<&'static str>,
}

impl Markup {
    /// A document with this root.
    pub(crate) fn new(root: &'static str) -> Self {
        Self::of(root, &[])
    }

    /// A document with this root and its attributes.
    pub(crate) fn of(root: &'static str, attributes: &[(&'static str, &str)]) -> Self {
        let mut markup = Self { out: String::new(), open: Vec::new() };
        markup.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        markup.open(root, attributes);
        markup
    }

    /// Begins an element.
    pub(crate) fn open(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.tag(name, attributes);
        self.out.push('>');
        self.open.push(name);
    }

    /// An element without content.
    pub(crate) fn empty(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.tag(name, attributes);
        self.out.push_str(" />");
    }

    /// An element with a text.
    pub(crate) fn element(&mut self, name: &'static str, attributes: &[(&'static str, &str)], text: &str) {
        self.open(name, attributes);
        self.escape(text);
        self.close();
    }

    /// Ends the innermost element.
    pub(crate) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }

    /// The document.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn tag(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes {
            self.out.push(' ');
            self.out.push_str(key);
            self.out.push_str("=\"");
            self.escape(value);
            self.out.push('"');
        }
    }

    fn escape(&mut self, text: &str) {
        self.out.push_str(&escaped(text));
    }
}

/// Markup characters become references; what XML 1.0 cannot hold becomes a space.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' | '\u{fffe}' | '\u{ffff}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Markup;

    #[test]
    fn t40_nothing_that_is_written_breaks_out() {
        let hostile = "</Say><Dial>+882123</Dial>\" onload='x' ]]> &lt; \u{0}\u{b}\u{ffff}";
        let mut markup = Markup::new("Response");
        markup.open("Gather", &[("hints", hostile)]);
        markup.element("Say", &[("language", hostile)], hostile);
        let text = markup.finish();
        let names: Vec<&str> =
            text.split('<').skip(1).filter_map(|tag| tag.split([' ', '>']).next()).collect();
        assert_eq!(names, ["?xml", "Response", "Gather", "Say", "/Say", "/Gather", "/Response"]);
        assert_eq!(text.matches('"').count(), 4 + 4, "{text}");
    }
}
