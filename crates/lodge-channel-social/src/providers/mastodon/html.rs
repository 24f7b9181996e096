//! Posts are small HTML: paragraphs, line breaks and links. This makes plain text of it. It never keeps markup, and never
//! loses words to markup that does not close.

/// The longest entity, without its `&` and `;`.
const LONGEST_ENTITY: usize = 10;

/// The words of a post.
pub(super) fn plain(html: &str) -> String {
    let characters: Vec<char> = html.chars().collect();
    let mut text = String::with_capacity(html.len());
    let mut at = 0;
    while let Some(c) = characters.get(at) {
        let rest = characters.get(at + 1..).unwrap_or_default();
        let (words, length) = match c {
            '<' => tag(rest).unwrap_or_else(|| ("<".to_owned(), 0)),
            '&' => entity(rest).unwrap_or_else(|| ("&".to_owned(), 0)),
            // A line break of the source is a space.
            '\n' | '\r' | '\t' => (" ".to_owned(), 0),
            other => (other.to_string(), 0),
        };
        text.push_str(&words);
        at += 1 + length;
    }
    text.trim().to_owned()
}

/// What a tag stands for, and how long it is behind its `<`; `None` where it is none.
fn tag(rest: &[char]) -> Option<(String, usize)> {
    let first = rest.first()?;
    if !first.is_ascii_alphabetic() && !matches!(first, '/' | '!') {
        return None;
    }
    let end = rest.iter().position(|c| *c == '>')?;
    let inner: String = rest.iter().take(end).collect();
    let name = inner.split([' ', '\n', '\t']).next().unwrap_or_default().trim_end_matches('/');
    let words = match name.to_ascii_lowercase().as_str() {
        "br" | "/li" | "/pre" => "\n",
        "/p" | "/blockquote" | "/ul" | "/ol" => "\n\n",
        "li" => "- ",
        _ => "",
    };
    Some((words.to_owned(), end + 1))
}

fn entity(rest: &[char]) -> Option<(String, usize)> {
    let end = rest.iter().take(LONGEST_ENTITY + 1).position(|c| *c == ';')?;
    let name: String = rest.iter().take(end).collect();
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let c = match name.as_str() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        other => {
            match (other.strip_prefix("#x").or_else(|| other.strip_prefix("#X")), other.strip_prefix('#')) {
                (Some(digits), _) => number(digits, 16)?,
                (None, Some(digits)) => number(digits, 10)?,
                (None, None) => return None,
            }
        }
    };
    Some((c.to_string(), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_become_plain_words() {
        let link = r#"<p>see <a href="https://example.com/a"><span class="invisible">https://</span><span>example.com/a</span></a></p>"#;
        assert_eq!(plain(link), "see https://example.com/a");
        assert_eq!(plain("<p>one<br>two<br />three</p><p>four</p>"), "one\ntwo\nthree\n\nfour");
        assert_eq!(plain("a &lt;b&gt; &amp;amp; &#39;c&#x27; &nope; &"), "a <b> &amp; 'c' &nope; &");
        assert_eq!(plain("1 < 2 and <3, <a b"), "1 < 2 and <3, <a b", "no word is lost");
        assert_eq!(plain("<script>alert(1)</script>"), "alert(1)", "markup goes");
        assert_eq!(plain("&#0;&#xd800;&#99999999999;x").chars().last(), Some('x'));
    }
}
