//! What a plan that was written down is asked for later.

#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pomona_dataset::Images;
use pomona_formats::planned::{self, Plan, Shard};
use pomona_formats::recipe::Recipe;
use pomona_formats::{Error as FileError, json, problem};
use pomona_results::latest;
use pomona_results::processing::Site;
use pomona_results::verify::{self, Unobserved};
use pomona_run::layout::RunLayout;
use pomona_run::{ErrorName, Options, RunId, layout};
use pomona_stages::Error;
use pomona_stages::extract::Extraction;
use pomona_stages::fit;
use pomona_stages::fragments::Fragments;
use pomona_stages::left::{self, Items, Left};
use pomona_stages::plan::{self, Counted, PlanRequest};
use pomona_stages::project::Projection;
use pomona_stages::recipe;
use pomona_stages::{combine, expiry, report};
use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
use pomona_store::{LocalStore, Store};

fn one_image_each() -> Options {
    Options { shard_size: 1, ..Options::default() }
}

fn write_images(folder: &Path, count: u64) {
    (0..count).for_each(|image| support::write(folder, &format!("{image}.png"), &support::picture(image)));
}

async fn plan(input: &Path, output: &dyn Store) -> Plan {
    plan_as(&RunId::now(), 0, input, output).await
}

async fn plan_as(run_id: &RunId, replans: u32, input: &Path, output: &dyn Store) -> Plan {
    try_to_plan(run_id, replans, input, output).await.unwrap()
}

async fn try_to_plan(run_id: &RunId, replans: u32, input: &Path, output: &dyn Store) -> Result<Plan, Error> {
    try_to_plan_counted(Counted::OverTheRun, run_id, (Utc::now(), replans), input, output).await
}

async fn try_to_plan_counted(
    counted: Counted,
    run_id: &RunId,
    (started, replans): (DateTime<Utc>, u32),
    input: &Path,
    output: &dyn Store,
) -> Result<Plan, Error> {
    let (options, recipe) = (one_image_each(), recipe::of(support::pool(1).extractor().model()));
    let request = PlanRequest { started, replans, counted, ..request(run_id, &options, &recipe) };
    plan::plan(&Images::new(&LocalStore::open(input).unwrap()), output, &request).await
}

fn request<'a>(run_id: &'a RunId, options: &'a Options, recipe: &'a Recipe) -> PlanRequest<'a> {
    PlanRequest {
        run_id,
        started: Utc::now(),
        options,
        recipe,
        models: None,
        replans: 0,
        counted: Counted::OverTheRun,
        in_place_of: None,
        on_file: &|| {},
    }
}

#[tokio::test]
async fn parts_are_counted_as_missing_until_they_exist_under_either_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    write_images(&folder.path().join("in"), 8);
    let output = LocalStore::create(folder.path().join("out")).unwrap();
    let plan = plan(&folder.path().join("in"), &output).await;
    let missing = planned::read_missing(&output, &plan).await.unwrap();
    let left = async || left::look(&output, &plan.run_id, Items::Parts).await.unwrap();
    assert_eq!(left().await, Left { missing: missing.len() as u64, changed: 0, damaged: 0 });

    let readable: Arc<dyn Store> = Arc::new(LocalStore::open(folder.path().join("in")).unwrap());
    let unreadable = FailingStore::new(readable.clone());
    unreadable.on(Operation::GetIfMatch, |_| true, .., Fault::denied());
    let pool = support::pool(1);
    let fragments = Fragments::new(&output);
    let of_another_run = Shard { run_id: RunId::now(), ..missing[1].clone() };
    output
        .copy(
            &RunLayout::new(plan.run_id.as_str()).listing(missing[1].shard, &missing[1].listing_sha256),
            &RunLayout::new(of_another_run.run_id.as_str()).listing(missing[1].shard, &missing[1].listing_sha256),
        )
        .await
        .unwrap();
    // Under a name that only this run uses, under one that only the other run uses, and under the shard's own.
    for (input, shard) in
        [(&unreadable as &dyn Store, &missing[0]), (&unreadable, &of_another_run), (readable.as_ref(), &missing[2])]
    {
        Extraction::new(&Images::new(input), &output, &pool, &fragments).extract(shard, &|_| {}).await.unwrap();
    }
    assert_eq!(left().await.missing, missing.len() as u64 - 2);
    let key = RunLayout::new(plan.run_id.as_str()).left();
    let listed: Vec<Shard> = serde_json::from_slice(&output.get(&key).await.unwrap().bytes).unwrap();
    assert_eq!(listed, [&missing[1..2], &missing[3..]].concat(), "a Map that is entered again works through these");
}

