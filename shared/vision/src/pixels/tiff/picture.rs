//! A whole picture, as Pillow holds it before it converts it to RGB.

use super::layout::{Colour, Layout};

/// Pixels of [`Layout::kept`] bytes; black, or the first colour, where nothing has been stored.
pub(super) struct Picture<'layout> {
    pub(super) layout: &'layout Layout,
    pub(super) samples: Vec<u8>,
    /// What samples of up to 8 bits stand for, where a pixel is one of them.
    meanings: [u8; 256],
}

impl<'layout> Picture<'layout> {
    pub(super) fn new(layout: &'layout Layout) -> Self {
        let samples = vec![0; layout.width * layout.height * layout.kept()];
        Self { layout, samples, meanings: meanings(layout) }
    }

    /// Stores `count` pixels of a row from a column and row on, whose bytes are of all samples, or of a plane's.
    pub(super) fn store(&mut self, stored: &[u8], (x, y): (usize, usize), count: usize, plane: usize) {
        let (layout, kept) = (self.layout, self.layout.kept());
        let start = (y * layout.width + x) * kept;
        let pixels = &mut self.samples[start..start + count * kept];
        let meaning = |sample: u8| self.meanings[usize::from(sample)];
        // Of 16 bits the high byte counts, but for gray.
        let (bytes, high) = (layout.bits.div_ceil(8), usize::from(layout.bits == 16 && !layout.is_big_endian));
        if layout.planes() > 1 {
            let samples = stored.iter().skip(high).step_by(bytes);
            pixels.iter_mut().skip(plane).step_by(kept).zip(samples).for_each(|(pixel, sample)| *pixel = *sample);
        } else if layout.bits < 8 {
            let samples = stored.iter().flat_map(|byte| pieces(*byte, layout.bits));
            pixels.iter_mut().zip(samples).for_each(|(pixel, sample)| *pixel = meaning(sample));
        } else {
            let stored = stored.chunks_exact(layout.samples_in_a_row() * bytes);
            let pixels = pixels.chunks_exact_mut(kept).zip(stored);
            match layout.colour {
                Colour::DeepGray => {
                    pixels.for_each(|(pixel, stored)| pixel.copy_from_slice(&[stored[high], stored[1 - high]]))
                }
                _ if kept == 1 => pixels.for_each(|(pixel, stored)| pixel[0] = meaning(stored[0])),
                _ if bytes == 1 => pixels.for_each(|(pixel, stored)| pixel.copy_from_slice(&stored[..kept])),
                _ => pixels.for_each(|(pixel, stored)| {
                    let samples = stored.iter().skip(high).step_by(bytes);
                    pixel.iter_mut().zip(samples).for_each(|(kept, sample)| *kept = *sample);
                }),
            }
        }
    }

    /// Divides colours by alpha.
    pub(super) fn unmultiply(&mut self) {
        for pixel in self.samples.as_chunks_mut::<4>().0 {
            let [red, green, blue, alpha] = *pixel;
            let divided = |colour: u8| {
                let full = u32::from(colour) * 255;
                full.checked_div(alpha.into()).map_or(0, |colour| colour.min(255) as u8)
            };
            *pixel = [divided(red), divided(green), divided(blue), alpha];
        }
    }

    /// Multiplies colours by alpha, as libtiff does for those who ask it for RGBA: OpenCV.
    pub(super) fn premultiply(&mut self) {
        let kept = self.layout.kept();
        for pixel in self.samples.chunks_exact_mut(kept) {
            let (alpha, colours) = pixel.split_last_mut().expect("a pixel with alpha");
            for colour in colours {
                *colour = ((u32::from(*colour) * u32::from(*alpha) + 127) / 255) as u8;
            }
        }
    }
}

fn meanings(layout: &Layout) -> [u8; 256] {
    let brightest = (1_usize << layout.bits.min(8)) - 1;
    std::array::from_fn(|sample| match layout.colour {
        Colour::Gray { is_inverted } => {
            let shade = (sample.min(brightest) * 255 / brightest) as u8;
            if is_inverted { 255 - shade } else { shade }
        }
        _ => sample as u8,
    })
}

/// The samples of a byte, the first in the highest bits.
fn pieces(byte: u8, bits: usize) -> impl Iterator<Item = u8> {
    let mask = ((1_u16 << bits) - 1) as u8;
    (0..8 / bits).rev().map(move |place| byte >> (place * bits) & mask)
}
