//! Rows as files store them -> pixels.

use std::ops::Range;

use super::canvas::Library;
use super::{Losses, Rgbx};

/// How the stored samples of a picture become RGB.
pub(super) struct Expansion {
    samples: Samples,
    alpha: Alpha,
}

/// What is stored of a pixel.
enum Samples {
    /// Samples of `bits` (1, 2, 4 or 8) that index colours.
    Indexed { bits: usize, colours: Box<[Rgbx; 256]> },
    /// 16-bit gray. Pillow's mode I;16 converts by cutting off at 255, not by scaling.
    DeepGray,
    /// Whole-byte samples: a pixel's length in bytes, and where its red, green and blue (their high bytes) are.
    Bytes { length: usize, channels: [usize; 3] },
    /// Little-endian 16-bit pixels: five bits of blue, then `green_bits` of green, then five bits of red.
    Packed { green_bits: u32 },
    /// Four bytes of ink: cyan, magenta, yellow and black.
    Cmyk,
}

/// How a stored pixel shows that it is not opaque, which RGB cannot say.
pub(super) enum Alpha {
    None,
    /// By these bytes of it, unless all are 255.
    Bytes(Range<usize>),
    /// By being one of these indices.
    Indices(Box<[bool; 256]>),
    /// By being of one colour, as it is stored.
    Colour(Vec<u8>),
}

impl Alpha {
    /// Of samples that index colours, one is transparent; none where there is no such index.
    pub(super) fn index(transparent: usize) -> Self {
        Self::Indices(Box::new(std::array::from_fn(|index| index == transparent)))
    }

    /// Opacities of the first indices, from 0 to 255; all others are opaque.
    pub(super) fn opacities(opacities: &[u8]) -> Self {
        Self::Indices(Box::new(std::array::from_fn(|index| {
            opacities.get(index).is_some_and(|opacity| *opacity != 255)
        })))
    }
}

impl Expansion {
    fn opaque(samples: Samples) -> Self {
        Self { samples, alpha: Alpha::None }
    }

    pub(super) fn with_alpha(self, alpha: Alpha) -> Self {
        Self { alpha, ..self }
    }

    /// The same as a library has it. Of 16-bit gray OpenCV keeps the high byte.
    pub(super) fn by(self, library: Library) -> Self {
        match (library, self.samples) {
            (Library::OpenCv, Samples::DeepGray) => {
                Self { samples: Samples::Bytes { length: 2, channels: [0, 0, 0] }, alpha: self.alpha }
            }
            (_, samples) => Self { samples, alpha: self.alpha },
        }
    }

    /// The same with another colour of one index.
    pub(super) fn with_colour(mut self, index: u8, [red, green, blue]: [u8; 3]) -> Self {
        if let Samples::Indexed { colours, .. } = &mut self.samples {
            colours[usize::from(index)] = [red, green, blue, 0];
        }
        self
    }

    /// Pixels of so many bytes, and where red, green and blue (their high bytes) are.
    pub(super) fn bytes(length: usize, channels: [usize; 3]) -> Self {
        Self::opaque(Samples::Bytes { length, channels })
    }

    /// 16-bit gray, of which Pillow keeps what is below 256.
    pub(super) fn deep_gray() -> Self {
        Self::opaque(Samples::DeepGray)
    }

    /// Little-endian 16-bit pixels: five bits of blue, then `green_bits` of green, then five bits of red.
    pub(super) fn packed(green_bits: u32) -> Self {
        Self::opaque(Samples::Packed { green_bits })
    }

    /// Four bytes of ink: cyan, magenta, yellow and black.
    pub(super) fn cmyk() -> Self {
        Self::opaque(Samples::Cmyk)
    }

    /// Samples of `bits` that index a palette, of three bytes an entry; entries that it leaves out are black.
    pub(super) fn palette(bits: usize, entries: &[u8]) -> Self {
        let mut colours = Box::new([[0; 4]; 256]);
        for (colour, entry) in colours.iter_mut().zip(entries.chunks_exact(3)) {
            *colour = [entry[0], entry[1], entry[2], 0];
        }
        Self::opaque(Samples::Indexed { bits, colours })
    }

    /// Samples of `bits` from black to white in equal steps.
    pub(super) fn shades(bits: usize) -> Self {
        let brightest = (1 << bits) - 1;
        let mut colours = Box::new([[0; 4]; 256]);
        for (sample, colour) in colours.iter_mut().enumerate().take(brightest + 1) {
            *colour = gray((sample * 255 / brightest) as u8);
        }
        Self::opaque(Samples::Indexed { bits, colours })
    }

