//! The scatter of centred rows as a blocked symmetric rank-k update, the one hot loop of this crate.
//!
//! The features are cut into strips of [`STRIP`]; the scatter into square tiles, of which only those on or above
//! the diagonal are computed. A block of [`DEPTH`] rows is centred, widened to `f64` and packed strip by strip, so
//! that the inner loop reads two short contiguous runs, and [`GROUP`] strips of it stay in the second-level
//! cache while the strips left of them pass by.
//!
//! Each element of the scatter is one chain of multiply-adds over the rows in their order, whatever the blocking:
//! vector lanes hold different elements.

use std::iter::repeat_n;

use ndarray::{ArrayView2, Axis, s};

/// Features per strip: three AVX2 vectors.
const STRIP: usize = 12;
/// Rows of a tile that are accumulated at once: 3 x 12 sums take 9 of 16 vector registers, enough chains to hide
/// the latency of multiply-add; with 4 x 12 the compiler spills one of them in the inner loop.
const TILE_ROWS: usize = 3;
/// Rows per packed block.
const DEPTH: usize = 128;
/// Strips that stay in the second-level cache: 16 x 12 x 128 x 8 bytes = 192 KiB.
const GROUP: usize = 16;

/// The features of one strip in one row.
type Run = [f64; STRIP];
/// One square of the scatter.
type Tile = [Run; STRIP];

/// The scatter of `rows` [n, d] around `mean` `[d]`, its upper triangle packed row by row.
pub(crate) fn centred_scatter(rows: ArrayView2<'_, f32>, mean: &[f64]) -> Vec<f64> {
    scatter_with(Kernel::detect(), rows, mean)
}

fn scatter_with(kernel: Kernel, rows: ArrayView2<'_, f32>, mean: &[f64]) -> Vec<f64> {
    let strips = mean.len().div_ceil(STRIP);
    // Zeros that are written: those of `vec!` are pages that the system maps when they are read and again when they are
    // written, and that second time interrupts the other threads.
    let mut tiles: Vec<Tile> = repeat_n(Tile::default(), strips * (strips + 1) / 2).collect();
    let mut packed = vec![Run::default(); strips * DEPTH.min(rows.nrows())];
    for block in rows.axis_chunks_iter(Axis(0), DEPTH) {
        let packed = &mut packed[..strips * block.nrows()];
        pack_centred(block, mean, packed);
        kernel.add_block(&mut tiles, packed, block.nrows());
    }
    triangle_of(&tiles, mean.len())
}

/// Packs `block` [depth, d] as `[strip][row]`, centred; features beyond the last one stay 0.
fn pack_centred(block: ArrayView2<'_, f32>, mean: &[f64], packed: &mut [Run]) {
    let depth = block.nrows();
    for (strip, (runs, strip_mean)) in packed.chunks_exact_mut(depth).zip(mean.chunks(STRIP)).enumerate() {
        let first = strip * STRIP;
        let columns = block.slice(s![.., first..first + strip_mean.len()]);
        for (run, row) in runs.iter_mut().zip(columns.rows()) {
            for ((centred, &value), mean) in run.iter_mut().zip(row).zip(strip_mean) {
                *centred = f64::from(value) - mean;
            }
        }
    }
}

/// Where tile (`upper`, `left`) lies among `strips * (strips + 1) / 2` tiles, for `upper <= left`.
fn tile_index(upper: usize, left: usize, strips: usize) -> usize {
    upper * (2 * strips + 1 - upper) / 2 + left - upper
}

fn triangle_of(tiles: &[Tile], dimensions: usize) -> Vec<f64> {
    let strips = dimensions.div_ceil(STRIP);
    let mut triangle = Vec::with_capacity(dimensions * (dimensions + 1) / 2);
    for row in 0..dimensions {
        for left in row / STRIP..strips {
            let first = left * STRIP;
            let run = &tiles[tile_index(row / STRIP, left, strips)][row % STRIP];
            triangle.extend_from_slice(&run[row.saturating_sub(first)..STRIP.min(dimensions - first)]);
        }
    }
    triangle
}

/// Which instructions add up a block. Both fused kernels give the same bits.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kernel {
    /// AVX2 with fused multiply-add, found at run time.
    #[cfg(target_arch = "x86_64")]
    Avx2Fma,
    /// The target's own instructions; fused where every CPU of the target can (aarch64).
    Baseline,
}

