//! Text whose lines a mail program broke, to be joined again (RFC 3676).

/// Joins the lines of a flowed text (RFC 3676 4.2).
pub(super) fn unflow(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.bytes().take_while(|b| *b == b'>').count();
        let content = line.get(depth..).unwrap_or_default();
        let content = content.strip_prefix(' ').unwrap_or(content);
        let is_signature = content == "-- ";
        if open != Some(depth) || is_signature {
            if open.is_some() {
                out.push('\n');
            }
            if depth > 0 {
                out.extend(std::iter::repeat_n('>', depth));
                out.push(' ');
            }
        }
        let soft = content.ends_with(' ') && !is_signature;
        out.push_str(if soft && delete_space {
            content.get(..content.len() - 1).unwrap_or_default()
        } else {
            content
        });
        open = soft.then_some(depth);
        if !soft {
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::unflow;

    #[test]
    fn flowed_text_is_joined() {
        assert_eq!(unflow("a \nb\n> c \n> d\n-- \nme\n", false), "a b\n> c d\n-- \nme\n");
        assert_eq!(unflow("a \nb\n", true), "ab\n");
        assert_eq!(unflow("  x\n", false), " x\n");
    }
}
