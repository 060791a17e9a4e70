//! Fitting by moments: merges the last group of them, checks the share of rejects, fits the PCA, writes the model. And
//! what every way to a run's models shares.

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use pomona_formats::Error as FileError;
use pomona_formats::classifier_file::{self, Classifier};
use pomona_formats::digests::Digests;
use pomona_formats::fits::fit_options;
use pomona_formats::model_file::{self, Model};
use pomona_formats::moments_file::{self, Header};
use pomona_formats::planned::{self, Plan};
use pomona_formats::provenance;
use pomona_formats::rejects::Reasons;
use pomona_pca::Pca;
use pomona_run::layout::RunLayout;
use pomona_run::pace;
use pomona_run::tree::Kind;
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::claims;
use crate::combine;
use crate::damages::Damages;
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
    check_counts(output, plan, &merged.header).await?;

    let pca = Pca::fit(&merged.moments, &fit_options(&plan.options))?;
    write_models(output, plan, merged.header, Model { pca, convergence: None }, None).await
}

/// Looks through the parts of a run that takes its models from another one, and has them.
///
/// # Errors
/// As [`count_parts`], and [`FileError::Damaged`] where the models are.
pub(crate) async fn with_taken_models(output: &dyn Store, plan: &Plan) -> Result<Reduced, Error> {
    let (_, counted) = count_parts(output, plan).await?;
    let model = model_file::read(output, &RunLayout::new(plan.run_id.as_str())).await?;
    Ok(Reduced::of(counted, &model, None))
}

/// The names of a run's parts, those that only this run uses included, in the order of the shards, and what they hold
/// together.
///
/// # Errors
/// [`Error::TooManyRejects`], [`Error::NothingUsable`], [`Error::OneImage`], [`FileError::Damaged`] where parts are
/// (they are set aside then), and those of the store.
pub(crate) async fn count_parts(output: &dyn Store, plan: &Plan) -> Result<(Vec<String>, Header), Error> {
    let shards = planned::read_shards(output, plan).await?;
    let headers = stream::iter(&shards)
        .map(|shard| moments_file::read_header(output, Kind::Part, &shard.part, &plan.run_id))
        .buffered(pace::REQUESTS);
    let headers: Vec<Result<(String, Header), FileError>> = headers.collect().await;
    let (mut parts, mut counted, mut damages) = (Vec::new(), Header::default(), Damages::default());
    for header in headers {
        if let Some((name, header)) = damages.keep(header)? {
            counted.add(&header);
            parts.push(name);
        }
    }
    damages.finish()?;
    check_counts(output, plan, &counted).await?;
    Ok((parts, counted))
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
    claims::refuse_overtaken(output, plan).await?;
    write_vouched(output, &layout, files).await?;
    Ok(Reduced::of(counted, &model, fit_options(&plan.options).notice(&model.pca)))
}

/// Writes the files of a run's models, and vouches for them.
pub(crate) async fn write_vouched(
    output: &dyn Store,
    layout: &RunLayout,
    files: Vec<(String, Bytes)>,
) -> Result<(), FileError> {
    let mut digests = Digests::default();
    for (key, file) in files {
        digests.add(&key, &file);
        output.put(&key, file).await?;
    }
    digests.write_record(output, &layout.reduce_digests()).await
}

impl Reduced {
    fn of(counted: Header, Model { pca, .. }: &Model, notice: Option<String>) -> Self {
        Self {
            images: counted.images,
            reasons: counted.reasons,
            components: pca.components() as u64,
            variance_explained: pca.explained_variance_ratio().sum(),
            notice,
        }
    }
}

/// Whether parts hold as many images as were planned, and enough that can be used.
async fn check_counts(output: &dyn Store, plan: &Plan, merged: &Header) -> Result<(), Error> {
    if merged.images == plan.images {
        return refusal::check(output, plan, merged).await;
    }
    let problem = format!("it lists {} images, but the parts hold {}", plan.images, merged.images);
    Err(FileError::inconsistent(RunLayout::new(plan.run_id.as_str()).plan(), problem).into())
}
