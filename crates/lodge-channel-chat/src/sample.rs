//! The beginning and the end of a file that streams by: enough to say what it is, however its pieces are cut.

use bytes::{Bytes, BytesMut};

/// Bytes kept of the beginning: the marks of disk images stand furthest behind, after 34 KiB.
pub(crate) const HEAD: usize = 64 * 1024;
/// Bytes kept of the end: where archives list what is in them.
const TAIL: usize = 128 * 1024;

/// What was kept of a file so far.
#[derive(Default)]
pub(crate) struct Sample {
    head: BytesMut,
    tail: BytesMut,
}

impl Sample {
    /// Takes the next piece; whether the beginning is complete with it.
    pub(crate) fn take(&mut self, piece: &Bytes) -> bool {
        let was_open = self.head.len() < HEAD;
        let (head, rest) = piece.split_at((HEAD - self.head.len()).min(piece.len()));
        self.head.extend_from_slice(head);
        let rest = rest.get(rest.len().saturating_sub(TAIL)..).unwrap_or_default();
        let keep = TAIL - rest.len();
        if self.tail.len() > keep {
            // Copied, or the memory of everything that went by would be held.
            self.tail = BytesMut::from(self.tail.get(self.tail.len() - keep..).unwrap_or_default());
        }
        self.tail.extend_from_slice(rest);
        was_open && self.head.len() == HEAD
    }

    /// The beginning.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Beginning and end, one after the other; all of a small file.
    pub(crate) fn whole(mut self) -> Bytes {
        self.head.extend_from_slice(&self.tail);
        self.head.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h08_beginning_and_end_are_the_same_however_the_pieces_are_cut() {
        let file: Vec<u8> = (0..400_000_u32).flat_map(u32::to_be_bytes).collect();
        let mut expected = file[..HEAD].to_vec();
        expected.extend_from_slice(&file[file.len() - TAIL..]);
        for length in [1000, 4096, 65_536, 200_000, file.len()] {
            let mut sample = Sample::default();
            let mut complete = 0;
            for piece in file.chunks(length) {
                complete += usize::from(sample.take(&Bytes::copy_from_slice(piece)));
                assert!(sample.tail.capacity() < 3 * TAIL);
            }
            assert_eq!(complete, 1);
            assert_eq!(sample.head(), &file[..HEAD]);
            assert!(sample.whole() == expected, "{length}");
        }
        for size in [0, 1, HEAD - 1, HEAD, HEAD + 1, HEAD + TAIL] {
            let mut sample = Sample::default();
            for piece in file[..size].chunks(7) {
                sample.take(&Bytes::copy_from_slice(piece));
            }
            assert!(sample.whole() == file[..size], "{size}");
        }
    }
}
