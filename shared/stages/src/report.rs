//! The last stage, `report`: adds up the shards' counters, checks them against the plan, writes the reports, then
//! `_SUCCESS`, then moves latest.json forward.

use std::collections::HashSet;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::Error as FileError;
use pomona_formats::classification::Tally;
use pomona_formats::classifier_file::{self, Classifier};
use pomona_formats::counters::Counters;
use pomona_formats::counters::Point;
use pomona_formats::digests::{self, Digests};
use pomona_formats::error::Damage;
use pomona_formats::json;
use pomona_formats::model_file::{self, Model};
use pomona_formats::model_info::{Classification, ModelInfo};
use pomona_formats::planned::{self, Plan, Shard};
use pomona_formats::tables;
use pomona_formats::tables::CsvTable;
use pomona_results::classification::{self, Metrics};
use pomona_results::html::{self, Page};
use pomona_results::latest;
use pomona_results::processing::{Processing, Site};
use pomona_results::validation::{Totals, Validation};
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_run::pace;
use pomona_run::stage::Timing;
use pomona_store::Store;

use crate::error::Error;
use crate::{claims, sample, timings};

/// Checks a run, writes its reports and marks it successful.
///
/// # Errors
/// [`FileError::Damaged`] where a file of the run is not what a stage before wrote, or a table is not there,
/// [`Error::Invalid`] when a check fails (validation.json and report.html then say which, and the run is not marked),
/// [`Error::Overtaken`] when the run has been planned anew since, and those of the store.
pub async fn report(output: &dyn Store, run_id: &RunId, timings: &[Timing], site: &Site) -> Result<ModelInfo, Error> {
    report_as(Rank::Newest, output, run_id, timings, site).await
}

/// What a run becomes once it has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// The one that latest.json names.
    Newest,
    /// One of those before.
    Older,
}

/// As [`report`], for a run of any rank.
pub(crate) async fn report_as(
    rank: Rank,
    output: &dyn Store,
    run_id: &RunId,
    timings: &[Timing],
    site: &Site,
) -> Result<ModelInfo, Error> {
    let (info, plan) = write(output, run_id, timings, site).await?;
    // Once more: it may have stood still while it wrote.
    claims::refuse_overtaken(output, &plan).await?;
    output.put(&RunLayout::new(run_id.as_str()).success(), Bytes::new()).await?;
    if rank == Rank::Newest {
        latest::move_forward(output, run_id, plan.follows.as_ref()).await?;
    }
    Ok(info)
}

/// Checks a run and writes its reports; gives its plan, too.
///
/// # Errors
/// Those of [`report`].
pub(crate) async fn write(
    output: &dyn Store,
    run_id: &RunId,
    timings: &[Timing],
    site: &Site,
) -> Result<(ModelInfo, Plan), Error> {
    let layout = RunLayout::new(run_id.as_str());
    let plan = planned::read_plan(output, run_id).await?;
    let shards = planned::read_shards(output, &plan).await?;
    let model = model_file::read(output, &layout).await?;
    let (totals, points) = add_up(output, &layout, &shards).await?;
    let classified = match (plan.options.classify, &totals.tally) {
        (Some(_), Some(tally)) => Some(Classified::of(classifier_file::read(output, &layout).await?, tally)),
        _ => None,
    };
    let classes = plan.digests.read(output, &layout.classes()).await?;
    let classes = tables::from_csv(&layout.classes(), &classes, html::CLASSES_SHOWN)?;

    claims::refuse_overtaken(output, &plan).await?;
    let (timings, timings_csv) = timings::settle(output, &layout.timings(), timings).await?;
    let mut info = model_info(&plan, &model, &totals, &timings);
    info.classification = classified.as_ref().map(|classified| classified.in_short(&plan));
    let validation = Validation::of(&plan, &shards, &model.pca, &totals);
    let mut written = Written::new(output);
    written.put(layout.validation(), json::encode(&layout.validation(), &validation)?).await?;
    let page = Page {
        plan: &plan,
        info: &info,
        validation: &validation,
        timings: &timings,
        classes: &classes,
        points: &points,
        classification: classified.as_ref().map(Classified::on_page),
    };
    written.put(layout.page(), page.render().into()).await?;
    if !validation.passed {
        return Err(Error::Invalid { failed: validation.failed(), file: layout.validation() });
    }
    written.put(layout.variance(), variance_csv(&layout.variance(), &info)?).await?;
    if let Some(Classified { labels, metrics, tally }) = &classified {
        written.put(layout.metrics(), json::encode(&layout.metrics(), metrics)?).await?;
        written.put(layout.confusion(), classification::confusion_csv(&layout.confusion(), labels, tally)?).await?;
    }
    let processing = Processing::of(&plan, &info, output.location(), site);
    written.put(layout.processing(), json::encode(&layout.processing(), &processing)?).await?;
    written.digests.add(&layout.timings(), &timings_csv);
    written.put(layout.model_info(), json::encode(&layout.model_info(), &info)?).await?;
    written.digests.write_record(output, &layout.report_digests()).await?;
    Ok((info, plan))
}

