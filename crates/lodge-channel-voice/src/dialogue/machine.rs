//! The walk through a dialogue: from where a call is and what the caller just did to what happens next.
//!
//! Pure: the same call, input and moment always give the same turn. Never knows a provider, never files anything itself
//! (it says [`Then::File`]), and never repeats a caller's words into a prompt (T40).

use super::call::{Call, MESSAGE, Message, Spoken};
use super::hours::is_open;
use super::settings::{About, ByLanguage, Dialogue, Digits, DigitsKind, Menu, Step};
use super::words::{meant, spelled};
use jiff::Timestamp;
use lodge_domain::Reference;

/// Steps entered in one turn, at most: a dialogue that only talks to itself ends.
const MOST_STEPS: u32 = 64;
/// Turns of one call, at most: nobody is kept on the line for ever (T41).
const MOST_TURNS: u32 = 60;
/// The longest words kept of one answer, in characters.
const LONGEST_SPEECH: usize = 2000;

/// What the caller just did.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Called, or something happened that answers nothing: the step is entered (again).
    Begin,
    /// Pressed keys.
    Keys(String),
    /// Spoke.
    Speech(Spoken),
    /// Neither.
    Silence,
    /// Left a message, or none.
    Recorded(Option<Message>),
    /// The operator's line ended; whether somebody had answered.
    Operator(bool),
}

/// When and with what the walk goes on.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'m> {
    /// Now.
    pub now: Timestamp,
    /// The reference, once the contact is filed.
    pub reference: Option<&'m Reference>,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// What the caller hears, in order.
    pub lines: Vec<Line>,
    /// And then.
    pub then: Then,
}

/// Something the caller hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The words, or the address of an audio file.
    pub what: Sound,
    /// Their language.
    pub language: String,
}

/// Words or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Words of the dialogue; never a caller's.
    Say(String),
    /// An audio file that the dialogue names.
    Play(String),
}

/// How a turn goes on after its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Waits for keys or words; the last lines may be cut short by them.
    Listen(Ears),
    /// Records a message.
    Record {
        /// The longest message in seconds.
        seconds: u32,
        /// Silence that ends it, in seconds.
        silence: u32,
        /// Whether the words are wanted.
        transcribe: bool,
    },
    /// Calls a number of the configuration.
    Dial {
        /// The number, in E.164.
        number: String,
        /// How long it rings, in seconds.
        seconds: u32,
    },
    /// Hangs up.
    HangUp,
    /// What was learned must be filed first; then the same input once more, with the reference.
    File,
}

/// What is listened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ears {
    /// The greatest number of keys; 0 where none are taken.
    pub keys: usize,
    /// Whether words are taken.
    pub speech: bool,
    /// Words that are likely.
    pub hints: Vec<String>,
    /// How long silence is waited for, in seconds.
    pub seconds: u32,
}

impl Ears {
    /// Keys, words or both, as most providers write it.
    pub(crate) fn input(&self) -> &'static str {
        match (self.keys > 0, self.speech) {
            (true, true) => "dtmf speech",
            (false, true) => "speech",
            _ => "dtmf",
        }
    }
}

/// Goes on with `call` after `input`: where it is then, and what happens.
#[must_use]
pub fn advance(dialogue: &Dialogue, call: &Call, input: &Input, moment: Moment<'_>) -> (Call, Turn) {
    let mut walk = Walk { dialogue, call: call.clone(), lines: Vec::new(), moment };
    if walk.call.ended || walk.call.turn >= MOST_TURNS {
        return walk.end();
    }
    walk.call.turn += 1;
    if walk.hear(input) { walk.enter() } else { walk.end() }
}

struct Walk<'w> {
    dialogue: &'w Dialogue,
    call: Call,
    lines: Vec<Line>,
    moment: Moment<'w>,
}

