//! model_info.json: a finished run in numbers.

use chrono::{DateTime, Utc};
use pomona_run::{Options, RunId};
use serde::{Deserialize, Serialize};

use crate::classification::Descent;
use crate::losses::LossCounts;
use crate::recipe::Recipe;
use crate::rejects::Reasons;

/// The content of model_info.json: the run in numbers. Nothing in it but the timestamp depends on when or where the run
/// was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// When the stage before the report had ended.
    pub timestamp: DateTime<Utc>,
    /// Components kept.
    pub pca_components: u64,
    /// Features per image.
    pub original_dimensions: u64,
    /// Numbers per image after projection; the same as `pca_components`.
    pub reduced_dimensions: u64,
    /// The share of the total variance that the components explain.
    pub total_variance_explained: f64,
    /// The share that each explains.
    pub variance_by_component: Vec<f64>,
    /// The share that each and those before it explain.
    pub cumulative_variance: Vec<f64>,
    /// Images with features.
    pub num_images_processed: u64,
    /// Listed images.
    pub num_images_listed: u64,
    /// Unusable images by reason.
    pub rejects: Reasons,
    /// Usable images that lost something on their way to RGB.
    #[serde(default)]
    pub losses: LossCounts,
    /// Labels.
    pub num_classes: u64,
    /// The variance of all features together.
    pub total_variance: f64,
    /// The run whose models were taken; all figures of the components are of that run's images then. None where the
    /// run's own images were fitted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_of: Option<RunId>,
    /// How components were found, where there are too many features for a covariance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convergence: Option<Convergence>,
    /// How well labels are told apart, where a classifier was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// How features were made.
    pub recipe: Recipe,
    /// What the user chose.
    pub options: Options,
}

/// How components were found by passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// Passes over all features, without the one for their means.
    pub passes: u64,
    /// Of each component the residual `|C v - theta v| / theta`: of the covariance, the component and its variance.
    pub residuals: Vec<f64>,
}

impl Convergence {
    /// In a few words.
    pub fn describe(&self) -> String {
        let passes = if self.passes == 1 { "pass" } else { "passes" };
        let largest = self.residuals.iter().copied().fold(0.0, f64::max);
        format!("found by {} {passes}, residuals at most {largest:.1e} of the variance", self.passes)
    }
}

/// How well labels are told apart, in a few numbers; classify/metrics.json has them all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// Images that the classifier learned from.
    pub training_images: u64,
    /// The share of them that it gives their own label.
    pub training_accuracy: Option<f64>,
    /// Images with a label that it did not learn from.
    pub test_images: u64,
    /// The share of them that it gives their own label.
    pub test_accuracy: Option<f64>,
    /// How it was found.
    pub descent: Descent,
    /// What a reader must know.
    pub notices: Vec<String>,
}

impl Classification {
    /// In a few words.
    pub fn describe(&self) -> String {
        let side = |accuracy: Option<f64>, images: u64, of: &str| {
            accuracy.map(|accuracy| format!("{:.1} % of {images} {of} images right", 100.0 * accuracy))
        };
        let sides = [
            side(self.test_accuracy, self.test_images, "test"),
            side(self.training_accuracy, self.training_images, "training"),
        ];
        let passes = if self.descent.passes == 1 { "pass" } else { "passes" };
        let sides: Vec<String> = sides.into_iter().flatten().collect();
        format!("{}, {} {passes}", sides.join(", "), self.descent.passes)
    }
}

/// What a reader must know of images among which nothing tells one from another.
const NO_VARIANCE: &str = "the features of all images are the same: nothing tells one from another";

impl ModelInfo {
    /// The components in a few words.
    pub fn describe_components(&self) -> String {
        let of = self.models_of.as_ref().map_or_else(String::new, |run_id| format!(" of the images of run {run_id}"));
        let share = 100.0 * self.total_variance_explained;
        format!("{}, which explain {share:.1} % of the variance{of}", self.pca_components)
    }

    /// What a reader must know before anything else, if anything.
    pub fn notices(&self) -> Vec<String> {
        let no_variance = (self.total_variance <= 0.0).then_some(NO_VARIANCE);
        let general = self.recipe.notice().into_iter().chain(no_variance).map(str::to_owned);
        let of_classifier = self.classification.iter().flat_map(|classification| classification.notices.clone());
        general.chain(self.losses.notices()).chain(of_classifier).collect()
    }
}
