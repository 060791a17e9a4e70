//! MobileNetV2's inverted residual block (Sandler et al., 2018) as one operation: 1x1 expansion with ReLU6, depthwise
//! 3x3 with ReLU6, 1x1 projection, and the addition of the block's input.
//!
//! The image is worked off in bands of rows. In a band, the channels of one expansion panel after another are expanded
//! and go through the depthwise convolution while they are in the cache; then the band is projected. Expanded rows that
//! the next band reads again are kept in the halo, so nothing is computed twice.

use tract_onnx::tract_core::internal::*;

use super::depthwise::{Depthwise, Geometry, Halo};
use super::layer::{Layer, blocked_shape};
use super::memory::Scratch;
use super::pack::{Taps, Weights};
use super::pointwise::{LinearInto, Planes, Pointwise, Relu6Into};
use super::simd::Simd;

/// Bytes of activations that a band may take: half of a 512 KiB second-level cache.
const BAND_BYTES: usize = 256 << 10;

/// Rows that a 3x3 window shares with the next one.
const HALO_ROWS: usize = 2;

/// The layer; see the module's page.
#[derive(Debug)]
pub(super) struct InvertedResidual {
    /// Shapes of the depthwise convolution.
    pub geometry: Geometry,
    /// The expansion; without it, the depthwise convolution reads the block's input.
    pub expand: Option<Weights>,
    /// The depthwise convolution's taps.
    pub taps: Taps,
    /// The projection.
    pub project: Weights,
    /// Whether the block's input is added to its output.
    pub skip: bool,
}

/// Rows of outputs that are computed together.
struct Band {
    from: usize,
    to: usize,
    is_last: bool,
}

impl Layer for InvertedResidual {
    type Input = f32;
    const NAME: &'static str = "InvertedResidual";

    fn output_shape(&self, lanes: usize) -> TVec<usize> {
        blocked_shape(lanes, self.project.outputs, self.geometry.output)
    }

    fn run<S: Simd<L>, const L: usize>(&self, simd: S, input: &[f32], output: &mut [f32], scratch: &mut Scratch) {
        let (input, output) = (input.as_chunks::<L>().0, output.as_chunks_mut::<L>().0);
        let height = self.geometry.output.0;
        let step = self.rows_per_band(L);
        let mut rows_done = 0;
        for from in (0..height).step_by(step) {
            let to = (from + step).min(height);
            let band = Band { from, to, is_last: to == height };
            match &self.expand {
                Some(expand) => {
                    self.expand(simd, expand, &band, rows_done, input, scratch);
                    rows_done = self.geometry.input_rows(from, to).end;
                }
                None => self.depthwise(simd, &band, input, scratch),
            }
            self.project(simd, &band, input, output, scratch);
        }
    }
}

impl InvertedResidual {
    fn rows_per_band(&self, lanes: usize) -> usize {
        let Geometry { input, output, stride, .. } = self.geometry;
        let panel_lanes = if self.expand.is_some() { 2 * lanes } else { 0 };
        let row_floats = output.1 * self.project.inputs + stride * input.1 * panel_lanes;
        let bands = (output.0 * row_floats * size_of::<f32>()).div_ceil(BAND_BYTES);
        output.0.div_ceil(bands)
    }

    /// Pixels of a band's outputs.
    fn pixels(&self, band: &Band) -> usize {
        (band.to - band.from) * self.geometry.output.1
    }

    /// The depthwise convolution of a block without expansion.
    fn depthwise<S: Simd<L>, const L: usize>(&self, simd: S, band: &Band, input: &[[f32; L]], scratch: &mut Scratch) {
        let (height, width) = self.geometry.input;
        let taps = self.taps.blocks::<L>();
        simd.vectorize(Depthwise {
            geometry: self.geometry,
            from: band.from,
            to: band.to,
            input: Planes { data: input, stride: height * width },
            first_row: 0,
            halo: Halo { rows: Planes { data: &[], stride: 0 }, first_row: 0 },
            taps,
            zeros: scratch.zeros.at_least(width * L).as_chunks().0,
            output: scratch.band.at_least(taps.len() * self.pixels(band) * L).as_chunks_mut().0,
        });
    }

