//! report/cost.json: what a run has cost, from what Step Functions wrote down of it.
//!
//! Each Map writes its children with their times to the run's folder map/ (the state machine's `ResultWriter`); the
//! state machine knows when each stage began; the rest is in the run's files. What nobody counts is modelled, and the
//! file says so.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use pomona_cost::prices::PriceTable;
use pomona_cost::run::{MapSeconds, Measured, RunCost, StageSeconds};
use pomona_cost::workload::{Architecture, Children, New, Workload};
use pomona_formats::planned::{self, Plan};
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_run::stage::{Stage, Timing};
use pomona_stages::extract::Extracted;
use pomona_store::{Object, Store};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Why there is no cost.json. A run is as good without it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CostError {
    #[error(transparent)]
    File(#[from] pomona_formats::Error),
    #[error(transparent)]
    Store(#[from] pomona_store::Error),
    #[error(transparent)]
    Cost(#[from] pomona_cost::Error),
    #[error("{0} is not what a Map's ResultWriter writes: {1}")]
    Results(String, serde_json::Error),
    #[error("cannot write what the run cost as JSON: {0}")]
    Json(serde_json::Error),
}

/// What the stack's settings say about its cost.
#[derive(Clone, Debug, PartialEq)]
pub struct StackSettings {
    /// The region whose prices hold.
    pub region: String,
    /// The functions' memory and time limit, and the kind of the Maps' children; its images are no one's.
    pub settings: Workload,
}

impl StackSettings {
    /// Reads the settings; what is not set is as the template has it.
    pub(crate) fn read(region: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let template = Workload::default();
        let settings = Workload {
            list_batch_memory: setting(&variable, "POMONA_LIST_BATCH_MEMORY", template.list_batch_memory)?,
            list_batch_timeout: setting(&variable, "POMONA_LIST_BATCH_TIMEOUT", template.list_batch_timeout)?,
            plan_memory: setting(&variable, "POMONA_PLAN_MEMORY", template.plan_memory)?,
            other_memory: setting(&variable, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", template.other_memory)?,
            children: children(variable("POMONA_CHILD_EXECUTION_TYPE"))?,
            architecture: if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 },
            ..template
        };
        Ok(Self { region: region.to_owned(), settings })
    }
}

fn setting(variable: impl Fn(&str) -> Option<String>, name: &'static str, otherwise: u32) -> Result<u32, Error> {
    let Some(value) = variable(name) else { return Ok(otherwise) };
    value.parse().map_err(|_| Error::setting(name, "it is not a number"))
}

fn children(kind: Option<String>) -> Result<Children, Error> {
    match kind.as_deref() {
        None | Some("EXPRESS") => Ok(Children::Express),
        Some("STANDARD") => Ok(Children::Standard),
        Some(_) => Err(Error::setting("POMONA_CHILD_EXECUTION_TYPE", "it is neither EXPRESS nor STANDARD")),
    }
}

/// Writes the run's report/cost.json, and gives what is paid for the run once, in US dollars.
pub(crate) async fn write(
    output: &dyn Store,
    run_id: &RunId,
    timings: &[Timing],
    stack: &StackSettings,
    max_concurrency: NonZeroU32,
) -> Result<f64, CostError> {
    let layout = RunLayout::new(run_id.as_str());
    let plan = planned::read_plan(output, run_id).await?;
    let files = output.list(&format!("{}/", layout.root()), &|_| true).await?;
    let (maps, new) = read_maps(output, &layout, &files).await?;
    let stage_seconds = |timing: &Timing| StageSeconds { stage: timing.stage, seconds: timing.seconds() };
    let measured = Measured {
        workload: with_passes(workload(&plan, stack, max_concurrency), swept(&layout, &files)),
        new,
        stages: timings.iter().map(stage_seconds).collect(),
        maps,
        run_bytes: bytes_below(&files, layout.root()),
        features_bytes: bytes_below(&files, &format!("{}/features/parquet", layout.root())),
    };
    let cost = RunCost::of(measured, &PriceTable::read()?, &stack.region)?;
    let json = serde_json::to_vec_pretty(&cost).map_err(CostError::Json)?;
    output.put(&layout.cost(), json.into()).await?;
    Ok(cost.bill.run_usd)
}

fn workload(plan: &Plan, stack: &StackSettings, max_concurrency: NonZeroU32) -> Workload {
    Workload {
        images: plan.images,
        archived: plan.archived,
        mean_bytes: (plan.bytes / plan.images.max(1)).max(1),
        features: plan.recipe.feature_width as u64,
        labels: if plan.options.classify.is_some() { plan.classes } else { 0 },
        takes_models: plan.models_of.is_some(),
        shard_size: plan.options.shard_size,
        concurrency: max_concurrency.get(),
        ..stack.settings.clone()
    }
}

/// The workload with the passes that were made. Beside those of a classifier, which are the most by far, those for
/// components are taken to be as many as usual.
fn with_passes(workload: Workload, swept: u64) -> Workload {
    if workload.takes_models {
        return workload;
    }
    let least = |passes: u64| passes.max(1);
    match workload.is_classified() {
        false => Workload { passes: least(swept.saturating_sub(1)), ..workload },
        true => {
            let others = workload.all_passes() - workload.descent;
            Workload { descent: least(swept.saturating_sub(others)), ..workload }
        }
    }
}

/// Passes: each left a manifest.
fn swept(layout: &RunLayout, files: &[Object]) -> u64 {
    let folder = layout.map(Stage::Sweep);
    files.iter().filter(|file| file.key.starts_with(&folder) && file.key.ends_with("/manifest.json")).count() as u64
}

fn bytes_below(files: &[Object], folder: &str) -> u64 {
    let is_below = |file: &&Object| file.key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    files.iter().filter(is_below).map(|file| file.size).sum()
}

/// A child execution as a Map's results show it (Step Functions guide, `ResultWriter`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Child {
    start_date: DateTime<Utc>,
    stop_date: DateTime<Utc>,
    output: Option<String>,
}

/// The children of all Maps, and what those of extract computed.
async fn read_maps(
    output: &dyn Store,
    layout: &RunLayout,
    files: &[Object],
) -> Result<(Vec<MapSeconds>, New), CostError> {
    let (mut maps, mut new) = (Vec::new(), New { shards: 0, images: 0 });
    for stage in Stage::ALL.into_iter().filter(|stage| stage.spec().children.is_some()) {
        let folder = layout.map(stage);
        let mut map = MapSeconds { stage, children: 0, seconds: 0.0, slowest: 0.0 };
        for file in files.iter().filter(|file| file.key.starts_with(&folder) && is_of_ended_children(&file.key)) {
            for child in read::<Vec<Child>>(output, &file.key).await? {
                let seconds = (child.stop_date - child.start_date).as_seconds_f64();
                map.children += 1;
                map.seconds += seconds;
                map.slowest = map.slowest.max(seconds);
                if let Some(extracted) = extracted(&child).filter(|_| stage == Stage::Extract) {
                    new.shards += 1;
                    new.images += extracted.computed;
                }
            }
        }
        maps.extend((map.children > 0).then_some(map));
    }
    Ok((maps, new))
}

/// Children that never began have no times.
fn is_of_ended_children(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.starts_with("SUCCEEDED_") || name.starts_with("FAILED_")
}

/// What an extraction came to; nothing where it failed, or left its shard out because of a change or because no Lambda
/// was free: such a child ends well, and its output is the error.
fn extracted(child: &Child) -> Option<Extracted> {
    serde_json::from_str(child.output.as_deref()?).ok()
}

async fn read<T: DeserializeOwned>(output: &dyn Store, key: &str) -> Result<T, CostError> {
    let bytes = output.get(key).await?.bytes;
    serde_json::from_slice(&bytes).map_err(|error| CostError::Results(key.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_store::testing::MemoryStore;
    use serde_json::{Value, json};

    fn child(output: Option<Value>) -> Value {
        let output = output.map(|output| output.to_string());
        json!({"StartDate": "2026-01-31T12:00:02.000Z", "StopDate": "2026-01-31T12:00:04.000Z", "Output": output})
    }

    /// Its child ends well, so that the others go on, and it comes again in the Map's next pass.
    #[tokio::test]
    async fn a_shard_that_was_left_out_was_not_extracted_though_its_child_took_its_time() {
        let layout = RunLayout::new("20260131T120000Z-0123abcd");
        let folder = layout.map(Stage::Extract);
        let left_out = json!({"Error": "Lambda.TooManyRequestsException", "Cause": "Rate Exceeded."});
        let done = |computed| child(Some(json!(Extracted { images: 9, computed, ..Extracted::default() })));
        let first = json!([done(9), child(Some(left_out))]).to_string();
        let objects = [
            (format!("{folder}/a/SUCCEEDED_0.json"), first.into()),
            (format!("{folder}/a/FAILED_0.json"), json!([child(None)]).to_string().into()),
            (format!("{folder}/b/SUCCEEDED_0.json"), json!([done(7)]).to_string().into()),
        ];
        let output = MemoryStore::new("s3://out", objects.into_iter().collect());
        let files = output.list("", &|_| true).await.unwrap();
        let (maps, new) = read_maps(&output, &layout, &files).await.unwrap();
        assert_eq!(new, New { shards: 2, images: 16 });
        assert_eq!(maps, [MapSeconds { stage: Stage::Extract, children: 4, seconds: 8.0, slowest: 2.0 }]);
    }

    fn read(variables: &[(&str, &str)]) -> Result<StackSettings, Error> {
        let variable =
            |name: &str| variables.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned());
        StackSettings::read("eu-west-2", variable)
    }

    #[test]
    fn a_stack_is_as_the_template_has_it_unless_it_says_otherwise() {
        let settings = read(&[]).unwrap().settings;
        assert_eq!(
            (settings.list_batch_memory, settings.plan_memory, settings.children),
            (1769, 1769, Children::Express)
        );
        let variables = [("POMONA_LIST_BATCH_MEMORY", "3538"), ("POMONA_CHILD_EXECUTION_TYPE", "STANDARD")];
        let stack = read(&variables).unwrap();
        assert_eq!((stack.settings.list_batch_memory, stack.settings.children), (3538, Children::Standard));
        assert_eq!(stack.region, "eu-west-2");
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused_by_name() {
        for (name, value) in [("POMONA_PLAN_MEMORY", "much"), ("POMONA_CHILD_EXECUTION_TYPE", "FAST")] {
            assert!(read(&[(name, value)]).unwrap_err().to_string().contains(name));
        }
    }
}
