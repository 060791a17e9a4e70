use nalgebra::{DMatrix, DVector};
use ndarray::ArrayView2;

use crate::{Error, Sum, rank_update, triangle};

/// Count, mean and scatter of feature rows: all that principal components need to know about them.
///
/// The scatter is the sum of centred outer products, `sum (x - mean)(x - mean)^T`; divided by `count - 1` it is
/// the sample covariance.
///
/// A column whose values are all equal has a scatter of exactly 0, also after merging: below 2^29 rows per call
/// of [`Moments::of`], every partial sum of a repeated `f32` is exact in `f64`.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    pub(crate) count: u64,
    pub(crate) mean: DVector<f64>,
    /// Packed as [`triangle`] says.
    pub(crate) scatter: Vec<f64>,
}

impl Moments {
    /// The moments of no rows: the neutral element of [`Sum::merge`].
    pub fn empty(dimensions: usize) -> Self {
        Self { count: 0, mean: DVector::zeros(dimensions), scatter: vec![0.0; dimensions * (dimensions + 1) / 2] }
    }

    /// The moments of `rows` [n, d], in two passes: the mean, then the scatter around it.
    ///
    /// Rows are added in their order, so the result does not depend on threads. NaN and infinity go through
    /// to the result, where [`Pca::fit`](crate::Pca::fit) refuses them.
    pub fn of(rows: ArrayView2<'_, f32>) -> Self {
        if rows.nrows() == 0 {
            return Self::empty(rows.ncols());
        }
        let mean = mean_of(rows);
        let scatter = rank_update::centred_scatter(rows, mean.as_slice());
        Self { count: rows.nrows() as u64, mean, scatter }
    }

    /// Rows that went in, n.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Features per row, d.
    pub fn dimensions(&self) -> usize {
        self.mean.len()
    }

    /// Mean of each feature `[d]`.
    pub fn mean(&self) -> &DVector<f64> {
        &self.mean
    }

    /// Sum of centred outer products, as a full symmetric matrix [d, d].
    pub fn scatter(&self) -> DMatrix<f64> {
        let mut scatter = triangle::unpack_lower(&self.scatter, self.dimensions(), |value| value);
        scatter.fill_upper_triangle_with_lower_triangle();
        scatter
    }

    /// The lower triangle of the sample covariance [d, d], with n - 1 in the denominator; 0 above. Needs two rows.
    pub(crate) fn covariance(&self) -> DMatrix<f64> {
        let degrees_of_freedom = self.count.saturating_sub(1) as f64;
        triangle::unpack_lower(&self.scatter, self.dimensions(), |value| value / degrees_of_freedom)
    }
}

impl Sum for Moments {
    /// Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances"
    /// (1979), for matrices: with `delta = mean_b - mean_a` and `n = n_a + n_b`,
    /// `mean = mean_a + delta n_b / n` and `S = S_a + S_b + delta delta^T n_a n_b / n`.
    ///
    /// # Errors
    /// [`Error::Dimensions`] where the widths differ, [`Error::CountOverflow`] beyond 64 bits.
    fn merge(mut self, later: &Self) -> Result<Self, Error> {
        if self.dimensions() != later.dimensions() {
            return Err(Error::Dimensions { expected: self.dimensions(), actual: later.dimensions() });
        }
        if later.count == 0 {
            return Ok(self);
        }
        if self.count == 0 {
            return Ok(later.clone());
        }
        let count = self.count.checked_add(later.count).ok_or(Error::CountOverflow)?;
        let later_share = later.count as f64 / count as f64;
        let delta = &later.mean - &self.mean;
        let weighted_delta = &delta * (self.count as f64 * later_share).sqrt();

        add_with_outer_product(&mut self.scatter, &later.scatter, weighted_delta.as_slice());
        self.mean += delta * later_share;
        self.count = count;
        Ok(self)
    }
}

/// The mean of each column, added up row by row.
pub(crate) fn mean_of(rows: ArrayView2<'_, f32>) -> DVector<f64> {
    let mut sums = DVector::<f64>::zeros(rows.ncols());
    for row in rows.rows() {
        for (sum, &value) in sums.as_mut_slice().iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    sums / rows.nrows() as f64
}

/// `sum += other + vector vector^T`, on packed triangles.
fn add_with_outer_product(mut sum: &mut [f64], other: &[f64], vector: &[f64]) {
    for (i, other_row) in triangle::rows(other, vector.len()).enumerate() {
        let (sum_row, rest) = sum.split_at_mut(other_row.len());
        for ((sum, other), v) in sum_row.iter_mut().zip(other_row).zip(&vector[i..]) {
            *sum += other + vector[i] * v;
        }
        sum = rest;
    }
}
