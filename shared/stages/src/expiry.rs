//! Keeping what a run is going to use from expiring under it: a bucket's lifecycle may delete parts and nodes when they
//! are old.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::Error;
use pomona_formats::planned;
use pomona_run::RunId;
use pomona_run::layout::{node_moments, part_features, part_moments, part_rejects};
use pomona_run::pace;
use pomona_store::Store;

use crate::combine;

/// Starts the life of all parts and nodes anew that a planned run is going to use and that were written longer than
/// `age` ago.
///
/// # Errors
/// Those of the store.
pub async fn refresh(output: &dyn Store, run_id: &RunId, age: Duration) -> Result<(), Error> {
    let plan = planned::read_plan(output, run_id).await?;
    let missing: HashSet<u32> = planned::read_missing(output, &plan).await?.iter().map(|shard| shard.shard).collect();
    let shards = planned::read_shards(output, &plan).await?;
    let parts = shards.iter().filter(|shard| !missing.contains(&shard.shard)).map(|shard| files_of_part(&shard.part));
    let mut groups_of_files: Vec<Vec<String>> = parts.collect();
    for level in 1..plan.merge_levels {
        let groups = combine::read_level(output, run_id, &plan.digests, level).await?;
        groups_of_files.extend(groups.iter().map(|group| vec![node_moments(&group.node)]));
    }
    let each = stream::iter(groups_of_files).map(Ok::<_, Error>);
    each.try_for_each_concurrent(pace::REQUESTS, |files| async move {
        for file in files {
            output.refresh(&file, age).await?;
        }
        Ok(())
    })
    .await
}

/// The moments come last, as they do when a part is written: a part that has them has everything.
fn files_of_part(part: &str) -> Vec<String> {
    vec![part_features(part), part_rejects(part), part_moments(part)]
}
