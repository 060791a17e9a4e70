//! The scatter of centred rows as a blocked symmetric rank-k update, the one hot loop of this crate.
//!
//! The features are cut into strips; the scatter into square tiles, of which only those on or above
//! the diagonal are computed. A block of [`DEPTH`] rows is centred, widened to `f64` and packed strip by strip, so
//! that the inner loop reads two short contiguous runs, and strips of [`GROUP_BYTES`] of it stay in the second-level
//! cache while the strips left of them pass by.
//!
//! Each element of the scatter is one chain of multiply-adds over the rows in their order, whatever the blocking:
//! vector lanes hold different elements.

use std::iter::repeat_n;

use ndarray::{ArrayView2, Axis, s};

/// Rows per packed block.
const DEPTH: usize = 128;
/// Bytes of strips that stay in the second-level cache.
const GROUP_BYTES: usize = 192 << 10;

/// The features of one strip in one row.
type Run<const STRIP: usize> = [f64; STRIP];
/// One square of the scatter.
type Tile<const STRIP: usize> = [Run<STRIP>; STRIP];

/// The scatter of `rows` [n, d] around `mean` `[d]`, its upper triangle packed row by row.
pub(crate) fn centred_scatter(rows: ArrayView2<'_, f32>, mean: &[f64]) -> Vec<f64> {
    scatter_with(Kernel::detect(), rows, mean)
}

/// Strips are three vectors of AVX-512 or AVX2 wide.
fn scatter_with(kernel: Kernel, rows: ArrayView2<'_, f32>, mean: &[f64]) -> Vec<f64> {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        // SAFETY: `available` is the only maker of this variant and has seen the feature on this CPU.
        Kernel::Avx512 => scatter::<24>(rows, mean, |tiles, packed, depth| unsafe {
            add_block_avx512(tiles, packed, depth);
        }),
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        // SAFETY: `available` is the only maker of this variant and has seen both features on this CPU.
        Kernel::Avx2Fma => scatter::<12>(rows, mean, |tiles, packed, depth| unsafe {
            add_block_avx2_fma(tiles, packed, depth);
        }),
        Kernel::Baseline => scatter::<12>(rows, mean, add_block::<12, 3, BASELINE_IS_FUSED>),
    }
}

/// With `add_block`, which adds the products of so many packed rows to all tiles.
fn scatter<const STRIP: usize>(
    rows: ArrayView2<'_, f32>,
    mean: &[f64],
    add_block: impl Fn(&mut [Tile<STRIP>], &[Run<STRIP>], usize),
) -> Vec<f64> {
    let strips = mean.len().div_ceil(STRIP);
    // Zeros that are written: those of `vec!` are pages that the system maps when they are read and again when they are
    // written, and that second time interrupts the other threads.
    let mut tiles: Vec<Tile<STRIP>> = repeat_n([[0.0; STRIP]; STRIP], strips * (strips + 1) / 2).collect();
    let mut packed = vec![[0.0; STRIP]; strips * DEPTH.min(rows.nrows())];
    for block in rows.axis_chunks_iter(Axis(0), DEPTH) {
        let packed = &mut packed[..strips * block.nrows()];
        pack_centred(block, mean, packed);
        add_block(&mut tiles, packed, block.nrows());
    }
    triangle_of(&tiles, mean.len())
}

/// Packs `block` [depth, d] as `[strip][row]`, centred; features beyond the last one stay 0.
fn pack_centred<const STRIP: usize>(block: ArrayView2<'_, f32>, mean: &[f64], packed: &mut [Run<STRIP>]) {
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

fn triangle_of<const STRIP: usize>(tiles: &[Tile<STRIP>], dimensions: usize) -> Vec<f64> {
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

/// Which instructions add up a block. All fused kernels give the same bits.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kernel {
    /// AVX-512F, found at run time.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 with fused multiply-add, found at run time.
    #[cfg(target_arch = "x86_64")]
    Avx2Fma,
    /// The target's own instructions; fused where every CPU of the target can (aarch64).
    Baseline,
}

/// Without hardware support `f64::mul_add` is a call into a library for each product.
const BASELINE_IS_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

impl Kernel {
    /// Those that this CPU has, the fastest first.
    fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let fused = [
            is_x86_feature_detected!("avx512f").then_some(Self::Avx512),
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self::Avx2Fma),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let fused = [None];
        fused.into_iter().flatten().chain([Self::Baseline])
    }

    fn detect() -> Self {
        Self::available().next().unwrap_or(Self::Baseline)
    }
}

