use nalgebra::DVector;

use crate::encoding::{Encoding, Reader, Writer};
use crate::moments::mean_of;
use crate::sweep::{Rows, Step, Sweep};
use crate::{Error, Sum};

/// Count, mean and scatter of each feature by itself: what is left of [`Moments`](crate::Moments) where a matrix of all
/// features by all features would be too large.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnMoments {
    pub(crate) count: u64,
    pub(crate) mean: DVector<f64>,
    /// Sum of squared differences from the mean `[d]`.
    pub(crate) scatter: DVector<f64>,
}

impl ColumnMoments {
    /// The column moments of rows [n, d], in two passes.
    pub fn of(rows: &Rows<'_>) -> Self {
        let mut scatter = DVector::zeros(rows.features.ncols());
        if rows.features.nrows() == 0 {
            return Self { count: 0, mean: scatter.clone(), scatter };
        }
        let mean = mean_of(rows.features);
        for row in rows.features.rows() {
            for ((sum, &value), mean) in scatter.as_mut_slice().iter_mut().zip(row).zip(mean.as_slice()) {
                let difference = f64::from(value) - mean;
                *sum += difference * difference;
            }
        }
        Self { count: rows.features.nrows() as u64, mean, scatter }
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

    /// Variance of each feature `[d]`, with n - 1 in the denominator.
    pub fn variances(&self) -> DVector<f64> {
        &self.scatter / self.count.saturating_sub(1).max(1) as f64
    }

    /// What each feature `[d]` is divided by where features are standardised: its standard deviation, or 1 where it is
    /// constant.
    pub fn scale(&self) -> DVector<f64> {
        self.variances().map(|variance| if variance > 0.0 { variance.sqrt() } else { 1.0 })
    }

    /// [`Error::NotFinite`] for the first feature that has NaN or infinity in a row.
    pub(crate) fn check_finite(&self) -> Result<(), Error> {
        let is_unusable = |(mean, scatter): (&f64, &f64)| !mean.is_finite() || !scatter.is_finite();
        match self.mean.iter().zip(&self.scatter).position(is_unusable) {
            Some(feature) => Err(Error::NotFinite { feature }),
            None => Ok(()),
        }
    }
}

impl Sum for ColumnMoments {
    /// As that of [`Moments`](crate::Moments), feature by feature.
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
        let weight = self.count as f64 * later_share;
        self.scatter += &later.scatter + delta.map(|delta| weight * delta * delta);
        self.mean += delta * later_share;
        self.count = count;
        Ok(self)
    }
}

/// d, count, mean `[d]`, scatter `[d]`.
impl Encoding for ColumnMoments {
    fn to_bytes(&self) -> Vec<u8> {
        let mut words = Writer::with_capacity(2 + 2 * self.dimensions());
        words.count(self.dimensions() as u64);
        words.count(self.count);
        words.numbers(self.mean.as_slice());
        words.numbers(self.scatter.as_slice());
        words.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = Reader::new(bytes)?;
        let dimensions = words.length()?;
        let count = words.count()?;
        let (mean, scatter) = (words.vector(dimensions)?, words.vector(dimensions)?);
        words.finish(Self { count, mean, scatter })
    }
}

/// The sweep that gives the column moments of all rows, in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns;

impl Sweep for Columns {
    type Sum = ColumnMoments;
    type Model = ColumnMoments;

    fn partial(&self, rows: &Rows<'_>) -> Result<ColumnMoments, Error> {
        Ok(ColumnMoments::of(rows))
    }

    fn step(_states: &[Self], sum: ColumnMoments) -> Result<Step<Self, ColumnMoments>, Error> {
        Ok(Step::Done(sum))
    }
}

/// Nothing.
impl Encoding for Columns {
    fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Reader::new(bytes)?.finish(Self)
    }
}
