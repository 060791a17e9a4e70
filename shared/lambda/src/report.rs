//! The Lambda `report`: checks a run, writes its reports and what it cost, marks it successful, removes the tables of
//! older runs that are not kept, gives the output's lock back.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use pomona_formats::model_info::ModelInfo;
use pomona_results::processing::Site;
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_run::stage::{Stage, Timing};
use pomona_stages::lock;
use pomona_stages::report;
use pomona_stages::retention::{self, KeepRuns};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::BucketLocation;
use crate::cost::{self, StackSettings};
use crate::edge::{Answer, Function};
use crate::error::Error;
use crate::event::parse;
use crate::metrics::RunFigures;
use crate::settings::Settings;
use crate::stores::Stores;

/// Reports runs.
#[derive(Debug)]
pub struct Report {
    /// Open stores.
    pub stores: Stores,
    /// What the stack's settings say about its cost.
    pub stack: StackSettings,
    /// Of how many runs the tables are kept.
    pub keep_runs: KeepRuns,
    /// What is known of where results lie.
    pub site: Site,
}

impl Report {
    /// The function as its settings say.
    pub fn new(settings: &Settings) -> Self {
        Self {
            stores: Stores::default(),
            stack: settings.stack.clone(),
            keep_runs: settings.keep_runs,
            site: Site::Stack(settings.retention.clone()),
        }
    }
}

/// What the function answers, and the execution with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reported {
    /// Listed images.
    pub images: u64,
    /// Unusable images.
    pub rejects: u64,
    /// Labels.
    pub classes: u64,
    /// The share of the total variance that the components explain.
    pub variance_explained: f64,
    /// The run's folder at the output.
    pub run: String,
    /// What the metrics show of the run.
    #[serde(skip)]
    pub figures: RunFigures,
}

impl Answer for Reported {
    fn run(&self) -> Option<&RunFigures> {
        Some(&self.figures)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    output: BucketLocation,
    run_id: RunId,
    timings: Vec<StageStart>,
    max_concurrency: NonZeroU32,
}

/// When a stage was entered; nothing where it was skipped.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageStart {
    stage: Stage,
    started: Option<DateTime<Utc>>,
    items: u64,
}

impl Function for Report {
    type Answer = Reported;

    async fn handle(&self, event: Value) -> Result<Reported, Error> {
        let Event { output, run_id, timings, max_concurrency } = parse("the event", event)?;
        let (output, stages) = (self.stores.open(&output).await?, timings_of(&timings));
        // Before the run is marked, so that nothing is written to it afterwards; a run is as good without it.
        let cost = cost::write(output.as_ref(), &run_id, &stages, &self.stack, max_concurrency).await;
        let cost_usd = cost.inspect_err(|error| tracing::warn!(%error, "could not write what the run cost")).ok();
        let info = report::report(output.as_ref(), &run_id, &stages, &self.site).await?;
        retention::keep_newest(output.as_ref(), self.keep_runs).await;
        lock::release(output.as_ref(), &run_id).await?;
        Ok(reported(&run_id, &info, RunFigures { stages, cost_usd }))
    }

    fn stores(&self) -> &Stores {
        &self.stores
    }
}

/// Each stage that ran ends where the next one begins. The last one is this stage itself, which has no end yet.
fn timings_of(stages: &[StageStart]) -> Vec<Timing> {
    let ran: Vec<(Stage, DateTime<Utc>, u64)> =
        stages.iter().filter_map(|stage| Some((stage.stage, stage.started?, stage.items))).collect();
    let ended = ran.iter().skip(1).map(|&(_, started, _)| started);
    ran.iter()
        .zip(ended)
        .map(|(&(stage, started, items), finished)| Timing { stage, started, finished, items })
        .collect()
}

fn reported(run_id: &RunId, info: &ModelInfo, figures: RunFigures) -> Reported {
    Reported {
        images: info.num_images_listed,
        rejects: info.rejects.values().sum(),
        classes: info.num_classes,
        variance_explained: info.total_variance_explained,
        run: RunLayout::new(run_id.as_str()).root().to_owned(),
        figures,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stage_ends_where_the_next_one_that_ran_begins() {
        let at = |second: u32| format!("2026-01-31T12:00:{second:02}.500Z");
        let stages = json!([
            {"stage": "plan", "started": at(0), "items": 1},
            {"stage": "extract", "started": at(2), "items": 4},
            {"stage": "combine", "started": null, "items": 0},
            {"stage": "reduce", "started": at(9), "items": 1},
            {"stage": "report", "started": at(10), "items": 1},
        ]);
        let stages: Vec<StageStart> = parse("the event", stages).unwrap();
        let timings: Vec<_> =
            timings_of(&stages).iter().map(|timing| (timing.stage, timing.seconds(), timing.items)).collect();
        assert_eq!(timings, [(Stage::Plan, 2.0, 1), (Stage::Extract, 7.0, 4), (Stage::Reduce, 1.0, 1)]);
    }
}
