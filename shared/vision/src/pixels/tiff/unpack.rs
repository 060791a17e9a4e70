//! The compressions of TIFF, as libtiff reads them: a strip or a tile is there as a whole, or it is refused.

use weezl::{BitOrder, decode};

use crate::pixels::Reject;
use crate::pixels::inflate::Inflater;

/// `length` bytes out of LZW, whose codes grow one early, highest bit first.
pub(super) fn lzw(data: &[u8], length: usize) -> Result<Vec<u8>, Reject> {
    // Codes begin with the one that clears the table, of nine bits. Old writers turned them the wrong way round.
    match data {
        [0x80, 0..0x80, ..] => {}
        [0, second, ..] if second & 1 == 1 => {
            return Err(Reject::unsupported("a TIFF of LZW in the old order of bits"));
        }
        _ => return Err(Reject::corrupt("LZW codes that do not begin with a clear table")),
    }
    let mut unpacked = vec![0; length];
    let mut decoder = decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let (mut rest, mut filled) = (data, 0);
    while filled < length {
        let result = decoder.decode_bytes(rest, &mut unpacked[filled..]);
        rest = &rest[result.consumed_in..];
        filled += result.consumed_out;
        if filled < length {
            // Behind the last byte nobody looks at codes.
            result.status.map_err(|_| Reject::corrupt("LZW codes that stand for nothing"))?;
        }
        if result.consumed_in == 0 && result.consumed_out == 0 {
            return Err(ends_early());
        }
    }
    Ok(unpacked)
}

/// `length` bytes out of zlib's format.
pub(super) fn deflate(data: &[u8], length: usize) -> Result<Vec<u8>, Reject> {
    let mut unpacked = vec![0; length + 1];
    let mut inflater = Inflater::default();
    inflater.inflate(data, &mut unpacked)?;
    if inflater.length < length {
        return Err(ends_early());
    }
    unpacked.truncate(length);
    Ok(unpacked)
}

/// `length` bytes out of runs: of a byte that is repeated, or of bytes as they are.
pub(super) fn pack_bits(mut data: &[u8], length: usize) -> Result<Vec<u8>, Reject> {
    let mut unpacked = Vec::with_capacity(length);
    while unpacked.len() < length {
        let (&count, rest) = data.split_first().ok_or_else(ends_early)?;
        let room = length - unpacked.len();
        data = match count as i8 {
            i8::MIN => rest,
            count @ ..0 => {
                let (&byte, rest) = rest.split_first().ok_or_else(ends_early)?;
                unpacked.extend(std::iter::repeat_n(byte, room.min(1 + usize::from(count.unsigned_abs()))));
                rest
            }
            count => {
                let (bytes, rest) = rest.split_at_checked(room.min(1 + count as usize)).ok_or_else(ends_early)?;
                unpacked.extend(bytes);
                rest
            }
        };
    }
    Ok(unpacked)
}

/// Undoes the predictor: samples are stored as differences to the pixel before, `step` samples back.
pub(super) fn add_up(rows: &mut [u8], row_length: usize, step: usize, bits: usize, is_big_endian: bool) {
    for row in rows.chunks_exact_mut(row_length) {
        match bits {
            8 => (step..row.len()).for_each(|at| row[at] = row[at].wrapping_add(row[at - step])),
            _ => add_up_words(row, step, is_big_endian),
        }
    }
}

fn add_up_words(row: &mut [u8], step: usize, is_big_endian: bool) {
    let words = row.as_chunks_mut::<2>().0;
    let value = |word: [u8; 2]| {
        if is_big_endian { u16::from_be_bytes(word) } else { u16::from_le_bytes(word) }
    };
    for at in step..words.len() {
        let sum = value(words[at]).wrapping_add(value(words[at - step]));
        words[at] = if is_big_endian { sum.to_be_bytes() } else { sum.to_le_bytes() };
    }
}

fn ends_early() -> Reject {
    Reject::truncated("a strip or a tile that ends early")
}
