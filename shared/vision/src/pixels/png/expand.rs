//! Rows as PNG stores them -> pixels.

use png::{BitDepth, ColorType, Info};

use crate::pixels::{Reject, Rgbx};

/// How the stored samples of a picture become RGB.
pub(super) enum Expansion {
    /// Samples of `bits` (1, 2, 4 or 8) that index colours: a palette's, or shades of gray.
    Indexed { bits: usize, colours: Box<[Rgbx; 256]> },
    /// 16-bit gray. Pillow's mode I;16 converts by cutting off at 255, not by scaling.
    DeepGray,
    /// Whole-byte samples: a pixel's length in bytes, and where its red, green and blue (their high bytes) are.
    Bytes { length: usize, channels: [usize; 3] },
}

impl Expansion {
    pub(super) fn of(info: &Info) -> Result<Self, Reject> {
        use BitDepth::{Eight, Sixteen};
        let bits = info.bit_depth as usize;
        Ok(match (info.color_type, info.bit_depth) {
            (ColorType::Indexed, _) => Self::Indexed { bits, colours: palette(info.palette.as_deref().unwrap_or(&[])) },
            (ColorType::Grayscale, Sixteen) => Self::DeepGray,
            (ColorType::Grayscale, _) => Self::Indexed { bits, colours: shades(bits) },
            (ColorType::GrayscaleAlpha, Eight) => Self::Bytes { length: 2, channels: [0, 0, 0] },
            (ColorType::GrayscaleAlpha, Sixteen) => Self::Bytes { length: 4, channels: [0, 0, 0] },
            (ColorType::Rgb, Eight) => Self::Bytes { length: 3, channels: [0, 1, 2] },
            (ColorType::Rgb, Sixteen) => Self::Bytes { length: 6, channels: [0, 2, 4] },
            (ColorType::Rgba, Eight) => Self::Bytes { length: 4, channels: [0, 1, 2] },
            (ColorType::Rgba, Sixteen) => Self::Bytes { length: 8, channels: [0, 2, 4] },
            (colour, depth) => return Err(Reject::corrupt(format!("{colour:?} with {} bits", depth as u8))),
        })
    }

    /// Expands one stored row to as many pixels as `out` has.
    pub(super) fn expand(&self, row: &[u8], out: &mut [Rgbx]) {
        match self {
            Self::Indexed { bits: 8, colours } => fill(out, row.iter().map(|index| colours[usize::from(*index)])),
            Self::Indexed { bits, colours } => fill(out, indices(row, *bits).map(|index| colours[index])),
            Self::DeepGray => {
                fill(out, row.chunks_exact(2).map(|sample| gray(if sample[0] == 0 { sample[1] } else { 255 })))
            }
            Self::Bytes { length, channels: [red, green, blue] } => {
                fill(out, row.chunks_exact(*length).map(|pixel| [pixel[*red], pixel[*green], pixel[*blue], 0]));
            }
        }
    }
}

fn fill(out: &mut [Rgbx], pixels: impl Iterator<Item = Rgbx>) {
    out.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = pixel);
}

/// Samples of less than a byte, the first in the highest bits.
fn indices(row: &[u8], bits: usize) -> impl Iterator<Item = usize> {
    let mask = (1 << bits) - 1;
    row.iter().flat_map(move |byte| (0..8 / bits).rev().map(move |place| usize::from(*byte) >> (place * bits) & mask))
}

/// A palette's colours; entries that the file leaves out are black.
fn palette(entries: &[u8]) -> Box<[Rgbx; 256]> {
    let mut colours = Box::new([[0; 4]; 256]);
    for (colour, entry) in colours.iter_mut().zip(entries.chunks_exact(3)) {
        *colour = [entry[0], entry[1], entry[2], 0];
    }
    colours
}

/// Black to white in equal steps for samples of `bits`.
fn shades(bits: usize) -> Box<[Rgbx; 256]> {
    let brightest = (1 << bits) - 1;
    let mut colours = Box::new([[0; 4]; 256]);
    for (sample, colour) in colours.iter_mut().enumerate().take(brightest + 1) {
        *colour = gray((sample * 255 / brightest) as u8);
    }
    colours
}

fn gray(shade: u8) -> Rgbx {
    [shade, shade, shade, 0]
}
