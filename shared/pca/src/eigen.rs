use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{ColMut, MatMut, MatRef, Par};
use nalgebra::{DMatrix, DVector};

use crate::Error;

/// Eigenvalues of a symmetric matrix [d, d], largest first, and their unit eigenvectors as columns [d, d].
///
/// Sequential whatever the process-wide setting is, so that the bits do not depend on the number of threads.
pub(crate) fn symmetric_eigen(matrix: &DMatrix<f64>) -> Result<(DVector<f64>, DMatrix<f64>), Error> {
    let dimensions = matrix.nrows();
    let mut values = DVector::zeros(dimensions);
    let mut vectors = DMatrix::zeros(dimensions, dimensions);
    let scratch = self_adjoint_evd_scratch::<f64>(dimensions, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    self_adjoint_evd(
        MatRef::from_column_major_slice(matrix.as_slice(), dimensions, dimensions),
        ColMut::from_slice_mut(values.as_mut_slice()).as_diagonal_mut(),
        Some(MatMut::from_column_major_slice_mut(vectors.as_mut_slice(), dimensions, dimensions)),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| Error::NoConvergence { dimensions })?;
    Ok(largest_first(values, vectors))
}

/// The solver gives ascending order.
fn largest_first(mut values: DVector<f64>, mut vectors: DMatrix<f64>) -> (DVector<f64>, DMatrix<f64>) {
    values.as_mut_slice().reverse();
    let dimensions = values.len();
    for column in 0..dimensions / 2 {
        vectors.swap_columns(column, dimensions - 1 - column);
    }
    (values, vectors)
}
