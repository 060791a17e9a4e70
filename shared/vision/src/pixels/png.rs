//! PNG: every colour type and depth, plain or interlaced, converted to RGB as Pillow's `convert("RGB")` does (alpha
//! is dropped).

mod chunks;
mod expand;

use std::io::ErrorKind;

use ::png::{DecodeOptions, Decoder, DecodingError, Reader, Transformations};

use super::resize::Resizer;
use super::{Limits, Reject, Rgbx, Scratch};
use expand::Expansion;

pub(super) const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Streams a PNG's rows into the resizer.
pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    scratch: &mut Scratch,
    resizer: &mut Resizer,
) -> Result<(), Reject> {
    chunks::check(&bytes[MAGIC.len()..])?;

    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(true); // just checked
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(std::io::Cursor::new(bytes), options);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(reject)?;

    let (width, height) = (reader.info().width, reader.info().height);
    limits.check_picture(width, height)?;
    resizer.start(width as usize, height as usize);
    scratch.line.resize(width as usize, [0; 4]);

    let expansion = Expansion::of(reader.info())?;
    if reader.info().interlaced {
        push_interlaced(&mut reader, &expansion, scratch, resizer)
    } else {
        push_rows(&mut reader, &expansion, &mut scratch.line, resizer)
    }
}

type MemoryReader<'bytes> = Reader<std::io::Cursor<&'bytes [u8]>>;

fn push_rows(
    reader: &mut MemoryReader,
    expansion: &Expansion,
    line: &mut [Rgbx],
    resizer: &mut Resizer,
) -> Result<(), Reject> {
    while let Some(row) = reader.next_row().map_err(reject)? {
        expansion.expand(row.data(), line);
        resizer.push(line);
    }
    Ok(())
}

fn push_interlaced(
    reader: &mut MemoryReader,
    expansion: &Expansion,
    scratch: &mut Scratch,
    resizer: &mut Resizer,
) -> Result<(), Reject> {
    let size =
        reader.output_buffer_size().ok_or_else(|| Reject::too_large("more bytes than this machine can address"))?;
    scratch.picture.clear();
    scratch.picture.resize(size, 0);
    let layout = reader.next_frame(&mut scratch.picture).map_err(reject)?;
    for row in scratch.picture.chunks_exact(layout.line_size) {
        expansion.expand(row, &mut scratch.line);
        resizer.push(&scratch.line);
    }
    Ok(())
}

fn reject(error: DecodingError) -> Reject {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Reject::truncated("the file ends before the last row")
        }
        error => Reject::corrupt(error.to_string()),
    }
}