#[tokio::test]
async fn what_a_map_left_out_is_told_by_why() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    write_images(&input, 200);
    let output = LocalStore::create(folder.path().join("out")).unwrap();
    support::run_into(&input, &output, &one_image_each(), &support::pool(2)).await.unwrap();
    let plan = plan(&input, &output).await;
    let look = async |items| left::look(&output, &plan.run_id, items).await.unwrap();
    let whole = Left { missing: 0, changed: 0, damaged: 0 };
    assert_eq!(look(Items::Nodes { level: 1 }).await, whole);
    assert_eq!(look(Items::Tables).await.missing, plan.shards, "no shard was projected");

    let groups = combine::read_level(&output, &plan.run_id, &plan.digests, 1).await.unwrap();
    output.delete(&layout::node_moments(&groups[1].node)).await.unwrap();
    assert_eq!(look(Items::Nodes { level: 1 }).await, Left { missing: 1, ..whole });
    combine::combine(&output, &groups[1]).await.unwrap();
    assert_eq!(look(Items::Nodes { level: 1 }).await, whole);

    for (name, message) in [(ErrorName::InputChanged, "a"), (ErrorName::InputChanged, "b"), (ErrorName::Damaged, "c")] {
        problem::write(&output, &plan.run_id, name, message).await.unwrap();
        problem::write(&output, &plan.run_id, ErrorName::Retryable, message).await.unwrap();
    }
    assert_eq!(look(Items::Parts).await, Left { changed: 2, damaged: 1, ..whole });

    // A plan that is made twice leaves what the run has met, and a new one knows nothing of why the last did not hold.
    plan_as(&plan.run_id, 0, &input, &output).await;
    assert_eq!(look(Items::Parts).await.changed, 2);
    let void = RunLayout::new(plan.run_id.as_str()).features_parquet(999);
    output.put(&void, "a shard that there is no more".into()).await.unwrap();
    let again = plan_as(&plan.run_id, 1, &input, &output).await;
    assert_eq!(left::look(&output, &again.run_id, Items::Parts).await.unwrap(), whole);
    assert!(!output.exists(&void).await.unwrap(), "a table of the plan before");
}

#[tokio::test]
async fn a_plan_of_another_run_is_damaged_whatever_its_seal_says() {
    let folder = tempfile::tempdir().unwrap();
    let output = LocalStore::create(folder.path().join("out")).unwrap();
    write_images(&folder.path().join("in"), 8);
    let plan = plan(&folder.path().join("in"), &output).await;
    let other: RunId = "20260131T120000Z-0123abcd".parse().unwrap();
    let layout = RunLayout::new(other.as_str());
    let key = layout.plan();
    output.put(&layout.success(), "it says that it has ended".into()).await.unwrap();
    output.put(&key, json::seal(&key, &plan).unwrap()).await.unwrap();
    let read = planned::read_plan(&output, &other).await;
    assert!(matches!(read, Err(FileError::Damaged { .. })), "{read:?}");
    let found = verify::verify(&output, None, &Unobserved).await.unwrap();
    assert!(found.damaged.iter().any(|damaged| damaged.file == key), "{found:?}");
}

