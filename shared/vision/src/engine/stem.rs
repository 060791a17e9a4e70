//! The first convolution, from 8-bit pixels: 3x3 with stride 2 over three channels, with ReLU6.
//!
//! Pixels become input values row by row, rounded once (`x * scale + shift`), so the normalised image is never stored.
//! A sum adds its 27 products row by row, left to right, R then G then B.

use tract_onnx::tract_core::internal::*;

use super::depthwise::Geometry;
use super::layer::{Layer, blocked_shape};
use super::memory::Scratch;
use super::pack::{PanelWeights, Weights};
use super::pointwise::{Epilogue, Relu6Into, accumulate, cut, for_tile_size, load_all, tile_pixels, window};
use super::simd::{Kernel, Simd};
use crate::normalize::Affine;

/// Floats of two neighbouring pixels: what the window of an output moves on by.
const PAIR: usize = 6;

/// The layer; see the module's page.
#[derive(Debug)]
pub(super) struct Stem {
    geometry: Geometry,
    weights: Weights,
    affine: Affine,
}

impl Stem {
    /// Packs `weights[output][channel][ky][kx]`.
    pub fn new(lanes: usize, geometry: Geometry, weights: &[f32], biases: &[f32], affine: Affine) -> Stem {
        let by_position: Vec<f32> = weights
            .as_chunks::<27>()
            .0
            .iter()
            .flat_map(|weights| (0..27).map(|at| weights[at % 3 * 9 + at / 3]))
            .collect();
        Stem { geometry, weights: Weights::pack(lanes, &by_position, biases), affine }
    }
}

impl Layer for Stem {
    type Input = u8;
    const NAME: &'static str = "Stem";

    fn output_shape(&self, lanes: usize) -> TVec<usize> {
        blocked_shape(lanes, self.weights.outputs, self.geometry.output)
    }

    fn run<S: Simd<L>, const L: usize>(&self, simd: S, input: &[u8], output: &mut [f32], scratch: &mut Scratch) {
        let (height, width) = self.geometry.input;
        let (output_height, output_width) = self.geometry.output;
        let (pad_top, pad_left) = self.geometry.pad;
        let output = output.as_chunks_mut::<L>().0;
        let row_length = (output_width + 1) * PAIR;
        let rows = scratch.rows.at_least(3 * row_length);
        rows.fill(0.0);
        let mut rows = rows.chunks_exact_mut(row_length);
        let mut rows: [&mut [f32]; 3] = std::array::from_fn(|_| rows.next().unwrap_or_default());
        let normalize = |row: &mut [f32], y: usize| {
            let output = &mut row[pad_left * 3..][..width * 3];
            match y.checked_sub(pad_top) {
                Some(y) if y < height => {
                    let pixels = &input[y * width * 3..][..width * 3];
                    simd.vectorize(NormalizeRow { pixels, output, affine: self.affine });
                }
                _ => output.fill(0.0),
            }
        };
        normalize(rows[0], 0);
        for y in 0..output_height {
            normalize(rows[1], 2 * y + 1);
            normalize(rows[2], 2 * y + 2);
            simd.vectorize(StemRow {
                weights: &self.weights,
                rows: [&*rows[0], &*rows[1], &*rows[2]].map(|row| row.as_chunks().0),
                output,
                plane: output_height * output_width,
                offset: y * output_width,
                count: output_width,
            });
            rows.swap(0, 2);
        }
    }
}

/// Pixels of a row to input values.
struct NormalizeRow<'a> {
    pixels: &'a [u8],
    output: &'a mut [f32],
    affine: Affine,
}

impl<const L: usize> Kernel<L> for NormalizeRow<'_> {
    #[inline(always)]
    fn run<S: Simd<L>>(self, simd: S) {
        let Affine { scale, shift } = self.affine;
        let (scales, shifts) = (load_all(simd, &pattern(scale)), load_all(simd, &pattern(shift)));
        let (pixels, rest) = self.pixels.as_chunks::<L>();
        let (output, output_rest) = self.output.as_chunks_mut::<L>();
        for (triple, outputs) in pixels.chunks(3).zip(output.chunks_mut(3)) {
            for (v, (pixels, output)) in triple.iter().zip(outputs).enumerate() {
                simd.store(simd.fma(simd.widen(pixels), scales[v], shifts[v]), output);
            }
        }
        for (index, (pixel, output)) in rest.iter().zip(output_rest).enumerate() {
            let channel = (pixels.len() * L + index) % 3;
            *output = f32::from(*pixel).mul_add(scale[channel], shift[channel]);
        }
    }
}

/// The channels' values as they follow each other in three vectors: R, G, B, R ...
#[inline(always)]
fn pattern<const L: usize>(values: [f32; 3]) -> [[f32; L]; 3] {
    let mut vectors = [[0.0; L]; 3];
    for (index, slot) in vectors.as_flattened_mut().iter_mut().enumerate() {
        *slot = values[index % 3];
    }
    vectors
}

/// One row of outputs, all channels.
struct StemRow<'a, const L: usize> {
    weights: &'a Weights,
    rows: [&'a [[f32; PAIR]]; 3],
    output: &'a mut [[f32; L]],
    /// Pixels of an output plane.
    plane: usize,
    offset: usize,
    count: usize,
}

impl<const L: usize> Kernel<L> for StemRow<'_, L> {
    #[inline(always)]
    fn run<S: Simd<L>>(self, simd: S) {
        for panel in self.weights.panels::<L>() {
            let output = &mut self.output[panel.first * self.plane..];
            let epilogue = Relu6Into { output, stride: self.plane, offset: self.offset };
            match panel.vectors {
                1 => panel_row::<S, L, 1>(simd, panel, self.rows, self.count, epilogue),
                2 => panel_row::<S, L, 2>(simd, panel, self.rows, self.count, epilogue),
                _ => panel_row::<S, L, 3>(simd, panel, self.rows, self.count, epilogue),
            }
        }
    }
}

#[inline(always)]
fn panel_row<S: Simd<L>, const L: usize, const V: usize>(
    simd: S,
    panel: PanelWeights<'_, L>,
    rows: [&[[f32; PAIR]]; 3],
    count: usize,
    mut epilogue: impl Epilogue<L>,
) {
    let [bias, weights @ ..] = panel.rows.as_chunks::<V>().0 else { return };
    let bias = load_all(simd, bias);
    let weights = weights.as_chunks::<9>().0;
    let mut pixel = 0;
    for (size, repeat) in cut(count, tile_pixels(V)) {
        for_tile_size!(size, P => {
            for _ in 0..repeat {
                let mut sums = [bias; P];
                // Rolled on purpose: unrolled, the loop over rows spills registers.
                for (row, weights) in rows.iter().zip(weights) {
                    let first_two = window::<P, _>(row, pixel);
                    let third = window::<P, _>(row, pixel + 1);
                    for at in 0..PAIR {
                        accumulate(simd, &weights[at], |p| first_two[p][at], &mut sums);
                    }
                    for at in 0..3 {
                        accumulate(simd, &weights[PAIR + at], |p| third[p][at], &mut sums);
                    }
                }
                epilogue.finish(simd, pixel, sums);
                pixel += P;
            }
        });
    }
}