impl Walk<'_> {
    fn end(mut self) -> (Call, Turn) {
        self.call.ended = true;
        (self.call, Turn { lines: self.lines, then: Then::HangUp })
    }

    fn then(self, then: Then) -> (Call, Turn) {
        (self.call, Turn { lines: self.lines, then })
    }

    fn go(&mut self, step: &str) -> bool {
        step.clone_into(&mut self.call.step);
        self.call.attempt = 0;
        true
    }

    /// Takes in what the caller did at the current step; whether there is a step to enter then.
    fn hear(&mut self, input: &Input) -> bool {
        if *input == Input::Begin {
            return true;
        }
        let Some(step) = self.dialogue.step.get(&self.call.step) else { return false };
        match (step, input) {
            (Step::Language(asked), Input::Keys(keys)) => match asked.choice.get(first(keys)) {
                Some(language) => {
                    self.call.language.clone_from(language);
                    self.go(&asked.next)
                }
                None => self.again(step, Some(&asked.next)),
            },
            (Step::Menu(asked), _) => self.chosen(step, asked, input),
            (Step::Digits(asked), Input::Keys(keys)) => self.dialled(step, asked, keys),
            (Step::Speech(asked), Input::Speech(spoken)) if !spoken.text.trim().is_empty() => {
                self.keep(&asked.name, spoken);
                self.go(&asked.next)
            }
            (Step::Language(asked), _) => self.again(step, Some(&asked.next)),
            (Step::Digits(asked), _) => self.again(step, Some(&asked.next)),
            (Step::Speech(asked), _) => self.again(step, Some(&asked.next)),
            (Step::Consent(asked), _) => {
                let yes = matches!(input, Input::Keys(keys) if first(keys) == asked.yes);
                match asked.about {
                    About::Recording => self.call.learned.recording = Some(yes),
                    About::TextMessage => self.call.learned.text_message = Some(yes),
                }
                let refused = asked.refused.as_deref().unwrap_or(&asked.next);
                self.go(if yes { &asked.next } else { refused })
            }
            (Step::Record(asked), _) => {
                match input {
                    Input::Recorded(Some(message)) => drop(self.call.learned.remember(message.clone())),
                    // Where no file is made, the message is words.
                    Input::Speech(spoken) => self.keep(MESSAGE, spoken),
                    _ => {}
                }
                self.go(&asked.next)
            }
            (Step::Operator(asked), _) => {
                let answered = *input == Input::Operator(true);
                self.call.learned.operator = Some(answered);
                self.go(if answered { &asked.next } else { &asked.otherwise })
            }
            // Steps that wait for nobody are entered again.
            _ => true,
        }
    }

    fn keep(&mut self, name: &str, spoken: &Spoken) {
        let text: String = spoken.text.trim().chars().take(LONGEST_SPEECH).collect();
        if !text.is_empty() {
            let spoken = Spoken { text, confidence: spoken.confidence };
            self.call.learned.speech.insert(name.to_owned(), spoken);
        }
    }

    fn chosen(&mut self, step: &Step, menu: &Menu, input: &Input) -> bool {
        let choice = match input {
            Input::Keys(keys) => menu.choice.get(first(keys)),
            Input::Speech(spoken) => meant(menu, &spoken.text, &self.call.language),
            _ => None,
        };
        match choice {
            Some(choice) => {
                self.call.learned.path.push(choice.name.clone());
                self.go(&choice.next)
            }
            None => self.again(step, None),
        }
    }

    fn dialled(&mut self, step: &Step, asked: &Digits, keys: &str) -> bool {
        let digits: String = keys.trim_end_matches('#').chars().filter(|c| !c.is_whitespace()).collect();
        let fits = digits.bytes().all(|b| b.is_ascii_digit())
            && (asked.least.max(1)..=asked.most).contains(&digits.len());
        let reference = Reference::parse(&digits);
        match asked.kind {
            DigitsKind::Reference if reference.is_some() => self.call.learned.reference = reference,
            DigitsKind::Number if fits && asked.sensitive => {
                self.call.learned.withheld.push(asked.name.clone());
            }
            DigitsKind::Number if fits => {
                self.call.learned.digits.insert(asked.name.clone(), digits);
            }
            _ => return self.again(step, Some(&asked.next)),
        }
        self.go(&asked.next)
    }

    /// Silence or nonsense: asked again, or on to where that leads. Whether there is such a place.
    fn again(&mut self, step: &Step, next: Option<&str>) -> bool {
        let Some(retry) = step.retry() else { return false };
        if self.call.attempt + 1 < retry.times {
            self.call.attempt += 1;
            self.say(&retry.say);
            return true;
        }
        match retry.otherwise.as_deref().or(next) {
            Some(next) => self.go(next),
            None => false,
        }
    }

    /// Enters the current step, and those after it, until one waits for the caller.
    fn enter(mut self) -> (Call, Turn) {
        for _ in 0..MOST_STEPS {
            let Some(step) = self.dialogue.step.get(&self.call.step) else { return self.end() };
            match step {
                Step::Say(step) => {
                    self.prompt(&step.say, &step.play);
                    self.go(&step.next);
                }
                Step::Hours(step) => {
                    let open = is_open(&step.zone, &step.days, self.moment.now);
                    self.go(if open { &step.open } else { &step.closed });
                }
                Step::Confirm(step) => {
                    let Some(reference) = self.moment.reference else { return self.then(Then::File) };
                    let spoken = spelled(reference);
                    let text = self.text(&step.say).replace("{reference}", &spoken);
                    for _ in 0..step.times.clamp(1, 3) {
                        self.line(Sound::Say(text.clone()));
                    }
                    self.go(&step.next);
                }
                Step::Goodbye(step) => {
                    self.prompt(&step.say, &step.play);
                    return self.end();
                }
                waiting => {
                    let then = self.wait(waiting);
                    return self.then(then);
                }
            }
        }
        self.end()
    }

    /// What a step that waits for the caller says and waits for.
    fn wait(&mut self, step: &Step) -> Then {
        if let Some((say, play)) = step.prompts() {
            let none = ByLanguage::new();
            self.prompt(say, play.unwrap_or(&none));
        }
        let keys = |keys, seconds| Ears { keys, speech: false, hints: Vec::new(), seconds };
        match step {
            Step::Language(step) => {
                for language in &self.dialogue.languages {
                    let text = step.say.get(language).cloned().unwrap_or_default();
                    if !text.is_empty() {
                        self.lines.push(Line { what: Sound::Say(text), language: language.clone() });
                    }
                }
                Then::Listen(keys(1, step.retry.seconds))
            }
            Step::Menu(step) => {
                let words = |choice: &super::settings::Choice| choice.words.get(&self.call.language).cloned();
                let hints: Vec<String> = step.choice.values().filter_map(words).flatten().collect();
                Then::Listen(Ears { speech: !hints.is_empty(), hints, ..keys(1, step.retry.seconds) })
            }
            Step::Digits(step) => {
                let most = if step.kind == DigitsKind::Reference { 10 } else { step.most };
                Then::Listen(keys(most, step.retry.seconds))
            }
            Step::Speech(step) => Then::Listen(Ears { speech: true, ..keys(0, step.retry.seconds) }),
            Step::Consent(step) => Then::Listen(keys(1, step.seconds)),
            Step::Record(step) => Then::Record {
                seconds: step.seconds.clamp(1, 600),
                silence: step.silence.clamp(1, 30),
                transcribe: step.transcribe,
            },
            Step::Operator(step) => {
                Then::Dial { number: step.number.clone(), seconds: step.seconds.clamp(5, 120) }
            }
            Step::Say(_) | Step::Confirm(_) | Step::Hours(_) | Step::Goodbye(_) => Then::HangUp,
        }
    }

    fn text(&self, say: &ByLanguage) -> String {
        let spoken = say.get(&self.call.language);
        let first = || self.dialogue.languages.first().and_then(|language| say.get(language));
        spoken.or_else(first).cloned().unwrap_or_default()
    }

    fn say(&mut self, say: &ByLanguage) {
        let text = self.text(say);
        self.line(Sound::Say(text));
    }

    fn prompt(&mut self, say: &ByLanguage, play: &ByLanguage) {
        match play.get(&self.call.language) {
            Some(address) => self.line(Sound::Play(address.clone())),
            None => self.say(say),
        }
    }

    fn line(&mut self, what: Sound) {
        if !matches!(&what, Sound::Say(text) if text.is_empty()) {
            self.lines.push(Line { what, language: self.call.language.clone() });
        }
    }
}

/// The first key pressed.
fn first(keys: &str) -> &str {
    keys.get(..1).unwrap_or_default()
}
