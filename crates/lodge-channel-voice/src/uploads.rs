//! Recordings that a provider brings along with its callback, as a file of a form in parts, this once: it has them nowhere to
//! be fetched from again. Whichever provider takes such forms has nothing else to say about them.

use crate::dialogue::Message;
use crate::places::Place;
use crate::wav;
use bytes::Bytes;
use lodge_channel::fetch::sniff;
use lodge_channel::webhook::Verified;

/// A recording that came along.
pub(crate) struct Upload {
    id: String,
    seconds: Option<u32>,
    /// What its first bytes say it is; else what the provider said.
    pub(crate) media_type: String,
    pub(crate) bytes: Bytes,
}

impl Upload {
    /// The message that it is.
    pub(crate) fn message(&self) -> Message {
        Message { id: self.id.clone(), seconds: self.seconds }
    }
}

/// The recording that comes along with what the caller did, where one does: the first file of the form, unless nothing is
/// recorded in it, as of a caller who hung up at the tone. Its id is made of the call's and the turn's, so that the same callback brings the same recording.
pub(crate) fn upload(request: &Verified<'_>, call: &str) -> Option<Upload> {
    let Some(Place::Turn { number, .. }) = Place::of(request.below()) else { return None };
    let mut parts = request.parts()?.into_iter();
    let part = parts.find(|part| part.file.is_some() && !part.bytes.is_empty())?;
    if wav::is_empty(&part.bytes) {
        return None;
    }
    let declared = part.media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
    Some(Upload {
        id: format!("{call}-{number}"),
        seconds: wav::seconds(&part.bytes),
        media_type: sniff(&part.bytes).map_or(declared, ToOwned::to_owned),
        bytes: part.bytes,
    })
}