/// Lambda may come to the second of two calls for one event when the run is at work by the plan of the first, or done.
#[tokio::test]
async fn a_plan_that_was_made_stays_until_a_new_one_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), LocalStore::create(folder.path().join("out")).unwrap());
    write_images(&input, 8);
    let first = plan(&input, &output).await;
    write_images(&input, 12);
    let lists = async || output.list(&format!("runs/{}/", first.run_id), &|_| true).await.unwrap();
    let before = lists().await;
    assert_eq!(plan_as(&first.run_id, 0, &input, &output).await.digests, first.digests);
    assert_eq!(lists().await, before);
    let second = plan_as(&first.run_id, 1, &input, &output).await;
    assert_eq!((second.images, first.attempt, second.attempt), (12, 0, 1));
    // One of which a list is lost is no plan.
    output.delete(&RunLayout::new(first.run_id.as_str()).shards()).await.unwrap();
    write_images(&input, 13);
    assert_eq!(plan_as(&first.run_id, 1, &input, &output).await.images, 13);
}

/// A call that was given up before it did anything comes to its work when its run has been planned anew, or is over.
#[tokio::test]
async fn a_plan_that_comes_too_late_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    write_images(&input, 8);
    let output = MemoryStore::new("out", BTreeMap::new());
    let run_id = plan(&input, &output).await.run_id;
    let layout = RunLayout::new(run_id.as_str());
    plan_as(&run_id, 1, &input, &output).await;
    output.put(&layout.features_csv(0), "a table".into()).await.unwrap();
    write_images(&input, 12);
    let refuses = async |replans: u32| {
        let before = output.objects();
        let late = try_to_plan(&run_id, replans, &input, &output).await;
        assert!(matches!(late, Err(Error::Overtaken { .. })), "{late:?}");
        assert!(output.objects() == before, "it has changed something");
    };
    refuses(0).await;
    output.put(&layout.success(), "".into()).await.unwrap();
    refuses(1).await;
    output.put(&layout.tables_removed(), "by a later run".into()).await.unwrap();
    output.delete(&layout.success()).await.unwrap();
    refuses(1).await;
}

/// An erasure's attempts count from 0, and what comes too late of one is known by when that began.
#[tokio::test]
async fn an_attempt_that_counts_its_plans_anew_keeps_a_run_that_has_succeeded() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    write_images(&input, 8);
    let output = MemoryStore::new("out", BTreeMap::new());
    support::run_into(&input, &output, &one_image_each(), &support::pool(1)).await.unwrap();
    let before = latest::read(&output).await.unwrap().unwrap().run_id;
    let (run_id, began) = (RunId::now(), Utc::now());
    let plan = async |started, replans| {
        try_to_plan_counted(Counted::ByAttempt, &run_id, (started, replans), &input, &output).await
    };
    for replans in 0..2 {
        plan(began, replans).await.unwrap();
    }
    let objects = output.objects();
    let late = plan(began, 0).await;
    assert!(matches!(late, Err(Error::Overtaken { .. })), "{late:?}");
    assert!(output.objects() == objects, "it has changed something");

    // Another attempt makes it anew until it has succeeded.
    let later = began + TimeDelta::seconds(1);
    assert_eq!(plan(later, 0).await.unwrap().replans, 0);
    let made = plan(later, 1).await.unwrap();
    output.put(&RunLayout::new(run_id.as_str()).success(), "".into()).await.unwrap();
    latest::point_at(&output, &run_id, Some(&before)).await.unwrap();
    let objects = output.objects();
    for replans in 0..2 {
        let kept = plan(later + TimeDelta::seconds(1), replans).await.unwrap();
        assert_eq!((kept.replans, kept.attempt), (made.replans, made.attempt));
    }
    assert!(output.objects() == objects, "it has changed something");
    // What is damaged of it is planned around, and it still follows whom it followed.
    let anew = plan(later, 2).await.unwrap();
    assert_eq!((anew.replans, anew.follows), (2, Some(before)));
}

