//! GIF's LZW, as Pillow's decoder reads it, damaged or not: it stops where the frame is full, and ends early in ways of
//! its own.

use crate::pixels::Reject;

/// Codes that the table has room for.
const TABLE: usize = 1 << MOST_BITS;
const MOST_BITS: u32 = 12;

/// How much of a file Pillow hands to its decoder at a time.
const READ: usize = 1 << 16;

/// Unpacks a frame's pixels into a picture, whose `rows` begin at those places and are `width` wide.
pub(super) fn unpack(
    data: &[u8],
    code_bits: u8,
    picture: &mut [u8],
    rows: impl Iterator<Item = usize>,
    width: usize,
) -> Result<(), Reject> {
    if u32::from(code_bits) > MOST_BITS {
        return Err(Reject::corrupt(format!("codes of {code_bits} bits")));
    }
    let mut codes = Codes { data, at: 0, available: READ.min(data.len()), block: 0, bits: 0, bit_count: 0 };
    let mut strings = Strings::new(code_bits.into());
    // The string under way, its last pixel first.
    let mut string = Vec::with_capacity(TABLE);
    for row in rows {
        for pixel in &mut picture[row..][..width] {
            while string.is_empty() {
                let code = codes.next(strings.bits)?;
                match code {
                    _ if code == strings.clear => strings.restart(),
                    _ if code == strings.clear + 1 => codes.end()?,
                    _ => strings.look_up(code, &mut string)?,
                }
            }
            *pixel = string.pop().unwrap_or_default();
        }
    }
    Ok(())
}

/// Codes of some bits in blocks of up to 255 bytes. Pillow does not mind the empty block that ends a frame's.
struct Codes<'bytes> {
    data: &'bytes [u8],
    at: usize,
    /// How much of the data Pillow has read from its file.
    available: usize,
    /// Bytes left of the block under way.
    block: usize,
    bits: u32,
    bit_count: u32,
}

impl Codes<'_> {
    fn next(&mut self, bits: u32) -> Result<usize, Reject> {
        while self.bit_count < bits {
            if self.block == 0 {
                self.start_block()?;
                continue;
            }
            self.bits |= u32::from(self.data[self.at]) << self.bit_count;
            self.bit_count += 8;
            self.at += 1;
            self.block -= 1;
        }
        let code = self.bits & ((1 << bits) - 1);
        self.bits >>= bits;
        self.bit_count -= bits;
        Ok(code as usize)
    }

    fn start_block(&mut self) -> Result<(), Reject> {
        self.block = self.data.get(self.at).copied().ok_or_else(Reject::ends_early)?.into();
        self.at += 1;
        if self.at + self.block > self.data.len() {
            return Err(Reject::ends_early());
        }
        while self.available < self.at + self.block {
            self.available = (self.available + READ).min(self.data.len());
        }
        Ok(())
    }

    /// An end code makes Pillow read on, where there is anything to read, and give up where there is not.
    fn end(&mut self) -> Result<(), Reject> {
        if self.available == self.data.len() {
            return Err(Reject::truncated("the image data end before the last row"));
        }
        self.available = (self.available + READ).min(self.data.len());
        Ok(())
    }
}

/// The strings that codes stand for.
struct Strings {
    /// Bits of a pixel, and of a code at present.
    pixel_bits: u32,
    bits: u32,
    clear: usize,
    /// The code that gets the next string.
    next: usize,
    /// A string is another one, and a pixel behind it.
    before: Vec<usize>,
    last: Vec<u8>,
    /// The code and the first pixel of the string before; none after a clear code.
    previous: Option<(usize, u8)>,
}

impl Strings {
    fn new(pixel_bits: u32) -> Self {
        let clear = 1 << pixel_bits;
        let (before, last) = (vec![0; TABLE], vec![0; TABLE]);
        Self { pixel_bits, bits: pixel_bits + 1, clear, next: clear + 2, before, last, previous: None }
    }

    fn restart(&mut self) {
        // A clear code behind another changes nothing, for nothing has been added.
        self.next = self.clear + 2;
        self.bits = self.pixel_bits + 1;
        self.previous = None;
    }

    /// Leaves a code's string, its last pixel first, and adds the string before and this one's first pixel.
    fn look_up(&mut self, code: usize, string: &mut Vec<u8>) -> Result<(), Reject> {
        let Some((previous, first_before)) = self.previous else {
            if code > self.clear {
                return Err(Reject::corrupt("a first code that stands for nothing"));
            }
            self.previous = Some((code, code as u8));
            string.push(code as u8);
            return Ok(());
        };
        if code > self.next {
            return Err(Reject::corrupt("a code that stands for nothing"));
        }
        let mut at = code;
        if code == self.next {
            string.push(first_before);
            at = previous;
        }
        while at >= self.clear {
            if at >= TABLE || string.len() >= TABLE {
                return Err(Reject::corrupt("a code that stands for nothing"));
            }
            string.push(self.last[at]);
            at = self.before[at];
        }
        string.push(at as u8);
        self.add(previous, at as u8);
        self.previous = Some((code, at as u8));
        Ok(())
    }

    fn add(&mut self, before: usize, last: u8) {
        if self.next >= TABLE {
            return;
        }
        self.before[self.next] = before;
        self.last[self.next] = last;
        if self.next == (1 << self.bits) - 1 && self.bits < MOST_BITS {
            self.bits += 1;
        }
        self.next += 1;
    }
}
