//! The tables of the newest runs are kept, and of older ones the reports and what later runs reuse.

#[path = "support/result.rs"]
mod result;
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pomona_formats::Error as FileError;
use pomona_results::{inspect, verify};
use pomona_run::layout::RunLayout;
use pomona_run::{Options, RunId};
use pomona_stages::compute::ComputePool;
use pomona_stages::forget;
use pomona_stages::local::Summary;
use pomona_stages::lock::{self, NoOtherHolders, UnknownHolders};
use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
use pomona_store::{LocalStore, Store};
use tempfile::TempDir;

const TABLES: [&str; 4] = ["features/parquet", "metadata", "pca/csv", "pca/parquet"];

/// A dataset that grows by an image before each run.
struct Growing {
    folder: TempDir,
    pool: ComputePool,
    images: u64,
}

impl Growing {
    fn new() -> Self {
        let mut dataset = Self { folder: tempfile::tempdir().unwrap(), pool: support::pool(1), images: 0 };
        (0..20).for_each(|_| dataset.grow());
        dataset
    }

    fn grow(&mut self) {
        let key = format!("class {}/{}.png", self.images % 3, self.images);
        support::write(self.folder.path(), &key, &support::picture(self.images));
        self.images += 1;
    }

    async fn run(&mut self, output: &dyn Store, keep: &str) -> Summary {
        self.grow();
        let keep = keep.parse().unwrap();
        support::run_and_keep(self.folder.path(), output, &Options::default(), &self.pool, keep).await.unwrap()
    }
}

/// The folders of a run, and its files in none.
async fn left_of(output: &dyn Store, summary: &Summary) -> BTreeSet<String> {
    let root = format!("{}/", RunLayout::new(summary.plan.run_id.as_str()).root());
    let files = output.list(&root, &|_| true).await.unwrap();
    let place = |key: &str| key[root.len()..].rsplit_once('/').map_or(&key[root.len()..], |(folder, _)| folder).into();
    files.iter().map(|file| place(&file.key)).collect()
}

async fn has_tables(output: &dyn Store, summary: &Summary) -> bool {
    let left = left_of(output, summary).await;
    let tables = TABLES.iter().filter(|folder| left.contains(**folder)).count();
    assert!(tables == 0 || tables == TABLES.len(), "{left:?}");
    tables > 0
}

fn run_id(summary: &Summary) -> &RunId {
    &summary.plan.run_id
}

#[tokio::test]
async fn an_older_run_loses_its_tables_and_nothing_else_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let output = LocalStore::create(folder.path()).unwrap();
    let mut dataset = Growing::new();
    let first = dataset.run(&output, "1").await;
    let whole = left_of(&output, &first).await;
    let second = dataset.run(&output, "1").await;
    let third = dataset.run(&output, "1").await;
    assert_eq!((first.extracted.computed, second.extracted.computed, third.extracted.computed), (21, 1, 1));

    let mut rest = whole.clone();
    assert!(TABLES.iter().all(|folder| rest.remove(*folder)) && rest.remove("_SUCCESS"));
    rest.insert("_TABLES_REMOVED".to_owned());
    for older in [&first, &second] {
        assert_eq!(left_of(&output, older).await, rest);
        let error = inspect::find_run(&output, Some(run_id(older))).await.unwrap_err();
        assert!(matches!(&error, FileError::TablesRemoved { .. }), "{error}");
        for part in [run_id(older).as_str(), "KeepRuns", "--keep-runs", run_id(&third).as_str()] {
            assert!(error.to_string().contains(part), "{part} is missing in {error}");
        }
        let why = output.get(&RunLayout::new(run_id(older).as_str()).tables_removed()).await.unwrap().bytes;
        assert!(String::from_utf8(why.to_vec()).unwrap().contains("--keep-runs 1 "));
    }
    assert_eq!(left_of(&output, &third).await, whole);
    assert_eq!(inspect::find_run(&output, None).await.unwrap(), *run_id(&third));
    assert_eq!(inspect::find_run(&output, Some(run_id(&third))).await.unwrap(), *run_id(&third));

    // The newest run is that of a fresh start.
    let fresh = MemoryStore::new("fresh", Default::default());
    support::run_into(dataset.folder.path(), &fresh, &Options::default(), &dataset.pool).await.unwrap();
    assert_eq!(result::result_in(&output).await, result::result_in(&fresh).await);
}

