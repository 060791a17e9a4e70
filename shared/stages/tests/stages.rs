//! What the stages do when something is in the way.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pomona_dataset::Images;
use pomona_formats::Error as FileError;
use pomona_formats::planned;
use pomona_formats::recipe::Recipe;
use pomona_pca::Components;
use pomona_results::processing::Site;
use pomona_results::{inspect, latest};
use pomona_run::layout::RunLayout;
use pomona_run::stage::{Stage, Timing};
use pomona_run::{ErrorName, Options, RunId, layout, names};
use pomona_stages::extract::Extraction;
use pomona_stages::fit::{self, Pass};
use pomona_stages::fragments::Fragments;
use pomona_stages::local::{self, Job, Observer};
use pomona_stages::lock::NoOtherHolders;
use pomona_stages::plan::{self, Counted, PlanRequest};
use pomona_stages::project::Projection;
use pomona_stages::recipe;
use pomona_stages::retention::KeepRuns;
use pomona_stages::{Error, report};
use pomona_store::testing::{FailingStore, Fault, Operation};
use pomona_store::{LocalStore, Store};
use tempfile::TempDir;

/// A dataset of `images` pictures in three classes, and a folder for results.
fn dataset(images: u64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for image in 0..images {
        support::write(
            &folder.path().join("in"),
            &format!("class {}/{image}.png", image % 3),
            &support::picture(image),
        );
    }
    folder
}

fn small_shards() -> Options {
    Options { shard_size: 2, ..Options::default() }
}

fn moments_written(store: &FailingStore) -> Vec<String> {
    let calls = store.calls().into_iter();
    let written = calls.filter(|(operation, key)| *operation == Operation::Put && key.ends_with(".moments"));
    written.map(|(_, key)| key).collect()
}

#[tokio::test]
async fn a_second_run_makes_no_part_again() {
    let folder = dataset(20);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let pool = support::pool(2);
    let first = support::run(&input, &output, &small_shards(), &pool).await.unwrap();
    assert_eq!(first.extracted.computed, 20);
    let watched = FailingStore::new(Arc::new(LocalStore::create(&output).unwrap()));
    let second = support::run_into(&input, &watched, &small_shards(), &pool).await.unwrap();
    assert_eq!(second.extracted.computed, 0);
    assert_eq!(moments_written(&watched), Vec::<String>::new());
}

#[tokio::test]
async fn a_shards_images_are_read_once_those_of_the_one_before_are_handed_out() {
    let folder = dataset(1_200);
    let input = FailingStore::new(Arc::new(LocalStore::open(folder.path().join("in")).unwrap()));
    let output = LocalStore::create(folder.path().join("out")).unwrap();
    let options = Options { shard_size: 500, ..Options::default() };
    let job = Job {
        input: &Images::new(&input),
        output: &output,
        options: &options,
        models: None,
        pool: &support::pool(1),
        holder: "a test",
        keep_runs: KeepRuns::default(),
    };
    let finished = local::run(&job, &NoOtherHolders, &support::Silent, std::future::pending()).await.unwrap().unwrap();
    assert_eq!(finished.plan.shards, 2);
    let calls = input.calls();
    let read = calls.iter().filter(|(operation, _)| *operation == Operation::GetIfMatch);
    let shards: Vec<u32> = read.map(|(_, key)| names::shard_of(key, finished.plan.shard_bits)).collect();
    let first = shards.iter().filter(|shard| **shard == shards[0]).count();
    let before_the_second = shards.iter().take_while(|shard| **shard == shards[0]).count();
    // One thread has 36 groups of four images in the making or waiting; side by side the second shard would begin after
    // as many.
    assert!(first - before_the_second <= 36 * 4, "{before_the_second} of {first} images before the second shard's");
    assert!(before_the_second > 2 * 36 * 4, "{first} images are too few to tell");
}

#[tokio::test]
async fn one_changed_image_is_the_only_one_computed_again() {
    let folder = dataset(20);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let pool = support::pool(2);
    support::run(&input, &output, &small_shards(), &pool).await.unwrap();
    support::write(&input, "class 1/4.png", &support::picture(4_000));
    let second = support::run(&input, &output, &small_shards(), &pool).await.unwrap();
    assert_eq!(second.extracted.computed, 1);
}

