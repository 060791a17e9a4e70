//! Classes by multinomial logistic regression, fitted by passes over all rows (Hastie, Tibshirani and Friedman 2009,
//! "The Elements of Statistical Learning", section 4.4).
//!
//! With `z` the standardised row of class `y`, the loss of a row is `-log p_y`, where `p = softmax(W z + b)`. What
//! becomes smallest is the mean loss plus `lambda / 2 |W|^2`, over the weights `W` [classes, d] and the intercepts `b`
//! `[classes]`, which are not held down. Its gradient is `1/n sum (p - e_y) z^T + lambda W` for the weights, and
//! `1/n sum (p - e_y)` for the intercepts, with `e_y` 1 at the row's class and 0 elsewhere.
//!
//! Two classes have two rows of weights like any other number of classes. These are opposite, and half of those of the
//! binary form of logistic regression, whose penalty is therefore twice as strong at the same lambda.
//!
//! Two things follow from where the fit starts, which is `W = 0` with the logarithms of the classes' shares as `b`:
//!
//! * The first pass needs no probabilities. It adds up `-e_y z^T` and `-e_y`, the sum of the rows of each class and
//!   their number; as each row has the same probabilities at the start, which are the shares, value and gradient there
//!   follow from these sums.
//! * Each gradient adds up to 0 over the classes, so weights and intercepts that do so at the start do so for ever: of
//!   all models that differ by the same numbers in all classes, and give the same probabilities, this is the one.
//!
//! A class without rows would have its intercept fall for ever. It starts at [`NEVER`], where its probability is 0, and
//! no gradient moves it.

use faer::{MatMut, MatRef};
use nalgebra::{DMatrix, DVector};
use pomona_terms::CLASSIFIER_WEIGHTS;
use serde::{Deserialize, Serialize};

use crate::dense::{add_product, as_faer};
use crate::encoding::{Encoding, Reader, Writer};
use crate::lbfgs::{Evaluation, Lbfgs, Minimum};
use crate::logistic_model::{LogisticFit, LogisticModel};
use crate::panels::Panels;
use crate::softmax::{scores, softmax};
use crate::sweep::{Rows, Step, Sweep};
use crate::{ColumnMoments, Error, Sum};

/// The intercept of a class without rows.
const NEVER: f64 = -1e6;

/// What a classifier is fitted by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticOptions {
    /// Lambda: how much the weights are held down, as Spark's `regParam`. It is `1 / (n C)` by scikit-learn's `C`, and
    /// `2 / (n C)` for two classes, where scikit-learn takes the binary form.
    pub regularization: f64,
    /// Iterations after which the fit ends though it has not converged.
    pub max_iterations: u64,
}

impl Default for LogisticOptions {
    fn default() -> Self {
        Self { regularization: 0.0, max_iterations: 100 }
    }
}

/// The state of a fit of a classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    options: LogisticOptions,
    classes: usize,
    mean: DVector<f64>,
    scale: DVector<f64>,
    /// Passes before this one.
    passes: u64,
    /// None in the first pass, which looks at the classes alone.
    descent: Option<Lbfgs>,
}

/// What a pass adds up: rows, their losses, and the gradient of these by weights and intercepts.
#[derive(Debug, Clone, PartialEq)]
pub struct Losses {
    count: u64,
    loss: f64,
    gradient: DVector<f64>,
}

impl Logistic {
    /// The state of the first pass over rows of `classes` classes that have these column moments.
    ///
    /// # Errors
    /// [`Error::Regularization`], [`Error::NoIterations`], [`Error::TooManyWeights`], and [`Error::NotFinite`] for NaN or
    /// infinity in the rows.
    pub fn start(columns: &ColumnMoments, classes: usize, options: &LogisticOptions) -> Result<Self, Error> {
        if !(options.regularization >= 0.0 && options.regularization.is_finite()) {
            return Err(Error::Regularization(options.regularization));
        }
        if options.max_iterations == 0 {
            return Err(Error::NoIterations);
        }
        Self::check_size(classes, columns.dimensions())?;
        columns.check_finite()?;
        let (mean, scale) = (columns.mean().clone(), columns.scale());
        Ok(Self { options: *options, classes, mean, scale, passes: 0, descent: None })
    }

