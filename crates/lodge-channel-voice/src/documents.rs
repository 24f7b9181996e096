//! What the providers that are answered by XML write alike: spoken lines, and the ring at an operator's; and where the
//! parameters of their callbacks stand. What differs between them is in their files.

use crate::dialogue::{Sound, Turn};
use crate::markup::Markup;
use crate::networks::region;
use crate::places::Script;
use axum::http::Method;
use lodge_channel::webhook::{Form, Verified};

/// The parameters: in the query of a GET, else in the form.
pub(crate) fn parameters(request: &Verified<'_>) -> Form {
    if *request.method() == Method::GET { request.query() } else { request.form() }
}

/// A turn's lines; `say` is the provider's element for spoken text.
pub(crate) fn lines(markup: &mut Markup, say: &'static str, turn: &Turn, script: &Script<'_>) {
    for line in &turn.lines {
        match &line.what {
            Sound::Play(address) => markup.element("Play", &[], address),
            Sound::Say(text) => {
                let language = region(&line.language);
                let mut attributes = vec![("language", language.as_str())];
                attributes.extend(script.voice(line).map(|voice| ("voice", voice)));
                markup.element(say, &attributes, text);
            }
        }
    }
}

/// Rings at `number` for so many seconds.
pub(crate) fn dial(markup: &mut Markup, number: &str, seconds: u32, script: &Script<'_>) {
    let (action, seconds) = (script.turn(), seconds.to_string());
    markup.open("Dial", &[("action", action.as_str()), ("method", "POST"), ("timeout", &seconds)]);
    markup.element("Number", &[], number);
    markup.close();
}
