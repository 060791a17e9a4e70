//! Eigenvalues and eigenvectors of a symmetric matrix, in the steps of faer's solver.
//!
//! `A = Q T Q^T` with a tridiagonal `T` and `Q` as Householder reflections, then `T = Z S Z^T` by divide and conquer;
//! the eigenvectors of `A` are `Q Z`. faer's own `self_adjoint_evd` takes the same steps with the same bits, but copies
//! the matrix and multiplies all of `Z`: for 50 of 1280 vectors a third of the time.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{ColMut, ColRef, Conj, Mat};
use nalgebra::{DMatrix, DVector};

use crate::Error;
use crate::dense::{THREADS, as_faer, as_faer_mut};

/// The eigenvalues of a symmetric matrix [d, d], and what its eigenvectors are made of.
pub(crate) struct SymmetricEigen {
    /// Eigenvalues, largest first `[d]`.
    pub values: DVector<f64>,
    /// Eigenvectors of the tridiagonal matrix as columns, the smallest eigenvalue's first [d, d].
    tridiagonal_vectors: DMatrix<f64>,
    reflections: Reflections,
}

impl SymmetricEigen {
    /// Decomposes `matrix`, of which only the lower triangle is read.
    ///
    /// # Errors
    /// [`Error::NoConvergence`].
    pub fn new(matrix: DMatrix<f64>) -> Result<Self, Error> {
        let dimensions = matrix.nrows();
        let (reflections, diagonal, below_diagonal) = tridiagonalise(matrix);
        let mut values = DVector::zeros(dimensions);
        let mut vectors = DMatrix::zeros(dimensions, dimensions);
        let scratch =
            self_adjoint_evd_scratch::<f64>(dimensions, ComputeEigenvectors::Yes, THREADS, Default::default());
        tridiagonal_self_adjoint_evd(
            ColRef::from_slice(&diagonal).as_diagonal(),
            ColRef::from_slice(&below_diagonal).as_diagonal(),
            ColMut::from_slice_mut(values.as_mut_slice()).as_diagonal_mut(),
            Some(as_faer_mut(&mut vectors)),
            THREADS,
            MemStack::new(&mut MemBuffer::new(scratch)),
            Default::default(),
        )
        .map_err(|_| Error::NoConvergence { dimensions })?;
        values.as_mut_slice().reverse();
        Ok(Self { values, tridiagonal_vectors: vectors, reflections })
    }

    /// The unit eigenvectors of the `count` largest eigenvalues as columns, the largest one's first [d, count].
    pub fn vectors(&self, count: usize) -> DMatrix<f64> {
        let dimensions = self.values.len();
        let mut vectors = DMatrix::zeros(dimensions, count);
        for (largest_first, mut vector) in vectors.column_iter_mut().enumerate() {
            vector.copy_from(&self.tridiagonal_vectors.column(dimensions - 1 - largest_first));
        }
        self.reflections.apply(&mut vectors);
        vectors
    }
}

/// An orthogonal matrix [d, d] as a sequence of Householder reflections.
struct Reflections {
    /// The reflections' vectors below the subdiagonal of a matrix [d, d].
    vectors: DMatrix<f64>,
    /// Their factors in blocks, as faer's tridiagonalisation leaves them.
    factors: Mat<f64>,
}

/// The reflections that make `matrix` tridiagonal, and the tridiagonal's diagonal [d] and what lies below it `[d]`, a
/// zero last.
fn tridiagonalise(mut matrix: DMatrix<f64>) -> (Reflections, Vec<f64>, Vec<f64>) {
    let dimensions = matrix.nrows();
    let block = recommended_block_size::<f64>(dimensions, dimensions);
    let mut factors = Mat::zeros(block, dimensions.saturating_sub(1));
    let scratch = tridiag_in_place_scratch::<f64>(dimensions, THREADS, Default::default());
    tridiag_in_place(
        as_faer_mut(&mut matrix),
        factors.as_mut(),
        THREADS,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    );
    let diagonal = matrix.diagonal().as_slice().to_vec();
    let below_diagonal = (1..dimensions).map(|row| matrix[(row, row - 1)]).chain([0.0]).collect();
    (Reflections { vectors: matrix, factors }, diagonal, below_diagonal)
}

impl Reflections {
    /// Multiplies `vectors` [d, k] by the orthogonal matrix from the left.
    fn apply(&self, vectors: &mut DMatrix<f64>) {
        let (dimensions, count) = vectors.shape();
        // The first row and column are those of the unit matrix.
        let rest = dimensions.saturating_sub(1);
        let scratch =
            apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(rest, self.factors.nrows(), count);
        apply_block_householder_sequence_on_the_left_in_place_with_conj(
            as_faer(&self.vectors).submatrix(1, 0, rest, rest),
            self.factors.as_ref(),
            Conj::No,
            as_faer_mut(vectors).subrows_mut(1, rest),
            THREADS,
            MemStack::new(&mut MemBuffer::new(scratch)),
        );
    }
}

#[cfg(test)]
mod tests {
    use faer::linalg::evd::self_adjoint_evd;
    use proptest::prelude::*;

    use super::*;

    /// faer's own driver: values and vectors, smallest first.
    fn by_faer(matrix: &DMatrix<f64>) -> (DVector<f64>, DMatrix<f64>) {
        let dimensions = matrix.nrows();
        let (mut values, mut vectors) = (DVector::zeros(dimensions), DMatrix::zeros(dimensions, dimensions));
        let scratch =
            self_adjoint_evd_scratch::<f64>(dimensions, ComputeEigenvectors::Yes, THREADS, Default::default());
        self_adjoint_evd(
            as_faer(matrix),
            ColMut::from_slice_mut(values.as_mut_slice()).as_diagonal_mut(),
            Some(as_faer_mut(&mut vectors)),
            THREADS,
            MemStack::new(&mut MemBuffer::new(scratch)),
            Default::default(),
        )
        .unwrap();
        (values, vectors)
    }

    proptest! {
        // 128 is where faer changes from QR to divide and conquer.
        #[test]
        fn it_agrees_with_the_whole_solver(
            dimensions in prop_oneof![1_usize..20, 120_usize..140],
            rank in 1_usize..140,
            share in 0.0..=1.0,
            seed in any::<u32>(),
        ) {
            let mut state = seed;
            let rows = DMatrix::from_fn(rank, dimensions, |_, _| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 8) / f64::from(1 << 24) - 0.5
            });
            let matrix = rows.transpose() * &rows;
            let count = (share * dimensions as f64) as usize;
            let (values, vectors) = by_faer(&matrix);

            let eigen = SymmetricEigen::new(matrix.lower_triangle()).unwrap();
            let found = eigen.vectors(count);
            prop_assert_eq!(found.shape(), (dimensions, count));
            let largest_first = || (0..dimensions).rev();
            prop_assert!(eigen.values.iter().zip(largest_first()).all(|(&value, at)| value == values[at]));
            for (column, at) in found.column_iter().zip(largest_first()) {
                prop_assert!((column - vectors.column(at)).amax() < 1e-12);
            }
        }
    }
}