    /// Whether a fit can hold the weights of so many classes and features.
    ///
    /// # Errors
    /// [`Error::TooManyWeights`].
    pub fn check_size(classes: usize, dimensions: usize) -> Result<(), Error> {
        match classes.saturating_mul(dimensions) {
            weights if weights > CLASSIFIER_WEIGHTS => {
                Err(Error::TooManyWeights { classes, dimensions, most: CLASSIFIER_WEIGHTS })
            }
            _ => Ok(()),
        }
    }

    fn dimensions(&self) -> usize {
        self.mean.len()
    }

    /// The place of the intercepts in a point, behind the weights, which stand there column by column.
    fn first_intercept(&self) -> usize {
        self.classes * self.dimensions()
    }

    fn check(&self, rows: &Rows<'_>) -> Result<(), Error> {
        let (count, width) = rows.features.dim();
        if width != self.dimensions() {
            return Err(Error::Dimensions { expected: self.dimensions(), actual: width });
        }
        if rows.classes.len() != count {
            return Err(Error::ClassesOfOtherRows { rows: count, classes: rows.classes.len() });
        }
        match rows.classes.iter().find(|&&class| class as usize >= self.classes) {
            Some(&class) => Err(Error::ClassOutOfRange { class, classes: self.classes }),
            None => Ok(()),
        }
    }

    /// What rows add to the pass at `point`; without one, as if all their probabilities and losses were 0.
    fn losses(&self, rows: &Rows<'_>, point: Option<DVector<f64>>) -> Losses {
        let factors = self.scale.map(f64::recip);
        let features = Panels { rows: rows.features, mean: &self.mean, factors: Some(&factors) };
        let (loss, mut errors) = match point {
            Some(point) => self.probabilities(&features, rows.classes, &point),
            None => (0.0, DMatrix::zeros(self.classes, rows.classes.len())),
        };
        for (mut row, &class) in errors.column_iter_mut().zip(rows.classes) {
            row[class as usize] -= 1.0;
        }
        Losses { count: rows.classes.len() as u64, loss, gradient: self.gradient(&features, &errors) }
    }

    /// The sum of the losses, and the probabilities [classes, n], of rows at `point`.
    fn probabilities(&self, rows: &Panels<'_>, classes: &[u32], point: &DVector<f64>) -> (f64, DMatrix<f64>) {
        let (weights, intercepts) = point.as_slice().split_at(self.first_intercept());
        let weights = MatRef::from_column_major_slice(weights, self.classes, self.dimensions());
        let mut scores = scores(rows, weights, intercepts);
        let mut loss = 0.0;
        for (mut row, &class) in scores.column_iter_mut().zip(classes) {
            let score = row[class as usize];
            let (largest, rest) = softmax(row.as_mut_slice());
            loss += (largest - score) + rest;
        }
        (loss, scores)
    }

    /// The sum of `errors` [classes, n] times each row, and of `errors`: the gradient by weights and intercepts.
    fn gradient(&self, rows: &Panels<'_>, errors: &DMatrix<f64>) -> DVector<f64> {
        let mut gradient = DVector::zeros(self.classes * (self.dimensions() + 1));
        let (weights, intercepts) = gradient.as_mut_slice().split_at_mut(self.first_intercept());
        let mut weights = MatMut::from_column_major_slice_mut(weights, self.classes, self.dimensions());
        rows.for_each(|first, panel| {
            let sum = weights.as_mut().subcols_mut(first, panel.nrows());
            add_product(sum, 1.0, as_faer(errors), panel.transpose());
        });
        for row in errors.column_iter() {
            intercepts.iter_mut().zip(&row).for_each(|(sum, error)| *sum += error);
        }
        gradient
    }

