//! Rows as files store them -> pixels.

use super::Rgbx;
use super::resize::Resizer;

/// How the stored samples of a picture become RGB.
pub(super) enum Expansion {
    /// Samples of `bits` (1, 2, 4 or 8) that index colours.
    Indexed { bits: usize, colours: Box<[Rgbx; 256]> },
    /// 16-bit gray. Pillow's mode I;16 converts by cutting off at 255, not by scaling.
    DeepGray,
    /// Whole-byte samples: a pixel's length in bytes, and where its red, green and blue (their high bytes) are.
    Bytes { length: usize, channels: [usize; 3] },
}

impl Expansion {
    /// Samples of `bits` that index a palette, of three bytes an entry; entries that it leaves out are black.
    pub(super) fn palette(bits: usize, entries: &[u8]) -> Self {
        let mut colours = Box::new([[0; 4]; 256]);
        for (colour, entry) in colours.iter_mut().zip(entries.chunks_exact(3)) {
            *colour = [entry[0], entry[1], entry[2], 0];
        }
        Self::Indexed { bits, colours }
    }

    /// Samples of `bits` from black to white in equal steps.
    pub(super) fn shades(bits: usize) -> Self {
        let brightest = (1 << bits) - 1;
        let mut colours = Box::new([[0; 4]; 256]);
        for (sample, colour) in colours.iter_mut().enumerate().take(brightest + 1) {
            *colour = gray((sample * 255 / brightest) as u8);
        }
        Self::Indexed { bits, colours }
    }

    /// Pushes a whole picture of `height` rows into the resizer, each expanded to `width` pixels in `line`.
    pub(super) fn push_picture(
        &self,
        picture: &[u8],
        (width, height): (usize, usize),
        line: &mut Vec<Rgbx>,
        resizer: &mut Resizer,
    ) {
        resizer.start(width, height);
        line.resize(width, Rgbx::default());
        for row in picture.chunks_exact(picture.len() / height) {
            self.expand(row, line);
            resizer.push(line);
        }
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

fn gray(shade: u8) -> Rgbx {
    [shade, shade, shade, 0]
}
