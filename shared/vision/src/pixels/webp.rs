//! WebP, an animated one's first frame; Pillow drops the alpha, and shows black around a frame that is smaller than
//! the picture.

use std::borrow::Cow;
use std::io::{Cursor, ErrorKind};

use image_webp::{DecodingError, WebPDecoder};

use super::canvas::Canvas;
use super::expand::{Alpha, Expansion};
use super::{Limits, Reject};

/// Whether the first bytes are those of a WebP: a RIFF container of any length.
pub(super) fn is_webp(bytes: &[u8]) -> bool {
    matches!(bytes, [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..])
}

/// Unpacks a WebP, then pushes its rows.
pub(super) fn decode(bytes: &[u8], limits: &Limits, canvas: &mut Canvas) -> Result<(), Reject> {
    // What lies behind the last pixel can be missing unnoticed; Pillow refuses a file that is cut anywhere.
    let length = bytes.get(4..8).map_or(0, little_endian);
    if length + 8 > bytes.len() {
        return Err(Reject::ends_early());
    }
    let mut decoder = WebPDecoder::new(Cursor::new(unblended(bytes))).map_err(reject)?;
    let (width, height) = decoder.dimensions();
    limits.check_picture(width, height)?;

    let opaque = |length| Expansion::bytes(length, [0, 1, 2]);
    let (length, expansion) =
        if decoder.has_alpha() { (4, opaque(4).with_alpha(Alpha::Bytes(3..4))) } else { (3, opaque(3)) };
    let (width, height) = (width as usize, height as usize);
    let mut picture = vec![0; width * height * length];
    decoder.read_image(&mut picture).map_err(reject)?;
    // What lies behind the last pixel may be damaged.
    decoder.exif_metadata().ok().flatten().iter().for_each(|exif| canvas.take_exif(exif));
    canvas.push_picture(&expansion, &picture, (width, height));
    Ok(())
}

/// The file with its first frame marked as not to be blended. On an empty canvas blending only makes the colours less
/// exact, and libwebp leaves it out there.
fn unblended(bytes: &[u8]) -> Cow<'_, [u8]> {
    const FLAGS: usize = 15;
    const NO_BLENDING: u8 = 2;
    match first_animation_frame(bytes).map(|contents| contents + FLAGS) {
        Some(flags) if bytes.get(flags).is_some_and(|byte| byte & NO_BLENDING == 0) => {
            let mut bytes = bytes.to_vec();
            bytes[flags] |= NO_BLENDING;
            Cow::Owned(bytes)
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// Where the contents of the first frame of an animation begin.
fn first_animation_frame(bytes: &[u8]) -> Option<usize> {
    let mut at = 12;
    while let Some(header) = bytes.get(at..at + 8) {
        at += 8;
        if header.starts_with(b"ANMF") {
            return Some(at);
        }
        // Chunks begin at even places.
        at += little_endian(&header[4..]).next_multiple_of(2);
    }
    None
}

fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn reject(error: DecodingError) -> Reject {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Reject::ends_early(),
        DecodingError::UnsupportedFeature(feature) => Reject::unsupported(feature),
        DecodingError::ImageTooLarge | DecodingError::MemoryLimitExceeded => Reject::too_large(error.to_string()),
        error => Reject::corrupt(error.to_string()),
    }
}