    /// Where all rows have the classes' shares as probabilities, and the objective there, of the first pass's sums.
    fn beginning(&self, sum: Losses) -> Result<(DVector<f64>, Evaluation), Error> {
        let count = sum.count as f64;
        let shares = sum.gradient.rows(self.first_intercept(), self.classes) / -count;
        let present = shares.iter().filter(|share| **share > 0.0).count();
        if present < 2 {
            return Err(Error::TooFewClasses { present, classes: self.classes });
        }
        let logarithms = shares.map(|share| if share > 0.0 { share.ln() } else { 0.0 });
        let middle = logarithms.sum() / present as f64;
        let intercept = |class| if shares[class] > 0.0 { logarithms[class] - middle } else { NEVER };
        let mut point = DVector::zeros(sum.gradient.len());
        for class in 0..self.classes {
            point[self.first_intercept() + class] = intercept(class);
        }

        let mut gradient = sum.gradient;
        for sums in gradient.as_mut_slice().chunks_exact_mut(self.classes) {
            let all_rows = -sums.iter().sum::<f64>();
            sums.iter_mut().zip(&shares).for_each(|(sum, share)| *sum = (*sum + share * all_rows) / count);
        }
        Ok((point, Evaluation { value: -shares.dot(&logarithms), gradient }))
    }

    /// The objective at `point`, of the losses there.
    fn objective(&self, point: &DVector<f64>, sum: Losses) -> Evaluation {
        let count = sum.count as f64;
        let weights = point.rows(0, self.first_intercept());
        let mut gradient = sum.gradient / count;
        gradient.rows_mut(0, weights.len()).axpy(self.options.regularization, &weights, 1.0);
        Evaluation { value: sum.loss / count + self.options.regularization / 2.0 * weights.norm_squared(), gradient }
    }

    fn fit(&self, minimum: Minimum) -> LogisticFit {
        let (weights, intercepts) = minimum.point.as_slice().split_at(self.first_intercept());
        let model = LogisticModel {
            mean: self.mean.clone(),
            scale: self.scale.clone(),
            weights: DMatrix::from_column_slice(self.classes, self.dimensions(), weights),
            intercepts: DVector::from_column_slice(intercepts),
        };
        let Minimum { value, iterations, converged, .. } = minimum;
        LogisticFit { model, iterations, passes: self.passes + 1, converged, objective: value }
    }
}

impl Sweep for Logistic {
    type Sum = Losses;
    type Model = LogisticFit;

    fn partial(&self, rows: &Rows<'_>) -> Result<Losses, Error> {
        self.check(rows)?;
        Ok(self.losses(rows, self.descent.as_ref().map(Lbfgs::trial)))
    }

    fn step(states: &[Self], sum: Losses) -> Result<Step<Self, LogisticFit>, Error> {
        let state = &states[states.len() - 1];
        let progress = match &state.descent {
            None => {
                let (point, at) = state.beginning(sum)?;
                Lbfgs::start(point, at, state.options.max_iterations)
            }
            Some(descent) => {
                let at = state.objective(&descent.trial(), sum);
                descent.clone().advance(at, state.options.max_iterations)
            }
        };
        Ok(match progress {
            Step::Next(descent) => Step::Next(Self {
                options: state.options,
                classes: state.classes,
                mean: state.mean.clone(),
                scale: state.scale.clone(),
                passes: state.passes + 1,
                descent: Some(descent),
            }),
            Step::Done(minimum) => Step::Done(state.fit(minimum)),
        })
    }

    fn distance(&self) -> Option<f64> {
        self.descent.as_ref().map(Lbfgs::distance)
    }
}

impl Sum for Losses {
    fn merge(mut self, later: &Self) -> Result<Self, Error> {
        if self.gradient.len() != later.gradient.len() {
            return Err(Error::Dimensions { expected: self.gradient.len(), actual: later.gradient.len() });
        }
        self.count = self.count.checked_add(later.count).ok_or(Error::CountOverflow)?;
        self.loss += later.loss;
        self.gradient += &later.gradient;
        Ok(self)
    }
}

/// Rows, losses, gradient after its length.
impl Encoding for Losses {
    fn to_bytes(&self) -> Vec<u8> {
        let mut words = Writer::with_capacity(3 + self.gradient.len());
        words.count(self.count);
        words.numbers(&[self.loss]);
        words.count(self.gradient.len() as u64);
        words.numbers(self.gradient.as_slice());
        words.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = Reader::new(bytes)?;
        let (count, loss, length) = (words.count()?, words.number()?, words.length()?);
        let gradient = words.vector(length)?;
        words.finish(Self { count, loss, gradient })
    }
}