/// A call that plans anew is given up and stands still amid deleting the tables of the plan before; when it goes on,
/// another call has planned, and the run has written new ones.
#[tokio::test]
async fn a_plan_that_was_overtaken_deletes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    write_images(&input, 8);
    // In memory, so that nobody waits for a disk while the other call stands still.
    let output: Arc<dyn Store> = Arc::new(MemoryStore::new("out", BTreeMap::new()));
    let run_id = plan(&input, output.as_ref()).await.run_id;
    let tables = [0, 1].map(|shard| RunLayout::new(run_id.as_str()).features_csv(shard));
    let write_tables = async || {
        for table in &tables {
            output.put(table, "a table".into()).await.unwrap();
        }
    };
    write_tables().await;
    let standing = FailingStore::new(output.clone());
    standing.on(Operation::Delete, |_| true, ..2, Fault::Delay(Duration::from_secs(4)));
    let others = async {
        standing.until_called(1, |operation, _| operation == Operation::Delete).await;
        plan_as(&run_id, 1, &input, output.as_ref()).await;
        write_tables().await;
    };
    let (overtaken, ()) = tokio::join!(try_to_plan(&run_id, 1, &input, &standing), others);
    assert!(matches!(overtaken, Err(Error::Overtaken { .. })), "{overtaken:?}");
    // The deletion that it stood still in is the only one.
    assert!(output.exists(&tables[1]).await.unwrap());
}

/// The stage has read the plan, and stands still where it reads or looks for `file`, until the run has been planned anew.
async fn demand_overtaken(
    output: &Arc<dyn Store>,
    (file, anew): (&'static str, impl Future<Output = Plan>),
    stage: impl AsyncFnOnce(&dyn Store) -> Result<(), Error>,
) {
    let standing = FailingStore::new(output.clone());
    for operation in [Operation::Get, Operation::Exists] {
        standing.on(operation, move |key| key.ends_with(file), ..2, Fault::Delay(Duration::from_secs(4)));
    }
    let others = async {
        standing.until_called(1, |_, key| key.ends_with(file)).await;
        anew.await
    };
    let (ended, _) = tokio::join!(stage(&standing), others);
    assert!(matches!(ended, Err(Error::Overtaken { .. })), "{ended:?}");
    let writes = [Operation::Put, Operation::Create, Operation::Replace, Operation::Copy, Operation::Delete];
    assert_eq!(standing.calls().into_iter().find(|(operation, _)| writes.contains(operation)), None);
}

#[tokio::test]
async fn stages_that_were_overtaken_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    write_images(&input, 8);
    let output: Arc<dyn Store> = Arc::new(MemoryStore::new("out", BTreeMap::new()));
    support::run_into(&input, output.as_ref(), &one_image_each(), &support::pool(1)).await.unwrap();
    let run_id = &latest::read(output.as_ref()).await.unwrap().unwrap().run_id;
    let plan_anew = async |replans| plan_as(run_id, replans, &input, output.as_ref()).await;

    let report = async |output: &dyn Store| report::report(output, run_id, &[], &Site::Folder).await.map(drop);
    demand_overtaken(&output, ("classes.csv", plan_anew(1)), report).await;
    let reduce = async |output: &dyn Store| fit::advance(output, run_id).await.map(drop);
    demand_overtaken(&output, ("merge/1.json", plan_anew(2)), reduce).await;

    let first_shard = async |plan: &Plan| planned::read_shards(output.as_ref(), plan).await.unwrap().swap_remove(0);
    let open = async || Projection::open(output.as_ref(), run_id).await.unwrap();
    let overtaken = open().await;
    let plan = plan_anew(3).await;
    let shard = first_shard(&plan).await;
    // It was handed the shard of its own plan, which is the same but for the attempt.
    let of_its_own = Shard { attempt: Some(plan.attempt - 1), ..shard.clone() };
    let ended = overtaken.project(&of_its_own).await;
    assert!(matches!(ended, Err(Error::Overtaken { .. })), "{ended:?}");
    assert!(output.list(&RunLayout::new(run_id.as_str()).tables()[0], &|_| true).await.unwrap().is_empty());

    // Whoever was given up before it read anything takes the new plan, and the shard of the one before.
    let plan = plan_anew(4).await;
    let ended = open().await.project(&shard).await;
    assert!(matches!(ended, Err(Error::Overtaken { .. })), "{ended:?}");
    open().await.project(&first_shard(&plan).await).await.unwrap();

    output.delete(&layout::part_moments(&shard.part)).await.unwrap();
    plan_anew(5).await;
    let look = async |output: &dyn Store| left::look(output, run_id, Items::Parts).await.map(drop);
    demand_overtaken(&output, (".moments", plan_anew(6)), look).await;
}

