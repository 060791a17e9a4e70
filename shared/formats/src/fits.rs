//! fits.json: what a run fits by passes.

use pomona_pca::{FitOptions, LogisticOptions};
use pomona_run::classify::{Classify, ClassifyOn};
use pomona_run::layout::RunLayout;
use pomona_run::sweep::Method;
use pomona_run::{Options, RunId, sweep};
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::digests;
use crate::error::Error;
use crate::json;
use crate::moments_file::Header;
use crate::planned::Plan;

/// The content of fits.json: the parts that fits go over, and what they hold together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fits {
    /// Features of each image.
    pub width: usize,
    /// What the parts count.
    pub counted: Header,
    /// Their names, those that only this run uses included, in the order of the shards.
    pub parts: Vec<String>,
    /// What is learned from their labels, if anything; all fits are over the training images alone then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning: Option<Learning>,
}

/// What is learned from labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    /// What was chosen.
    pub classify: Classify,
    /// The labels by the numbers that a classifier has for them.
    pub labels: Vec<String>,
}

impl Fits {
    /// Reads those of a run.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Damaged`].
    pub async fn read(output: &dyn Store, run_id: &RunId) -> Result<Self, Error> {
        digests::read_sealed(output, &RunLayout::new(run_id.as_str()).fits()).await
    }

    /// Writes them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn write(&self, output: &dyn Store, run_id: &RunId) -> Result<(), Error> {
        let key = RunLayout::new(run_id.as_str()).fits();
        Ok(output.put(&key, json::seal(&key, self)?).await?)
    }

    /// The parts of each group of a pass.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &[String]> {
        self.parts.chunks(sweep::group_size(self.parts.len()))
    }

    /// What the fits of the run with this plan are called.
    ///
    /// # Errors
    /// [`Error::Internal`] where options are no JSON.
    pub fn names(&self, plan: &Plan) -> Result<FitNames, Error> {
        let (options, is_wide) = (fit_options(&plan.options), plan.recipe.is_wide());
        let columns = match is_wide {
            true => Some(self.name(Method::Columns, self.over((), &[], None))?),
            false => None,
        };
        let method = if is_wide { Method::Components } else { Method::Covariance };
        let components = self.name(method, self.over(&options, &[], None))?;
        let classifier = match &self.learning {
            Some(learning) => Some(self.classifier_names(learning, &components)?),
            None => None,
        };
        Ok(FitNames { columns, components, classifier })
    }

    fn classifier_names(&self, learning: &Learning, components: &str) -> Result<ClassifierNames, Error> {
        let projected_on = match learning.classify.classify_on {
            ClassifyOn::Features => None,
            ClassifyOn::Components => Some(components),
        };
        let columns = self.name(Method::Columns, self.over((), &[], projected_on))?;
        let over = self.over(learning.logistic_options(), &learning.labels, projected_on);
        let classifier = self.name(Method::Classifier, over)?;
        Ok(ClassifierNames { projected_on: projected_on.map(str::to_owned), columns, classifier })
    }

    fn over<'a, T>(&self, options: T, labels: &'a [String], projected_on: Option<&'a str>) -> Over<'a, T> {
        let training = self.learning.as_ref().map(|Learning { classify, .. }| (classify.train_share, classify.seed));
        Over { options, training, labels, projected_on }
    }

    fn name(&self, method: Method, over: Over<'_, impl Serialize>) -> Result<String, Error> {
        let options = serde_json::to_string(&over).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(method.fit(&options, &self.parts))
    }
}

impl Learning {
    /// What its fit heeds of what was chosen.
    pub fn logistic_options(&self) -> LogisticOptions {
        let Classify { regularization, max_iterations, .. } = self.classify;
        LogisticOptions { regularization, max_iterations }
    }
}

/// What the fits of a run are called: the folders below `sweeps/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitNames {
    /// Mean and variance of each feature, which components of too many features for a covariance begin with.
    pub columns: Option<String>,
    /// The components.
    pub components: String,
    /// Those of a classifier, where one is fitted.
    pub classifier: Option<ClassifierNames>,
}

/// What the fits of a classifier are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassifierNames {
    /// The fit of the components that it sees instead of features, if it does.
    pub projected_on: Option<String>,
    /// Mean and variance of each number that it sees.
    pub columns: String,
    /// The classifier.
    pub classifier: String,
}

impl FitNames {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let of_classifier = self.classifier.iter().flat_map(|names| [&names.columns, &names.classifier]);
        self.columns.iter().chain([&self.components]).chain(of_classifier).map(String::as_str)
    }
}

/// What determines a fit beside its method and the parts.
#[derive(Serialize)]
struct Over<'a, T> {
    options: T,
    /// The share and the seed of the images that are learned from, where not all are.
    training: Option<(f64, u64)>,
    labels: &'a [String],
    projected_on: Option<&'a str>,
}

/// What the options of a run say of fitting components.
pub fn fit_options(options: &Options) -> FitOptions {
    FitOptions { components: options.components, center: options.center, standardize: options.standardize }
}
