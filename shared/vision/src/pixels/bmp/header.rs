//! The headers: what a BMP holds and where, known before anything is allocated for it.

use super::run_lengths::Depth;
use crate::pixels::Reject;

/// What Pillow takes from the headers.
pub(super) struct Header<'bytes> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_top_down: bool,
    pub(super) bits: u16,
    pub(super) packing: Packing,
    /// Without meaning where `bits` are more than 8.
    pub(super) palette: Palette<'bytes>,
    /// Where the first row begins.
    pub(super) pixels_at: usize,
}

/// How pixels are stored.
pub(super) enum Packing {
    Plain,
    RunLengths(Depth),
    /// Of red, green, blue and alpha.
    Masks([u32; 4]),
}

/// The palette, as far as the file goes.
pub(super) struct Palette<'bytes> {
    pub(super) entries: &'bytes [u8],
    /// 3 or 4; an entry is blue, green and red.
    pub(super) entry_length: usize,
    pub(super) count: usize,
}

const FILE_HEADER: usize = 14;
/// Headers by their length: OS/2 version 1, which is short, and version 2 and Windows versions 3 to 5.
const OS2_VERSION_1: usize = 12;
const WINDOWS_3: usize = 40;
const LONG_HEADERS: [usize; 6] = [WINDOWS_3, 52, 56, 64, 108, 124];
/// From this length on a header holds the masks of colours, and of alpha, too.
const WITH_MASKS: usize = 52;
const WITH_ALPHA_MASK: usize = 56;
/// Lengths are rounded up to whole words.
const WORD_BITS: usize = 32;

impl<'bytes> Header<'bytes> {
    pub(super) fn of(bytes: &'bytes [u8]) -> Result<Self, Reject> {
        let length = number(bytes, FILE_HEADER, 4)? as usize;
        match length {
            OS2_VERSION_1 => Self::of_short(bytes),
            _ if LONG_HEADERS.contains(&length) => Self::of_long(bytes, length),
            _ => Err(Reject::unsupported(format!("a BMP header of {length} bytes"))),
        }
    }

    fn of_short(bytes: &'bytes [u8]) -> Result<Self, Reject> {
        let field = |at| number(bytes, FILE_HEADER + at, 2);
        let (width, height, bits) = (field(4)?, field(6)?, field(10)? as u16);
        let header = Self::new((width, height), bits, Packing::Plain);
        header.with_palette(bytes, FILE_HEADER + OS2_VERSION_1, OS2_VERSION_1, Palette::of(3, 0, bits))
    }

    fn of_long(bytes: &'bytes [u8], length: usize) -> Result<Self, Reject> {
        if bytes.len() < FILE_HEADER + length {
            return Err(ends_in_header());
        }
        let field = |at, length| number(bytes, FILE_HEADER + at, length);
        let (width, height, bits) = (field(4, 4)?, field(8, 4)?, field(14, 2)? as u16);
        let mut behind = FILE_HEADER + length;
        let packing = match field(16, 4)? {
            0 => Packing::Plain,
            1 => Packing::RunLengths(Depth::Byte),
            2 => Packing::RunLengths(Depth::HalfByte),
            3 => {
                // Without room for them in the header, the masks follow it.
                behind += if length < WITH_MASKS { 12 } else { 0 };
                Packing::Masks(masks(bytes, length)?)
            }
            other => return Err(Reject::unsupported(format!("a BMP of compression {other}"))),
        };
        // The highest byte tells: a height that is negative, but not by much, counts rows from the top.
        let is_top_down = height >> 24 == 0xFF;
        let height = if is_top_down { height.wrapping_neg() } else { height };
        let header = Self { is_top_down, ..Self::new((width, height), bits, packing) };
        header.with_palette(bytes, behind, length, Palette::of(4, field(32, 4)? as usize, bits))
    }

    fn new((width, height): (u32, u32), bits: u16, packing: Packing) -> Self {
        Self { width, height, is_top_down: false, bits, packing, palette: Palette::of(4, 0, 0), pixels_at: 0 }
    }

    /// Takes the palette from behind the header, and what the file says about where the pixels are. Pillow takes that
    /// by its word, with two exceptions: 0, and a place directly behind the header, mean behind the palette.
    fn with_palette(
        mut self,
        bytes: &'bytes [u8],
        behind: usize,
        length: usize,
        mut palette: Palette<'bytes>,
    ) -> Result<Self, Reject> {
        let stated = number(bytes, 10, 4)? as usize;
        let has_palette = self.bits <= 8;
        if has_palette && !(1..=1 << 16).contains(&palette.count) {
            return Err(Reject::unsupported(format!("a BMP with {} colours", palette.count)));
        }
        let room = if has_palette { palette.entry_length * palette.count } else { 0 };
        let rest = bytes.get(behind..).unwrap_or_default();
        palette.entries = &rest[..room.min(rest.len())];
        self.pixels_at = match stated {
            0 => behind + palette.entries.len(),
            _ if stated == FILE_HEADER + length => stated + room,
            _ => stated,
        };
        self.palette = palette;
        Ok(self)
    }

    /// The length of a row with its padding.
    pub(super) fn stride(&self) -> usize {
        (self.width as usize * usize::from(self.bits)).div_ceil(WORD_BITS) * (WORD_BITS / 8)
    }
}

impl Palette<'_> {
    /// A palette of as many colours as are stated, or as the bits can tell apart.
    fn of(entry_length: usize, stated: usize, bits: u16) -> Self {
        let count = if stated == 0 { 1 << bits.min(8) } else { stated };
        Self { entries: &[], entry_length, count }
    }

    /// The number of colours of a palette that is the ramp of grays: black and white, or every colour the gray of its
    /// own number.
    pub(super) fn shades(&self) -> Option<usize> {
        let shade = |index: usize| if self.count == 2 { index as u8 * 255 } else { index as u8 };
        let is_gray = |(index, entry): (usize, &[u8])| entry[..3] == [shade(index); 3];
        let entries = self.entries.chunks(self.entry_length).filter(|entry| entry.len() >= 3);
        let is_ramp = entries.clone().count() == self.count && entries.enumerate().all(is_gray);
        is_ramp.then_some(self.count)
    }
}

fn masks(bytes: &[u8], length: usize) -> Result<[u32; 4], Reject> {
    let mask = |index: usize| number(bytes, FILE_HEADER + WINDOWS_3 + 4 * index, 4);
    let alpha = if length >= WITH_ALPHA_MASK { mask(3)? } else { 0 };
    Ok([mask(0)?, mask(1)?, mask(2)?, alpha])
}

/// The little-endian number of `length` bytes, up to four, at `start`.
fn number(bytes: &[u8], start: usize, length: usize) -> Result<u32, Reject> {
    let field = bytes.get(start..start + length).ok_or_else(ends_in_header)?;
    Ok(field.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

fn ends_in_header() -> Reject {
    Reject::truncated("the file ends in the header")
}
