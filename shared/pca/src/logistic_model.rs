use nalgebra::{DMatrix, DVector};
use ndarray::{Array2, ArrayView2};

use crate::Error;
use crate::dense::as_faer;
use crate::encoding::{Encoding, Reader, Writer};
use crate::panels::Panels;
use crate::softmax::{first_largest, scores, softmax};

/// A fitted classifier: the probability of class k is proportional to `exp(intercept_k + weights_k . z)`, where z is
/// the standardised row, `(x - mean) / scale`.
///
/// The fields are open so that a model can be written and read in any format; [`LogisticModel::probabilities`] checks
/// that they fit together.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticModel {
    /// Mean of each feature `[d]`.
    pub mean: DVector<f64>,
    /// What each feature `[d]` is divided by: its standard deviation, or 1 for a constant one.
    pub scale: DVector<f64>,
    /// Weights of the standardised features [classes, d]. They add up to 0 over the classes, as models that differ by
    /// the same numbers in all classes are the same.
    pub weights: DMatrix<f64>,
    /// Intercepts `[classes]`. They add up to 0 over the classes that had rows; that of another class is so low that
    /// its probability is 0.
    pub intercepts: DVector<f64>,
}

/// A classifier that was found by passes, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    /// The model.
    pub model: LogisticModel,
    /// Iterations of L-BFGS.
    pub iterations: u64,
    /// Passes over the rows, without the one for mean and scale.
    pub passes: u64,
    /// Whether it is the minimum, and not just where the iterations were used up.
    pub converged: bool,
    /// Mean log-loss of the rows plus `regularization / 2` times the sum of the squared weights.
    pub objective: f64,
}

impl LogisticModel {
    /// The probabilities [n, classes] of rows [n, d]; each row of them adds up to 1.
    ///
    /// # Errors
    /// [`Error::Dimensions`] where the rows have another width than the model, [`Error::InconsistentModel`] where
    /// the model's own parts disagree.
    pub fn probabilities(&self, rows: ArrayView2<'_, f32>) -> Result<Array2<f64>, Error> {
        self.check(rows.ncols())?;
        let factors = self.scale.map(f64::recip);
        let rows = Panels { rows, mean: &self.mean, factors: Some(&factors) };
        let mut scores = scores(&rows, as_faer(&self.weights), self.intercepts.as_slice());
        for mut row in scores.column_iter_mut() {
            softmax(row.as_mut_slice());
        }
        Ok(Array2::from_shape_fn((scores.ncols(), scores.nrows()), |(row, class)| scores[(class, row)]))
    }

    /// The likeliest class of each row [n, d], the first of equals.
    ///
    /// # Errors
    /// As [`LogisticModel::probabilities`].
    pub fn predict(&self, rows: ArrayView2<'_, f32>) -> Result<Vec<u32>, Error> {
        Ok(likeliest(self.probabilities(rows)?.view()))
    }

    fn check(&self, width: usize) -> Result<(), Error> {
        let (classes, dimensions) = self.weights.shape();
        let parts = [
            (self.mean.len(), "means", dimensions, "features"),
            (self.scale.len(), "scales", dimensions, "features"),
            (self.intercepts.len(), "intercepts", classes, "classes"),
        ];
        if let Some((has, what, needs, of)) = parts.into_iter().find(|(has, _, needs, _)| has != needs) {
            return Err(Error::InconsistentModel(format!("{has} {what} for {needs} {of}")));
        }
        match width == dimensions {
            true => Ok(()),
            false => Err(Error::Dimensions { expected: dimensions, actual: width }),
        }
    }
}

/// The likeliest class of each row of probabilities [n, classes], the first of equals.
pub fn likeliest(probabilities: ArrayView2<'_, f64>) -> Vec<u32> {
    let likeliest = |row: Vec<f64>| first_largest(&row).unwrap_or_default() as u32;
    probabilities.rows().into_iter().map(|row| likeliest(row.to_vec())).collect()
}

/// Iterations, passes, whether it converged, objective, d, mean `[d]`, scale `[d]`, weights, classes, intercepts
/// `[classes]`.
impl Encoding for LogisticFit {
    fn to_bytes(&self) -> Vec<u8> {
        let LogisticModel { mean, scale, weights, intercepts } = &self.model;
        let mut words = Writer::with_capacity(8 + 2 * mean.len() + weights.len() + intercepts.len());
        words.count(self.iterations);
        words.count(self.passes);
        words.count(u64::from(self.converged));
        words.numbers(&[self.objective]);
        words.count(mean.len() as u64);
        words.numbers(mean.as_slice());
        words.numbers(scale.as_slice());
        words.matrix(weights);
        words.count(intercepts.len() as u64);
        words.numbers(intercepts.as_slice());
        words.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = Reader::new(bytes)?;
        let (iterations, passes, converged, objective) =
            (words.count()?, words.count()?, words.count()? != 0, words.number()?);
        let dimensions = words.length()?;
        let (mean, scale, weights) = (words.vector(dimensions)?, words.vector(dimensions)?, words.matrix()?);
        let classes = words.length()?;
        let intercepts = words.vector(classes)?;
        let model = LogisticModel { mean, scale, weights, intercepts };
        words.finish(Self { model, iterations, passes, converged, objective })
    }
}
