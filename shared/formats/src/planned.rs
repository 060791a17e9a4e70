//! What a plan decided: plan.json and shards.json, which every later stage reads.

use chrono::{DateTime, Utc};
use pomona_dataset::LeftOut;
use pomona_dataset::OddLabels;
use pomona_run::archived::Archived;
use pomona_run::layout::RunLayout;
use pomona_run::options::KeepFeatures;
use pomona_run::{Options, RunId};
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::digests::{self, Digests};
use crate::error::Error;
use crate::json;
use crate::recipe::Recipe;

/// The content of plan.json.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The run.
    pub run_id: RunId,
    /// When the run started.
    pub started: DateTime<Utc>,
    /// Where the images are.
    pub input: String,
    /// What the user chose.
    pub options: Options,
    /// How features are made.
    pub recipe: Recipe,
    /// Listed images.
    pub images: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many of them lie in archives.
    #[serde(default, skip_serializing_if = "Archived::is_none")]
    pub archived: Archived,
    /// Labels.
    pub classes: u64,
    /// What lies at the input beside these images.
    #[serde(default)]
    pub left_out: LeftOut,
    /// What about the labels may not be what was meant.
    #[serde(default)]
    pub odd_labels: OddLabels,
    /// Leading bits of a key's hash that name its shard.
    pub shard_bits: u32,
    /// Shards that hold any image.
    pub shards: u64,
    /// Shards whose parts did not exist when the plan was made.
    pub missing: u64,
    /// Merge levels, the last one (of a single group, merged by reduce) included; 0 where models are fitted by passes
    /// or taken.
    pub merge_levels: u32,
    /// The run whose models this one takes; none where it fits its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_of: Option<ModelsOf>,
    /// The run that latest.json named when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<RunId>,
    /// How often the run had been planned in vain when the plan was made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replans: u32,
    /// How many plans of the run there had been, so that no plan has the bytes of one that it took the place of.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// The other files of the plan, but for the listings.
    pub digests: Digests,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A run whose models another one takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelsOf {
    /// Where its results are; none where that is the same output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<String>,
    /// The run.
    pub run_id: RunId,
}

impl Plan {
    /// The plan of a run, whose `bytes` lie at `key`.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn decode(run_id: &RunId, key: &str, bytes: &[u8]) -> Result<Self, Error> {
        json::unseal_of(key, bytes, run_id, |plan: &Self| &plan.run_id)
    }

    /// Whether the run gets a copy of the parts' features.
    pub fn keeps_features(&self) -> bool {
        match self.options.keep_features {
            KeepFeatures::Yes => true,
            KeepFeatures::No => false,
            KeepFeatures::Auto => !self.recipe.is_wide(),
        }
    }

    /// Whether models are fitted by passes.
    pub fn is_fitted_by_passes(&self) -> bool {
        is_fitted_by_passes(&self.recipe, &self.options)
    }
}

/// Whether models are fitted by passes over the features: where there are too many of them for a covariance, or where
/// only some images are learned from, of which parts have no moments.
pub fn is_fitted_by_passes(recipe: &Recipe, options: &Options) -> bool {
    recipe.is_wide() || options.classify.is_some()
}

/// The work of one shard: an entry of shards.json, and of missing.json while its part does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The run.
    pub run_id: RunId,
    /// The plan's attempt; lists that were written before there was one do not say it.
    pub attempt: Option<u32>,
    /// The shard's number.
    pub shard: u32,
    /// The name of its part.
    pub part: String,
    /// The digest of the recipe that the part is made by.
    pub recipe: String,
    /// The option of this name, which belongs to the recipe.
    pub max_pixels: u64,
    /// Listed images.
    pub images: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// SHA-256 of its rows of the listing.
    pub listing_sha256: String,
    /// Parts of earlier runs, finished or not, that may hold features of this shard's unchanged images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<PreviousPart>,
}

/// A part of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousPart {
    /// The earlier run, which keeps the listing.
    pub run_id: RunId,
    /// The shard's number in that run.
    pub shard: u32,
    /// The part's name.
    pub part: String,
    /// SHA-256 of the shard's rows of that run's listing.
    pub listing_sha256: String,
}

/// Reads the plan of a run.
///
/// # Errors
/// Those of the store, and [`Error::Damaged`].
pub async fn read_plan(output: &dyn Store, run_id: &RunId) -> Result<Plan, Error> {
    let key = RunLayout::new(run_id.as_str()).plan();
    Plan::decode(run_id, &key, &digests::get(output, &key).await?)
}

/// Reads every shard of a run.
///
/// # Errors
/// As [`read_plan`].
pub async fn read_shards(output: &dyn Store, plan: &Plan) -> Result<Vec<Shard>, Error> {
    plan.digests.read_json(output, &RunLayout::new(plan.run_id.as_str()).shards()).await
}

/// Reads the shards whose parts did not exist when the run was planned.
///
/// # Errors
/// As [`read_plan`].
pub async fn read_missing(output: &dyn Store, plan: &Plan) -> Result<Vec<Shard>, Error> {
    plan.digests.read_json(output, &RunLayout::new(plan.run_id.as_str()).missing()).await
}
