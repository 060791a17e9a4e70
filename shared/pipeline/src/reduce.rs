//! The stage `reduce`: merges the last group of moments, checks the share of rejects, fits the PCA, writes the model.

use pomona_pca::Pca;
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Reasons, describe_reasons};
use crate::layout::RunLayout;
use crate::merge;
use crate::model_file;
use crate::moments_file::Header;
use crate::options::Options;
use crate::plan::{self, Plan};
use crate::run_id::RunId;

/// What fitting came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reduced {
    /// Listed images.
    pub images: u64,
    /// Unusable images by reason.
    pub reasons: Reasons,
    /// Components kept.
    pub components: u64,
    /// The share of the total variance that they explain.
    pub variance_explained: f64,
    /// What the user should know about the number of components.
    pub notice: Option<String>,
}

/// Fits the PCA of a run whose parts and nodes exist.
///
/// # Errors
/// [`Error::TooManyRejects`], those of fitting (fewer than two usable images, for instance) and those of the store.
pub async fn reduce(output: &dyn Store, run_id: &RunId) -> Result<Reduced, Error> {
    let layout = RunLayout::new(run_id.as_str());
    let plan: Plan = plan::read_plan(output, run_id).await?;
    let last_level = merge::read_level(output, run_id, plan.merge_levels).await?;
    let [group] = last_level.as_slice() else {
        return Err(Error::inconsistent(layout.merge_level(plan.merge_levels), "the last level must have one group"));
    };
    let (merged, _) = merge::merge_children(output, group).await?;
    check_counts(&layout, &plan, &merged.header)?;
    check_rejects(&plan.options, &merged.header)?;

    let pca = Pca::fit(&merged.moments, &pca_options(&plan.options))?;
    let key = layout.pca_model();
    output.put(&key, model_file::encode(&key, &pca)?).await?;
    Ok(Reduced {
        images: merged.header.images,
        reasons: merged.header.reasons,
        components: pca.components() as u64,
        variance_explained: pca.explained_variance_ratio().sum(),
        notice: pca.notice,
    })
}

fn pca_options(options: &Options) -> pomona_pca::Options {
    pomona_pca::Options { components: options.components, center: options.center, standardize: options.standardize }
}

fn check_counts(layout: &RunLayout, plan: &Plan, merged: &Header) -> Result<(), Error> {
    if merged.images == plan.images {
        return Ok(());
    }
    let problem = format!("it lists {} images, but the parts hold {}", plan.images, merged.images);
    Err(Error::inconsistent(layout.plan(), problem))
}

fn check_rejects(options: &Options, merged: &Header) -> Result<(), Error> {
    let (rejects, images) = (merged.rejects(), merged.images);
    if rejects as f64 <= options.max_reject_share * images as f64 {
        return Ok(());
    }
    Err(Error::TooManyRejects {
        rejects,
        images,
        reasons: describe_reasons(&merged.reasons),
        allowed: options.max_reject_share,
    })
}