/// A plan that finds its input empty stands still while it looks for what the newest run would find; when it goes on,
/// there are images again, and another run has succeeded.
#[tokio::test]
async fn a_plan_that_found_no_images_leaves_the_run_that_was_made_since_the_newest_one() {
    let folder = tempfile::tempdir().unwrap();
    let [input, emptied] = ["in", "emptied"].map(|name| folder.path().join(name));
    write_images(&input, 8);
    let output: Arc<dyn Store> = Arc::new(MemoryStore::new("out", BTreeMap::new()));
    let run = async || {
        support::run_into(&input, output.as_ref(), &one_image_each(), &support::pool(1)).await.unwrap();
        latest::read(output.as_ref()).await.unwrap().unwrap().run_id
    };
    let first = run().await;
    std::fs::rename(&input, &emptied).unwrap();
    std::fs::create_dir(&input).unwrap();
    let standing = FailingStore::new(Arc::new(LocalStore::open(&input).unwrap()));
    standing.on(Operation::List, |_| true, 2.., Fault::Delay(Duration::from_secs(4)));
    let options = Options { allow_empty: true, ..one_image_each() };
    let recipe = recipe::of(support::pool(1).extractor().model());
    let run_id = RunId::now();
    let request = request(&run_id, &options, &recipe);
    let images = Images::new(&standing);
    let others = async {
        standing.until_called(2, |operation, _| operation == Operation::List).await;
        write_images(&input, 4);
        let second = run().await;
        std::fs::remove_dir_all(&input).unwrap();
        std::fs::create_dir(&input).unwrap();
        second
    };
    let (planned, second) = tokio::join!(plan::plan(&images, output.as_ref(), &request), others);
    assert!(matches!(planned, Err(Error::NoImages { .. })), "{planned:?}");
    assert_ne!(first, second);
    assert_eq!(latest::read(output.as_ref()).await.unwrap().map(|latest| latest.run_id), Some(second));
}

#[tokio::test]
async fn the_parts_that_a_run_takes_over_are_refreshed_with_their_moments_last_and_all_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    write_images(&input, 200);
    let store = Arc::new(LocalStore::create(folder.path().join("out")).unwrap());
    support::run_into(&input, store.as_ref(), &one_image_each(), &support::pool(2)).await.unwrap();
    support::write(&input, "0.png", &support::picture(4_000));
    let plan = plan(&input, store.as_ref()).await;
    let missing = planned::read_missing(store.as_ref(), &plan).await.unwrap();
    assert_eq!(missing.len(), 1);

    let watched = FailingStore::new(store.clone());
    expiry::refresh(&watched, &plan.run_id, Duration::ZERO).await.unwrap();
    let refreshed = watched.calls().into_iter().filter(|(operation, _)| *operation == Operation::Refresh);
    let order: HashMap<String, usize> = refreshed.enumerate().map(|(place, (_, key))| (key, place)).collect();
    let shards = planned::read_shards(store.as_ref(), &plan).await.unwrap();
    let nodes = order.keys().filter(|key| key.starts_with("nodes/")).count();
    assert_eq!((order.len(), nodes), ((shards.len() - 1) * 3 + 2, 2));
    for part in shards.iter().map(|shard| &shard.part).filter(|part| **part != missing[0].part) {
        let place = |key: String| order[&key];
        assert!(
            place(layout::part_moments(part))
                > place(layout::part_features(part)).max(place(layout::part_rejects(part)))
        );
    }
}
