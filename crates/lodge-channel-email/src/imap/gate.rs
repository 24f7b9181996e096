//! Counts what a server sends against what was asked for (T31). The IMAP parser behind it makes room for a literal as soon
//! as it is announced, up to 512 MiB; so an announcement above the allowance ends the connection before it is seen.

use lodge_channel::net::Stream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that ends with an error where more comes than was allowed.
#[derive(Debug)]
pub(crate) struct Gate {
    inner: Box<dyn Stream>,
    allowance: u64,
    scan: Scan,
}

impl Gate {
    pub(crate) fn new(inner: Box<dyn Stream>) -> Self {
        Self { inner, allowance: 0, scan: Scan::default() }
    }

    /// From here on the server may send this many bytes.
    pub(crate) fn allow(&mut self, bytes: u64) {
        self.allowance = bytes;
    }
}

/// Follows lines and literals. A status line (`* OK …`, `+ …`, a tagged answer) holds no literal, whatever it says.
#[derive(Debug, Default)]
struct Scan {
    literal: u64,
    line: Vec<u8>,
    continues: bool,
}

impl Scan {
    /// How much of a line is kept: enough for its start and, apart from it, the announcement at its end.
    const HEAD: usize = 16;
    const TAIL: usize = 40;

    /// The largest literal that `bytes` announce.
    fn feed(&mut self, bytes: &[u8]) -> u64 {
        let mut largest = 0;
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.literal > 0 {
                let skip = usize::try_from(self.literal).unwrap_or(usize::MAX).min(rest.len());
                self.literal -= skip as u64;
                rest = rest.get(skip..).unwrap_or_default();
                continue;
            }
            rest = after;
            if byte == b'\n' {
                self.literal = self.announced();
                self.continues = self.literal > 0;
                largest = largest.max(self.literal);
                self.line.clear();
            } else {
                if self.line.len() >= Self::HEAD + Self::TAIL {
                    self.line.remove(Self::HEAD);
                }
                self.line.push(byte);
            }
        }
        largest
    }

    fn announced(&self) -> u64 {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if !self.continues && !holds_data(line) {
            return 0;
        }
        let Some(inner) = line.strip_suffix(b"}") else { return 0 };
        let Some(open) = inner.iter().rposition(|byte| *byte == b'{') else { return 0 };
        let digits = inner.get(open + 1..).unwrap_or_default();
        let digits = digits.strip_suffix(b"+").unwrap_or(digits);
        std::str::from_utf8(digits).ok().filter(|text| !text.is_empty()).map_or(0, |text| {
            // A number too long to be one is more than anybody may announce.
            if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().unwrap_or(u64::MAX) } else { 0 }
        })
    }
}

fn holds_data(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"* ") else { return false };
    let word: Vec<u8> =
        rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_uppercase).collect();
    !matches!(word.as_slice(), b"OK" | b"NO" | b"BAD" | b"BYE" | b"PREAUTH")
}

fn too_much() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "more than was asked for")
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or_default();
        let count = came.len() as u64;
        let announced = self.scan.feed(came);
        if count > self.allowance || announced > self.allowance {
            return Poll::Ready(Err(too_much()));
        }
        self.allowance -= count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gate {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest(text: &[u8], piece: usize) -> u64 {
        let mut scan = Scan::default();
        text.chunks(piece).map(|bytes| scan.feed(bytes)).max().unwrap_or(0)
    }

    #[test]
    fn t31_announcements_are_seen_however_the_bytes_are_cut() {
        let long = format!("* 1 FETCH (X \"{}\" BODY[] {{500000000}}\r\n", "y".repeat(200));
        let cases: [(&[u8], u64); 9] = [
            (b"* 1 FETCH (UID 1 BODY[] {536870912}\r\n", 536_870_912),
            (long.as_bytes(), 500_000_000),
            (b"* OK look {536870912}\r\n", 0),
            (b"A1 NO {99}\r\n", 0),
            (b"+ go {99}\r\n", 0),
            // What stands in a mail announces nothing; what follows it on the same answer may.
            (b"* 1 FETCH (BODY[] {12}\r\nx {777777}\r\n) more {9}\r\n", 12),
            (b"* 1 FETCH (BODY[] {2}\r\nab BODY[HEADER] {31}\r\n", 31),
            (b"* 1 FETCH (BODY[] {99999999999999999999999}\r\n", u64::MAX),
            (b"* 1 FETCH (BODY[] {12x}\r\n", 0),
        ];
        for (text, expected) in cases {
            for piece in [1, 3, 7, 1000] {
                assert_eq!(largest(text, piece), expected, "{}", String::from_utf8_lossy(text));
            }
        }
    }
}
