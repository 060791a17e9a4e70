//! GIF: the first frame, in its palette's colours; Pillow's `convert("RGB")` shows transparent pixels in theirs, too.

mod blocks;
mod lzw;

use super::canvas::{Canvas, Library};
use super::expand::{Alpha, Expansion};
use super::{Limits, Reject};
use blocks::{Colours, FirstFrame};

pub(super) const MAGICS: [&[u8]; 2] = [b"GIF87a", b"GIF89a"];

/// Unpacks a GIF's first frame, then pushes the rows of the picture. Around the frame the picture has the transparent
/// colour, or the first one.
pub(super) fn decode(bytes: &[u8], limits: &Limits, canvas: &mut Canvas) -> Result<(), Reject> {
    let first = FirstFrame::of(bytes)?;
    let (width, height) = first.picture;
    limits.check_picture(width, height)?;

    let (width, height) = (width as usize, height as usize);
    let mut picture = vec![first.transparent.unwrap_or(0); width * height];
    let rows = first.rows().map(|row| row * width + first.frame.left);
    lzw::unpack(first.data, first.code_bits, &mut picture, rows, first.frame.width)?;

    let expansion = match first.colours {
        Colours::Palette(entries) => Expansion::palette(8, entries),
        Colours::Gray => Expansion::shades(8),
    };
    let expansion = match first.transparent {
        // OpenCV shows the background's colour there.
        Some(index) if canvas.library == Library::OpenCv => expansion.with_colour(index, first.background),
        Some(index) => expansion.with_alpha(Alpha::index(index.into())),
        None => expansion,
    };
    canvas.push_picture(&expansion, &picture, (width, height));
    Ok(())
}
