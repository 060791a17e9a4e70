//! JPEG, as libjpeg-turbo decodes it: accurate integer IDCT, fancy upsampling, no rotation.

mod header;

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::panic::resume_unwind;

use mozjpeg::{ColorSpace, Decompress};

use super::canvas::Canvas;
use super::{Limits, Reject, Rgbx};
use header::{Components, Frame};

pub(super) const MAGIC: &[u8] = &[0xFF, 0xD8, 0xFF];

/// Streams a JPEG's rows into the resizer. Errors inside libjpeg unwind; the caller catches them.
pub(super) fn decode(bytes: &[u8], limits: &Limits, canvas: &mut Canvas) -> Result<(), Reject> {
    let Frame { width, height, components } = Frame::of(bytes)?;
    limits.check_picture(width.into(), height.into())?;
    let (width, height) = (usize::from(width), usize::from(height));

    let corrupt = |error: io::Error| Reject::corrupt(error.to_string());
    let rows_are_complete = Cell::new(false);
    let source = Source { bytes, rows_are_complete: &rows_are_complete };
    let decompress = Decompress::new_reader(source).map_err(corrupt)?;
    if decompress.size() != (width, height) {
        return Err(Reject::corrupt("contradictory frame headers"));
    }
    let space = match components {
        Components::GrayOrColour => ColorSpace::JCS_EXT_RGBX,
        Components::Cmyk => ColorSpace::JCS_CMYK,
    };
    let mut started = decompress.to_colorspace(space).map_err(corrupt)?;

    let Canvas { resizer, line, .. } = canvas;
    resizer.start(width, height);
    let line = unaligned(line, width);
    for _ in 0..height {
        started.read_scanlines_into(line).map_err(corrupt)?;
        if components == Components::Cmyk {
            line.iter_mut().for_each(|pixel| *pixel = rgbx_of_inverted_cmyk(*pixel));
        }
        resizer.push(line);
    }
    // Reads on to the end marker, as Pillow does: what is damaged there is an error, what is missing there is not.
    rows_are_complete.set(true);
    started.finish().map_err(corrupt)
}

/// A row of pixels that does not begin at a multiple of 16 bytes. To one that does, libjpeg-turbo writes past the caches
/// (its `jdcolext` kernels), and reading the row again would wait for the memory: a third of a small picture's time.
fn unaligned(buffer: &mut Vec<Rgbx>, width: usize) -> &mut [Rgbx] {
    buffer.resize(width + 1, Rgbx::default());
    let is_aligned = buffer.as_ptr().addr().is_multiple_of(16);
    &mut buffer[usize::from(is_aligned)..][..width]
}

/// Pillow takes four components as CMYK with Adobe's polarity (0 = full ink), marked as such or not, and converts
/// with `cmyk2rgb` of its `Convert.c`.
fn rgbx_of_inverted_cmyk([cyan, magenta, yellow, black]: Rgbx) -> Rgbx {
    let light = u32::from(black);
    let channel = |paper: u8| {
        let ink = u32::from(255 - paper);
        (light - divided_by_255(ink * light)) as u8
    };
    [channel(cyan), channel(magenta), channel(yellow), 0]
}

/// Pillow's `MULDIV255`: a product of two bytes divided by 255, rounded.
fn divided_by_255(product: u32) -> u32 {
    let product = product + 128;
    ((product >> 8) + product) >> 8
}

const END_OF_IMAGE: &[u8] = &[0xFF, 0xD9];

/// A file in memory. Where it ends early, libjpeg would make up an end marker and gray rows; Pillow refuses the file,
/// and so does this reader: libjpeg asks for more bytes only when it needs them for a row.
struct Source<'decode> {
    bytes: &'decode [u8],
    rows_are_complete: &'decode Cell<bool>,
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() {
            if !self.rows_are_complete.get() {
                resume_unwind(Box::new(Reject::ends_early()));
            }
            self.bytes = END_OF_IMAGE;
        }
        Ok(self.bytes)
    }

    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
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
