//! The upper triangle of a symmetric matrix, packed row by row: (0,0) (0,1) ... (0,d-1) (1,1) ... (d-1,d-1).
//!
//! Half the memory of the full matrix, hence half the time of a merge, and symmetric by construction.

use nalgebra::DMatrix;

/// Numbers in the triangle of a `dimensions` x `dimensions` matrix; `None` where `usize` does not hold it.
pub(crate) fn packed_len(dimensions: usize) -> Option<usize> {
    dimensions.checked_add(1)?.checked_mul(dimensions).map(|twice| twice / 2)
}

/// The rows of a packed triangle, row `i` from its diagonal element on (`dimensions - i` numbers).
pub(crate) fn rows(mut packed: &[f64], dimensions: usize) -> impl Iterator<Item = &[f64]> {
    (0..dimensions).map(move |i| {
        let (row, rest) = packed.split_at(dimensions - i);
        packed = rest;
        row
    })
}

/// The lower triangle of the matrix, each element passed through `convert`; what is above is 0.
pub(crate) fn unpack_lower(packed: &[f64], dimensions: usize, convert: impl Fn(f64) -> f64) -> DMatrix<f64> {
    let mut lower = DMatrix::zeros(dimensions, dimensions);
    for (i, row) in rows(packed, dimensions).enumerate() {
        for (j, &value) in (i..).zip(row) {
            lower[(j, i)] = convert(value);
        }
    }
    lower
}