/// Without hardware support `f64::mul_add` is a call into a library for each product.
const BASELINE_IS_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

impl Kernel {
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Self::Avx2Fma;
        }
        Self::Baseline
    }

    /// Adds the products of `depth` packed rows to all tiles.
    fn add_block(self, tiles: &mut [Tile], packed: &[Run], depth: usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `detect` is the only maker of this variant and has seen both features on this CPU.
            Self::Avx2Fma => unsafe { add_block_avx2_fma(tiles, packed, depth) },
            Self::Baseline => add_block::<BASELINE_IS_FUSED>(tiles, packed, depth),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn add_block_avx2_fma(tiles: &mut [Tile], packed: &[Run], depth: usize) {
    add_block::<true>(tiles, packed, depth);
}

/// Inlined into each caller, so that it is compiled with the caller's instructions.
#[inline(always)]
fn add_block<const FUSED: bool>(tiles: &mut [Tile], packed: &[Run], depth: usize) {
    let strips = packed.len() / depth;
    let runs = |strip: usize| &packed[strip * depth..][..depth];
    for group in (0..strips).step_by(GROUP) {
        let group_end = strips.min(group + GROUP);
        for upper in 0..group_end {
            for left in group.max(upper)..group_end {
                let tile = &mut tiles[tile_index(upper, left, strips)];
                add_products::<FUSED>(tile, runs(upper), runs(left));
            }
        }
    }
}

/// `tile += upper^T left`, where both are [depth, STRIP].
#[inline(always)]
fn add_products<const FUSED: bool>(tile: &mut Tile, upper: &[Run], left: &[Run]) {
    let (bands, []) = tile.as_chunks_mut::<TILE_ROWS>() else { unreachable!("TILE_ROWS divides STRIP") };
    for (band, first) in bands.iter_mut().zip((0..STRIP).step_by(TILE_ROWS)) {
        let mut sums = *band;
        for (upper, left) in upper.iter().zip(left) {
            for (sums, &factor) in sums.iter_mut().zip(&upper[first..first + TILE_ROWS]) {
                for (sum, &value) in sums.iter_mut().zip(left) {
                    *sum = if FUSED { factor.mul_add(value, *sum) } else { factor * value + *sum };
                }
            }
        }
        *band = sums;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    /// One element after the other, rows in order: what every kernel must equal to the bit.
    fn scatter_by_definition(rows: ArrayView2<'_, f32>, mean: &[f64], fused: bool) -> Vec<f64> {
        let centred = Array2::from_shape_fn(rows.dim(), |(k, i)| f64::from(rows[(k, i)]) - mean[i]);
        let element = |i: usize, j: usize| {
            centred
                .rows()
                .into_iter()
                .fold(0.0, |sum, row| if fused { row[i].mul_add(row[j], sum) } else { row[i] * row[j] + sum })
        };
        (0..mean.len()).flat_map(|i| (i..mean.len()).map(move |j| element(i, j))).collect()
    }

    fn kernels() -> Vec<(Kernel, bool)> {
        let mut kernels = vec![(Kernel::Baseline, BASELINE_IS_FUSED)];
        if Kernel::detect() != Kernel::Baseline {
            kernels.push((Kernel::detect(), true));
        }
        kernels
    }

    #[test]
    fn every_kernel_equals_the_definition_to_the_bit_whatever_the_shape() {
        let row_counts = [1, 2, DEPTH - 1, DEPTH, 2 * DEPTH + 3];
        let widths = [0, 1, STRIP - 1, STRIP, STRIP + 1, 3 * STRIP + 5, GROUP * STRIP + 2];
        for (count, width) in row_counts.iter().flat_map(|&n| widths.map(|d| (n, d))) {
            let rows = Array2::from_shape_fn((count, width), |(k, i)| ((k * 37 + i * 101 + k * i) % 97) as f32 / 7.0);
            let mean: Vec<f64> = (0..width).map(|i| 6.9 + i as f64 / 13.0).collect();
            for (kernel, fused) in kernels() {
                assert_eq!(
                    scatter_with(kernel, rows.view(), &mean),
                    scatter_by_definition(rows.view(), &mean, fused),
                    "{kernel:?}, {count} rows of {width} features"
                );
            }
        }
    }
}