/// Regularization, most iterations, classes, d, mean `[d]`, scale `[d]`, passes, and the descent unless it is the first
/// pass, after 1 or 0.
impl Encoding for Logistic {
    fn to_bytes(&self) -> Vec<u8> {
        let mut words = Writer::with_capacity(8 + 2 * self.dimensions());
        words.numbers(&[self.options.regularization]);
        words.count(self.options.max_iterations);
        words.count(self.classes as u64);
        words.count(self.dimensions() as u64);
        words.numbers(self.mean.as_slice());
        words.numbers(self.scale.as_slice());
        words.count(self.passes);
        words.count(u64::from(self.descent.is_some()));
        if let Some(descent) = &self.descent {
            descent.write(&mut words);
        }
        words.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = Reader::new(bytes)?;
        let options = LogisticOptions { regularization: words.number()?, max_iterations: words.count()? };
        let (classes, dimensions) = (words.length()?, words.length()?);
        let (mean, scale) = (words.vector(dimensions)?, words.vector(dimensions)?);
        let (passes, descends) = (words.count()?, words.count()? != 0);
        let parameters = classes.saturating_mul(dimensions + 1);
        let descent = if descends { Some(Lbfgs::read(&mut words, parameters)?) } else { None };
        words.finish(Self { options, classes, mean, scale, passes, descent })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};
    use proptest::prelude::*;

    use super::*;
    use crate::sweep::fit;
    use crate::{Columns, Merger};

    /// Rows of small whole numbers, with a class for each.
    fn labelled() -> impl Strategy<Value = (Array2<f32>, Vec<u32>, usize)> {
        (2_usize..30, 1_usize..8, 2_usize..6).prop_flat_map(|(count, width, classes)| {
            let features = proptest::collection::vec(-9_i8..9, count * width)
                .prop_map(move |values| Array2::from_shape_fn((count, width), |(i, j)| values[i * width + j].into()));
            let numbers = proptest::collection::vec(0..classes as u32, count);
            (features, numbers, Just(classes))
        })
    }

    fn start(rows: &Rows<'_>, classes: usize, regularization: f64) -> Logistic {
        let options = LogisticOptions { regularization, ..LogisticOptions::default() };
        Logistic::start(&fit(Columns, &[*rows]).unwrap(), classes, &options).unwrap()
    }

    fn objective_at(state: &Logistic, rows: &Rows<'_>, point: &DVector<f64>) -> Evaluation {
        state.objective(point, state.losses(rows, Some(point.clone())))
    }

    proptest! {
        #[test]
        fn the_gradient_is_what_small_steps_change(
            (features, classes, count) in labelled(), regularization in 0.0_f64..1.0,
        ) {
            let rows = Rows { features: features.view(), classes: &classes };
            let state = start(&rows, count, regularization);
            let point = DVector::from_fn(count * (features.ncols() + 1), |i, _| (i as f64 * 1.7).sin());
            let gradient = objective_at(&state, &rows, &point).gradient;
            let value = |i: usize, step: f64| {
                let mut beside = point.clone();
                beside[i] += step;
                objective_at(&state, &rows, &beside).value
            };
            for i in 0..point.len() {
                let change = (value(i, 1e-4) - value(i, -1e-4)) / 2e-4;
                prop_assert!((change - gradient[i]).abs() < 1e-6, "{}: {} {}", i, change, gradient[i]);
            }
        }

        #[test]
        fn the_first_pass_gives_value_and_gradient_of_where_the_descent_starts(
            (features, mut classes, count) in labelled(), size in 1_usize..9,
        ) {
            (classes[0], classes[1]) = (0, 1);
            let rows = Rows { features: features.view(), classes: &classes };
            let state = start(&rows, count, 0.3);
            let mut merger = Merger::default();
            for (features, classes) in features.axis_chunks_iter(Axis(0), size).zip(classes.chunks(size)) {
                merger.push(state.partial(&Rows { features, classes }).unwrap()).unwrap();
            }
            let (point, beginning) = state.beginning(merger.finish().unwrap().unwrap()).unwrap();
            let at = objective_at(&state, &rows, &point);
            prop_assert!((at.value - beginning.value).abs() < 1e-9);
            prop_assert!((at.gradient - beginning.gradient).amax() < 1e-9);
        }
    }
}
