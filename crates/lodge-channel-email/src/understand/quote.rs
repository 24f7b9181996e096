//! What a person newly wrote: the text without what mail programs quote below it, and without signatures.
//!
//! Tables of words stand in `quote/table.rs`. Only what follows to the end is cut; answers between quotes stay. What
//! would leave nothing cuts nothing, and a forwarded mail is content, not quote.

mod table;

/// The newly written part of `text`; never empty where `text` is not.
pub(crate) fn reply(text: &str, is_forward: bool) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut end = if is_forward { lines.len() } else { cut(&lines, has_marker(text)) };
    let mut kept: Vec<&str> = lines.get(..end).unwrap_or_default().to_vec();
    let before_signature = signature(&kept);
    if !blank(kept.get(..before_signature).unwrap_or_default()) {
        end = before_signature;
        kept.truncate(end);
    }
    drop_dangling_introduction(&mut kept);
    let kept = without_introduced_quote(&kept);
    let out = kept.join("\n").trim().to_owned();
    if out.is_empty() { text.trim().to_owned() } else { out }
}

/// Whether `text` quotes something.
pub(crate) fn has_quote(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().take(2_000).collect();
    cut(&lines, has_marker(text)) < lines.len() || lines.iter().filter(|l| is_quoted(l)).count() > 1
}

fn blank(lines: &[&str]) -> bool {
    lines.iter().all(|line| line.trim().is_empty())
}

fn is_quoted(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('>') || line.starts_with("|>")
}

/// Whether any line says that answers belong above it; all lines are searched at once.
fn has_marker(text: &str) -> bool {
    let lower = text.to_lowercase();
    table::MARKERS.iter().any(|marker| lower.contains(marker))
}

/// Where the trailing quote starts; `marked` where a line of [`table::MARKERS`] is among them.
fn cut(lines: &[&str], marked: bool) -> usize {
    let mut at = 0;
    while at < lines.len() {
        if is_forward_mark(lines.get(at).copied().unwrap_or_default()) {
            return lines.len();
        }
        let Some(length) = boundary(lines, at, marked) else {
            at += 1;
            continue;
        };
        let above_blank = blank(lines.get(..at).unwrap_or_default());
        let body = at + length;
        let quoted = skip_quoted(lines, body);
        let below = !blank(lines.get(quoted..).unwrap_or_default());
        // Nothing stands above: the answer stands below, or there is none. And an introduction followed by `>` lines
        // ends with them: what comes below is an answer again.
        if above_blank || (quoted > body && below && only_signature_after(lines, quoted).is_none()) {
            at = quoted.max(at + 1);
            continue;
        }
        return at;
    }
    trailing_block(lines)
}

/// `Begin forwarded message:`, which introduces content.
fn is_forward_mark(line: &str) -> bool {
    let words = line.trim().trim_matches(|c: char| matches!(c, '-' | '_' | '=' | '*' | ' ' | '>' | ':'));
    words.len() <= 200 && table::FORWARDS.contains(&words.to_lowercase().as_str())
}

/// Where what follows is only a signature, or nothing.
fn only_signature_after(lines: &[&str], from: usize) -> Option<usize> {
    let rest = lines.get(from..).unwrap_or_default();
    let at = signature(rest);
    blank(rest.get(..at).unwrap_or_default()).then_some(from)
}

/// The end of the `>` lines (and empty ones between) that start at `from`; `from` where there are none.
fn skip_quoted(lines: &[&str], from: usize) -> usize {
    let mut end = from;
    for (at, line) in lines.iter().enumerate().skip(from) {
        // A long line of a quote that was broken stands between two quoted ones.
        let wrapped = end == at
            && at > from
            && lines.get(at + 1).is_some_and(|next| is_quoted(next))
            && !line.trim().is_empty();
        if is_quoted(line) || wrapped {
            end = at + 1;
        } else if !line.trim().is_empty() {
            break;
        }
    }
    end
}

