//! TIFF: the first picture, as Pillow reads it: its own reader's way where nothing is compressed, libtiff's where
//! something is, and turned as its orientation says.

mod directory;
mod layout;
mod picture;
mod segments;
mod unpack;

use super::canvas::{Canvas, Library};
use super::expand::{Alpha, Expansion};
use super::orientation::Orientation;
use super::{Limits, Reject};
use directory::{Directory, tag};
use layout::{Colour, Compression, Layout, Opacity};
use picture::Picture;

pub(super) const MAGICS: [&[u8]; 2] = [b"II*\0", b"MM\0*"];

/// Unpacks a TIFF's first picture, then pushes its rows.
pub(super) fn decode(bytes: &[u8], limits: &Limits, canvas: &mut Canvas) -> Result<(), Reject> {
    let directory = Directory::of(bytes)?;
    let layout = Layout::of(&directory)?;
    limits.check_picture(layout.width as u32, layout.height as u32)?;
    let expansion = expansion(&directory, &layout)?.by(canvas.library);
    let mut picture = Picture::new(&layout);
    segments::read(bytes, &directory, limits, &mut picture)?;
    if canvas.library == Library::OpenCv && layout.alpha == Opacity::Alpha {
        picture.premultiply();
    }
    canvas.turn(Orientation::of(layout.orientation));
    canvas.push_picture(&expansion, &picture.samples, (layout.width, layout.height));
    Ok(())
}

/// The number of the orientation that the first directory of a TIFF tells, or of Exif data, which are such a directory.
pub(super) fn orientation_number(bytes: &[u8]) -> Option<u32> {
    let has_magic = MAGICS.iter().any(|magic| bytes.starts_with(magic));
    match has_magic.then(|| Directory::of(bytes))?.ok()?.numbers(tag::ORIENTATION).ok()?[..] {
        [number] => Some(number),
        _ => None,
    }
}

/// What the bytes that a picture keeps mean.
fn expansion(directory: &Directory, layout: &Layout) -> Result<Expansion, Reject> {
    let kept = layout.kept();
    let expansion = match layout.colour {
        Colour::Gray { .. } => Expansion::bytes(kept, [0, 0, 0]),
        Colour::DeepGray => Expansion::deep_gray(),
        Colour::Palette => Expansion::palette(8, &palette(directory, layout)?),
        Colour::Rgb | Colour::YCbCr => Expansion::bytes(kept, [0, 1, 2]),
        Colour::Cmyk => Expansion::cmyk(),
    };
    Ok(match layout.alpha {
        Opacity::None => expansion,
        Opacity::Alpha | Opacity::Premultiplied => expansion.with_alpha(Alpha::Bytes(kept - 1..kept)),
    })
}

/// The palette with three bytes an entry; it is stored with 16 bits, all reds first.
fn palette(directory: &Directory, layout: &Layout) -> Result<Vec<u8>, Reject> {
    let map = directory.numbers(tag::COLOUR_MAP)?;
    let count = map.len() / 3;
    // libtiff wants all colours that few bits can tell apart, Pillow takes what there is.
    let is_complete = layout.compression == Compression::None || layout.bits == 8 || map.len() == 3 << layout.bits;
    if !is_complete || !(1..=256).contains(&count) {
        return Err(Reject::corrupt(format!("a palette of {count} colours")));
    }
    Ok((0..count).flat_map(|index| [0, 1, 2].map(|channel| (map[channel * count + index] >> 8) as u8)).collect())
}
