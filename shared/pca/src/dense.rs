//! Products and orthonormal columns of dense matrices, by faer.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::matmul::matmul;
use faer::linalg::qr::col_pivoting::factor::{qr_in_place, qr_in_place_scratch};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par};
use nalgebra::DMatrix;

/// Sequential whatever the process-wide setting is, so that the bits do not depend on the number of threads.
pub(crate) const THREADS: Par = Par::Seq;

pub(crate) fn as_faer(matrix: &DMatrix<f64>) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(matrix.as_slice(), matrix.nrows(), matrix.ncols())
}

pub(crate) fn as_faer_mut(matrix: &mut DMatrix<f64>) -> MatMut<'_, f64> {
    let (rows, columns) = matrix.shape();
    MatMut::from_column_major_slice_mut(matrix.as_mut_slice(), rows, columns)
}

/// `left^T right`, of matrices [n, a] and [n, b].
pub(crate) fn transpose_times(left: &DMatrix<f64>, right: &DMatrix<f64>) -> DMatrix<f64> {
    let mut product = DMatrix::zeros(left.ncols(), right.ncols());
    matmul(as_faer_mut(&mut product), Accum::Replace, as_faer(left).transpose(), as_faer(right), 1.0, THREADS);
    product
}

/// `sum += factor * left right`, of matrices [a, n] and [n, b].
pub(crate) fn add_product(sum: MatMut<'_, f64>, factor: f64, left: MatRef<'_, f64>, right: MatRef<'_, f64>) {
    matmul(sum, Accum::Add, left, right, factor, THREADS);
}

/// Orthonormal columns that span those of `matrix` [d, b], but for what they have in common and what is shorter than
/// `negligible`: [d, r] with r <= b. By a QR decomposition with column pivoting (Businger and Golub 1965), whose
/// diagonal descends.
pub(crate) fn orthonormal_columns(mut matrix: DMatrix<f64>, negligible: f64) -> DMatrix<f64> {
    let (rows, columns) = matrix.shape();
    let size = rows.min(columns);
    let mut factors = Mat::zeros(recommended_block_size::<f64>(rows, columns), size);
    let (mut order, mut inverse) = (vec![0_usize; columns], vec![0_usize; columns]);
    let scratch = qr_in_place_scratch::<usize, f64>(rows, columns, factors.nrows(), THREADS, Default::default());
    qr_in_place(
        as_faer_mut(&mut matrix),
        factors.as_mut(),
        &mut order,
        &mut inverse,
        THREADS,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    );
    let rank = (0..size).take_while(|&i| matrix[(i, i)].abs() > negligible).count();
    let mut orthonormal = DMatrix::identity(rows, rank);
    let reflections = as_faer(&matrix).subcols(0, size);
    let scratch = apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(rows, factors.nrows(), rank);
    apply_block_householder_sequence_on_the_left_in_place_with_conj(
        reflections,
        factors.as_ref(),
        Conj::No,
        as_faer_mut(&mut orthonormal),
        THREADS,
        MemStack::new(&mut MemBuffer::new(scratch)),
    );
    orthonormal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn orthonormal_columns_span_what_they_are_made_of_and_nothing_else(
            rank in 1_usize..6, copies in 0_usize..4, rows in 12_usize..40, seed in 1_u32..u32::MAX,
        ) {
            let mut state = seed;
            let mut number = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 8) / f64::from(1 << 24) - 0.5
            };
            let independent = DMatrix::from_fn(rows, rank, |_, _| number());
            let mixed = &independent * DMatrix::from_fn(rank, rank + copies, |_, _| number());
            let columns = orthonormal_columns(mixed.clone(), 1e-9);
            prop_assert!(columns.ncols() <= rank);
            let unit = transpose_times(&columns, &columns);
            prop_assert!((unit - DMatrix::identity(columns.ncols(), columns.ncols())).amax() < 1e-12);
            let mut rest = mixed.clone();
            add_product(as_faer_mut(&mut rest), -1.0, as_faer(&columns), as_faer(&transpose_times(&columns, &mixed)));
            prop_assert!(rest.amax() < 1e-8, "{}", rest.amax());
        }
    }

    #[test]
    fn columns_of_nothing_are_none() {
        assert_eq!(orthonormal_columns(DMatrix::zeros(7, 3), 1e-12).ncols(), 0);
        assert_eq!(orthonormal_columns(DMatrix::zeros(7, 0), 1e-12).shape(), (7, 0));
    }
}
