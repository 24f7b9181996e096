//! The frames of `lodge.chat.v1`: JSON text, each with its kind in `t`. Reads and writes them, decides nothing.

use jiff::Timestamp;
use lodge_domain::Reference;
use serde::{Deserialize, Serialize};

/// The subprotocol's name (RFC 6455, section 1.9).
pub const SUBPROTOCOL: &str = "lodge.chat.v1";

/// What a visitor tells of themselves; claimed, never proven by being said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The name they gave.
    pub name: Option<String>,
    /// The mail address they gave.
    pub email: Option<String>,
}

/// The page the widget stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its address.
    pub url: Option<String>,
    /// Its title.
    pub title: Option<String>,
}

/// The first frame, and any later one that tells something new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Hello {
    /// The secret of a session that is resumed.
    pub session: Option<String>,
    /// The last number the client has.
    pub after: Option<u64>,
    /// A signed-in visitor's JWT.
    pub identity: Option<String>,
    /// What the visitor tells of themselves.
    pub profile: Option<Profile>,
    /// Where they are.
    pub page: Option<Page>,
    /// Their language, a BCP 47 tag.
    pub language: Option<String>,
}

/// Something a visitor says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Say {
    /// The client's id for it: makes a resend harmless.
    pub id: String,
    /// The words.
    #[serde(default)]
    pub text: String,
    /// Ids of uploads.
    #[serde(default)]
    pub attachments: Vec<String>,
}

/// Client to server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub enum ClientFrame {
    /// Who is there.
    Hello(Box<Hello>),
    /// Something said.
    Message(Say),
    /// They are writing.
    Typing,
    /// They have seen everything up to this number.
    Read {
        /// The number.
        seq: u64,
    },
    /// They end the conversation.
    End,
}

/// Who wrote an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// The person on the website.
    Visitor,
    /// A person of ours.
    Agent,
    /// A program of ours that asks and answers.
    Bot,
    /// The gateway itself.
    System,
}

/// A file in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its name, for display.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// Where it can be fetched for the next few minutes.
    pub href: Option<String>,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Characters in a message.
    pub text: usize,
    /// Bytes in a frame.
    pub frame: usize,
    /// Messages within `seconds`.
    pub messages: u32,
    /// See `messages`.
    pub seconds: u64,
    /// Bytes in an upload.
    pub upload_bytes: u64,
    /// Files in a message.
    pub attachments: usize,
}

/// Server to client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub enum ServerFrame<'f> {
    /// The session is there.
    Welcome {
        /// Its secret; may be a new one.
        session: &'f str,
        /// The number of its last entry.
        seq: u64,
        /// Whether it is the session that was asked for; if not, what the client has of it is void.
        resumed: bool,
        /// What it may do.
        limits: Limits,
        /// Whether somebody is there.
        open: bool,
        /// When somebody is there next.
        #[serde(skip_serializing_if = "Option::is_none")]
        opens_at: Option<Timestamp>,
        /// What a form asks for before the first message.
        ask: &'f [&'static str],
        /// Whether answers go to the mail address once the visitor left.
        continued_by_mail: bool,
        /// The number the customer was told.
        reference: Option<&'f Reference>,
    },
    /// A message is durable.
    Accepted {
        /// The client's id for it.
        id: &'f str,
        /// Its number.
        seq: u64,
        /// The number the customer is told; `None` while a guide still asks.
        reference: Option<&'f Reference>,
    },
    /// Something that was said.
    Message {
        /// Its number.
        seq: u64,
        /// Who said it.
        from: From,
        /// The client's id, where a visitor said it.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'f str>,
        /// The name of who said it.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'f str>,
        /// The words.
        text: &'f str,
        /// Files.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<File>,
        /// Answers to choose from.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        choices: &'f [String],
        /// When.
        at: Timestamp,
    },
    /// An agent is writing.
    Typing {
        /// Who.
        from: From,
        /// Their name.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'f str>,
    },
    /// An agent has read everything up to this number.
    Read {
        /// The number.
        seq: u64,
    },
    /// Something is not as it should be.
    Error {
        /// A fixed word.
        code: &'static str,
        /// What a person may read.
        message: &'f str,
        /// The message it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'f str>,
        /// Seconds to wait.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// The conversation is over.
    Ended {
        /// The number of its last entry.
        seq: u64,
    },
}

/// Reads a frame; what is wrong with it, in words for its author.
///
/// # Errors
/// A fragment that names what does not fit; never what was sent.
pub fn read(text: &str) -> Result<ClientFrame, &'static str> {
    const KINDS: [&str; 5] = ["hello", "message", "typing", "read", "end"];
    #[derive(Deserialize)]
    struct Kind {
        t: String,
    }
    serde_json::from_str(text).map_err(|_| match serde_json::from_str::<Kind>(text) {
        Err(_) => "a frame is a JSON object with its kind in `t`",
        Ok(kind) if !KINDS.contains(&kind.t.as_str()) => {
            "the kinds are `hello`, `message`, `typing`, `read` and `end`"
        }
        Ok(_) => "a field of the frame is missing or of another type",
    })
}

/// Writes a frame.
#[must_use]
pub fn write(frame: &ServerFrame<'_>) -> String {
    serde_json::to_string(frame).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_and_what_does_not_fit_is_named() {
        let hello = read(r#"{"t":"hello","session":"s","after":4,"more":1}"#).unwrap();
        assert!(matches!(hello, ClientFrame::Hello(hello) if hello.after == Some(4)));
        assert_eq!(read(r#"{"t":"read","seq":7}"#), Ok(ClientFrame::Read { seq: 7 }));
        for (text, about) in [
            ("", "JSON object"),
            ("[]", "JSON object"),
            (r#"{"t":"dance"}"#, "kinds are"),
            (r#"{"t":"message","text":"x"}"#, "missing"),
            (r#"{"t":"read","seq":-1}"#, "another type"),
        ] {
            assert!(read(text).unwrap_err().contains(about), "{text}");
        }
    }

    #[test]
    fn frames_are_written_as_the_contract_has_them() {
        let frame =
            ServerFrame::Error { code: "rate", message: "slow down", id: Some("1"), retry_after: Some(3) };
        assert_eq!(
            write(&frame),
            r#"{"t":"error","code":"rate","message":"slow down","id":"1","retry_after":3}"#
        );
        assert_eq!(write(&ServerFrame::Ended { seq: 4 }), r#"{"t":"ended","seq":4}"#);
    }
}
