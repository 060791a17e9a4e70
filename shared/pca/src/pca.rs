use nalgebra::{DMatrix, DVector};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use pomona_terms::Components;

use crate::components::{self, DEFAULT_COMPONENTS};
use crate::eigen::SymmetricEigen;
use crate::projection::Projection;
use crate::{Error, Moments};

/// Loadings closer than this, relative to the largest, count as equal: rounding must not choose the sign.
const SIGN_TIE: f64 = 1e-9;

/// What to fit and how to project.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitOptions {
    /// How many components to keep.
    pub components: Components,
    /// Subtract the mean before projecting, as scikit-learn does; without it raw features are projected, as Spark
    /// MLlib does. The components are the same either way: those of the covariance.
    pub center: bool,
    /// Divide each feature by its standard deviation first, as Spark's StandardScaler does.
    pub standardize: bool,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { components: Components::Default, center: true, standardize: false }
    }
}

/// A fitted model: k principal components of d features.
///
/// The fields are open so that a model can be written and read in any format; [`Pca::project`] checks that
/// they fit together.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    /// Rows that the model was fitted to, n.
    pub count: u64,
    /// Whether [`Pca::project`] subtracts the mean.
    pub center: bool,
    /// Mean of each feature `[d]`.
    pub mean: DVector<f64>,
    /// What each feature `[d]` is divided by where they are standardised: its standard deviation (n - 1 in the
    /// denominator), or 1 for a constant feature, as scikit-learn has it.
    pub scale: Option<DVector<f64>>,
    /// Unit vectors as columns [d, k], largest variance first. The largest |loading| of each is positive; among
    /// equals (to 1e-9) the first decides.
    pub loadings: DMatrix<f64>,
    /// Variance along each component `[k]`, descending, never negative.
    pub explained_variance: DVector<f64>,
    /// Variance of all d features, standardised if asked, not only of what the k components keep.
    pub total_variance: f64,
}

impl FitOptions {
    /// What a user should know about the number of components of a model that was fitted with these options.
    pub fn notice(&self, fitted: &Pca) -> Option<String> {
        let is_cut = self.components == Components::Default && fitted.components() < DEFAULT_COMPONENTS;
        is_cut.then(|| {
            let (components, rows, features) = (fitted.components(), fitted.count, fitted.dimensions());
            format!(
                "components: {components} instead of {DEFAULT_COMPONENTS}, as {rows} rows of {features} features have \
                 no more"
            )
        })
    }
}

impl Pca {
    /// The principal components of the rows behind `moments`: eigenvectors of their covariance (n - 1), or of
    /// their correlation with `standardize`.
    ///
    /// # Errors
    /// Fewer than two rows, no features, NaN or infinity in the moments, a number of components that the data
    /// does not have, or eigenvalues that do not converge.
    pub fn fit(moments: &Moments, options: &FitOptions) -> Result<Self, Error> {
        if moments.count() < 2 {
            return Err(Error::TooFewRows { count: moments.count() });
        }
        if moments.dimensions() == 0 {
            return Err(Error::NoFeatures);
        }
        let mut covariance = moments.covariance();
        check_finite(moments.mean(), &covariance)?;
        let scale = options.standardize.then(|| standardize(&mut covariance));
        let total_variance = covariance.trace();

        let eigen = SymmetricEigen::new(covariance)?;
        // A covariance has no negative eigenvalues; below zero is rounding.
        let variances = eigen.values.map(|variance| variance.max(0.0));
        let components =
            components::resolve(options.components, moments.count(), variances.as_slice(), total_variance)?;

        let mut loadings = eigen.vectors(components);
        fix_signs(&mut loadings);
        Ok(Self {
            count: moments.count(),
            center: options.center,
            mean: moments.mean().clone(),
            scale,
            loadings,
            explained_variance: variances.rows(0, components).into_owned(),
            total_variance,
        })
    }

    /// Components kept, k.
    pub fn components(&self) -> usize {
        self.loadings.ncols()
    }

    /// Features per row, d.
    pub fn dimensions(&self) -> usize {
        self.loadings.nrows()
    }

    /// Share of the total variance along each component `[k]`; 0 where the total is 0.
    pub fn explained_variance_ratio(&self) -> DVector<f64> {
        let total = self.total_variance;
        self.explained_variance.map(|variance| if total > 0.0 { variance / total } else { 0.0 })
    }

    /// The rows [n, d] in component space [n, k], computed in `f64`.
    ///
    /// Each row is added up by itself, feature by feature, so its result does not depend on the rows around it.
    ///
    /// # Errors
    /// [`Error::Dimensions`] where the rows have another width than the model, [`Error::InconsistentModel`] where
    /// the model's own parts disagree.
    pub fn project(&self, rows: ArrayView2<'_, f32>) -> Result<Array2<f32>, Error> {
        self.check_shapes()?;
        if rows.ncols() != self.dimensions() {
            return Err(Error::Dimensions { expected: self.dimensions(), actual: rows.ncols() });
        }
        let scale = self.scale.as_ref().map(|scale| scale.map(f64::recip));
        let weight = |feature: usize, component: usize| {
            let loading = self.loadings[(feature, component)];
            scale.as_ref().map_or(loading, |scale| loading * scale[feature])
        };
        let offset = |feature: usize| if self.center { self.mean[feature] } else { 0.0 };
        Ok(Projection::new(self.loadings.shape(), weight, offset).of(rows))
    }

    fn check_shapes(&self) -> Result<(), Error> {
        let (dimensions, components) = self.loadings.shape();
        let check = |name: &str, actual: usize, expected: usize| {
            if actual == expected {
                return Ok(());
            }
            Err(Error::InconsistentModel(format!(
                "{name} has {actual} numbers, the loadings are {dimensions} x {components}"
            )))
        };
        check("mean", self.mean.len(), dimensions)?;
        check("scale", self.scale.as_ref().map_or(dimensions, |scale| scale.len()), dimensions)?;
        check("explained variance", self.explained_variance.len(), components)
    }
}

/// The mean names the culprit; a scatter that overflowed is found in the covariance.
fn check_finite(mean: &DVector<f64>, covariance: &DMatrix<f64>) -> Result<(), Error> {
    let in_mean = mean.iter().position(|value| !value.is_finite());
    let in_covariance = || covariance.column_iter().position(|column| column.iter().any(|value| !value.is_finite()));
    match in_mean.or_else(in_covariance) {
        Some(feature) => Err(Error::NotFinite { feature }),
        None => Ok(()),
    }
}

/// Turns a covariance into the covariance of the standardised features, and returns what they are divided by.
fn standardize(covariance: &mut DMatrix<f64>) -> DVector<f64> {
    let scale = covariance.diagonal().map(|variance| if variance > 0.0 { variance.sqrt() } else { 1.0 });
    let factors = scale.map(f64::recip);
    for (mut column, column_factor) in covariance.column_iter_mut().zip(&factors) {
        for (value, row_factor) in column.iter_mut().zip(&factors) {
            // One product of both factors keeps the matrix symmetric to the bit.
            *value *= row_factor * column_factor;
        }
    }
    scale
}

pub(crate) fn fix_signs(loadings: &mut DMatrix<f64>) {
    for mut component in loadings.column_iter_mut() {
        let threshold = component.amax() * (1.0 - SIGN_TIE);
        if component.iter().find(|loading| loading.abs() >= threshold).is_some_and(|&loading| loading < 0.0) {
            component.neg_mut();
        }
    }
}