#[tokio::test]
async fn images_are_not_computed_again_when_the_number_of_shards_changes() {
    let folder = dataset(30);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let pool = support::pool(2);
    support::run(&input, &output, &Options { shard_size: 8, ..Options::default() }, &pool).await.unwrap();
    for shard_size in [2, 30] {
        let options = Options { shard_size, ..Options::default() };
        let again = support::run(&input, &output, &options, &pool).await.unwrap();
        assert_eq!(again.extracted.computed, 0, "shard size {shard_size}");
    }
}

#[tokio::test]
async fn more_than_64_shards_merge_through_nodes_to_the_same_model() {
    let folder = dataset(300);
    let input = folder.path().join("in");
    let pool = support::pool(2);
    let many = Options { shard_size: 2, ..Options::default() };
    let summary = support::run(&input, &folder.path().join("many"), &many, &pool).await.unwrap();
    assert!(summary.plan.shards > 64 && summary.plan.merge_levels == 2, "{:?}", summary.plan);
    let one = Options { shard_size: 1_000, ..Options::default() };
    let whole = support::run(&input, &folder.path().join("one"), &one, &pool).await.unwrap();
    for (many, one) in summary.info.variance_by_component.iter().zip(&whole.info.variance_by_component) {
        assert!((many - one).abs() <= 1e-9 * one.abs(), "{many} {one}");
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_read_is_a_reject_of_this_run_only() {
    let folder = dataset(12);
    let (input_folder, output) = (folder.path().join("in"), LocalStore::create(folder.path().join("out")).unwrap());
    let input = FailingStore::new(Arc::new(LocalStore::open(&input_folder).unwrap()));
    input.on(Operation::GetIfMatch, |key| key == "class 1/4.png", .., Fault::denied());
    let options = Options { max_reject_share: 0.5, ..Options::default() };
    let pool = support::pool(1);
    let job = Job {
        input: &Images::new(&input),
        output: &output,
        options: &options,
        models: None,
        pool: &pool,
        holder: "a test",
        keep_runs: KeepRuns::default(),
    };
    let first = local::run(&job, &NoOtherHolders, &support::Silent, std::future::pending()).await.unwrap().unwrap();
    assert_eq!(first.extracted.rejects, 1);
    // Readable again: everything else is reused, and nothing remembers that it once could not be read.
    let second = support::run_into(&input_folder, &output, &options, &pool).await.unwrap();
    assert_eq!((second.extracted.computed, second.extracted.rejects), (1, 0));
}

#[tokio::test]
async fn an_image_that_changes_under_the_run_is_planned_anew() {
    let folder = dataset(12);
    let (input_folder, output) = (folder.path().join("in"), LocalStore::create(folder.path().join("out")).unwrap());
    let input = FailingStore::new(Arc::new(LocalStore::open(&input_folder).unwrap()));
    let changed =
        Fault::Fail(|location, key| pomona_store::Error::Changed { location: location.into(), key: key.into() });
    input.on(Operation::GetIfMatch, |key| key == "class 1/4.png", 1..=2, changed.clone());
    let (options, pool) = (Options::default(), support::pool(1));
    let job = Job {
        input: &Images::new(&input),
        output: &output,
        options: &options,
        models: None,
        pool: &pool,
        holder: "a test",
        keep_runs: KeepRuns::default(),
    };
    let summary = local::run(&job, &NoOtherHolders, &support::Silent, std::future::pending()).await.unwrap().unwrap();
    assert_eq!(summary.info.num_images_processed, 12);

    input.on(Operation::GetIfMatch, |key| key == "class 1/7.png", .., changed);
    support::write(&input_folder, "class 1/7.png", &support::picture(7_000));
    let error = local::run(&job, &NoOtherHolders, &support::Silent, std::future::pending()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::InputChanged);
}

/// Counts what it is told.
#[derive(Default)]
struct Counting {
    listed: AtomicU64,
    computed: AtomicU64,
    there: AtomicU64,
}

impl Observer for Counting {
    fn pass_started(&self, _: &Pass) {}
    fn stage_started(&self, _: Stage, _: u64) {}

    fn file_listed(&self) {
        self.listed.fetch_add(1, Ordering::Relaxed);
    }

    fn item_done(&self, stage: Stage) {
        self.computed.fetch_add(u64::from(stage == Stage::Extract), Ordering::Relaxed);
    }

    fn item_there(&self, _: Stage) {
        self.there.fetch_add(1, Ordering::Relaxed);
    }

    fn stage_finished(&self, _: &Timing) {}
    fn notice(&self, _: &str) {}
}

#[tokio::test]
async fn an_observer_learns_of_each_listed_file_and_of_what_was_computed_apart_from_what_was_there() {
    let folder = dataset(12);
    let (input_folder, output) = (folder.path().join("in"), LocalStore::create(folder.path().join("out")).unwrap());
    let (options, pool) = (Options::default(), support::pool(1));
    support::run_into(&input_folder, &output, &options, &pool).await.unwrap();
    support::write(&input_folder, "class 1/new.png", &support::picture(7_000));
    support::write(&input_folder, "no image.txt", b"");
    let input = LocalStore::open(&input_folder).unwrap();
    let job = Job {
        input: &Images::new(&input),
        output: &output,
        options: &options,
        models: None,
        pool: &pool,
        holder: "a test",
        keep_runs: KeepRuns::default(),
    };
    let observer = Counting::default();
    local::run(&job, &NoOtherHolders, &observer, std::future::pending()).await.unwrap().unwrap();
    let [listed, computed, there] =
        [observer.listed, observer.computed, observer.there].map(|count| count.load(Ordering::Relaxed));
    assert_eq!((listed, computed, there), (14, 1, 12));
}

#[tokio::test]
async fn too_many_rejects_fail_the_run_and_say_which_reasons() {
    let folder = dataset(10);
    let input = folder.path().join("in");
    support::write(&input, "bad/1.png", b"");
    support::write(&input, "bad/2.png", b"no image");
    let output = folder.path().join("out");
    let error = support::run(&input, &output, &Options::default(), &support::pool(1)).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::TooManyRejects);
    assert!(error.to_string().contains("1 empty, 1 unsupported"), "{error}");
    assert!(latest::read(&LocalStore::open(&output).unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn impossible_requests_fail_before_any_image_is_read() {
    let folder = dataset(5);
    let pool = support::pool(1);
    let input = FailingStore::new(Arc::new(LocalStore::open(folder.path().join("in")).unwrap()));
    let output = LocalStore::create(folder.path().join("out")).unwrap();
    let cases = [
        (Options { components: Components::Count(5), ..Options::default() }, ErrorName::BadInput),
        (Options { extensions: vec!["gif".into()], ..Options::default() }, ErrorName::NoImages),
        (Options { filter: Some("pears/*".into()), ..Options::default() }, ErrorName::NoImages),
        (Options { limit: Some(0), ..Options::default() }, ErrorName::BadInput),
    ];
    for (options, name) in cases {
        let job = Job {
            input: &Images::new(&input),
            output: &output,
            options: &options,
            models: None,
            pool: &pool,
            holder: "a test",
            keep_runs: KeepRuns::default(),
        };
        let error = local::run(&job, &NoOtherHolders, &support::Silent, std::future::pending()).await.unwrap_err();
        assert_eq!(error.name(), name, "{error}");
    }
    assert!(input.calls().iter().all(|(operation, _)| *operation == Operation::List));
    assert!(!output.exists(layout::LOCK).await.unwrap(), "a failed run gives its lock back");
}

#[tokio::test]
async fn one_image_alone_is_too_few_for_a_pca() {
    let folder = dataset(1);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let error = support::run(&input, &output, &Options::default(), &support::pool(1)).await.unwrap_err();
    assert!(error.to_string().contains("one image differs from no other"), "{error}");
    assert_eq!(error.name(), ErrorName::BadInput);
}

#[tokio::test]
async fn a_run_that_is_stopped_gives_its_lock_back_and_marks_nothing() {
    let folder = dataset(10);
    let input = LocalStore::open(folder.path().join("in")).unwrap();
    let output = LocalStore::create(folder.path().join("out")).unwrap();
    let (options, pool) = (Options::default(), support::pool(1));
    let job = Job {
        input: &Images::new(&input),
        output: &output,
        options: &options,
        models: None,
        pool: &pool,
        holder: "a test",
        keep_runs: KeepRuns::default(),
    };
    let finished = local::run(&job, &NoOtherHolders, &support::Silent, std::future::ready(())).await.unwrap();
    assert!(finished.is_none());
    assert!(!output.exists(layout::LOCK).await.unwrap());
    assert!(!output.exists(layout::LATEST).await.unwrap());
}

/// Plans, and does all but reporting.
async fn run_but_the_report(
    input: &LocalStore,
    output: &LocalStore,
    run_id: &RunId,
    started: chrono::DateTime<chrono::Utc>,
) {
    let (pool, options) = (support::pool(1), Options::default());
    let recipe = recipe::of(pool.extractor().model());
    let plan = plan::plan(
        &Images::new(input),
        output,
        &PlanRequest {
            run_id,
            started,
            options: &options,
            recipe: &recipe,
            models: None,
            replans: 0,
            counted: Counted::OverTheRun,
            in_place_of: None,
            on_file: &|| {},
        },
    )
    .await
    .unwrap();
    let fragments = Fragments::new(output);
    let images = Images::new(input);
    let extraction = Extraction::new(&images, output, &pool, &fragments);
    for shard in planned::read_missing(output, &plan).await.unwrap() {
        extraction.extract(&shard, &|_| {}).await.unwrap();
    }
    fit::advance(output, run_id).await.unwrap();
    let projection = Projection::open(output, run_id).await.unwrap();
    for shard in planned::read_shards(output, &plan).await.unwrap() {
        projection.project(&shard).await.unwrap();
    }
}

async fn newest(output: &LocalStore) -> RunId {
    latest::read(output).await.unwrap().unwrap().run_id
}

#[tokio::test]
async fn the_newest_run_is_the_one_made_last_whatever_a_clock_said() {
    let folder = dataset(10);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let (images, store) = (LocalStore::open(&input).unwrap(), LocalStore::create(&output).unwrap());
    let in_2050 = "2050-01-01T00:00:00Z".parse().unwrap();
    let of_2050 = RunId::new(in_2050, "a clock that ran ahead");
    run_but_the_report(&images, &store, &of_2050, in_2050).await;
    report::report(&store, &of_2050, &[], &Site::Folder).await.unwrap();
    assert_eq!(newest(&store).await, of_2050);

    let now = support::run(&input, &output, &Options::default(), &support::pool(1)).await.unwrap();
    assert_eq!(newest(&store).await, now.plan.run_id);
    assert_eq!(now.extracted.computed, 0);
}

#[tokio::test]
async fn a_run_that_stood_still_while_another_was_made_is_not_the_newest() {
    let folder = dataset(10);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let (images, store) = (LocalStore::open(&input).unwrap(), LocalStore::create(&output).unwrap());
    let stalled = RunId::now();
    run_but_the_report(&images, &store, &stalled, chrono::Utc::now()).await;
    let other = support::run(&input, &output, &Options::default(), &support::pool(1)).await.unwrap().plan.run_id;
    for _ in 0..2 {
        report::report(&store, &stalled, &[], &Site::Folder).await.unwrap();
        assert_eq!(newest(&store).await, other);
    }
    report::report(&store, &other, &[], &Site::Folder).await.unwrap();
    assert_eq!(newest(&store).await, other);
}

#[tokio::test]
async fn a_run_leaves_a_record_of_processing_whose_places_are_there() {
    let folder = dataset(10);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let options = Options { purpose: Some("sorting fruits".to_owned()), ..Options::default() };
    let run_id = support::run(&input, &output, &options, &support::pool(1)).await.unwrap().plan.run_id;
    let record = output.join(RunLayout::new(run_id.as_str()).processing());
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    assert_eq!((&record["purpose"], &record["images"]), (&"sorting fruits".into(), &10.into()));
    assert!(record["region"].is_null());
    let places: Vec<&str> = record["data"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|data| data["place"].as_array().unwrap())
        .map(|place| place.as_str().unwrap())
        .collect();
    assert_eq!(places[0], input.to_str().unwrap());
    // Where nothing failed and there is one shard some have nothing to hold.
    let may_be_missing = ["errors/", "problems/", "nodes/", "sweeps/", "archives/", "suppressed.json", "erasures/"];
    for place in &places[1..] {
        let is_there = output.join(place).is_dir();
        assert!(is_there || may_be_missing.iter().any(|missing| place.ends_with(missing)), "{place}");
    }
    // And no folder with data is left out.
    for entry in std::fs::read_dir(output.join(format!("runs/{run_id}"))).unwrap().map(Result::unwrap) {
        let name = format!("runs/{run_id}/{}/", entry.file_name().to_str().unwrap());
        let holds_no_data = ["digests/", "merge/"].iter().any(|folder| name.ends_with(folder));
        assert!(!entry.path().is_dir() || holds_no_data || places.contains(&name.as_str()), "{name}");
    }
}

#[tokio::test]
async fn a_run_that_ends_late_gives_way_to_one_that_was_planned_after_it() {
    let folder = dataset(10);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let (images, store) = (LocalStore::open(&input).unwrap(), LocalStore::create(&output).unwrap());
    let [late, last] = ["late", "last"].map(|holder| RunId::new(chrono::Utc::now(), holder));
    for run_id in [&late, &last] {
        run_but_the_report(&images, &store, run_id, chrono::Utc::now()).await;
    }
    for (run_id, expected) in [(&late, &late), (&last, &last), (&late, &last)] {
        report::report(&store, run_id, &[], &Site::Folder).await.unwrap();
        assert_eq!(newest(&store).await, *expected);
    }
}

#[tokio::test]
async fn a_latest_json_that_names_no_run_is_replaced() {
    let folder = dataset(10);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let store = LocalStore::create(&output).unwrap();
    let gone = RunId::now();
    let of_gone = serde_json::json!({ "run_id": gone, "folder": format!("runs/{gone}") }).to_string();
    for damaged in ["", "null", &of_gone] {
        store.put(layout::LATEST, damaged.to_owned().into()).await.unwrap();
        let error = inspect::find_run(&store, None).await.unwrap_err();
        assert!(error.name() == ErrorName::Damaged && error.to_string().contains(layout::LATEST), "{error}");
        let run = support::run(&input, &output, &Options::default(), &support::pool(1)).await.unwrap();
        assert_eq!(newest(&store).await, run.plan.run_id);
    }
}

#[tokio::test]
async fn latest_points_at_nobody_once_the_newest_runs_images_are_all_deleted_and_that_was_meant() {
    let folder = dataset(10);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let pool = support::pool(1);
    let first = Options { filter: Some("class */*".into()), ..Options::default() };
    support::run(&input, &output, &first, &pool).await.unwrap();
    let store = LocalStore::open(&output).unwrap();
    let refused = async |input: &std::path::Path, options: &Options| {
        let error = support::run(input, &output, options, &pool).await.unwrap_err();
        assert_eq!(error.name(), ErrorName::NoImages);
        latest::read(&store).await.unwrap().is_some()
    };

    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    assert!(refused(&elsewhere, &first).await, "another place is empty, the dataset is not");
    let gifs = Options { extensions: vec!["gif".into()], ..Options::default() };
    assert!(refused(&input, &gifs).await, "the images are there, whatever this request looks for");

    std::fs::remove_dir_all(&input).unwrap();
    std::fs::create_dir(&input).unwrap();
    // A mount point without its disk looks the same.
    assert!(refused(&input, &Options::default()).await);
    // By whatever other options the emptiness is found.
    let meant = Options { allow_empty: true, ..Options::default() };
    assert!(!refused(&input, &meant).await);
    assert!(!refused(&input, &Options::default()).await);
    for image in 0..3 {
        support::write(&input, &format!("class 0/{image}.png"), &support::picture(image));
    }
    support::run(&input, &output, &Options::default(), &pool).await.unwrap();
    assert!(latest::read(&store).await.unwrap().is_some());
}

#[tokio::test]
async fn a_plan_for_another_model_is_refused_by_extraction() {
    let folder = dataset(10);
    let input = LocalStore::open(folder.path().join("in")).unwrap();
    let images = Images::new(&input);
    let output = LocalStore::create(folder.path().join("out")).unwrap();
    let pool = support::pool(1);
    let recipe = Recipe { model_digest: "another".into(), ..recipe::of(pool.extractor().model()) };
    let run_id = RunId::now();
    let options = Options::default();
    let request = PlanRequest {
        run_id: &run_id,
        started: chrono::Utc::now(),
        options: &options,
        recipe: &recipe,
        models: None,
        replans: 0,
        counted: Counted::OverTheRun,
        in_place_of: None,
        on_file: &|| {},
    };
    let plan = plan::plan(&images, &output, &request).await.unwrap();
    let shard = planned::read_missing(&output, &plan).await.unwrap().remove(0);
    let fragments = Fragments::new(&output);
    let extraction = Extraction::new(&images, &output, &pool, &fragments);
    let error = extraction.extract(&shard, &|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::File(FileError::Inconsistent { .. })), "{error}");
}
