//! A tone that stands for a caller's voice: a WAV file (PCM, mono, 8 bits, 8 kHz), as carriers of calls hand recordings out.

use bytes::Bytes;

const RATE: u32 = 8000;
/// One wave, of 400 Hz.
const WAVE: [u8; 20] =
    [128, 136, 144, 152, 160, 168, 160, 152, 144, 136, 128, 120, 112, 104, 96, 88, 96, 104, 112, 120];

/// A tone of so many seconds.
pub(super) fn tone(seconds: u32) -> Bytes {
    let samples = RATE * seconds;
    let mut out = Vec::new();
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + samples).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, and one channel.
    out.extend_from_slice(&[1, 0, 1, 0]);
    out.extend_from_slice(&RATE.to_le_bytes());
    out.extend_from_slice(&RATE.to_le_bytes());
    // One byte a sample, of eight bits.
    out.extend_from_slice(&[1, 0, 8, 0]);
    out.extend_from_slice(b"data");
    out.extend_from_slice(&samples.to_le_bytes());
    // Half a second of it, half a second of rest.
    let sound = (0..samples).zip(WAVE.iter().cycle());
    out.extend(sound.map(|(at, sample)| if at % RATE < RATE / 2 { *sample } else { 128 }));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::tone;

    #[test]
    fn a_tone_is_as_long_as_it_says() {
        let file = tone(2);
        assert_eq!(file.len(), 44 + 16_000);
        assert_eq!((&file[..4], &file[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
        assert_eq!(u32::from_le_bytes(file[40..44].try_into().unwrap()), 16_000);
    }
}
