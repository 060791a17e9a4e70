//! 1x1 convolutions: the matrix kernel.
//!
//! A tile is a few neighbouring pixels times the channels of a weight panel; its sums stay in registers. Each sum
//! starts at the bias and adds `input * weight` with one rounding, input channels ascending, however the work is cut:
//! that order is what makes the bits the same everywhere. The shapes follow BLIS (Van Zee and van de Geijn, 2015): 6 x
//! 16 fills AVX2's registers, and panels longer than [`CHUNK_BYTES`] are worked off in chunks that stay in the L1
//! cache.

// Indices name registers here: a loop over an array's elements would hide which sum belongs to which pixel and channel.
#![allow(clippy::needless_range_loop)]

use super::pack::PanelWeights;
use super::simd::{Kernel, Simd};

/// Weights of a panel that stay in the L1 cache beside the activations.
const CHUNK_BYTES: usize = 8 << 10;

/// Channel blocks of an image: `stride` pixels of `L` channels each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes<'a, const L: usize> {
    pub data: &'a [[f32; L]],
    pub stride: usize,
}

/// What happens to the sums of a tile of `P` pixels from `pixel` on, `V` channel blocks wide.
pub(super) trait Epilogue<const L: usize> {
    /// Must be `#[inline(always)]`.
    fn finish<S: Simd<L>, const P: usize, const V: usize>(&mut self, simd: S, pixel: usize, sums: [[S::Vector; V]; P]);
}

/// One weight panel over `count` pixels of the input, from pixel `from` on.
pub(super) struct Pointwise<'a, E, const L: usize> {
    pub panel: PanelWeights<'a, L>,
    pub input: Planes<'a, L>,
    pub from: usize,
    pub count: usize,
    pub epilogue: E,
    /// At least `count` times the panel's vectors.
    pub partial: &'a mut [[f32; L]],
}

impl<E: Epilogue<L>, const L: usize> Kernel<L> for Pointwise<'_, E, L> {
    #[inline(always)]
    fn run<S: Simd<L>>(self, simd: S) {
        match self.panel.vectors {
            1 => self.panel::<S, 1>(simd),
            2 => self.panel::<S, 2>(simd),
            _ => self.panel::<S, 3>(simd),
        }
    }
}

impl<E: Epilogue<L>, const L: usize> Pointwise<'_, E, L> {
    #[inline(always)]
    fn panel<S: Simd<L>, const V: usize>(mut self, simd: S) {
        let [bias, weights @ ..] = self.panel.rows.as_chunks::<V>().0 else { return };
        let bias = load_all(simd, bias);
        let chunk = chunk_length(weights.len(), V * L, L);
        let chunks = weights.len().div_ceil(chunk);
        let tiles = cut(self.count, tile_pixels(V));
        // The next panel is fetched piece by piece, a piece per tile.
        let piece = self.panel.next.len().div_ceil(chunks * (tiles[0].1 + tiles[1].1)).max(1);
        let mut pieces = self.panel.next.chunks(piece);
        for (index, weights) in weights.chunks(chunk).enumerate() {
            let (is_first, is_last) = (index == 0, index + 1 == chunks);
            let first_plane = index * chunk / L;
            let input = Planes { data: &self.input.data[first_plane * self.input.stride..], ..self.input };
            let mut pixel = 0;
            for (size, repeat) in tiles {
                for_tile_size!(size, P => {
                    for _ in 0..repeat {
                        prefetch(simd, pieces.next());
                        let start = if is_first { [bias; P] } else { load_sums(simd, &self.partial[pixel * V..]) };
                        let sums = tile::<S, L, P, V>(simd, start, weights, input, self.from + pixel);
                        if is_last {
                            self.epilogue.finish(simd, pixel, sums);
                        } else {
                            store_sums(simd, sums, &mut self.partial[pixel * V..]);
                        }
                        pixel += P;
                    }
                });
            }
        }
    }
}

/// Inputs per chunk: whole channel blocks, equal parts of at most [`CHUNK_BYTES`] for rows of `row` floats.
#[inline(always)]
fn chunk_length(inputs: usize, row: usize, lanes: usize) -> usize {
    let longest = CHUNK_BYTES / size_of::<f32>() / row;
    inputs.div_ceil(inputs.div_ceil(longest)).next_multiple_of(lanes)
}

