//! Reads what the gateway answers to a call (TwiML), as the carrier of calls does. Knows what the gateway writes and refuses
//! everything else: a document that is not understood is told, never guessed at.

use serde::Serialize;

/// A document, in the order in which the caller meets it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Script {
    /// What the caller hears.
    pub(super) lines: Vec<Line>,
    /// And then; nothing hangs up.
    pub(super) then: Option<Then>,
    /// Where the call goes on after nothing was done.
    pub(super) otherwise: Option<String>,
}

/// Something the caller hears.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// Words.
    Say {
        /// The words.
        text: String,
        /// Their language.
        language: Option<String>,
    },
    /// The address of a sound.
    Play(String),
}

/// How the call goes on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub(super) enum Then {
    /// Waits for keys or words.
    Listen {
        /// Where the answer is told.
        #[serde(skip)]
        action: String,
        /// The greatest number of keys; 0 where none are taken.
        keys: u32,
        /// Whether words are taken.
        speech: bool,
        /// The key that ends the others.
        finish: Option<String>,
        /// How long silence is waited for.
        seconds: u32,
    },
    /// Records a message.
    Record {
        /// Where its end is told.
        #[serde(skip)]
        action: String,
        /// Where it is told that the recording is there.
        #[serde(skip)]
        told: Option<String>,
        /// Where its words are told, where they are wanted.
        #[serde(skip)]
        words: Option<String>,
        /// The longest message.
        seconds: u32,
    },
    /// Calls somebody.
    Dial {
        /// Where its end is told.
        #[serde(skip)]
        action: String,
        /// Whom.
        number: String,
        /// How long it rings.
        seconds: u32,
    },
}

/// Reads a document; `None` where it is not understood.
pub(super) fn read(document: &str) -> Option<Script> {
    let mut script = Script::default();
    let mut open: Vec<Tag> = Vec::new();
    let mut rest = document;
    while let Some((text, after)) = rest.split_once('<') {
        if let Some(tag) = open.last_mut() {
            tag.text.push_str(&unescaped(text)?);
        }
        let (inside, after) = after.split_once('>')?;
        rest = after;
        if inside.starts_with('?') {
            continue;
        }
        if let Some(name) = inside.strip_prefix('/') {
            let tag = open.pop().filter(|tag| tag.name == name)?;
            script.take(tag, open.last_mut())?;
        } else if let Some(inside) = inside.strip_suffix('/') {
            script.take(Tag::read(inside)?, open.last_mut())?;
        } else {
            open.push(Tag::read(inside)?);
        }
    }
    open.is_empty().then_some(script)
}

impl Script {
    /// Takes in an element that has ended.
    fn take(&mut self, tag: Tag, parent: Option<&mut Tag>) -> Option<()> {
        match tag.name.as_str() {
            "Response" | "Hangup" => {}
            "Say" => self.lines.push(Line::Say { language: tag.get("language"), text: tag.text }),
            "Play" => self.lines.push(Line::Play(tag.text)),
            // The number belongs to who dials it.
            "Number" => parent?.text.push_str(&tag.text),
            "Redirect" => self.otherwise = Some(tag.text),
            "Gather" => {
                let input = tag.get("input")?;
                let keys = if input.contains("dtmf") { tag.number("numDigits").unwrap_or(32) } else { 0 };
                let speech = input.contains("speech");
                let (finish, seconds) = (tag.get("finishOnKey"), tag.number("timeout")?);
                let action = tag.get("action")?;
                self.then = Some(Then::Listen { action, keys, speech, finish, seconds });
            }
            "Record" => {
                self.then = Some(Then::Record {
                    action: tag.get("action")?,
                    told: tag.get("recordingStatusCallback"),
                    words: tag.get("transcribeCallback"),
                    seconds: tag.number("maxLength")?,
                });
            }
            "Dial" => {
                let (action, seconds) = (tag.get("action")?, tag.number("timeout")?);
                self.then = Some(Then::Dial { action, number: tag.text, seconds });
            }
            _ => return None,
        }
        Some(())
    }
}

struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

impl Tag {
    /// Reads what stands between `<` and `>`.
    fn read(inside: &str) -> Option<Self> {
        let (name, mut rest) = inside.trim().split_once(' ').unwrap_or((inside.trim(), ""));
        let mut attributes = Vec::new();
        while let Some((key, after)) = rest.trim_start().split_once("=\"") {
            let (value, after) = after.split_once('"')?;
            attributes.push((key.to_owned(), unescaped(value)?));
            rest = after;
        }
        Some(Self { name: name.to_owned(), attributes, text: String::new() })
    }

    fn get(&self, key: &str) -> Option<String> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }

    fn number(&self, key: &str) -> Option<u32> {
        self.get(key)?.parse().ok()
    }
}

/// The text behind the five entities of XML and numbered ones.
fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('&');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (entity, after) = piece.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => {
                let number = other.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        out.push_str(after);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_writes_is_read_in_order() {
        let document = "<?xml version=\"1.0\"?><Response><Gather action=\"http://a/1?b=1&amp;c=2\" input=\"dtmf speech\" \
                        method=\"POST\" numDigits=\"1\" timeout=\"5\"><Say language=\"en-US\">A &amp; B &#60;c&gt;</Say></Gather>\
                        <Redirect method=\"POST\">http://a/none</Redirect></Response>";
        let script = read(document).unwrap();
        let said = Line::Say { text: "A & B <c>".to_owned(), language: Some("en-US".to_owned()) };
        assert_eq!(script.lines, [said]);
        let action = "http://a/1?b=1&c=2".to_owned();
        let then = Then::Listen { action, keys: 1, speech: true, finish: None, seconds: 5 };
        assert_eq!((script.then, script.otherwise.as_deref()), (Some(then), Some("http://a/none")));
    }

    #[test]
    fn a_dialled_number_and_an_end_are_read() {
        let document =
            "<Response><Dial action=\"http://a\" timeout=\"20\"><Number>+4930</Number></Dial></Response>";
        let dial = Then::Dial { action: "http://a".to_owned(), number: "+4930".to_owned(), seconds: 20 };
        assert_eq!(read(document).unwrap().then, Some(dial));
        let end = read("<Response><Say>Bye</Say><Hangup/></Response>").unwrap();
        assert_eq!((end.lines.len(), end.then), (1, None));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for document in [
            "<Response><Enqueue/></Response>",
            "<Response><Say>a</Response>",
            "<Response>",
            "<Say>&x;</Say>",
            "<Say",
        ] {
            assert_eq!(read(document), None, "{document}");
        }
    }
}
