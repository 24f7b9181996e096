//! Counts the pieces of a message on their way in (RFC 6455, sections 5.2 and 5.4): the library bounds bytes, and a message
//! of any number of empty pieces has none (T70).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Pieces of one message.
const MOST: u8 = 16;

/// Where in a frame the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    #[default]
    Start,
    Length,
    /// So many bytes of a longer length, and whether a mask comes after it.
    More {
        left: u8,
        masked: bool,
        length: u64,
    },
    /// So many bytes of mask and payload.
    Rest(u64),
}

/// What is known of the frames so far.
#[derive(Clone, Copy, Debug, Default)]
struct Pieces {
    at: At,
    count: u8,
}

impl Pieces {
    /// Goes on by what was read; `false` where a message has too many pieces.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((byte, rest)) = bytes.split_first() {
            if let At::Rest(left) = self.at {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.get(skipped..).unwrap_or_default();
                self.at = rest_of(left - skipped as u64);
                continue;
            }
            bytes = rest;
            self.at = match self.at {
                At::Start => {
                    match byte & 0x0f {
                        // The next piece, or the first; what controls stands between them and does not count.
                        0 => self.count = self.count.saturating_add(1),
                        1..8 => self.count = 1,
                        _ => {}
                    }
                    if self.count > MOST {
                        return false;
                    }
                    At::Length
                }
                At::Length => {
                    let masked = byte & 0x80 != 0;
                    match byte & 0x7f {
                        126 => At::More { left: 2, masked, length: 0 },
                        127 => At::More { left: 8, masked, length: 0 },
                        length => after_length(u64::from(length), masked),
                    }
                }
                At::More { left, masked, length } => {
                    let length = (length << 8) | u64::from(*byte);
                    if left > 1 {
                        At::More { left: left - 1, masked, length }
                    } else {
                        after_length(length, masked)
                    }
                }
                At::Rest(_) => At::Start,
            };
        }
        true
    }
}

fn after_length(length: u64, masked: bool) -> At {
    rest_of(length.saturating_add(if masked { 4 } else { 0 }))
}

fn rest_of(left: u64) -> At {
    if left == 0 { At::Start } else { At::Rest(left) }
}

/// A stream of a peer's frames, which ends where a message has too many pieces.
#[derive(Debug)]
pub struct Counted<S> {
    stream: S,
    pieces: Pieces,
}

impl<S> Counted<S> {
    /// Counts what is read of `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream, pieces: Pieces::default() }
    }
}

/// Whether an error of the stream means that.
#[must_use]
pub fn is_too_many(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.pieces.take(buf.filled().get(before..).unwrap_or_default()) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a message has too many pieces")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame.
    fn frame(is_last: bool, opcode: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![(u8::from(is_last) << 7) | opcode];
        match length {
            0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        // Payloads that look like frames.
        bytes.extend([0, 0x80, 0, 0x80]);
        bytes.extend([0, 0x80].iter().cycle().take(length));
        bytes
    }

    fn message(pieces: usize, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for at in 0..pieces {
            bytes.extend(frame(at + 1 == pieces, u8::from(at == 0), length));
            bytes.extend(frame(true, 9, 5));
        }
        bytes
    }

    #[test]
    fn t70_a_message_has_sixteen_pieces_however_it_is_read() {
        for length in [0, 1, 125, 126, 300, 65_536] {
            for step in [1, 2, 7, 1024] {
                let mut pieces = Pieces::default();
                let good = [message(16, length), message(1, length), message(16, length)].concat();
                assert!(good.chunks(step).all(|bytes| pieces.take(bytes)), "{length} {step}");
                let bad = message(17, length);
                assert!(!bad.chunks(step).all(|bytes| pieces.take(bytes)), "{length} {step}");
            }
        }
        let mut pieces = Pieces::default();
        assert!(
            pieces.take(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]),
            "no overflow"
        );
    }
}
