//! Numbers that look random and are the same every time.

use nalgebra::DMatrix;

/// A matrix of numbers between -1 and 1, by SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom
/// number generators"). Another `seed` gives others.
pub(crate) fn uniform_block(seed: u64, rows: usize, columns: usize) -> DMatrix<f64> {
    let mut state = seed;
    DMatrix::from_fn(rows, columns, |_, _| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    })
}
