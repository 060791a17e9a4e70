//! validation.json: every check of a finished run, each with its figures.

use pomona_formats::classification::Tally;
use pomona_formats::counters::Counters;
use pomona_formats::losses::LossCounts;
use pomona_formats::planned::{Plan, Shard};
use pomona_formats::rejects::{self, Reasons};
use pomona_pca::Pca;
use serde::{Deserialize, Serialize};

/// Components are stored as 32-bit floats, so their variance agrees with the model's to this share of the total
/// variance.
const VARIANCE_TOLERANCE: f64 = 1e-5;

/// The shards' counters, added up.
#[derive(Debug, Default)]
pub struct Totals {
    /// Shards.
    pub shards: u64,
    /// Listed images.
    pub listed: u64,
    /// Images that could be used.
    pub features: u64,
    /// Rows that the fits are of.
    pub fitted: u64,
    /// Those that could not, by reason.
    pub reasons: Reasons,
    /// What pictures lost.
    pub losses: LossCounts,
    /// What classifying came to, where a classifier was fitted.
    pub tally: Option<Tally>,
    non_finite: u64,
    components: Option<u64>,
    shards_of_other_width: u64,
    means: Vec<f64>,
    scatter: Vec<f64>,
}

impl Totals {
    /// Adds the counters of a shard.
    pub fn add(&mut self, shard: &Counters) {
        let width = *self.components.get_or_insert(shard.components);
        if width == shard.components {
            self.add_components(shard);
        } else {
            self.shards_of_other_width += 1;
        }
        self.shards += 1;
        self.listed += shard.listed;
        self.features += shard.features;
        self.fitted += shard.fitted;
        if let Some(tally) = &shard.tally {
            self.tally.get_or_insert_default().add(tally.clone());
        }
        self.non_finite += shard.non_finite;
        self.losses.add(shard.losses);
        rejects::add(&mut self.reasons, &shard.reasons);
    }

    /// Chan, Golub and LeVeque's update of mean and scatter, one component at a time.
    fn add_components(&mut self, shard: &Counters) {
        let (before, added) = (self.fitted as f64, shard.fitted as f64);
        let count = (before + added).max(1.0);
        self.means.resize(shard.component_means.len(), 0.0);
        self.scatter.resize(shard.component_scatter.len(), 0.0);
        let each = self.means.iter_mut().zip(&mut self.scatter);
        for ((mean, scatter), (shard_mean, shard_scatter)) in
            each.zip(shard.component_means.iter().zip(&shard.component_scatter))
        {
            let difference = shard_mean - *mean;
            *scatter += shard_scatter + difference * difference * before * added / count;
            *mean += difference * added / count;
        }
    }

    fn component_variances(&self) -> impl Iterator<Item = f64> {
        let degrees = self.fitted.saturating_sub(1).max(1) as f64;
        self.scatter.iter().map(move |scatter| scatter / degrees)
    }

    fn rejects(&self) -> u64 {
        self.reasons.values().sum()
    }
}

/// The content of validation.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Whether every check passed.
    pub passed: bool,
    /// Each check.
    pub checks: Vec<Check>,
}

/// One check: what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What is checked.
    pub check: String,
    /// Whether it holds.
    pub passed: bool,
    /// What should be.
    pub expected: serde_json::Value,
    /// What is.
    pub found: serde_json::Value,
}

impl Check {
    fn equal(check: &str, expected: u64, found: u64) -> Self {
        Self { check: check.to_owned(), passed: expected == found, expected: expected.into(), found: found.into() }
    }

    fn at_most(check: &str, most: f64, found: f64) -> Self {
        // NaN is not at most anything.
        Self {
            check: check.to_owned(),
            passed: found <= most,
            expected: format!("at most {most}").into(),
            found: found.into(),
        }
    }
}

