//! Unpacks `winmail.dat` (MS-OXTNEF) within hard bounds: files, and the body where it is plain text or HTML.
//!
//! One level only; a body in compressed RTF is left alone. Whatever does not add up yields nothing, and the file stays
//! what it is: an attachment (T25).

use super::{charset, limits};
use bytes::Bytes;

const SIGNATURE: u32 = 0x223e_9f78;
const BODY: u32 = 0x0002_800c;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const CODEPAGE: u32 = 0x0006_9007;
const NEW_FILE: u32 = 0x0006_9002;
const FILE_TITLE: u32 = 0x0001_8010;
const FILE_DATA: u32 = 0x0006_800f;
const FILE_PROPERTIES: u32 = 0x0006_9005;
/// Properties looked at in one list.
const PROPERTIES: usize = 2_000;

/// A file in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PackedFile {
    pub(crate) name: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) content_id: Option<String>,
    pub(crate) content: Bytes,
}

/// What it holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) files: Vec<PackedFile>,
}

/// Reads a position in bytes; every step answers `None` at the end.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(head)
    }

    fn number(&mut self, count: usize) -> Option<u32> {
        Some(self.take(count)?.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b)))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number(4)?).ok()
    }

    /// Bytes that are filled up to a multiple of four.
    fn padded(&mut self, count: usize) -> Option<&'a [u8]> {
        let data = self.take(count)?;
        let fill = count.next_multiple_of(4) - count;
        // The last value of a list may lack its filling.
        self.take(fill.min(self.bytes.len()))?;
        Some(data)
    }
}

/// Unpacks `content`; `None` where it is none, is broken, or is larger than the limits.
pub(crate) fn unpack(content: &Bytes) -> Option<Packed> {
    let mut reader = Reader { bytes: content };
    if reader.number(4)? != SIGNATURE {
        return None;
    }
    reader.number(2)?;
    let mut packed = Packed::default();
    let mut codepage = "windows-1252".to_owned();
    while !reader.bytes.is_empty() {
        reader.number(1)?;
        let id = reader.number(4)?;
        let length = reader.length()?;
        let data = reader.take(length)?;
        let sum = reader.number(2)?;
        if data.iter().fold(0_u16, |n, b| n.wrapping_add(u16::from(*b))) != u16::try_from(sum).ok()? {
            return None;
        }
        match id {
            CODEPAGE => codepage = format!("windows-{}", Reader { bytes: data }.number(4)?),
            BODY => packed.text = Some(string8(data, &codepage)),
            MESSAGE_PROPERTIES => packed.message(data, &codepage)?,
            NEW_FILE if packed.files.len() >= limits::ATTACHMENTS => return None,
            NEW_FILE => packed.files.push(PackedFile::default()),
            FILE_TITLE => packed.files.last_mut()?.name = Some(string8(data, &codepage)),
            FILE_DATA => packed.files.last_mut()?.content = content.slice_ref(data),
            FILE_PROPERTIES => packed.files.last_mut()?.properties(data, &codepage)?,
            _ => {}
        }
    }
    Some(packed)
}

fn string8(data: &[u8], codepage: &str) -> String {
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    charset::decode(data.get(..end).unwrap_or_default(), Some(codepage), None)
}

/// One value of a property list.
struct Property<'a> {
    id: u32,
    kind: u32,
    value: &'a [u8],
}

impl Property<'_> {
    fn text(&self, codepage: &str) -> Option<String> {
        match self.kind {
            0x1f => {
                let units = self
                    .value
                    .chunks_exact(2)
                    .filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
                let text: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
                Some(String::from_utf16_lossy(&text))
            }
            0x1e | 0x102 => Some(string8(self.value, codepage)),
            _ => None,
        }
    }
}

