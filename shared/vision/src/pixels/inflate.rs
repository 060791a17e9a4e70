//! zlib's format, piece by piece into room that is known before, as Pillow's decoders use zlib.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::Reject;

/// Data under way.
#[derive(Default)]
pub(super) struct Inflater {
    decompressor: DecompressorOxide,
    /// How many bytes they gave so far.
    pub(super) length: usize,
}

impl Inflater {
    /// Inflates one part to behind what is there already; true where the data end, or the room does. With room for a
    /// byte more than is wanted, faults that follow directly behind are found, as zlib finds them.
    pub(super) fn inflate(&mut self, part: &[u8], room: &mut [u8]) -> Result<bool, Reject> {
        const FLAGS: u32 = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER
            | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT
            | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, _, written) = decompress(&mut self.decompressor, part, room, self.length, FLAGS);
        self.length += written;
        match status {
            TINFLStatus::Done | TINFLStatus::HasMoreOutput => Ok(true),
            TINFLStatus::NeedsMoreInput => Ok(false),
            _ => Err(Reject::corrupt("image data that do not inflate")),
        }
    }
}
