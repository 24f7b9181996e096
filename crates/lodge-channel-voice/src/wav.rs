//! WAV files (RIFF, 16-bit PCM and whatever else a telephone switch writes): their head, and how long one lasts.

use bytes::Bytes;

/// What they are.
pub(crate) const MEDIA_TYPE: &str = "audio/wav";

/// The head of a file of so many bytes of one channel of 16-bit samples, `rate` a second.
pub(crate) fn head(rate: u32, bytes: u64) -> Bytes {
    let size = u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut head = Vec::with_capacity(44);
    head.extend_from_slice(b"RIFF");
    head.extend_from_slice(&size.saturating_add(36).to_le_bytes());
    head.extend_from_slice(b"WAVEfmt ");
    head.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, and one channel.
    head.extend_from_slice(&[1, 0, 1, 0]);
    head.extend_from_slice(&rate.to_le_bytes());
    head.extend_from_slice(&rate.saturating_mul(2).to_le_bytes());
    // Two bytes are one moment, and a sample has 16 bits.
    head.extend_from_slice(&[2, 0, 16, 0]);
    head.extend_from_slice(b"data");
    head.extend_from_slice(&size.to_le_bytes());
    Bytes::from(head)
}

/// How long a WAV file lasts, in seconds, by its own head; `None` where it is none.
pub(crate) fn seconds(file: &[u8]) -> Option<u32> {
    measured(file).map(|(bytes, rate)| bytes / rate)
}

/// Whether it is a WAV file of a head and nothing else.
pub(crate) fn is_empty(file: &[u8]) -> bool {
    measured(file).is_some_and(|(bytes, _)| bytes == 0)
}

/// How many bytes of sound a WAV file has, and how many make a second.
fn measured(file: &[u8]) -> Option<(u32, u32)> {
    if file.get(..4)? != b"RIFF" || file.get(8..12)? != b"WAVE" {
        return None;
    }
    let (mut at, mut rate) = (12, None);
    // One chunk after the other: `fmt ` says how many bytes a second has, `data` how many there are.
    loop {
        let (kind, size) = (file.get(at..at + 4)?, number(file, at + 4)?);
        match kind {
            b"fmt " => rate = number(file, at + 16).filter(|rate| *rate > 0),
            b"data" => {
                // A file that was never closed properly says nothing of its length, or too much.
                let there = u32::try_from(file.len().saturating_sub(at + 8)).unwrap_or(u32::MAX);
                return rate.map(|rate| (if size == 0 { there } else { size.min(there) }, rate));
            }
            _ => {}
        }
        at = at
            .checked_add(8)?
            .checked_add(usize::try_from(size).ok()?)?
            .checked_add(usize::try_from(size % 2).ok()?)?;
    }
}

/// A number of four bytes, the lowest first.
fn number(file: &[u8], at: usize) -> Option<u32> {
    let bytes = file.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::{head, seconds};

    fn file(extra: &[u8], told: u32, there: usize) -> Vec<u8> {
        let mut file =
            b"RIFF\xa4\xbb\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0".to_vec();
        file.extend_from_slice(extra);
        file.extend_from_slice(b"data");
        file.extend_from_slice(&told.to_le_bytes());
        file.resize(file.len() + there, 0);
        file
    }

    #[test]
    fn a_head_fits_what_it_leads() {
        assert_eq!(head(8000, 48_000)[..], file(b"", 48_000, 0)[..]);
        assert_eq!(seconds(&[&head(16_000, 96_000)[..], &[0; 96_000]].concat()), Some(3));
    }

    #[test]
    fn a_file_says_how_long_it_lasts() {
        assert_eq!(seconds(&file(b"", 48_000, 48_000)), Some(3));
        assert_eq!(seconds(&file(b"LIST\x03\0\0\0abc\0", 48_000, 48_000)), Some(3), "an odd chunk before");
        assert_eq!(seconds(&file(b"", 0, 32_000)), Some(2), "never closed");
        assert_eq!(seconds(&file(b"", u32::MAX, 32_000)), Some(2), "never closed either");
        for strange in [&b""[..], b"RIFF", b"RIFF1234WAVEsound", b"RIFF1234WAVEdata\x01\0\0\0x"] {
            assert_eq!(seconds(strange), None, "{strange:?}");
        }
        assert_eq!(seconds(&file(b"LIST\xff\xff\xff\xff", 1, 1)), None, "a chunk beyond the end");
    }
}
