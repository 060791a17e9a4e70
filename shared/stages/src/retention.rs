//! Keeping the tables of the newest runs only: each run has a copy of all features. What later runs reuse (parts, and
//! the listings that say which image is where in them) stays, and so do the reports.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::Error;
use pomona_formats::planned_runs::PlannedRuns;
use pomona_results::latest::{self, Latest};
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_run::pace;
use pomona_store::{Object, Store};

/// Half of the runs that planned.json remembers: a run must still be remembered when so many others have succeeded
/// after it. One that is forgotten, because many runs failed meanwhile, keeps its tables until they expire.
const MOST_KEPT: u32 = 32;

/// How long a run goes on removing tables; the rest is left to the next run. Of ten million images a run has 65,536
/// tables, and the Lambda `report` five minutes in all.
const PATIENCE: Duration = Duration::from_secs(120);

/// Of how many runs the tables are kept: of the newest ones, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepRuns(Option<NonZeroU32>);

impl FromStr for KeepRuns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|&number| number <= MOST_KEPT);
        let number = number.ok_or_else(|| format!("`{text}` is no number of runs from 0, for all, to {MOST_KEPT}"))?;
        Ok(Self(NonZeroU32::new(number)))
    }
}

impl fmt::Display for KeepRuns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(0, NonZeroU32::get).fmt(formatter)
    }
}

/// Removes features/, pca/, metadata/ and classify/predictions/ of all successful runs but the newest ones. The caller
/// holds the output's lock, and its run has succeeded, so what cannot be removed is only said: the next run tries
/// again.
pub async fn keep_newest(output: &dyn Store, keep: KeepRuns) {
    if let Some(keep) = keep.0 {
        keep_newest_within(PATIENCE, output, keep).await;
    }
}

async fn keep_newest_within(patience: Duration, output: &dyn Store, keep: NonZeroU32) {
    match tokio::time::timeout(patience, remove_older(output, keep)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!("the tables of older runs could not be removed: {error}; the next run tries again");
        }
        Err(_) => tracing::warn!(
            "not all tables of older runs were removed within {} s; the next run goes on",
            patience.as_secs()
        ),
    }
}

async fn remove_older(output: &dyn Store, keep: NonZeroU32) -> Result<(), Error> {
    let Some(Latest { run_id: newest, .. }) = latest::read(output).await? else { return Ok(()) };
    let planned = PlannedRuns::read(output).await?;
    let has_tables = |run_id| async move {
        let succeeded = output.exists(&RunLayout::new(RunId::as_str(run_id)).success()).await?;
        Ok::<_, Error>(succeeded.then_some(run_id))
    };
    // Who stood still since it read which run is the newest may find that those planned later have succeeded, too.
    let older = stream::iter(planned.before(&newest)).map(has_tables).buffered(pace::REQUESTS);
    let older: Vec<Option<&RunId>> = older.try_collect().await?;
    for run_id in older.into_iter().flatten().skip(keep.get() as usize - 1) {
        // One that was planned before may have been planned again since, and be the newest one now.
        if latest::read(output).await?.is_none_or(|latest| latest.run_id != newest) {
            return Ok(());
        }
        remove_tables(output, run_id, keep).await?;
        tracing::info!(%run_id, "removed the tables of an older run");
    }
    Ok(())
}

/// The word comes before the deed, so that nobody takes a run for damaged. `_SUCCESS` goes last: what was cut short is
/// gone on with, and what was not need not be looked through again.
async fn remove_tables(output: &dyn Store, run_id: &RunId, keep: NonZeroU32) -> Result<(), Error> {
    let layout = RunLayout::new(run_id.as_str());
    output.put(&layout.tables_removed(), notice(Some(keep)).into()).await?;
    for folder in layout.tables() {
        let files = stream::iter(output.list(&folder, &|_| true).await?).map(Ok::<_, Error>);
        let delete = |file: Object| async move { Ok(output.delete(&file.key).await?) };
        files.try_for_each_concurrent(pace::REQUESTS, delete).await?;
    }
    Ok(output.delete(&layout.success()).await?)
}

