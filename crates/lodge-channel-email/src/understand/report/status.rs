//! Status codes in text: enhanced ones (RFC 3463), and plain SMTP replies.

/// The first enhanced code such as `5.1.1` in `text`.
pub(crate) fn find(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    for at in 0..bytes.len() {
        let starts = matches!(bytes[at], b'2' | b'4' | b'5') && bytes.get(at + 1) == Some(&b'.');
        let free = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'.');
        if !starts || !free {
            continue;
        }
        let digits = |from: usize| bytes.iter().skip(from).take(4).take_while(|b| b.is_ascii_digit()).count();
        let middle = digits(at + 2);
        let dot = at + 2 + middle;
        let last = if bytes.get(dot) == Some(&b'.') { digits(dot + 1) } else { 0 };
        let end = dot + 1 + last;
        // An address such as 5.9.1.2 has more parts than a code.
        let ends = bytes.get(end).is_none_or(|b| !b.is_ascii_alphanumeric())
            && !(bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit));
        if (1..=3).contains(&middle) && (1..=3).contains(&last) && ends {
            return text.get(at..end).map(str::to_owned);
        }
    }
    None
}

/// The code that a bare SMTP reply such as `550 no such user` amounts to.
pub(crate) fn from_reply(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let place = bytes.windows(4).position(|w| {
        matches!(w[0], b'4' | b'5')
            && (b'0'..=b'7').contains(&w[1])
            && w[2].is_ascii_digit()
            && matches!(w[3], b' ' | b'-' | b',' | b':')
    })?;
    let free = place == 0 || !bytes[place - 1].is_ascii_alphanumeric();
    let code = text.get(place..place + 3)?;
    free.then(|| {
        match code {
            "450" => "4.2.0",
            "451" => "4.3.0",
            "452" => "4.2.2",
            "550" => "5.1.1",
            "551" => "5.1.6",
            "552" => "5.2.2",
            "553" => "5.1.3",
            "554" => "5.0.0",
            _ if code.starts_with('4') => "4.0.0",
            _ => "5.0.0",
        }
        .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_nothing_else() {
        assert_eq!(find("smtp; 550 5.1.1 <a@b>: unknown").as_deref(), Some("5.1.1"));
        assert_eq!(find("(#5.7.1)").as_deref(), Some("5.7.1"));
        assert_eq!(find("host 5.9.1.2 said"), None);
        assert_eq!(find("version 15.1.1"), None);
        assert_eq!(from_reply("host said: 550 no").as_deref(), Some("5.1.1"));
        assert_eq!(from_reply("in 1550 years"), None);
    }
}