/// Where the `>` lines at the very end start, a signature below them included.
fn trailing_block(lines: &[&str]) -> usize {
    let mut end = lines.len();
    let tail = signature(lines);
    if tail < end
        && tail > 0
        && lines
            .get(..tail)
            .unwrap_or_default()
            .iter()
            .rev()
            .find(|l| !l.trim().is_empty())
            .is_some_and(|l| is_quoted(l))
    {
        end = tail;
    }
    let mut start = end;
    let mut seen = false;
    for (at, line) in lines.iter().enumerate().take(end).rev() {
        if is_quoted(line) {
            seen = true;
            start = at;
        } else if !line.trim().is_empty() {
            break;
        }
    }
    if seen && !blank(lines.get(..start).unwrap_or_default()) { start } else { lines.len() }
}

/// Whether a quote starts at line `at`; how many lines its introduction has.
fn boundary(lines: &[&str], at: usize, marked: bool) -> Option<usize> {
    let line = lines.get(at)?.trim();
    if line.is_empty() || line.len() > 1_000 {
        return None;
    }
    if marked && has_marker(line) {
        return Some(1);
    }
    if is_separator(line) {
        return Some(1 + header_block(lines, at + 1).unwrap_or(0));
    }
    let rule = line.len() >= 10 && line.bytes().all(|b| matches!(b, b'_' | b'-' | b'=' | b'*'));
    if rule {
        let next = (at + 1..lines.len().min(at + 4)).find(|n| !lines[*n].trim().is_empty())?;
        return header_block(lines, next).map(|length| next - at + length);
    }
    header_block(lines, at).or_else(|| introduction(lines, at))
}

/// `-----Original Message-----` and its like.
fn is_separator(line: &str) -> bool {
    let framed = line.starts_with(['-', '_', '=', '*', '>']) || line.ends_with(['-', '_', '=']);
    let words = line.trim_matches(|c: char| {
        matches!(c, '-' | '_' | '=' | '*' | ' ' | '>' | ':' | '\u{2014}' | '\u{2013}')
    });
    (framed || line.trim_end_matches(':') == words)
        && words.len() <= 200
        && table::SEPARATORS.contains(&words.to_lowercase().as_str())
}

/// `From: … Sent: … To: … Subject: …`, as Outlook writes it, in many languages; how many lines.
fn header_block(lines: &[&str], at: usize) -> Option<usize> {
    let first = label(lines.get(at)?)?;
    if !table::FROM.contains(&first.as_str()) {
        return None;
    }
    let mut labels = 1;
    let mut last = at;
    for (n, line) in lines.iter().enumerate().skip(at + 1).take(8) {
        match label(line) {
            Some(word) if table::OTHERS.contains(&word.as_str()) => {
                labels += 1;
                last = n;
            }
            _ => {}
        }
    }
    (labels >= 3).then_some(last - at + 1)
}

/// The word before the first colon of a line, without stars and quote marks, in lower case.
fn label(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches(['*', '>', ' ']);
    let (word, _) = line.split_once([':', '：'])?;
    let word = word.trim().trim_matches('*').trim().to_lowercase();
    (!word.is_empty() && word.chars().count() <= 30).then_some(word)
}

/// `On Monday, Ann wrote:` over one to four lines; how many.
fn introduction(lines: &[&str], at: usize) -> Option<usize> {
    let mut joined = String::new();
    for length in 1..=4 {
        let line = lines.get(at + length - 1)?.trim();
        if length > 1 && (line.is_empty() || (is_quoted(line) && line != ">:")) {
            return None;
        }
        joined.push_str(line);
        joined.push(' ');
        if joined.len() > 400 {
            return None;
        }
        if is_introduction(joined.trim()) {
            return Some(length);
        }
        if length == 1 && !may_introduce(line) {
            return None;
        }
    }
    None
}

/// Whether an introduction may start so and go on in the next line.
fn may_introduce(line: &str) -> bool {
    let head: String = line.chars().take(16).flat_map(char::to_lowercase).collect();
    let first = head.as_bytes().first();
    let starts =
        |start: &str| !start.is_empty() && start.as_bytes().first() == first && head.starts_with(start);
    table::INTRODUCTIONS.iter().any(|(start, _)| starts(start))
        || line.contains('@') && line.contains('<')
        || starts_with_date(&head)
}