/// Pixels in a tile for a panel of `vectors`: as many sums as 16 registers hold beside the weights and one input.
#[inline(always)]
pub(super) fn tile_pixels(vectors: usize) -> usize {
    if vectors == 3 { 3 } else { 6 }
}

/// Cuts `count` pixels into nearly equal tiles of at most `widest`, so that no tiny ones remain: (size, how many)
/// twice.
#[inline(always)]
pub(super) fn cut(count: usize, widest: usize) -> [(usize, usize); 2] {
    let tiles = count.div_ceil(widest).max(1);
    let (size, longer) = (count / tiles, count % tiles);
    [(size + 1, longer), (size, tiles - longer)]
}

/// Runs `$body` with the constant `$pixels` for a tile size of 1 to 6.
macro_rules! for_tile_size {
    ($size:expr, $pixels:ident => $body:expr) => {
        match $size {
            6 => for_tile_size!(@ $pixels = 6, $body),
            5 => for_tile_size!(@ $pixels = 5, $body),
            4 => for_tile_size!(@ $pixels = 4, $body),
            3 => for_tile_size!(@ $pixels = 3, $body),
            2 => for_tile_size!(@ $pixels = 2, $body),
            1 => for_tile_size!(@ $pixels = 1, $body),
            _ => {}
        }
    };
    (@ $pixels:ident = $value:literal, $body:expr) => {{
        const $pixels: usize = $value;
        $body
    }};
}
pub(super) use for_tile_size;

#[inline(always)]
fn tile<S: Simd<L>, const L: usize, const P: usize, const V: usize>(
    simd: S,
    start: [[S::Vector; V]; P],
    weights: &[[[f32; L]; V]],
    input: Planes<'_, L>,
    pixel: usize,
) -> [[S::Vector; V]; P] {
    let mut sums = start;
    let (blocks, rest) = weights.as_chunks::<L>();
    let mut planes = input.data.chunks_exact(input.stride);
    for (rows, plane) in blocks.iter().zip(&mut planes) {
        let values = window::<P, _>(plane, pixel);
        for k in 0..L {
            accumulate(simd, &rows[k], |p| values[p][k], &mut sums);
        }
    }
    if !rest.is_empty()
        && let Some(plane) = planes.next()
    {
        let values = window::<P, _>(plane, pixel);
        for (k, row) in rest.iter().enumerate() {
            accumulate(simd, row, |p| values[p][k], &mut sums);
        }
    }
    sums
}

/// Adds the product of a row of weights with the input of each pixel.
#[inline(always)]
pub(super) fn accumulate<S: Simd<L>, const L: usize, const P: usize, const V: usize>(
    simd: S,
    row: &[[f32; L]; V],
    input: impl Fn(usize) -> f32,
    sums: &mut [[S::Vector; V]; P],
) {
    let row = load_all(simd, row);
    for p in 0..P {
        let value = simd.splat(input(p));
        for v in 0..V {
            sums[p][v] = simd.fma(value, row[v], sums[p][v]);
        }
    }
}

/// A row of vectors.
#[inline(always)]
pub(super) fn load_all<S: Simd<L>, const L: usize, const V: usize>(simd: S, from: &[[f32; L]; V]) -> [S::Vector; V] {
    let mut vectors = [simd.splat(0.0); V];
    for v in 0..V {
        vectors[v] = simd.load(&from[v]);
    }
    vectors
}

/// `N` elements from `at` on. Panics if there are fewer, like an index.
#[inline(always)]
pub(super) fn window<const N: usize, T>(elements: &[T], at: usize) -> &[T; N] {
    match elements[at..].first_chunk() {
        Some(window) => window,
        None => panic!("{} elements are too few for a tile of {N} at {at}", elements.len()),
    }
}

#[inline(always)]
fn load_sums<S: Simd<L>, const L: usize, const P: usize, const V: usize>(
    simd: S,
    partial: &[[f32; L]],
) -> [[S::Vector; V]; P] {
    let partial: &[[[f32; L]; V]; P] = window(partial.as_chunks::<V>().0, 0);
    let mut sums = [[simd.splat(0.0); V]; P];
    for p in 0..P {
        sums[p] = load_all(simd, &partial[p]);
    }
    sums
}

#[inline(always)]
fn store_sums<S: Simd<L>, const L: usize, const P: usize, const V: usize>(
    simd: S,
    sums: [[S::Vector; V]; P],
    partial: &mut [[f32; L]],
) {
    let partial = &mut partial[..P * V];
    for p in 0..P {
        for v in 0..V {
            simd.store(sums[p][v], &mut partial[p * V + v]);
        }
    }
}

