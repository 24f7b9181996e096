//! The places below an inbox's own address, and the addresses of ours that an answer may name: these and nothing else.

use crate::dialogue::Line;
use std::collections::BTreeMap;

/// What a provider is pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The inbox itself: a new call, and whatever a provider tells at one address only.
    Inbox,
    /// How the call stands.
    Status,
    /// What a caller did.
    Turn {
        /// The turn whose answer named this address.
        number: u32,
        /// Whether the address stands for nothing having been done.
        nothing: bool,
    },
    /// A recording.
    Recording,
    /// The words of a recording.
    Transcript,
}

impl Place {
    /// The place at this path below the inbox's own.
    pub(crate) fn of(below: &str) -> Option<Self> {
        match below {
            "" => Some(Self::Inbox),
            "status" => Some(Self::Status),
            "recording" => Some(Self::Recording),
            "transcript" => Some(Self::Transcript),
            turn => {
                let turn = turn.strip_prefix("turn/")?;
                let (number, nothing) = turn.strip_suffix("/none").map_or((turn, false), |turn| (turn, true));
                let digits = (1..=4).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
                let number = digits.then(|| number.parse().ok()).flatten()?;
                Some(Self::Turn { number, nothing })
            }
        }
    }
}

/// What an answer is written with: our own addresses for this call's next turn, and the voices that the dialogue names.
pub(crate) struct Script<'a> {
    /// `https://…/hooks/{inbox}`.
    pub(crate) base: &'a str,
    /// The call's id.
    pub(crate) call: &'a str,
    /// The number of the turn that comes next.
    pub(crate) turn: u32,
    /// The provider's name of the voice, by language.
    pub(crate) voices: &'a BTreeMap<String, String>,
}

impl Script<'_> {
    /// Where the provider tells what the caller did.
    pub(crate) fn turn(&self) -> String {
        format!("{}/turn/{}", self.base, self.turn)
    }

    /// Where the provider goes on after nothing was done.
    pub(crate) fn nothing(&self) -> String {
        format!("{}/turn/{}/none", self.base, self.turn)
    }

    /// Where the provider tells of a recording.
    pub(crate) fn recording(&self) -> String {
        self.naming_the_call("recording")
    }

    /// Where the provider tells the words of a recording.
    pub(crate) fn transcript(&self) -> String {
        self.naming_the_call("transcript")
    }

    /// Where the audio of this turn's message goes, by a WebSocket.
    pub(crate) fn audio(&self) -> String {
        let call: String = url::form_urlencoded::byte_serialize(self.call.as_bytes()).collect();
        // A path has no other way to write a space.
        let call = call.replace('+', "%20");
        let rest = self.base.strip_prefix("http").unwrap_or(self.base);
        format!("ws{rest}/audio/{}/{call}", self.turn)
    }

    /// The voice that speaks a line, where the dialogue names one.
    pub(crate) fn voice(&self, line: &Line) -> Option<&str> {
        self.voices.get(&line.language).map(String::as_str)
    }

    /// Not every provider says which call it is when it tells of something later.
    fn naming_the_call(&self, place: &str) -> String {
        let call: String = url::form_urlencoded::byte_serialize(self.call.as_bytes()).collect();
        format!("{}/{place}?call={call}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn only_places_of_ours_are_places() {
        assert_eq!(Place::of("turn/12"), Some(Place::Turn { number: 12, nothing: false }));
        assert_eq!(Place::of("turn/12/none"), Some(Place::Turn { number: 12, nothing: true }));
        for strange in
            ["turn", "turn/", "turn/x", "turn/12345", "turn/1/none/none", "turn/+1", "status/", "x"]
        {
            assert_eq!(Place::of(strange), None, "{strange}");
        }
    }
}
