//! Run lengths, as Pillow's `BmpRleDecoder` unpacks them: what a damaged file leaves out is padded, and what is too
//! much for a row is cut off, by its rules.

use crate::pixels::Reject;

/// What one pixel takes of a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Byte,
    HalfByte,
}

/// What follows a pair whose first byte is 0; any other second byte counts pixels that are stored as they are.
const END_OF_ROW: u8 = 0;
const END_OF_PICTURE: u8 = 1;
const MOVE: u8 = 2;

/// The pixels, a byte each, of run lengths that begin at place `start` of their file.
pub(super) fn unpack(
    bytes: &[u8],
    start: usize,
    depth: Depth,
    (width, height): (usize, usize),
) -> Result<Vec<u8>, Reject> {
    let mut runs = Runs { rest: bytes, start_is_odd: start % 2 == 1, read: 0, pixels: Vec::new(), x: 0 };
    let whole = width * height;
    while runs.pixels.len() < whole && runs.step(depth, width, whole).is_some() {}
    if runs.pixels.len() < whole {
        return Err(Reject::truncated("the run lengths end before the last row"));
    }
    Ok(runs.pixels)
}

struct Runs<'bytes> {
    rest: &'bytes [u8],
    start_is_odd: bool,
    read: usize,
    pixels: Vec<u8>,
    /// Where the row under way is, as Pillow counts: not always where its pixels are.
    x: usize,
}

impl<'bytes> Runs<'bytes> {
    /// Unpacks one pair; nothing where the picture ends.
    fn step(&mut self, depth: Depth, width: usize, whole: usize) -> Option<()> {
        match *self.take(2) {
            [0, END_OF_ROW] => {
                self.pad(self.pixels.len().next_multiple_of(width) - self.pixels.len());
                self.x = 0;
            }
            [0, END_OF_PICTURE] => return None,
            [0, MOVE] => {
                let &[right, up] = self.take(2) else { return None };
                let pixels = usize::from(right) + usize::from(up) * width;
                self.pad(pixels.min(whole - self.pixels.len()));
                self.x = self.pixels.len() % width;
            }
            [0, count] => return self.copy(depth, usize::from(count), whole),
            [count, pixel] => {
                let count = usize::from(count).min(width.saturating_sub(self.x));
                let pair = pair(depth, pixel);
                self.pixels.extend(pair.into_iter().cycle().take(count));
                self.x += count;
            }
            _ => return None,
        }
        Some(())
    }

    /// Copies pixels that are stored as they are, up to a whole number of 16-bit words.
    fn copy(&mut self, depth: Depth, stated: usize, whole: usize) -> Option<()> {
        let count = stated.min(whole - self.pixels.len());
        let length = if depth == Depth::Byte { count } else { count.div_ceil(2) };
        let stored = self.take(length);
        match depth {
            Depth::Byte => self.pixels.extend(stored),
            Depth::HalfByte => {
                self.pixels.extend(stored.iter().flat_map(|byte| pair(depth, *byte)).take(count));
            }
        }
        if stored.len() < length {
            return None;
        }
        self.x += stated;
        if (self.read % 2 == 1) != self.start_is_odd {
            self.take(1);
        }
        Some(())
    }

    /// The next bytes, as many as there are.
    fn take(&mut self, count: usize) -> &'bytes [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        self.read += taken.len();
        taken
    }

    fn pad(&mut self, count: usize) {
        self.pixels.resize(self.pixels.len() + count, 0);
    }
}

/// The two pixels of a byte; of whole bytes twice the same.
fn pair(depth: Depth, byte: u8) -> [u8; 2] {
    match depth {
        Depth::Byte => [byte, byte],
        Depth::HalfByte => [byte >> 4, byte & 0xF],
    }
}