#[tokio::test]
async fn as_many_runs_as_asked_for_keep_their_tables_and_all_where_nobody_asks() {
    let output = MemoryStore::new("output", Default::default());
    let mut dataset = Growing::new();
    let mut runs = Vec::new();
    for keep in ["0", "0", "0", "2", "2"] {
        runs.push(dataset.run(&output, keep).await);
        let mut kept = Vec::new();
        for run in &runs {
            kept.push(has_tables(&output, run).await);
        }
        let expected = match keep {
            "0" => vec![true; runs.len()],
            _ => (0..runs.len()).map(|number| number + 2 >= runs.len()).collect(),
        };
        assert_eq!(kept, expected);
    }
}

#[tokio::test]
async fn runs_that_did_not_succeed_do_not_count() {
    let output = MemoryStore::new("output", Default::default());
    let mut dataset = Growing::new();
    let good = dataset.run(&output, "2").await;
    for _ in 0..3 {
        support::write(dataset.folder.path(), "class 0/bad.png", b"");
        let strict = Options { max_reject_share: 0.0, ..Options::default() };
        let keep = "2".parse().unwrap();
        support::run_and_keep(dataset.folder.path(), &output, &strict, &dataset.pool, keep).await.unwrap_err();
    }
    std::fs::remove_file(dataset.folder.path().join("class 0/bad.png")).unwrap();
    dataset.run(&output, "2").await;
    assert!(has_tables(&output, &good).await);
    dataset.run(&output, "2").await;
    assert!(!has_tables(&output, &good).await);
}

#[tokio::test]
async fn what_was_cut_short_anywhere_is_gone_on_with_by_the_next_run() {
    let is_older = |older: &str| {
        let root = format!("{}/", RunLayout::new(older).root());
        move |key: &str| key.starts_with(&root)
    };
    // The word, three tables beside a CSV, `_SUCCESS`: before each of them once.
    for (operation, call) in [(Operation::Put, 1), (Operation::List, 1), (Operation::List, 3)]
        .into_iter()
        .chain((1..=5).map(|call| (Operation::Delete, call)))
    {
        let inner = Arc::new(MemoryStore::new("output", Default::default()));
        let mut dataset = Growing::new();
        let first = dataset.run(inner.as_ref(), "1").await;
        let failing = FailingStore::new(inner.clone());
        failing.on(operation, is_older(run_id(&first).as_str()), call..=call, Fault::denied());
        let second = dataset.run(&failing, "1").await;
        assert!(inner.exists(&RunLayout::new(run_id(&first).as_str()).success()).await.unwrap());
        assert!(has_tables(inner.as_ref(), &second).await);
        if operation != Operation::Put {
            let error = inspect::find_run(inner.as_ref(), Some(run_id(&first))).await.unwrap_err();
            assert!(matches!(error, FileError::TablesRemoved { .. }), "{error}");
        }

        let third = dataset.run(inner.as_ref(), "1").await;
        for older in [&first, &second] {
            assert!(!has_tables(inner.as_ref(), older).await, "{operation:?} {call}");
        }
        assert!(has_tables(inner.as_ref(), &third).await);
    }
}