impl Validation {
    /// Checks a run against its plan.
    pub fn of(plan: &Plan, shards: &[Shard], pca: &Pca, totals: &Totals) -> Self {
        let shares = pca.explained_variance_ratio();
        let increases = shares.as_slice().windows(2).filter(|pair| pair[1] > pair[0]).count();
        let mut checks = vec![
            Check::equal("shards planned = shards projected", shards.len() as u64, totals.shards),
            Check::equal("images planned = images listed in the shards", plan.images, totals.listed),
            Check::equal("listed = features + rejects", totals.listed, totals.features + totals.rejects()),
            Check::equal("numbers per feature row", plan.recipe.feature_width as u64, pca.dimensions() as u64),
            Check::equal("numbers per component row", pca.components() as u64, totals.components.unwrap_or(0)),
            Check::equal("shards with another number of components", 0, totals.shards_of_other_width),
            Check::equal("NaN or infinite numbers", 0, totals.non_finite),
            Check::equal("components that explain more than the one before", 0, increases as u64),
            Check::at_most("variance explained by all components", 1.0 + 1e-9, shares.sum()),
        ];
        if let Some(Tally { training, test, unlabelled, unknown, .. }) = &totals.tally {
            let classified = training.images + test.images + unlabelled + unknown;
            checks.push(Check::equal("images classified = rows of features", totals.features, classified));
        }
        if plan.models_of.is_none() {
            checks.extend(of_fits(pca, totals));
        }
        Self { passed: checks.iter().all(|check| check.passed), checks }
    }

    /// The names of the failed checks, for a message.
    pub fn failed(&self) -> String {
        let failed = self.checks.iter().filter(|check| !check.passed);
        failed
            .map(|check| format!("{} (expected {}, found {})", check.check, check.expected, check.found))
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Whether models are those of the run's own images.
fn of_fits(pca: &Pca, totals: &Totals) -> Vec<Check> {
    let mut checks = vec![
        Check::equal("rows that the PCA was fitted to = rows of features to fit to", pca.count, totals.fitted),
        Check::at_most(
            "largest difference between a component's variance in the table and in the model, relative to the total",
            VARIANCE_TOLERANCE,
            largest_variance_difference(pca, totals),
        ),
    ];
    if let Some(tally) = &totals.tally {
        checks.push(Check::equal(
            "images learned from = rows that the PCA was fitted to",
            pca.count,
            tally.training.images,
        ));
    }
    checks
}

fn largest_variance_difference(pca: &Pca, totals: &Totals) -> f64 {
    let scale = if pca.total_variance > 0.0 { pca.total_variance } else { 1.0 };
    let differences = pca.explained_variance.iter().zip(totals.component_variances());
    differences.map(|(model, table)| (model - table).abs() / scale).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Axis};
    use pomona_formats::digests::Digests;
    use pomona_pca::{Components, FitOptions, Moments};
    use pomona_terms::RejectReason;

    fn counters(shard: u32, rows: &Array2<f32>) -> Counters {
        let rows = rows.mapv(f64::from);
        let mean = rows.mean_axis(Axis(0)).unwrap();
        let scatter = (&rows - &mean).mapv(|difference| difference * difference).sum_axis(Axis(0));
        Counters {
            shard,
            listed: rows.nrows() as u64 + 1,
            features: rows.nrows() as u64,
            fitted: rows.nrows() as u64,
            tally: None,
            reasons: [(RejectReason::Empty, 1)].into(),
            losses: LossCounts::default(),
            non_finite: 0,
            components: rows.ncols() as u64,
            component_means: mean.to_vec(),
            component_scatter: scatter.to_vec(),
            bytes_written: 0,
            points: Vec::new(),
            files: Digests::default(),
        }
    }

    fn rows() -> Array2<f32> {
        Array2::from_shape_fn((7, 3), |(row, column)| ((row * 5 + column * 3) % 11) as f32 + 100.0)
    }

    #[test]
    fn variances_of_shards_add_up_to_those_of_the_whole() {
        let rows = rows();
        let mut totals = Totals::default();
        totals.add(&counters(0, &rows.slice(ndarray::s![..3, ..]).to_owned()));
        totals.add(&counters(1, &rows.slice(ndarray::s![3.., ..]).to_owned()));
        assert_eq!((totals.features, totals.rejects()), (7, 2));
        let whole = rows.mapv(f64::from).var_axis(Axis(0), 1.0);
        for (merged, whole) in totals.component_variances().zip(&whole) {
            assert!((merged - whole).abs() < 1e-9, "{merged} {whole}");
        }
    }

    #[test]
    fn components_whose_variance_is_not_the_models_fail_the_check() {
        let rows = rows();
        let options = FitOptions { components: Components::Count(2), ..FitOptions::default() };
        let pca = Pca::fit(&Moments::of(rows.view()), &options).unwrap();
        let projected = pca.project(rows.view()).unwrap();
        let difference = |table: &Array2<f32>| {
            let mut totals = Totals::default();
            totals.add(&counters(0, table));
            largest_variance_difference(&pca, &totals)
        };
        assert!(difference(&projected) < VARIANCE_TOLERANCE);
        assert!(difference(&(projected * 1.01)) > VARIANCE_TOLERANCE);
    }
}
