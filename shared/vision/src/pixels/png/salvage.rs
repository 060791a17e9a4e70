//! Image data that do not inflate to all rows, or not without an error: what Pillow's decoder makes of them.
//!
//! It takes the data piece by piece and stops when it has all rows, so a checksum that comes later does not matter.
//! Data that end well but early, behind a row, make a picture whose other rows are black; all else is refused.

use miniz_oxide::deflate::compress_to_vec_zlib;

use super::chunks::{Chunks, Header};
use crate::pixels::Reject;
use crate::pixels::canvas::Frame;
use crate::pixels::inflate::Inflater;

/// How much Pillow hands to its decoder at a time.
const READ: usize = 1 << 16;

/// Image data without a fault that hold what Pillow gets out of a frame's.
pub(super) fn image_data(chunks: &Chunks, frame: Frame) -> Result<Vec<u8>, Reject> {
    const STORED: u8 = 0;
    let rows = row_lengths(&chunks.header, frame);
    Ok(compress_to_vec_zlib(&inflate(chunks, &rows)?, STORED))
}

/// The samples of all rows, black where the data end before.
fn inflate(chunks: &Chunks, rows: &[usize]) -> Result<Vec<u8>, Reject> {
    let whole = rows.iter().sum();
    // Data that go on behind the last row are looked at a little further, as zlib does before it returns.
    let mut samples = vec![0; whole + 1];
    let mut stream = Inflater::default();
    let last = chunks.pieces.len().saturating_sub(1);
    for (index, piece) in chunks.pieces.iter().enumerate() {
        for part in piece.chunks(READ) {
            let before = stream.length;
            let has_ended = stream.inflate(part, &mut samples)?;
            if stream.length >= whole {
                // Pillow goes past the pieces that it does not need, and minds one that is cut.
                let is_cut = chunks.is_cut && index < last;
                samples.truncate(whole);
                return if is_cut { Err(Reject::ends_early()) } else { Ok(samples) };
            }
            if has_ended {
                // An end that comes by itself, without a row, goes unnoticed, and Pillow waits for more.
                let comes_alone = stream.length == before;
                let is_behind_a_row = !comes_alone && ends_behind_a_row(rows, stream.length);
                samples.truncate(whole);
                return if is_behind_a_row { Ok(samples) } else { Err(ends_in_data()) };
            }
        }
    }
    Err(Reject::ends_early())
}

/// The lengths of all rows as they are stored, each with a byte for its filter.
fn row_lengths(header: &Header, frame: Frame) -> Vec<usize> {
    const PLAIN: &[[usize; 4]] = &[[0, 0, 1, 1]];
    /// First column, first row, and the steps from there on.
    const ADAM7: &[[usize; 4]] =
        &[[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
    let passes = if header.is_interlaced { ADAM7 } else { PLAIN };
    let lengths = passes.iter().flat_map(|&[left, top, step, row_step]| {
        let pixels = frame.width.saturating_sub(left).div_ceil(step);
        let rows = if pixels == 0 { 0 } else { frame.height.saturating_sub(top).div_ceil(row_step) };
        std::iter::repeat_n(1 + header.row_length(pixels), rows)
    });
    lengths.collect()
}

fn ends_behind_a_row(rows: &[usize], length: usize) -> bool {
    let ends = rows.iter().scan(0, |end, row| {
        *end += row;
        Some(*end)
    });
    ends.into_iter().any(|end| end == length)
}

fn ends_in_data() -> Reject {
    Reject::truncated("the image data end before the last row")
}