#[tokio::test]
async fn a_crash_while_tables_are_removed_leaves_a_run_that_succeeded() {
    let inner = Arc::new(MemoryStore::new("output", Default::default()));
    let mut dataset = Growing::new();
    let first = dataset.run(inner.as_ref(), "1").await;
    let failing = FailingStore::new(inner.clone());
    failing.on(Operation::Delete, |key| key.contains("/features/"), 1.., Fault::CrashBefore);
    dataset.grow();
    let keep = "1".parse().unwrap();
    let crashed =
        support::run_and_keep(dataset.folder.path(), &failing, &Options::default(), &dataset.pool, keep).await;
    assert!(crashed.is_err() && failing.has_crashed(), "the lock could not be given back either");
    let newest = inspect::find_run(inner.as_ref(), None).await.unwrap();
    assert_ne!(newest, *run_id(&first));

    let next = dataset.run(inner.as_ref(), "1").await;
    assert!(!has_tables(inner.as_ref(), &first).await);
    let error = inspect::find_run(inner.as_ref(), Some(&newest)).await.unwrap_err();
    assert!(error.to_string().contains(run_id(&next).as_str()), "{error}");
}

#[tokio::test]
async fn nothing_is_asked_about_older_runs_that_have_no_tables_any_more() {
    let inner = Arc::new(MemoryStore::new("output", Default::default()));
    let mut dataset = Growing::new();
    let first = dataset.run(inner.as_ref(), "1").await;
    dataset.run(inner.as_ref(), "1").await;
    let watched = FailingStore::new(inner);
    dataset.run(&watched, "1").await;
    let root = format!("{}/", RunLayout::new(run_id(&first).as_str()).root());
    let calls = watched.calls();
    let listed =
        |folder: &str| calls.iter().any(|(operation, key)| *operation == Operation::List && key.contains(folder));
    assert!(!listed(&root) && listed("/features/"));
}

/// Everything but the newest run and what it uses.
#[tokio::test]
async fn what_is_older_is_forgotten_also_where_that_was_cut_short_and_the_newest_run_stays() {
    let mut dataset = Growing::new();
    let output = Arc::new(MemoryStore::new("output", Default::default()));
    let older = dataset.run(output.as_ref(), "0").await;
    let newest = dataset.run(output.as_ref(), "0").await;
    let result = result::result_in(output.as_ref()).await;
    let forget = async |output: &dyn Store, hours| {
        let before = chrono::Utc::now() + chrono::TimeDelta::hours(hours);
        forget::forget(output, before, ("a test", &NoOtherHolders), std::future::pending()).await
    };
    let forgotten = forget(output.as_ref(), -1).await.unwrap().unwrap();
    assert_eq!((forgotten.runs.len(), forgotten.of_runs.files, forgotten.shared.files), (0, 0, 0));

    for number in 1..6 {
        let killed = FailingStore::new(output.clone());
        killed.on(Operation::Delete, |_| true, number.., Fault::CrashBefore);
        assert!(forget(&killed, 1).await.is_err());
    }
    let forgotten = forget(output.as_ref(), 1).await.unwrap().unwrap();
    assert_eq!(forgotten.runs, std::slice::from_ref(&older.plan.run_id));
    assert!(forgotten.shared.files >= 3, "the part of the older run's images, which have become more");
    assert!(left_of(output.as_ref(), &older).await.is_empty());
    assert_eq!(result::result_in(output.as_ref()).await, result);
    let found = verify::verify(output.as_ref(), None, &verify::Unobserved).await.unwrap();
    assert!(found.is_whole() && found.unneeded.is_empty(), "{found:?}");
    let again = dataset.run(output.as_ref(), "0").await;
    assert_eq!((again.extracted.computed, again.plan.follows), (1, Some(newest.plan.run_id)));

    let run_id = RunId::now();
    lock::acquire(output.as_ref(), &run_id, "a run", Duration::from_secs(90), &NoOtherHolders).await.unwrap();
    let before = chrono::Utc::now();
    let busy = forget::forget(output.as_ref(), before, ("a test", &UnknownHolders), std::future::pending()).await;
    assert!(matches!(busy, Err(pomona_stages::Error::Busy { .. })), "{busy:?}");
}