fn is_introduction(text: &str) -> bool {
    // Hardly any line ends like one.
    let bare = text.trim_end_matches([' ', '*', '\u{a0}']);
    if !bare.ends_with([':', '：', '>']) && !text.ends_with("---") {
        return false;
    }
    let lower = text.to_lowercase();
    let lower = lower.trim_start_matches(['>', ' ', '*']);
    // Zoho draws a line on both sides: `---- On … wrote ----`.
    let ruled = lower.starts_with("---") && lower.ends_with("---");
    let lower = lower.trim_start_matches(['-', ' ']);
    let end = lower.trim_end_matches([' ', '*', '\u{a0}']);
    let dated_address = starts_with_date(lower) && end.ends_with('>');
    let may_end_so = end.ends_with([':', '：']) || ruled || dated_address;
    if !may_end_so {
        return false;
    }
    let tells = |start: &str, verb: &str| lower.starts_with(start) && lower.contains(verb);
    let has_digit_or_address = end.bytes().any(|b| b.is_ascii_digit()) || end.contains('@');
    if table::INTRODUCTIONS.iter().any(|(start, verb)| !start.is_empty() && tells(start, verb))
        && has_digit_or_address
    {
        return true;
    }
    // `Ann Lee <ann@example.com> wrote:`, and `2026-11-21 9:00 Ann wrote:`.
    let verb = table::INTRODUCTIONS.iter().any(|(_, verb)| tells("", verb));
    if verb && (end.contains('@') || starts_with_date(lower) || has_time(end) || has_year(end)) {
        return true;
    }
    // `2013/10/2 Ann Lee <ann@example.com>`.
    let dated = starts_with_date(lower)
        && end.contains('<')
        && end.contains('@')
        && end.trim_end_matches(':').ends_with('>');
    // `On …, 2026 at 9:00, Ann <ann@x.y>:` without any verb.
    let verbless = (end.ends_with(">:") || end.ends_with("]:")) && end.contains('@') && has_time(end);
    dated || verbless
}

fn starts_with_date(lower: &str) -> bool {
    let head: String = lower.chars().take(10).collect();
    let digits = head.bytes().filter(u8::is_ascii_digit).count();
    let separated = head.contains(['-', '/', '.']) || head.contains('年');
    head.starts_with(|c: char| c.is_ascii_digit()) && digits >= 4 && separated
}

fn has_year(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit())
        .any(|n| n.len() == 4 && (n.starts_with("19") || n.starts_with("20")))
}

fn has_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(4).any(|w| {
        w[0].is_ascii_digit()
            && matches!(w[1], b':' | b'.' | b'h')
            && w[2].is_ascii_digit()
            && w[3].is_ascii_digit()
    })
}

/// Where the signature at the end starts.
fn signature(lines: &[&str]) -> usize {
    let mut end = lines.len();
    // The line of two hyphens (RFC 3676 4.3), within the last twenty-five lines of what is not quoted.
    for (at, line) in lines.iter().enumerate().rev().take(25) {
        if matches!(line.trim_end(), "--" | "—" | "---" | "__" | "-- *" | "--​") && !is_quoted(line) {
            let is_rule_between = at == 0;
            if !is_rule_between {
                end = at;
                break;
            }
        }
    }
    // A rule of underscores close to the end.
    let rule = |line: &str| line.trim().len() >= 5 && line.trim().bytes().all(|b| b == b'_');
    if let Some(at) = lines.iter().take(end).rposition(|line| rule(line)) {
        let below =
            lines.get(at + 1..end).unwrap_or_default().iter().filter(|line| !line.trim().is_empty()).count();
        if at > 0 && below <= 4 {
            end = at;
        }
    }
    loop {
        let Some(last) = lines.iter().take(end).rposition(|line| !line.trim().is_empty()) else { return end };
        let lower = lines[last].trim().trim_matches(['*', '_', '(', ')', '<', '>', '[', ']']).to_lowercase();
        let device =
            table::SIGNATURES.iter().any(|start| lower.starts_with(start)) && lower.chars().count() < 120;
        if !device {
            return end;
        }
        end = last;
    }
}

/// An introduction whose quote is gone already says nothing.
fn drop_dangling_introduction(lines: &mut Vec<&str>) {
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    for at in end.saturating_sub(4)..end {
        let ends_here = introduction(lines, at).is_some_and(|length| at + length == end);
        if ends_here && !blank(lines.get(..at).unwrap_or_default()) {
            lines.truncate(at);
            return;
        }
    }
}

