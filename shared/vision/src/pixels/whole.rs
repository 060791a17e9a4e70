//! BMP and WebP, which the `image` crate decodes as a whole.

use std::io::{Cursor, ErrorKind};

use image::codecs::bmp::BmpDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder, ImageError, ImageResult};

use super::expand::Expansion;
use super::resize::Resizer;
use super::{Limits, Reject, Rgbx};

pub(super) const BMP_MAGIC: &[u8] = b"BM";

/// Whether the first bytes are those of a WebP: a RIFF container of any length.
pub(super) fn is_webp(bytes: &[u8]) -> bool {
    matches!(bytes, [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..])
}

/// Unpacks a BMP, then pushes its rows into the resizer.
pub(super) fn decode_bmp(
    bytes: &[u8],
    limits: &Limits,
    line: &mut Vec<Rgbx>,
    resizer: &mut Resizer,
) -> Result<(), Reject> {
    check_bmp(bytes)?;
    decode(BmpDecoder::new(Cursor::new(bytes)), limits, line, resizer)
}

/// Unpacks a WebP, an animated one's first frame, then pushes its rows into the resizer.
pub(super) fn decode_webp(
    bytes: &[u8],
    limits: &Limits,
    line: &mut Vec<Rgbx>,
    resizer: &mut Resizer,
) -> Result<(), Reject> {
    // What lies behind the last pixel can be missing unnoticed; Pillow refuses a file that is cut anywhere.
    let length = number(bytes, 4, 4).unwrap_or(0);
    if u64::from(length) + 8 > bytes.len() as u64 {
        return Err(Reject::ends_early());
    }
    decode(WebPDecoder::new(Cursor::new(bytes)), limits, line, resizer)
}

/// Refuses the two kinds of BMP whose pixels would not be Pillow's: it spreads five bits over eight by a rule of its own, and damaged
/// run lengths end in other places.
fn check_bmp(bytes: &[u8]) -> Result<(), Reject> {
    const OS2_HEADER: u32 = 12;
    const RUN_LENGTHS: [u32; 2] = [1, 2];
    let is_os2 = number(bytes, 14, 4) == Some(OS2_HEADER);
    if number(bytes, if is_os2 { 24 } else { 28 }, 2) == Some(16) {
        return Err(Reject::unsupported("a BMP with 16 bits per pixel"));
    }
    if !is_os2 && number(bytes, 30, 4).is_some_and(|compression| RUN_LENGTHS.contains(&compression)) {
        return Err(Reject::unsupported("a BMP of run lengths"));
    }
    Ok(())
}

/// The little-endian number of `length` bytes, up to four, at `start`; `None` where the file ends before.
fn number(bytes: &[u8], start: usize, length: usize) -> Option<u32> {
    let field = bytes.get(start..start + length)?;
    Some(field.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

fn decode(
    decoder: ImageResult<impl ImageDecoder>,
    limits: &Limits,
    line: &mut Vec<Rgbx>,
    resizer: &mut Resizer,
) -> Result<(), Reject> {
    let decoder = decoder.map_err(reject)?;
    let (width, height) = decoder.dimensions();
    limits.check_picture(width, height)?;
    let length = match decoder.color_type() {
        ColorType::Rgb8 => 3,
        ColorType::Rgba8 => 4,
        other => return Err(Reject::unsupported(format!("pixels of type {other:?}"))),
    };
    let (width, height) = (width as usize, height as usize);
    let mut picture = vec![0; width * height * length];
    decoder.read_image(&mut picture).map_err(reject)?;
    Expansion::Bytes { length, channels: [0, 1, 2] }.push_picture(&picture, (width, height), line, resizer);
    Ok(())
}

fn reject(error: ImageError) -> Reject {
    match error {
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Reject::ends_early(),
        ImageError::Unsupported(error) => Reject::unsupported(error.to_string()),
        ImageError::Limits(error) => Reject::too_large(error.to_string()),
        error => Reject::corrupt(error.to_string()),
    }
}