    /// Notes what `width` pixels of a stored row lose. A loss that is known already is not looked for.
    pub(super) fn note_losses(&self, row: &[u8], width: usize, losses: &mut Losses) {
        losses.alpha_dropped = losses.alpha_dropped || self.is_translucent(row, width);
        losses.saturated = losses.saturated || self.saturates(row);
    }

    fn saturates(&self, row: &[u8]) -> bool {
        matches!(self.samples, Samples::DeepGray) && row.chunks_exact(2).any(|sample| sample[0] != 0)
    }

    fn is_translucent(&self, row: &[u8], width: usize) -> bool {
        let length = match self.samples {
            Samples::Bytes { length, .. } => length,
            Samples::DeepGray | Samples::Packed { .. } => 2,
            Samples::Cmyk => 4,
            Samples::Indexed { bits, .. } => {
                let Alpha::Indices(translucent) = &self.alpha else { return false };
                return indices(row, bits).take(width).any(|index| translucent[index]);
            }
        };
        match &self.alpha {
            Alpha::None | Alpha::Indices(_) => false,
            // All bytes at once are quicker to look at than one after the other.
            Alpha::Bytes(place) => place.clone().any(|at| {
                let alphas = row.iter().skip(at).step_by(length);
                alphas.fold(255, |all, alpha| all & alpha) != 255
            }),
            Alpha::Colour(colour) => row.chunks_exact(length).any(|pixel| pixel == colour),
        }
    }

    /// Expands one stored row to as many pixels as `out` has.
    pub(super) fn expand(&self, row: &[u8], out: &mut [Rgbx]) {
        match &self.samples {
            Samples::Indexed { bits: 8, colours } => fill(out, row.iter().map(|index| colours[usize::from(*index)])),
            Samples::Indexed { bits, colours } => fill(out, indices(row, *bits).map(|index| colours[index])),
            Samples::DeepGray => {
                fill(out, row.chunks_exact(2).map(|sample| gray(if sample[0] == 0 { sample[1] } else { 255 })))
            }
            Samples::Bytes { length, channels: [red, green, blue] } => {
                fill(out, row.chunks_exact(*length).map(|pixel| [pixel[*red], pixel[*green], pixel[*blue], 0]));
            }
            Samples::Cmyk => fill(out, row.as_chunks::<4>().0.iter().map(|inks| rgbx_of_cmyk(*inks))),
            Samples::Packed { green_bits } => {
                fill(out, row.chunks_exact(2).map(|pixel| unpacked([pixel[0], pixel[1]], *green_bits)));
            }
        }
    }
}

fn fill(out: &mut [Rgbx], pixels: impl Iterator<Item = Rgbx>) {
    out.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = pixel);
}

/// Pillow scales the few bits of a channel to a byte by cutting off the fraction.
fn unpacked(pixel: [u8; 2], green_bits: u32) -> Rgbx {
    let pixel = u32::from(u16::from_le_bytes(pixel));
    let channel = |from: u32, bits: u32| {
        let brightest = (1 << bits) - 1;
        ((pixel >> from & brightest) * 255 / brightest) as u8
    };
    [channel(5 + green_bits, 5), channel(5, green_bits), channel(0, 5), 0]
}

/// Samples of less than a byte, the first in the highest bits.
fn indices(row: &[u8], bits: usize) -> impl Iterator<Item = usize> {
    let mask = (1 << bits) - 1;
    row.iter().flat_map(move |byte| (0..8 / bits).rev().map(move |place| usize::from(*byte) >> (place * bits) & mask))
}

fn gray(shade: u8) -> Rgbx {
    [shade, shade, shade, 0]
}

/// Pillow's conversion from inks, `cmyk2rgb` of its `Convert.c`.
pub(super) fn rgbx_of_cmyk([cyan, magenta, yellow, black]: [u8; 4]) -> Rgbx {
    let light = u32::from(255 - black);
    let channel = |ink: u8| (light - divided_by_255(u32::from(ink) * light)) as u8;
    [channel(cyan), channel(magenta), channel(yellow), 0]
}

/// Pillow's `MULDIV255`: a product of two bytes divided by 255, rounded.
fn divided_by_255(product: u32) -> u32 {
    let product = product + 128;
    ((product >> 8) + product) >> 8
}

#[cfg(test)]
mod tests {
    use super::divided_by_255;

    #[test]
    fn products_of_bytes_are_divided_by_255_with_rounding() {
        for product in (0..=255).flat_map(|a| (0..=255).map(move |b| a * b)) {
            assert_eq!(divided_by_255(product), (f64::from(product) / 255.0).round() as u32, "{product}");
        }
    }
}
