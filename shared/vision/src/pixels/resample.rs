//! From a picture's rows to the target's pixels, in the way that was chosen.

use super::Rgbx;
use super::convolution::Convolution;
use super::cut::cuts;
use super::fixed_point::Bilinear;
use super::nearest::Nearest;
use super::options::{Channels, PixelOptions, Resampling};
use super::weights::Filter;

/// Takes a picture row by row and keeps only the rows that are under way.
pub(super) struct Resampler {
    method: Method,
    target: (usize, usize),
    crop: Option<u32>,
    channels: Channels,
    pixels: Vec<u8>,
}

enum Method {
    Convolution(Box<Convolution>),
    Nearest(Nearest),
    Bilinear(Bilinear),
}

impl Resampler {
    pub(super) fn new(target: (usize, usize), options: &PixelOptions) -> Self {
        let method = match options.resampling {
            Resampling::PillowBicubic => Method::Convolution(Box::new(Convolution::new(Filter::Bicubic))),
            Resampling::PillowBilinear => Method::Convolution(Box::new(Convolution::new(Filter::Bilinear))),
            Resampling::PillowNearest => Method::Nearest(Nearest::default()),
            Resampling::OpenCvBilinear => Method::Bilinear(Bilinear::default()),
        };
        let pixels = Vec::with_capacity(target.0 * target.1 * 3);
        Self { method, target, crop: options.crop, channels: options.channels, pixels }
    }

    /// The least width and height that a picture is resized to: the target's, or what the target is cut from.
    pub(super) fn least(&self) -> (usize, usize) {
        self.crop.map_or(self.target, |side| (side as usize, side as usize))
    }

    /// Begins a picture of `size`, width and height, neither 0.
    pub(super) fn start(&mut self, size: (usize, usize)) {
        let cuts = cuts(size, self.target, self.crop);
        match &mut self.method {
            Method::Convolution(method) => method.start(size, cuts),
            Method::Nearest(method) => method.start(size, cuts),
            Method::Bilinear(method) => method.start(size, cuts),
        }
        self.pixels.clear();
    }

    /// Takes the picture's next row.
    pub(super) fn push(&mut self, row: &[Rgbx]) {
        let pixels = &mut self.pixels;
        let keep = |rgb: &[u8]| pixels.extend_from_slice(rgb);
        match &mut self.method {
            Method::Convolution(method) => method.push(row, keep),
            Method::Nearest(method) => method.push(row, keep),
            Method::Bilinear(method) => method.push(row, keep),
        }
    }

    /// Ends the picture after its last row: the target's pixels, `[height, width, 3]`.
    pub(super) fn finish(&mut self) -> &[u8] {
        let pixels = &mut self.pixels;
        if let Method::Convolution(method) = &mut self.method {
            method.finish(|rgb| pixels.extend_from_slice(rgb));
        }
        if self.channels == Channels::Bgr {
            self.pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.reverse());
        }
        &self.pixels
    }
}
