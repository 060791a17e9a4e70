//! PNG: every colour type and depth, plain or interlaced, converted to RGB as Pillow's `convert("RGB")` does (alpha
//! is dropped). Of an animation the first frame.
//!
//! The `png` crate sees a stream of nothing but a header and image data: what is around them is Pillow's to judge, and
//! is read in `chunks`. Image data that the crate refuses get a second look in `salvage`.

mod chunks;
mod salvage;

use std::io::{Cursor, ErrorKind};

use ::png::{DecodeOptions, Decoder, DecodingError, Reader, Transformations};

use super::canvas::{Canvas, Frame};
use super::expand::{Alpha, Expansion};
use super::{Limits, Reject};
use chunks::{Chunks, Header, INDEXED};

pub(super) const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Pushes a PNG's rows.
pub(super) fn decode(bytes: &[u8], limits: &Limits, canvas: &mut Canvas) -> Result<(), Reject> {
    let chunks = Chunks::of(&bytes[MAGIC.len()..])?;
    let header = chunks.header;
    limits.check_picture(header.width, header.height)?;
    let expansion = expansion(&chunks)?.by(canvas.library);
    chunks.exif.iter().for_each(|exif| canvas.take_exif(exif));

    let picture = Frame::whole((header.width as usize, header.height as usize));
    let frame = chunks.frame.unwrap_or(picture);
    if !chunks.is_cut && push(&stream(&header, frame, &chunks.pieces), &expansion, frame, picture, canvas).is_ok() {
        return Ok(());
    }
    let data = salvage::image_data(&chunks, frame)?;
    push(&stream(&header, frame, &[&data]), &expansion, frame, picture, canvas).map_err(reject)
}

/// A PNG of a frame alone. Indices are passed off as shades of gray, which are stored alike and need no palette.
fn stream(header: &Header, frame: Frame, pieces: &[&[u8]]) -> Vec<u8> {
    let colour = if header.colour == INDEXED { 0 } else { header.colour };
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut stream = Vec::with_capacity(MAGIC.len() + 3 * 12 + 13 + length);
    stream.extend(MAGIC);
    let sides = [frame.width, frame.height].map(|side| (side as u32).to_be_bytes());
    let fields = [header.depth, colour, 0, 0, header.is_interlaced.into()];
    push_chunk(&mut stream, b"IHDR", &[&sides[0], &sides[1], &fields]);
    push_chunk(&mut stream, b"IDAT", pieces);
    push_chunk(&mut stream, b"IEND", &[]);
    stream
}

/// Appends a chunk whose checksum nobody looks at.
fn push_chunk(stream: &mut Vec<u8>, name: &[u8; 4], pieces: &[&[u8]]) {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    stream.extend((length as u32).to_be_bytes());
    stream.extend(name);
    pieces.iter().for_each(|piece| stream.extend(*piece));
    stream.extend([0; 4]);
}

fn push(
    stream: &[u8],
    expansion: &Expansion,
    frame: Frame,
    picture: Frame,
    canvas: &mut Canvas,
) -> Result<(), DecodingError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_crc(true);
    options.set_ignore_adler32(false);
    let mut decoder = Decoder::new_with_options(Cursor::new(stream), options);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info()?;
    let size = (picture.width, picture.height);
    if frame != picture {
        canvas.push_framed(expansion, &whole(&mut reader)?, frame, size);
    } else if reader.info().interlaced {
        canvas.push_picture(expansion, &whole(&mut reader)?, size);
    } else {
        canvas.start(size);
        while let Some(row) = reader.next_row()? {
            canvas.push(expansion, row.data());
        }
    }
    // What is wrong behind the last row can be wrong to Pillow, too.
    reader.finish()
}

fn whole(reader: &mut Reader<Cursor<&[u8]>>) -> Result<Vec<u8>, DecodingError> {
    let mut picture = vec![0; reader.output_buffer_size().ok_or(DecodingError::LimitsExceeded)?];
    reader.next_frame(&mut picture)?;
    Ok(picture)
}

fn expansion(chunks: &Chunks) -> Result<Expansion, Reject> {
    let (colour, bits) = (chunks.header.colour, usize::from(chunks.header.depth));
    let expansion = match (colour, bits) {
        (0, 16) => Expansion::deep_gray(),
        (0, 1 | 2 | 4 | 8) => Expansion::shades(bits),
        (2, 8) => Expansion::bytes(3, [0, 1, 2]),
        (2, 16) => Expansion::bytes(6, [0, 2, 4]),
        (INDEXED, 1 | 2 | 4 | 8) => palette(bits, chunks.palette)?,
        (4, 8) => Expansion::bytes(2, [0, 0, 0]),
        (4, 16) => Expansion::bytes(4, [0, 0, 0]),
        (6, 8) => Expansion::bytes(4, [0, 1, 2]),
        (6, 16) => Expansion::bytes(8, [0, 2, 4]),
        (colour, _) => return Err(Reject::corrupt(format!("colour type {colour} with {bits} bits"))),
    };
    Ok(expansion.with_alpha(alpha(chunks, bits / 8)))
}

/// How pixels show that they are not opaque; `depth` is that of a whole-byte sample, in bytes.
fn alpha(chunks: &Chunks, depth: usize) -> Alpha {
    match (chunks.header.colour, chunks.transparency) {
        (4, _) => Alpha::Bytes(depth..2 * depth),
        (6, _) => Alpha::Bytes(3 * depth..4 * depth),
        (INDEXED, Some(opacities)) => Alpha::opacities(opacities),
        (0, Some(&[0, shade, ..])) if depth <= 1 => Alpha::index(shade.into()),
        // A colour is stored with 16 bits a sample, whatever the picture's samples have.
        (0 | 2, Some(colour)) if depth == 2 => Alpha::Colour(colour.to_vec()),
        (2, Some(&[0, red, 0, green, 0, blue, ..])) => Alpha::Colour(vec![red, green, blue]),
        _ => Alpha::None,
    }
}

fn palette(bits: usize, entries: &[u8]) -> Result<Expansion, Reject> {
    match entries.len() / 3 {
        0..=256 => Ok(Expansion::palette(bits, entries)),
        colours => Err(Reject::corrupt(format!("a palette of {colours} colours"))),
    }
}

fn reject(error: DecodingError) -> Reject {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Reject::ends_early(),
        error => Reject::corrupt(error.to_string()),
    }
}