/// What is written in the place of a run's tables; `keep` where it is known.
pub(crate) fn notice(keep: Option<NonZeroU32>) -> String {
    let keep = keep.map_or_else(String::new, |keep| format!(" {keep}"));
    format!(
        "This run succeeded. Its features/, pca/, metadata/ and classify/predictions/ were removed when newer runs had: \
         --keep-runs{keep} (on AWS the stack's parameter KeepRuns) keeps the tables of so many. A run over the same \
         images with the same options makes them again, and computes nothing of which the features are still in parts/.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
    use std::sync::Arc;

    #[test]
    fn a_number_of_runs_is_one_that_can_be_remembered() {
        for text in ["0", "1", "32"] {
            assert_eq!(text.parse::<KeepRuns>().unwrap().to_string(), text);
        }
        assert_eq!("0".parse(), Ok(KeepRuns::default()));
        for text in ["", "-1", "33", "all"] {
            assert!(text.parse::<KeepRuns>().unwrap_err().contains(&format!("`{text}`")));
        }
    }

    /// An output with two successful runs of one table each; the older one first.
    async fn two_runs() -> (Arc<MemoryStore>, [RunLayout; 2]) {
        let output = Arc::new(MemoryStore::new("output", Default::default()));
        let run_ids = ["20260131T120000Z-0123abcd", "20260201T120000Z-0123abcd"];
        for run_id in run_ids {
            let run_id: RunId = run_id.parse().unwrap();
            PlannedRuns::add(output.as_ref(), &run_id).await.unwrap();
            let layout = RunLayout::new(run_id.as_str());
            output.put(&layout.metadata(0), "a table".into()).await.unwrap();
            output.put(&layout.success(), "".into()).await.unwrap();
            latest::move_forward(output.as_ref(), &run_id, None).await.unwrap();
        }
        (output, run_ids.map(RunLayout::new))
    }

    /// It had read which run is the newest before another one succeeded.
    #[tokio::test]
    async fn a_report_that_stood_still_takes_nothing_from_a_newer_run() {
        let (output, [older, newer]) = two_runs().await;
        let [run_id, seen] = [&older, &newer].map(|run| run.root().trim_start_matches("runs/").parse().unwrap());
        latest::point_at(output.as_ref(), &run_id, Some(&seen)).await.unwrap();
        keep_newest(output.as_ref(), "1".parse().unwrap()).await;
        for layout in [older, newer] {
            assert!(
                output.exists(&layout.metadata(0)).await.unwrap() && output.exists(&layout.success()).await.unwrap()
            );
        }
    }

    /// An older one was planned again, and has succeeded.
    #[tokio::test(start_paused = true)]
    async fn a_report_that_stood_still_takes_nothing_from_a_run_that_is_the_newest_by_now() {
        let (output, [older, newer]) = two_runs().await;
        let [run_id, seen] = [&older, &newer].map(|run| run.root().trim_start_matches("runs/").parse().unwrap());
        let standing = FailingStore::new(output.clone());
        let mark = older.success();
        standing.on(Operation::Exists, move |key| key == mark, ..2, Fault::Delay(Duration::from_millis(100)));
        let others = async {
            while standing.calls().iter().all(|(_, key)| *key != older.success()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            latest::point_at(output.as_ref(), &run_id, Some(&seen)).await.unwrap();
        };
        tokio::join!(keep_newest(&standing, "1".parse().unwrap()), others);
        for layout in [older, newer] {
            assert!(output.exists(&layout.metadata(0)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_store_that_takes_too_long_is_left_to_the_next_run() {
        let (output, [older, newer]) = two_runs().await;
        let slow = FailingStore::new(output.clone());
        slow.on(Operation::Delete, |_| true, 1.., Fault::Delay(Duration::from_secs(3_600)));
        keep_newest_within(Duration::from_millis(50), &slow, NonZeroU32::MIN).await;
        assert!(output.exists(&older.tables_removed()).await.unwrap());
        assert!(output.exists(&older.metadata(0)).await.unwrap() && output.exists(&older.success()).await.unwrap());
        keep_newest(output.as_ref(), "1".parse().unwrap()).await;
        assert!(!output.exists(&older.metadata(0)).await.unwrap() && !output.exists(&older.success()).await.unwrap());
        assert!(output.exists(&newer.metadata(0)).await.unwrap() && output.exists(&newer.success()).await.unwrap());
    }
}