/// An answer below or around one introduced quote: the introduction and the quote go. Several quotes mean that the
/// answers stand between them, which would be nothing without.
fn without_introduced_quote<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    if !lines.iter().any(|line| is_quoted(line)) {
        return lines.to_vec();
    }
    let found = (0..lines.len()).find_map(|at| introduction(lines, at).map(|length| (at, at + length)));
    let Some((from, body)) = found else { return lines.to_vec() };
    let end = skip_quoted(lines, body);
    let head = lines.get(..from).unwrap_or_default();
    let rest = lines.get(end..).unwrap_or_default();
    let interleaved = head.iter().chain(rest).any(|line| is_quoted(line));
    if end == body || blank(rest) {
        return lines.to_vec();
    }
    if interleaved {
        let tail = lines.get(body..).unwrap_or_default();
        return if blank(head) { tail.to_vec() } else { lines.to_vec() };
    }
    [head, rest].concat()
}

#[cfg(test)]
mod tests {
    use super::reply;

    #[test]
    fn b05_introductions_in_many_languages() {
        for intro in [
            "On Mon, Nov 2, 2026 at 9:00 AM Ann Lee <ann@example.com> wrote:",
            "On Mon, Nov 2, 2026 at 9:00 AM Ann Lee\n<ann@example.com> wrote:",
            "Am 02.11.2026 um 09:00 schrieb Ann Lee:",
            "Le lun. 2 nov. 2026 à 09:00, Ann Lee <ann@example.com> a écrit :",
            "El lun, 2 nov 2026 a las 9:00, Ann Lee (<ann@example.com>) escribió:",
            "Il giorno lun 2 nov 2026 alle ore 09:00 Ann Lee <ann@example.com> ha scritto:",
            "Op ma 2 nov. 2026 om 09:00 schreef Ann Lee <ann@example.com>:",
            "Em seg., 2 de nov. de 2026 às 09:00, Ann Lee <ann@example.com> escreveu:",
            "W dniu 02.11.2026 o 09:00, Ann Lee napisał(a):",
            "пн, 2 нояб. 2026 г. в 09:00, Ann Lee <ann@example.com> пишет:",
            "Den mån 2 nov. 2026 kl 09:00 skrev Ann Lee <ann@example.com>:",
            "2026年11月2日(月) 9:00 Ann Lee <ann@example.com>:",
            "在 2026年11月2日，09:00，Ann Lee <ann@example.com> 写道：",
            "-----Original Message-----",
            "-----Ursprüngliche Nachricht-----",
            "________________________________\nFrom: Ann Lee\nSent: Monday\nTo: Bob\nSubject: x",
            "Von: Ann Lee\nGesendet: Montag\nAn: Bob\nBetreff: x",
            "*From:* Ann Lee\n*Sent:* Monday\n*To:* Bob\n*Subject:* x",
        ] {
            let text = format!("my answer\n\n{intro}\nold words\n> older words");
            assert_eq!(reply(&text, false), "my answer", "{intro}");
        }
    }

    #[test]
    fn b05_answers_are_never_lost() {
        assert_eq!(reply("> all\n> quoted", false), "> all\n> quoted");
        assert_eq!(reply("On 2.11.2026 9:00 Ann <a@b.c> wrote:\n> old\n\nbelow", false), "below");
        assert_eq!(reply("> q1\na1\n> q2\na2", false), "> q1\na1\n> q2\na2");
        assert_eq!(
            reply("FYI\n\n-----Original Message-----\nkeep", true),
            "FYI\n\n-----Original Message-----\nkeep"
        );
        assert_eq!(reply("From: here to there\nis a long way", false), "From: here to there\nis a long way");
        assert_eq!(
            reply("On the 5th of May we met. He wrote: hello", false),
            "On the 5th of May we met. He wrote: hello"
        );
        assert_eq!(reply("", false), "");
    }

    #[test]
    fn signatures_go() {
        assert_eq!(reply("hi\n\n-- \nAnn\nTel 1", false), "hi");
        assert_eq!(reply("hi\n\nSent from my iPhone", false), "hi");
        assert_eq!(reply("hi\n\nVon meinem iPhone gesendet", false), "hi");
        assert_eq!(reply("-- \nAnn", false), "-- \nAnn");
    }
}
