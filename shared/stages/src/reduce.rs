//! Fitting by moments: merges the last group of them, checks the share of rejects, fits the PCA, writes the model.

use pomona_formats::Error as FileError;
use pomona_formats::classifier_file::{self, Classifier};
use pomona_formats::digests::Digests;
use pomona_formats::model_file::{self, Model};
use pomona_formats::moments_file::Header;
use pomona_formats::planned::Plan;
use pomona_formats::provenance;
use pomona_formats::rejects::Reasons;
use pomona_pca::{FitOptions, Pca};
use pomona_run::Options;
use pomona_run::layout::RunLayout;
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::combine;
use crate::error::Error;
use crate::refusal;

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
/// [`Error::TooManyRejects`], [`Error::NothingUsable`], [`Error::OneImage`], [`FileError::Damaged`] where moments are
/// (they are set aside then), those of fitting and those of the store.
pub(crate) async fn reduce(output: &dyn Store, plan: &Plan) -> Result<Reduced, Error> {
    let layout = RunLayout::new(plan.run_id.as_str());
    let last_level = combine::read_level(output, &plan.run_id, &plan.digests, plan.merge_levels).await?;
    let [group] = last_level.as_slice() else {
        let key = layout.merge_level(plan.merge_levels);
        return Err(FileError::inconsistent(key, "the last level must have one group").into());
    };
    let merged = combine::merge_children(output, group).await?;
    check_counts(plan, &merged.header)?;
    refusal::check(output, plan, &merged.header).await?;

    let pca = Pca::fit(&merged.moments, &fit_options(&plan.options))?;
    write_models(output, plan, merged.header, Model { pca, convergence: None }, None).await
}

/// What the options say of fitting.
pub(crate) fn fit_options(options: &Options) -> FitOptions {
    FitOptions { components: options.components, center: options.center, standardize: options.standardize }
}

/// Writes the models of a run whose parts count `counted`, and vouches for them.
pub(crate) async fn write_models(
    output: &dyn Store,
    plan: &Plan,
    counted: Header,
    model: Model,
    classifier: Option<Classifier>,
) -> Result<Reduced, Error> {
    let layout = RunLayout::new(plan.run_id.as_str());
    let provenance = provenance::of_components(&plan.recipe, &plan.options);
    let mut files = vec![(layout.pca_model(), model_file::encode(&layout.pca_model(), &model, provenance.clone())?)];
    if let Some(classifier) = &classifier {
        files.push((layout.classifier(), classifier_file::encode(&layout.classifier(), classifier, provenance)?));
    }
    let mut digests = Digests::default();
    for (key, file) in files {
        digests.add(&key, &file);
        output.put(&key, file).await?;
    }
    digests.write_record(output, &layout.reduce_digests()).await?;
    Ok(Reduced {
        images: counted.images,
        reasons: counted.reasons,
        components: model.pca.components() as u64,
        variance_explained: model.pca.explained_variance_ratio().sum(),
        notice: fit_options(&plan.options).notice(&model.pca),
    })
}

/// Whether parts hold as many images as were planned.
pub(crate) fn check_counts(plan: &Plan, merged: &Header) -> Result<(), Error> {
    if merged.images == plan.images {
        return Ok(());
    }
    let problem = format!("it lists {} images, but the parts hold {}", plan.images, merged.images);
    Err(FileError::inconsistent(RunLayout::new(plan.run_id.as_str()).plan(), problem).into())
}
