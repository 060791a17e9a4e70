//! Depthwise 3x3 convolutions with ReLU6, strides 1 and 2.
//!
//! A channel block's nine taps stay in registers while a row of outputs is computed; every input column is loaded once
//! and feeds the outputs that it touches. Each output starts at the bias and adds the taps column by column, top to
//! bottom. Taps beyond the left and right border are left out; rows beyond the top and bottom are zeros.

use super::pack::TAP_ROWS;
use super::pointwise::Planes;
use super::simd::{Kernel, Simd};

/// Shapes of a depthwise convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Input (height, width).
    pub input: (usize, usize),
    /// Output (height, width).
    pub output: (usize, usize),
    /// 1 or 2.
    pub stride: usize,
    /// Zero rows above and columns left of the input: 0 or 1, with stride 1 always 1.
    pub pad: (usize, usize),
}

impl Geometry {
    /// The input rows that output rows `from..to` read.
    pub fn input_rows(&self, from: usize, to: usize) -> std::ops::Range<usize> {
        let first = (from * self.stride).saturating_sub(self.pad.0);
        let end = ((to - 1) * self.stride + 3).saturating_sub(self.pad.0).min(self.input.0);
        first.min(end)..end
    }
}

/// Output rows `from..to` of some channel blocks.
pub(super) struct Depthwise<'a, const L: usize> {
    pub geometry: Geometry,
    pub from: usize,
    pub to: usize,
    /// The blocks' input rows from `first_row` on.
    pub input: Planes<'a, L>,
    pub first_row: usize,
    /// The input rows before `first_row` that are read.
    pub halo: Halo<'a, L>,
    pub taps: &'a [[[f32; L]; TAP_ROWS]],
    /// A row of zeros.
    pub zeros: &'a [[f32; L]],
    /// The blocks' outputs.
    pub output: &'a mut [[f32; L]],
}

/// Input rows from `first_row` on, in planes of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Halo<'a, const L: usize> {
    pub rows: Planes<'a, L>,
    pub first_row: usize,
}

impl<const L: usize> Kernel<L> for Depthwise<'_, L> {
    #[inline(always)]
    fn run<S: Simd<L>>(self, simd: S) {
        let Depthwise { geometry, from, to, input, first_row, halo, taps, zeros, output } = self;
        let (input_height, input_width) = geometry.input;
        let output_width = geometry.output.1;
        let plane_size = (to - from) * output_width;
        for (block, taps) in taps.iter().enumerate() {
            let plane = &input.data[block * input.stride..][..input.stride];
            let above = &halo.rows.data[block * halo.rows.stride..][..halo.rows.stride];
            let output = &mut output[block * plane_size..][..plane_size];
            let taps = BlockTaps::load(simd, taps);
            let row = |y: usize, ky: usize| match (y * geometry.stride + ky).checked_sub(geometry.pad.0) {
                Some(row) if row < first_row => &above[(row - halo.first_row) * input_width..][..input_width],
                Some(row) if row < input_height => &plane[(row - first_row) * input_width..][..input_width],
                _ => &zeros[..input_width],
            };
            for y in from..to {
                let rows = [row(y, 0), row(y, 1), row(y, 2)];
                let output = &mut output[(y - from) * output_width..][..output_width];
                match geometry.stride {
                    1 => taps.row(simd, rows, output),
                    _ => taps.row_of_every_second(simd, rows, geometry.pad.1, output),
                }
            }
        }
    }
}

/// Taps of one channel block: the columns left, middle and right.
struct BlockTaps<'a, V, const L: usize> {
    bias: &'a [f32; L],
    columns: [[V; 3]; 3],
}

impl<'a, V: Copy, const L: usize> BlockTaps<'a, V, L> {
    #[inline(always)]
    fn load<S: Simd<L, Vector = V>>(simd: S, taps: &'a [[f32; L]; TAP_ROWS]) -> Self {
        let [bias, a, b, c, d, e, f, g, h, i] = taps;
        BlockTaps { bias, columns: [load3(simd, a, b, c), load3(simd, d, e, f), load3(simd, g, h, i)] }
    }

    /// Stride 1, one column of padding on both sides. Three outputs are under way at any time.
    #[inline(always)]
    fn row<S: Simd<L, Vector = V>>(&self, simd: S, rows: [&[[f32; L]]; 3], output: &mut [[f32; L]]) {
        let [left, middle, right] = self.columns;
        let [[a, top @ ..], [b, centre @ ..], [c, bottom @ ..]] = rows else { return };
        let Some((last, output)) = output.split_last_mut() else { return };
        let column = load3(simd, a, b, c);
        let mut previous = add(simd, column, middle, simd.load(self.bias));
        let mut current = add(simd, column, left, simd.load(self.bias));
        for (((a, b), c), output) in top.iter().zip(centre).zip(bottom).zip(output) {
            let column = load3(simd, a, b, c);
            let done = add(simd, column, right, previous);
            previous = add(simd, column, middle, current);
            current = add(simd, column, left, simd.load(self.bias));
            simd.store(simd.relu6(done), output);
        }
        simd.store(simd.relu6(previous), last);
    }

    /// Stride 2, `pad` columns of padding on the left. An output's right column is the next one's left column.
    #[inline(always)]
    fn row_of_every_second<S: Simd<L, Vector = V>>(
        &self,
        simd: S,
        rows: [&[[f32; L]]; 3],
        pad: usize,
        output: &mut [[f32; L]],
    ) {
        let [left, middle, right] = self.columns;
        let mut sum = simd.load(self.bias);
        if pad == 0 {
            sum = add(simd, load3(simd, &rows[0][0], &rows[1][0], &rows[2][0]), left, sum);
        }
        let (top, top_rest) = rows[0][1 - pad..].as_chunks::<2>();
        let (centre, centre_rest) = rows[1][1 - pad..].as_chunks::<2>();
        let (bottom, bottom_rest) = rows[2][1 - pad..].as_chunks::<2>();
        let mut output = output.iter_mut();
        for (((a, b), c), output) in top.iter().zip(centre).zip(bottom).zip(&mut output) {
            let shared = load3(simd, &a[1], &b[1], &c[1]);
            let half = add(simd, load3(simd, &a[0], &b[0], &c[0]), middle, sum);
            sum = add(simd, shared, left, simd.load(self.bias));
            simd.store(simd.relu6(add(simd, shared, right, half)), output);
        }
        if let (Some(output), [a], [b], [c]) = (output.next(), top_rest, centre_rest, bottom_rest) {
            simd.store(simd.relu6(add(simd, load3(simd, a, b, c), middle, sum)), output);
        }
    }
}

#[inline(always)]
fn load3<S: Simd<L>, const L: usize>(simd: S, a: &[f32; L], b: &[f32; L], c: &[f32; L]) -> [S::Vector; 3] {
    [simd.load(a), simd.load(b), simd.load(c)]
}

/// Adds a column of three inputs times their taps, top to bottom.
#[inline(always)]
fn add<S: Simd<L>, const L: usize>(simd: S, column: [S::Vector; 3], taps: [S::Vector; 3], sum: S::Vector) -> S::Vector {
    let top = simd.fma(column[0], taps[0], sum);
    let centre = simd.fma(column[1], taps[1], top);
    simd.fma(column[2], taps[2], centre)
}