    /// Expansion and depthwise convolution of a band, panel by panel. Input rows before `rows_done` have been expanded
    /// for the band before; those that this one needs are in the halo.
    fn expand<S: Simd<L>, const L: usize>(
        &self,
        simd: S,
        expand: &Weights,
        band: &Band,
        rows_done: usize,
        input: &[[f32; L]],
        scratch: &mut Scratch,
    ) {
        let (height, width) = self.geometry.input;
        let taps = self.taps.blocks::<L>();
        let rows = self.geometry.input_rows(band.from, band.to);
        let first_row = rows_done.max(rows.start);
        let next_start = if band.is_last { rows.end } else { self.geometry.input_rows(band.to, band.to + 1).start };
        let pixels = rows.end.saturating_sub(first_row) * width;
        let plane = self.pixels(band);

        let expanded = scratch.expanded.at_least(3 * pixels * L).as_chunks_mut::<L>().0;
        let partial = scratch.partial.at_least(3 * pixels * L).as_chunks_mut::<L>().0;
        let halo_size = HALO_ROWS * width;
        let halo = scratch.halo.at_least(taps.len() * halo_size * L).as_chunks_mut::<L>().0;
        let output = scratch.band.at_least(taps.len() * plane * L).as_chunks_mut::<L>().0;
        let zeros = scratch.zeros.at_least(width * L).as_chunks::<L>().0;

        for panel in expand.panels::<L>() {
            let blocks = panel.first..panel.first + panel.vectors;
            let expanded = &mut expanded[..panel.vectors * pixels];
            let halo = &mut halo[blocks.start * halo_size..blocks.end * halo_size];
            simd.vectorize(Pointwise {
                panel,
                input: Planes { data: input, stride: height * width },
                from: first_row * width,
                count: pixels,
                epilogue: Relu6Into { output: expanded, stride: pixels, offset: 0 },
                partial,
            });
            simd.vectorize(Depthwise {
                geometry: self.geometry,
                from: band.from,
                to: band.to,
                input: Planes { data: expanded, stride: pixels },
                first_row,
                halo: Halo { rows: Planes { data: halo, stride: halo_size }, first_row: rows.start },
                taps: &taps[blocks.clone()],
                zeros,
                output: &mut output[blocks.start * plane..blocks.end * plane],
            });
            for (block, halo) in halo.chunks_exact_mut(halo_size).enumerate() {
                // What the next band reads of this band's halo, then of the rows that were expanded for this band.
                let kept = first_row.saturating_sub(next_start) * width;
                let dropped = (first_row - rows.start) * width - kept;
                halo.copy_within(dropped..dropped + kept, 0);
                let new = &expanded[block * pixels..][..pixels][next_start.saturating_sub(first_row) * width..];
                halo[kept..][..new.len()].copy_from_slice(new);
            }
        }
    }

    fn project<S: Simd<L>, const L: usize>(
        &self,
        simd: S,
        band: &Band,
        input: &[[f32; L]],
        output: &mut [[f32; L]],
        scratch: &mut Scratch,
    ) {
        let (height, width) = self.geometry.output;
        let pixels = self.pixels(band);
        let hidden = self.project.inputs.div_ceil(L) * pixels;
        let data = scratch.band.at_least(hidden * L).as_chunks::<L>().0;
        let partial = scratch.partial.at_least(3 * pixels * L).as_chunks_mut::<L>().0;
        for panel in self.project.panels::<L>() {
            let first = panel.first * height * width;
            simd.vectorize(Pointwise {
                panel,
                input: Planes { data, stride: pixels },
                from: 0,
                count: pixels,
                epilogue: LinearInto {
                    output: &mut output[first..],
                    skip: self.skip.then(|| &input[first..]),
                    stride: height * width,
                    offset: band.from * width,
                },
                partial,
            });
        }
    }
}