/// Reads a property list (MS-OXTNEF 2.1.3.4).
fn properties<'a>(data: &'a [u8]) -> Option<Vec<Property<'a>>> {
    let mut reader = Reader { bytes: data };
    let count = reader.length()?.min(PROPERTIES);
    let mut out = Vec::new();
    for _ in 0..count {
        let kind = reader.number(2)?;
        let id = reader.number(2)?;
        if id >= 0x8000 {
            reader.take(16)?;
            if reader.number(4)? == 1 {
                let length = reader.length()?;
                reader.padded(length)?;
            } else {
                reader.take(4)?;
            }
        }
        let (many, base) = (kind & 0x1000 != 0, kind & 0x0fff);
        let variable = matches!(base, 0x1e | 0x1f | 0x0d | 0x102);
        let values = if many || variable { reader.length()?.min(PROPERTIES) } else { 1 };
        for _ in 0..values {
            let value = match base {
                _ if variable => {
                    let length = reader.length()?;
                    reader.padded(length)?
                }
                0x02 | 0x03 | 0x04 | 0x0a | 0x0b => reader.take(4)?,
                0x05 | 0x06 | 0x07 | 0x14 | 0x40 => reader.take(8)?,
                0x48 => reader.take(16)?,
                _ => return None,
            };
            out.push(Property { id, kind: base, value });
        }
    }
    Some(out)
}

impl Packed {
    fn message(&mut self, data: &[u8], codepage: &str) -> Option<()> {
        for property in properties(data)? {
            match property.id {
                0x1000 => self.text = property.text(codepage).or_else(|| self.text.take()),
                0x1013 => self.html = property.text(codepage),
                _ => {}
            }
        }
        Some(())
    }
}

impl PackedFile {
    fn properties(&mut self, data: &[u8], codepage: &str) -> Option<()> {
        for property in properties(data)? {
            match property.id {
                0x3707 => self.name = property.text(codepage).or_else(|| self.name.take()),
                0x370e => self.media_type = property.text(codepage),
                0x3712 => self.content_id = property.text(codepage),
                _ => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(id: u32, data: &[u8]) -> Vec<u8> {
        let sum = data.iter().fold(0_u16, |n, b| n.wrapping_add(u16::from(*b)));
        let length = u32::try_from(data.len()).unwrap();
        [&[2][..], &id.to_le_bytes(), &length.to_le_bytes(), data, &sum.to_le_bytes()].concat()
    }

    fn list(id: u16, kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u32::try_from(value.len()).unwrap();
        let mut out = [
            &1_u32.to_le_bytes()[..],
            &kind.to_le_bytes(),
            &id.to_le_bytes(),
            &1_u32.to_le_bytes(),
            &length.to_le_bytes(),
            value,
        ]
        .concat();
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn winmail() -> Vec<u8> {
        let name: Vec<u8> = "Größe.pdf\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        [
            SIGNATURE.to_le_bytes().to_vec(),
            vec![1, 0],
            attribute(BODY, b"hello\0"),
            attribute(NEW_FILE, &[0; 14]),
            attribute(FILE_TITLE, b"GROE~1.PDF\0"),
            attribute(FILE_DATA, b"PDF"),
            attribute(FILE_PROPERTIES, &list(0x3707, 0x1f, &name)),
        ]
        .concat()
    }

    #[test]
    fn b03_winmail_yields_body_and_files() {
        let packed = unpack(&Bytes::from(winmail())).unwrap();
        assert_eq!(packed.text.as_deref(), Some("hello"));
        assert_eq!(packed.files[0].name.as_deref(), Some("Größe.pdf"));
        assert_eq!(&packed.files[0].content[..], b"PDF");
    }

    #[test]
    fn t25_whatever_does_not_add_up_yields_nothing() {
        let whole = winmail();
        for end in 0..whole.len() {
            let cut = unpack(&Bytes::from(whole.get(..end).unwrap().to_vec()));
            assert!(cut.is_none() || cut.unwrap().files.len() <= 1, "{end}");
        }
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] = 0xff;
            drop(unpack(&Bytes::from(bad)));
        }
        let many = [
            SIGNATURE.to_le_bytes().to_vec(),
            vec![1, 0],
            attribute(NEW_FILE, &[]).repeat(limits::ATTACHMENTS + 1),
        ]
        .concat();
        assert_eq!(unpack(&Bytes::from(many)), None);
    }
}