#[inline(always)]
fn prefetch<S: Simd<L>, const L: usize>(simd: S, rows: Option<&[[f32; L]]>) {
    let vectors_per_line = super::memory::LINE / size_of::<[f32; L]>();
    for vector in rows.unwrap_or_default().iter().step_by(vectors_per_line) {
        simd.prefetch(vector);
    }
}

/// Stores `relu6(sum)` into channel blocks of `stride` pixels, from pixel `offset` on.
pub(super) struct Relu6Into<'a, const L: usize> {
    pub output: &'a mut [[f32; L]],
    pub stride: usize,
    pub offset: usize,
}

impl<const L: usize> Epilogue<L> for Relu6Into<'_, L> {
    #[inline(always)]
    fn finish<S: Simd<L>, const P: usize, const V: usize>(&mut self, simd: S, pixel: usize, sums: [[S::Vector; V]; P]) {
        for v in 0..V {
            let output = &mut self.output[v * self.stride + self.offset + pixel..][..P];
            for p in 0..P {
                simd.store(simd.relu6(sums[p][v]), &mut output[p]);
            }
        }
    }
}

/// Stores the sum, plus what `skip` holds at the same place, into channel blocks of `stride` pixels from `offset` on.
pub(super) struct LinearInto<'a, const L: usize> {
    pub output: &'a mut [[f32; L]],
    pub skip: Option<&'a [[f32; L]]>,
    pub stride: usize,
    pub offset: usize,
}

impl<const L: usize> Epilogue<L> for LinearInto<'_, L> {
    #[inline(always)]
    fn finish<S: Simd<L>, const P: usize, const V: usize>(&mut self, simd: S, pixel: usize, sums: [[S::Vector; V]; P]) {
        for v in 0..V {
            let at = v * self.stride + self.offset + pixel;
            let output = &mut self.output[at..][..P];
            match self.skip {
                Some(skip) => {
                    let skip = &skip[at..][..P];
                    for p in 0..P {
                        simd.store(simd.add(sums[p][v], simd.load(&skip[p])), &mut output[p]);
                    }
                }
                None => {
                    for p in 0..P {
                        simd.store(sums[p][v], &mut output[p]);
                    }
                }
            }
        }
    }
}

/// Stores the sums, or `relu6` of them, pixel by pixel: `channels` floats each, those of the panel from `first` on.
pub(super) struct PixelsInto<'a> {
    pub output: &'a mut [f32],
    pub channels: usize,
    pub first: usize,
    pub relu6: bool,
}

impl<const L: usize> Epilogue<L> for PixelsInto<'_> {
    #[inline(always)]
    fn finish<S: Simd<L>, const P: usize, const V: usize>(&mut self, simd: S, pixel: usize, sums: [[S::Vector; V]; P]) {
        for p in 0..P {
            let channels = &mut self.output[(pixel + p) * self.channels..][..self.channels];
            for v in 0..V {
                let sum = if self.relu6 { simd.relu6(sums[p][v]) } else { sums[p][v] };
                store_first(simd, sum, &mut channels[self.first + v * L..]);
            }
        }
    }
}

/// Stores as much of a vector as there is room for: the last block may have lanes beyond the last channel.
#[inline(always)]
fn store_first<S: Simd<L>, const L: usize>(simd: S, vector: S::Vector, to: &mut [f32]) {
    match to.first_chunk_mut() {
        Some(whole) => simd.store(vector, whole),
        None => {
            let mut lanes = [0.0; L];
            simd.store(vector, &mut lanes);
            to.copy_from_slice(&lanes[..to.len()]);
        }
    }
}

/// Adds `relu6(sum)` of every pixel, in order, to the panel's `totals`.
pub(super) struct PoolInto<'a, const L: usize> {
    pub totals: &'a mut [[f32; L]],
}

impl<const L: usize> Epilogue<L> for PoolInto<'_, L> {
    #[inline(always)]
    fn finish<S: Simd<L>, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        _pixel: usize,
        sums: [[S::Vector; V]; P],
    ) {
        for v in 0..V {
            let mut total = simd.load(&self.totals[v]);
            for p in 0..P {
                total = simd.add(total, simd.relu6(sums[p][v]));
            }
            simd.store(total, &mut self.totals[v]);
        }
    }
}
