//! WebP by libwebp, as in Pillow: of an animation the first frame, black around it where it is smaller than the picture.
//! Pillow drops the alpha.

mod libwebp;

use libwebp::{Container, Failure};

use super::canvas::Canvas;
use super::expand::{Alpha, Expansion};
use super::{Limits, Reject, RejectReason};

/// Bytes of a pixel as libwebp unpacks it: red, green, blue, alpha.
const RGBA: usize = 4;

/// Whether the first bytes are those of a WebP: a RIFF container of any length.
pub(super) fn is_webp(bytes: &[u8]) -> bool {
    matches!(bytes, [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..])
}

/// Unpacks a WebP, then pushes its rows.
pub(super) fn decode(bytes: &[u8], limits: &Limits, canvas: &mut Canvas) -> Result<(), Reject> {
    let container = Container::open(bytes).ok_or_else(|| unopened(bytes))?;
    let (width, height) = container.dimensions();
    limits.check_picture(width, height)?;

    let (width, height) = (width as usize, height as usize);
    // What no frame covers is transparent and black.
    let mut picture = vec![0; width * height * RGBA];
    container.read_first_frame(&mut picture, width * RGBA).map_err(reject)?;
    container.exif().iter().for_each(|exif| canvas.take_exif(exif));
    let colours = Expansion::bytes(RGBA, [0, 1, 2]);
    let expansion = if libwebp::has_alpha(bytes) { colours.with_alpha(Alpha::Bytes(3..4)) } else { colours };
    canvas.push_picture(&expansion, &picture, (width, height));
    Ok(())
}

/// libwebp does not say why it opens no container.
fn unopened(bytes: &[u8]) -> Reject {
    let length =
        bytes.get(4..8).map_or(0, |length| length.iter().rev().fold(0, |all, byte| all << 8 | usize::from(*byte)));
    if length + 8 > bytes.len() { Reject::ends_early() } else { Reject::corrupt("its chunks are not those of a WebP") }
}

fn reject(failure: Failure) -> Reject {
    match failure {
        Failure::EndsEarly => Reject::ends_early(),
        Failure::NoMemory => Reject::new(RejectReason::Unreadable, "memory ran out while it was decoded"),
        Failure::Unsupported => Reject::unsupported("a feature of WebP that libwebp does not know"),
        Failure::Damaged => Reject::corrupt("its bits are not those of a WebP"),
    }
}