/// Tiles of 6 x 24 sums take 18 of 32 vector registers; those of 8 x 24 the compiler keeps in memory.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn add_block_avx512(tiles: &mut [Tile<24>], packed: &[Run<24>], depth: usize) {
    add_block::<24, 6, true>(tiles, packed, depth);
}

/// Tiles of 3 x 12 sums take 9 of 16 vector registers, enough chains to hide the latency of multiply-add; with 4 x 12
/// the compiler spills one of them in the inner loop.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn add_block_avx2_fma(tiles: &mut [Tile<12>], packed: &[Run<12>], depth: usize) {
    add_block::<12, 3, true>(tiles, packed, depth);
}

/// `ROWS` of a tile are added up at once. Inlined into each caller, so that it is compiled with the caller's
/// instructions.
#[inline(always)]
fn add_block<const STRIP: usize, const ROWS: usize, const FUSED: bool>(
    tiles: &mut [Tile<STRIP>],
    packed: &[Run<STRIP>],
    depth: usize,
) {
    let strips = packed.len() / depth;
    let in_group = GROUP_BYTES / (DEPTH * size_of::<Run<STRIP>>());
    let runs = |strip: usize| &packed[strip * depth..][..depth];
    for group in (0..strips).step_by(in_group) {
        let group_end = strips.min(group + in_group);
        for upper in 0..group_end {
            for left in group.max(upper)..group_end {
                let tile = &mut tiles[tile_index(upper, left, strips)];
                add_products::<STRIP, ROWS, FUSED>(tile, runs(upper), runs(left));
            }
        }
    }
}

/// `tile += upper^T left`, where both are [depth, STRIP].
#[inline(always)]
fn add_products<const STRIP: usize, const ROWS: usize, const FUSED: bool>(
    tile: &mut Tile<STRIP>,
    upper: &[Run<STRIP>],
    left: &[Run<STRIP>],
) {
    let (bands, []) = tile.as_chunks_mut::<ROWS>() else { unreachable!("ROWS divides STRIP") };
    for (band, first) in bands.iter_mut().zip((0..STRIP).step_by(ROWS)) {
        let mut sums = *band;
        for (upper, left) in upper.iter().zip(left) {
            for (sums, &factor) in sums.iter_mut().zip(&upper[first..first + ROWS]) {
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

    #[test]
    fn every_kernel_equals_the_definition_to_the_bit_whatever_the_shape() {
        let row_counts = [1, 2, DEPTH - 1, DEPTH, 2 * DEPTH + 3];
        // Around strips of 12 and 24 and groups of 16 and 8 of them.
        let widths = [0, 1, 11, 12, 13, 23, 24, 25, 41, 77, 194];
        for (count, width) in row_counts.iter().flat_map(|&n| widths.map(|d| (n, d))) {
            let rows = Array2::from_shape_fn((count, width), |(k, i)| ((k * 37 + i * 101 + k * i) % 97) as f32 / 7.0);
            let mean: Vec<f64> = (0..width).map(|i| 6.9 + i as f64 / 13.0).collect();
            for kernel in Kernel::available() {
                let fused = kernel != Kernel::Baseline || BASELINE_IS_FUSED;
                assert_eq!(
                    scatter_with(kernel, rows.view(), &mean),
                    scatter_by_definition(rows.view(), &mean, fused),
                    "{kernel:?}, {count} rows of {width} features"
                );
            }
        }
    }
}
