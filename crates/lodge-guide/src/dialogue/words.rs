//! Compares what people type with words and labels: without regard to case, punctuation and accents.

/// Letters of the Latin script with marks, each line after the letter it is typed as where the keyboard has no marks.
const MARKED: &[(char, &str)] = &[
    ('a', "àáâãäåāăą"),
    ('c', "çćčĉċ"),
    ('d', "ďđ"),
    ('e', "èéêëēĕėęě"),
    ('g', "ĝğġģ"),
    ('i', "ìíîïĩīĭįı"),
    ('l', "ĺļľł"),
    ('n', "ñńņňŉ"),
    ('o', "òóôõöøōŏő"),
    ('r', "ŕŗř"),
    ('s', "śŝşšș"),
    ('t', "ţťŧț"),
    ('u', "ùúûüũūŭůűų"),
    ('y', "ýÿŷ"),
    ('z', "źżž"),
];

/// The words of `text`, in lower case, without marks, one space apart.
pub(super) fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        if matches!(c, '\u{300}'..='\u{36f}') {
            continue;
        }
        if c.is_alphanumeric() {
            out.push(MARKED.iter().find(|(_, marked)| marked.contains(c)).map_or(c, |(bare, _)| *bare));
        } else if !out.ends_with(' ') && !out.is_empty() {
            out.push(' ');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Whether the words of `phrase` stand in `said`, one after the other. Both are [`normal`]. Scripts without spaces have
/// phrases within words.
pub(super) fn contains(said: &str, phrase: &str) -> bool {
    if phrase.is_empty() {
        return false;
    }
    if phrase.chars().any(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}')) {
        return said.contains(phrase);
    }
    format!(" {said} ").contains(&format!(" {phrase} "))
}

/// Whether `said` is one of `names`.
pub(super) fn is_one_of(said: &str, names: &[String]) -> bool {
    let said = normal(said);
    !said.is_empty() && names.iter().any(|name| normal(name) == said)
}

/// Beginnings of words for a bot in many languages.
const BOT: &str = "bot chatbot robot automat automaat machine maschine virtual virtuel virtuell wirtualn бот чатбот робот \
    автомат 机器人 ロボット ボット 自動 自动 로봇 챗봇 بوت روبوت sanal";

/// Whether `text` says that no human is speaking.
pub(super) fn says_bot(text: &str) -> bool {
    let text = normal(text);
    let is_cased = |word: &str| word.chars().all(|c| c.is_alphabetic() && c < '\u{3000}');
    BOT.split_ascii_whitespace().any(|bot| {
        if is_cased(bot) { text.split(' ').any(|word| word.starts_with(bot)) } else { text.contains(bot) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_accents_do_not_matter() {
        assert_eq!(normal("  Où EST-ce, là?! "), "ou est ce la");
        assert_eq!(normal("e\u{301}"), "e");
        assert_eq!(normal("!?"), "");
        assert!(contains(&normal("I want to TALK to a person!"), "talk to a person"));
        assert!(!contains("personal data", "person"));
        assert!(contains("我要转人工服务", "转人工"));
        assert!(!contains("x", ""));
    }

    #[test]
    fn a_bot_says_that_it_is_one() {
        assert!(says_bot("Hello, I'm a bot.") && says_bot("Ich bin ein Bot") && says_bot("我是机器人"));
        assert!(!says_bot("Hi, I am Anna."));
    }
}
