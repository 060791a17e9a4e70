//! PNG: every colour type and depth, plain or interlaced, converted to RGB as Pillow's `convert("RGB")` does (alpha
//! is dropped).

mod chunks;

use std::io::{Cursor, ErrorKind};

use ::png::{BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, Info, Reader, Transformations};

use super::expand::Expansion;
use super::resize::Resizer;
use super::{Limits, Reject, Rgbx};

pub(super) const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Streams a PNG's rows into the resizer.
pub(super) fn decode(bytes: &[u8], limits: &Limits, line: &mut Vec<Rgbx>, resizer: &mut Resizer) -> Result<(), Reject> {
    chunks::check(&bytes[MAGIC.len()..])?;

    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(true); // just checked
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(reject)?;

    let (width, height) = (reader.info().width, reader.info().height);
    limits.check_picture(width, height)?;
    let (width, height) = (width as usize, height as usize);

    let expansion = expansion(reader.info())?;
    if reader.info().interlaced {
        expansion.push_picture(&deinterlaced(&mut reader)?, (width, height), line, resizer);
        return Ok(());
    }
    resizer.start(width, height);
    line.resize(width, Rgbx::default());
    while let Some(row) = reader.next_row().map_err(reject)? {
        expansion.expand(row.data(), line);
        resizer.push(line);
    }
    Ok(())
}

fn expansion(info: &Info) -> Result<Expansion, Reject> {
    use BitDepth::{Eight, Sixteen};
    let bits = info.bit_depth as usize;
    Ok(match (info.color_type, info.bit_depth) {
        (ColorType::Indexed, _) => Expansion::palette(bits, info.palette.as_deref().unwrap_or(&[])),
        (ColorType::Grayscale, Sixteen) => Expansion::DeepGray,
        (ColorType::Grayscale, _) => Expansion::shades(bits),
        (ColorType::GrayscaleAlpha, Eight) => Expansion::Bytes { length: 2, channels: [0, 0, 0] },
        (ColorType::GrayscaleAlpha, Sixteen) => Expansion::Bytes { length: 4, channels: [0, 0, 0] },
        (ColorType::Rgb, Eight) => Expansion::Bytes { length: 3, channels: [0, 1, 2] },
        (ColorType::Rgb, Sixteen) => Expansion::Bytes { length: 6, channels: [0, 2, 4] },
        (ColorType::Rgba, Eight) => Expansion::Bytes { length: 4, channels: [0, 1, 2] },
        (ColorType::Rgba, Sixteen) => Expansion::Bytes { length: 8, channels: [0, 2, 4] },
        (colour, depth) => return Err(Reject::corrupt(format!("{colour:?} with {} bits", depth as u8))),
    })
}

fn deinterlaced(reader: &mut Reader<Cursor<&[u8]>>) -> Result<Vec<u8>, Reject> {
    let size = reader.output_buffer_size();
    let mut picture = vec![0; size.ok_or_else(|| Reject::too_large("more bytes than this machine can address"))?];
    reader.next_frame(&mut picture).map_err(reject)?;
    Ok(picture)
}

fn reject(error: DecodingError) -> Reject {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Reject::ends_early(),
        error => Reject::corrupt(error.to_string()),
    }
}