async fn keys_of_tables(output: &dyn Store, layout: &RunLayout) -> Result<HashSet<String>, Error> {
    let mut keys = HashSet::new();
    for folder in layout.tables().into_iter().chain([layout.all_errors()]) {
        keys.extend(output.list(&folder, &|_| true).await?.into_iter().map(|table| table.key));
    }
    Ok(keys)
}

/// How a run's classifier does.
struct Classified<'a> {
    labels: Vec<String>,
    metrics: Metrics,
    tally: &'a Tally,
}

impl<'a> Classified<'a> {
    fn of(Classifier { classify, labels, descent, .. }: Classifier, tally: &'a Tally) -> Self {
        Self { metrics: Metrics::of(&labels, &classify, &descent, tally), labels, tally }
    }

    fn in_short(&self, plan: &Plan) -> Classification {
        match plan.models_of {
            None => self.metrics.in_short(&self.labels, self.tally),
            Some(_) => self.metrics.of_another_run_in_short(self.tally),
        }
    }

    fn on_page(&self) -> html::Classified<'_> {
        html::Classified { metrics: &self.metrics, labels: &self.labels, tally: self.tally }
    }
}

/// Writes the reports and vouches for them.
struct Written<'a> {
    output: &'a dyn Store,
    digests: Digests,
}

impl<'a> Written<'a> {
    fn new(output: &'a dyn Store) -> Self {
        Self { output, digests: Digests::default() }
    }

    async fn put(&mut self, key: String, bytes: Bytes) -> Result<(), Error> {
        self.digests.add(&key, &bytes);
        Ok(self.output.put(&key, bytes).await?)
    }
}

async fn add_up(output: &dyn Store, layout: &RunLayout, shards: &[Shard]) -> Result<(Totals, Vec<Point>), Error> {
    let tables = keys_of_tables(output, layout).await?;
    let keys = shards.iter().map(|shard| layout.counters(shard.shard));
    let mut counters = stream::iter(keys.collect::<Vec<_>>())
        .map(|key| async move { digests::read_sealed::<Counters>(output, &key).await })
        .buffered(pace::REQUESTS);
    let (mut totals, mut points) = (Totals::default(), Vec::new());
    while let Some(counters) = counters.try_next().await? {
        // Their bytes were checked when they were written; somebody may have deleted some since.
        if let Some(missing) = counters.files.iter().map(|(key, _)| key).find(|key| !tables.contains(*key)) {
            return Err(FileError::damaged(missing, Damage::Missing).into());
        }
        totals.add(&counters);
        points.extend(counters.points);
    }
    Ok((totals, sample::select(points)))
}

fn model_info(plan: &Plan, Model { pca, convergence }: &Model, totals: &Totals, timings: &[Timing]) -> ModelInfo {
    let variance_by_component: Vec<f64> = pca.explained_variance_ratio().iter().copied().collect();
    let cumulative_variance: Vec<f64> = variance_by_component
        .iter()
        .scan(0.0, |sum, share| {
            *sum += share;
            Some(*sum)
        })
        .collect();
    ModelInfo {
        timestamp: timings.last().map_or(plan.started, |last| last.finished),
        pca_components: pca.components() as u64,
        original_dimensions: pca.dimensions() as u64,
        reduced_dimensions: pca.components() as u64,
        total_variance_explained: cumulative_variance.last().copied().unwrap_or(0.0),
        variance_by_component,
        cumulative_variance,
        num_images_processed: totals.features,
        num_images_listed: totals.listed,
        rejects: totals.reasons.clone(),
        losses: totals.losses,
        num_classes: plan.classes,
        total_variance: pca.total_variance,
        models_of: plan.models_of.as_ref().map(|models| models.run_id.clone()),
        convergence: convergence.clone(),
        classification: None,
        recipe: plan.recipe.clone(),
        options: plan.options.clone(),
    }
}

fn variance_csv(key: &str, info: &ModelInfo) -> Result<Bytes, FileError> {
    let mut csv = CsvTable::new(key, ["component", "variance_explained", "cumulative_variance"])?;
    for ((component, share), cumulative) in (1..).zip(&info.variance_by_component).zip(&info.cumulative_variance) {
        csv.row([component.to_string(), share.to_string(), cumulative.to_string()])?;
    }
    csv.finish()
}
