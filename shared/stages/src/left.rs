//! On AWS, what a Map left undone: a child may give up its item, because its images changed or a file of it is damaged,
//! or because Lambda had no room for it for too long. One process leaves nothing.

use std::collections::HashSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::planned::{self, Plan};
use pomona_formats::{Error as FileError, digests, json, moments_file, problem};
use pomona_run::layout::{self, RunLayout};
use pomona_run::tree::Kind;
use pomona_run::{ErrorName, RunId, names, pace, sweep};
use pomona_store::Store;
use serde::Serialize;

use crate::error::Error;
use crate::{claims, combine};

/// What a Map works through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items {
    /// The parts that did not exist when the run was planned.
    Parts,
    /// The nodes of one merge level.
    Nodes {
        /// The level; 1 is the first.
        level: u32,
    },
    /// The sums of the groups that the Map before worked through.
    Sums,
    /// Every shard's tables.
    Tables,
}

/// What is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Items that are not there.
    pub missing: u64,
    /// Images that were found changed since the plan was made.
    pub changed: u64,
    /// Files that were found damaged since then.
    pub damaged: u64,
}

/// Looks for each of the items, and writes those that are missing down as a list like the one they come from: the run's
/// left.json.
///
/// # Errors
/// [`FileError::Damaged`] where the run's own lists are, [`Error::Overtaken`] when the run has been planned anew since,
/// and those of the store.
pub async fn look(output: &dyn Store, run_id: &RunId, items: Items) -> Result<Left, Error> {
    let plan = planned::read_plan(output, run_id).await?;
    let missing = match items {
        Items::Parts => write_missing_parts(output, &plan).await?,
        Items::Nodes { level } => write_missing_nodes(output, &plan, level).await?,
        Items::Sums => write_missing_sums(output, &plan).await?,
        Items::Tables => write_missing_tables(output, &plan).await?,
    };
    let problems = problem::count(output, run_id).await?;
    let met = |name: ErrorName| problems.get(name.as_str()).copied().unwrap_or(0);
    Ok(Left { missing, changed: met(ErrorName::InputChanged), damaged: met(ErrorName::Damaged) })
}

async fn write_missing_parts(output: &dyn Store, plan: &Plan) -> Result<u64, Error> {
    let shards = planned::read_missing(output, plan).await?;
    let exist = stream::iter(&shards).map(|shard| exists(output, Kind::Part, &shard.part, &plan.run_id));
    let exist: Vec<bool> = exist.buffered(pace::REQUESTS).try_collect().await?;
    write_left(output, plan, shards.iter().zip(exist).filter(|(_, exists)| !exists).map(|(shard, _)| shard)).await
}

async fn write_missing_nodes(output: &dyn Store, plan: &Plan, level: u32) -> Result<u64, Error> {
    let groups = combine::read_level(output, &plan.run_id, &plan.digests, level).await?;
    let exist = stream::iter(&groups).map(|group| exists(output, Kind::Node, &group.node, &plan.run_id));
    let exist: Vec<bool> = exist.buffered(pace::REQUESTS).try_collect().await?;
    write_left(output, plan, groups.iter().zip(exist).filter(|(_, exists)| !exists).map(|(group, _)| group)).await
}

async fn write_missing_sums(output: &dyn Store, plan: &Plan) -> Result<u64, Error> {
    let key = RunLayout::new(plan.run_id.as_str()).left();
    let groups: Vec<sweep::Group> = json::decode(&key, &digests::get(output, &key).await?)?;
    let exist = stream::iter(&groups)
        .map(|group| layout::sweep_sum(&group.fit, group.pass, group.group))
        .map(|sum| async move { output.exists(&sum).await });
    let exist: Vec<bool> = exist.buffered(pace::REQUESTS).try_collect().await?;
    write_left(output, plan, groups.iter().zip(exist).filter(|(_, exists)| !exists).map(|(group, _)| group)).await
}

/// Writes down the groups of a pass that a Map is to work through.
///
/// # Errors
/// Those of the store.
pub async fn write_groups(output: &dyn Store, run_id: &RunId, groups: &[sweep::Group]) -> Result<(), FileError> {
    let key = RunLayout::new(run_id.as_str()).left();
    Ok(output.put(&key, json::encode(&key, &groups)?).await?)
}

/// A shard's counters are written behind its tables.
async fn write_missing_tables(output: &dyn Store, plan: &Plan) -> Result<u64, Error> {
    let layout = RunLayout::new(plan.run_id.as_str());
    let counted = output.list(&layout.all_counters(), &|_| true).await?;
    let counted: HashSet<String> = counted.into_iter().map(|counters| counters.key).collect();
    let shards = planned::read_shards(output, plan).await?;
    write_left(output, plan, shards.iter().filter(|shard| !counted.contains(&layout.counters(shard.shard)))).await
}

/// Whether moments exist, under their own name or under the one that only this run uses.
async fn exists(output: &dyn Store, kind: Kind, name: &str, run_id: &RunId) -> Result<bool, FileError> {
    let own_name = names::name_of_this_run(name, run_id.as_str());
    Ok(moments_file::exist(output, &kind.key(name)).await? || moments_file::exist(output, &kind.key(&own_name)).await?)
}

/// Writes down what of a plan is left, and how much that is.
async fn write_left<T: Serialize>(
    output: &dyn Store,
    plan: &Plan,
    missing: impl Iterator<Item = T>,
) -> Result<u64, Error> {
    let missing: Vec<T> = missing.collect();
    if !missing.is_empty() {
        claims::refuse_overtaken(output, plan).await?;
        let key = RunLayout::new(plan.run_id.as_str()).left();
        output.put(&key, json::encode(&key, &missing)?).await?;
    }
    Ok(missing.len() as u64)
}
