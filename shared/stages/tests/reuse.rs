//! What was computed once is not computed again: after a stop, by another choice of images or labels, and whatever the
//! newest run was.

#[path = "support/damages.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod damages;
#[path = "support/result.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod result;
mod support;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use damages::{FLIPS, Objects, damages, with};
use pomona_dataset::Images;
use pomona_run::Options;
use pomona_run::label::LabelFrom;
use pomona_run::stage::{Stage, Timing};
use pomona_stages::archives::KeptIndexes;
use pomona_stages::compute::ComputePool;
use pomona_stages::fit::Pass;
use pomona_stages::local::{self, Job, Observer, Summary};
use pomona_stages::lock::NoOtherHolders;
use pomona_stages::retention::KeepRuns;
use pomona_store::testing::MemoryStore;
use pomona_store::{LocalStore, Store};
use result::result_in;
use tar::{Builder, Header};
use tempfile::TempDir;
use tokio::sync::Notify;

struct Dataset {
    folder: TempDir,
    pool: ComputePool,
}

impl Dataset {
    fn of(images: u64) -> Self {
        let dataset = Self { folder: tempfile::tempdir().unwrap(), pool: support::pool(2) };
        (0..images).for_each(|image| dataset.add(image));
        dataset
    }

    fn add(&self, image: u64) {
        let key = format!("{}/class {}/{image}.png", ["left", "right"][image as usize % 2], image % 3);
        support::write(&self.folder.path().join("in"), &key, &support::picture(image));
    }

    fn output(&self) -> std::path::PathBuf {
        self.folder.path().join("out")
    }

    async fn run(&self, options: &Options) -> Summary {
        support::run(&self.folder.path().join("in"), &self.output(), options, &self.pool).await.unwrap()
    }

    async fn computed(&self, options: &Options) -> u64 {
        self.run(options).await.extracted.computed
    }

    /// Runs until so many images are done, and says how many were.
    async fn run_until(&self, images: u64) -> u64 {
        let input = LocalStore::open(self.folder.path().join("in")).unwrap();
        let output = LocalStore::create(self.output()).unwrap();
        let options = Options::default();
        let input_images = Images::new(&input);
        let job = job(&input_images, &output, &options, &self.pool);
        let counting = Counting { done: AtomicU64::new(0), enough: images, reached: Notify::new() };
        let finished = local::run(&job, &NoOtherHolders, &counting, counting.reached.notified()).await.unwrap();
        assert!(finished.is_none(), "the run was to be stopped");
        counting.done.into_inner()
    }
}

/// A run as these tests make it.
fn job<'a>(input: &'a Images<'a>, output: &'a dyn Store, options: &'a Options, pool: &'a ComputePool) -> Job<'a> {
    Job { input, output, options, models: None, pool, holder: "a test", keep_runs: KeepRuns::default() }
}

struct Counting {
    done: AtomicU64,
    enough: u64,
    reached: Notify,
}

impl Observer for Counting {
    fn pass_started(&self, _: &Pass) {}
    fn stage_started(&self, _: Stage, _: u64) {}
    fn file_listed(&self) {}
    fn item_done(&self, stage: Stage) {
        if stage == Stage::Extract && self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.enough {
            self.reached.notify_one();
        }
    }
    fn item_there(&self, _: Stage) {}
    fn stage_finished(&self, _: &Timing) {}
    fn notice(&self, _: &str) {}
}

fn fragments(output: &Path) -> usize {
    let Ok(parts) = std::fs::read_dir(output.join("parts/fragments")) else { return 0 };
    parts.map(|part| std::fs::read_dir(part.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test]
async fn a_stopped_run_keeps_every_image_that_was_done_in_a_shard_that_was_not() {
    let dataset = Dataset::of(400);
    let first = dataset.run_until(50).await;
    assert!((50..400).contains(&first), "{first}");
    assert_eq!(fragments(&dataset.output()), 1);
    let second = dataset.run_until(50).await;
    let Summary { extracted, .. } = dataset.run(&Options::default()).await;
    assert_eq!(extracted.computed, 400 - first - second);
    assert_eq!(extracted.reused, first + second);
    assert_eq!(fragments(&dataset.output()), 0);
}

/// Replaces an image that is read last once half of all are done.
struct Meddling {
    image: std::path::PathBuf,
    done: AtomicU64,
}

impl Observer for Meddling {
    fn pass_started(&self, _: &Pass) {}
    fn stage_started(&self, _: Stage, _: u64) {}
    fn file_listed(&self) {}
    fn item_done(&self, stage: Stage) {
        if stage == Stage::Extract && self.done.fetch_add(1, Ordering::Relaxed) == 200 {
            std::fs::write(&self.image, [support::picture(999), vec![0]].concat()).unwrap();
        }
    }
    fn item_there(&self, _: Stage) {}
    fn stage_finished(&self, _: &Timing) {}
    fn notice(&self, _: &str) {}
}

#[tokio::test]
async fn an_image_that_changes_while_the_run_is_going_costs_none_that_was_done() {
    let dataset = Dataset::of(400);
    let folder = dataset.folder.path().join("in");
    let (input, output) = (LocalStore::open(&folder).unwrap(), LocalStore::create(dataset.output()).unwrap());
    let options = Options::default();
    let input_images = Images::new(&input);
    let job = job(&input_images, &output, &options, &dataset.pool);
    // The last of the listing.
    let meddling = Meddling { image: folder.join("right/class 2/95.png"), done: AtomicU64::new(0) };
    let finished = local::run(&job, &NoOtherHolders, &meddling, std::future::pending()).await.unwrap();
    assert_eq!(finished.unwrap().info.num_images_processed, 400);
    // What was read ahead when the change was met is computed twice, and nothing else.
    let computed = meddling.done.into_inner();
    assert!((400..450).contains(&computed), "{computed}");
    assert_eq!(fragments(&dataset.output()), 0);
}

/// All that lies below a folder.
async fn objects(folder: &Path) -> Objects {
    let (store, mut objects) = (LocalStore::open(folder).unwrap(), Objects::new());
    for object in store.list("", &|_| true).await.unwrap() {
        let stored = store.get(&object.key).await.unwrap();
        objects.insert(object.key, stored.bytes);
    }
    objects
}

/// The one file of the output whose key begins so, and any other.
fn one_below<'a>(output: &'a Objects, folder: &str) -> (&'a str, &'a str) {
    let found: Vec<&String> = output.keys().filter(|key| key.starts_with(folder)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0], output.keys().find(|key| *key != found[0]).unwrap())
}

#[tokio::test]
async fn whatever_happens_to_what_a_stopped_run_has_kept_costs_no_more_than_its_images() {
    let dataset = Dataset::of(200);
    let done = dataset.run_until(50).await;
    let (output, input, options) =
        (objects(&dataset.output()).await, dataset.folder.path().join("in"), Options::default());
    let (fragment, other) = one_below(&output, "parts/fragments/");
    let run = async |objects: Objects| {
        let output = MemoryStore::new("out", objects);
        let summary = support::run_into(&input, &output, &options, &dataset.pool).await.unwrap();
        assert!(!output.objects().keys().any(|key| key.starts_with("parts/fragments/")), "it is of no use any more");
        (summary.extracted.computed, result_in(&output).await)
    };
    let (computed, expected) = run(output.clone()).await;
    assert_eq!(computed, 200 - done);
    for (what, damaged) in damages(&output[fragment], &output[other], FLIPS) {
        let (computed, result) = run(with(output.clone(), fragment, damaged)).await;
        assert_eq!(computed, 200, "{what}");
        assert!(result == expected, "{what}: another result");
    }
}

#[tokio::test]
async fn whatever_happens_to_the_index_of_an_archive_it_is_made_again() {
    let mut tar = Builder::new(Vec::new());
    for image in 0..7 {
        let (picture, mut header) = (support::picture(image), Header::new_gnu());
        header.set_size(picture.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("class {}/{image}.png", image % 3), picture.as_slice()).unwrap();
    }
    let input: Objects = [("all.tar".to_owned(), tar.into_inner().unwrap().into())].into();
    let (pool, options) = (support::pool(2), Options::default());
    let run = async |objects: Objects| {
        let (input, output) = (MemoryStore::new("in", input.clone()), MemoryStore::new("out", objects));
        let indexes = KeptIndexes::new(&output);
        let input_images = Images::new(&input).with_indexes(&indexes);
        let job = job(&input_images, &output, &options, &pool);
        let finished = local::run(&job, &NoOtherHolders, &support::Silent, std::future::pending()).await;
        let summary = finished.unwrap().expect("nobody stopped the run");
        (summary.extracted.computed, result_in(&output).await, output.objects())
    };
    let (computed, expected, output) = run(Objects::new()).await;
    assert_eq!(computed, 7);
    let (index, other) = one_below(&output, "archives/");
    for (what, damaged) in damages(&output[index], &output[other], FLIPS) {
        let (computed, result, after) = run(with(output.clone(), index, damaged)).await;
        assert_eq!(computed, 0, "{what}");
        assert!(result == expected, "{what}: another result");
        assert!(after[index] == output[index], "{what}: the index is damaged still");
    }
}

#[tokio::test]
async fn a_stopped_run_serves_one_over_other_images() {
    let dataset = Dataset::of(400);
    let first = dataset.run_until(50).await;
    dataset.add(400);
    assert_eq!(dataset.computed(&Options::default()).await, 401 - first);
}

#[tokio::test]
async fn features_of_runs_before_the_newest_are_taken_over() {
    let dataset = Dataset::of(30);
    assert_eq!(dataset.computed(&Options::default()).await, 30);
    for filter in ["left/**", "right/**"] {
        let part = Options { filter: Some(filter.to_owned()), ..Options::default() };
        assert_eq!(dataset.computed(&part).await, 0, "{filter}");
    }
    dataset.add(30);
    assert_eq!(dataset.computed(&Options::default()).await, 1);
}

#[tokio::test]
async fn other_labels_and_classes_take_no_new_features() {
    let dataset = Dataset::of(30);
    dataset.run(&Options::default()).await;
    let classes = ["none", "right"].map(str::to_owned).to_vec();
    let summary = dataset.run(&Options { label_from: "top".parse().unwrap(), classes, ..Options::default() }).await;
    assert_eq!((summary.extracted.computed, summary.plan.classes), (0, 3));
    let run = dataset.output().join(format!("runs/{}", summary.plan.run_id));
    let table = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
    assert_eq!(table("classes/classes.csv"), "class_id,class,count\n0,none,0\n1,right,15\n2,left,15\n");
    let metadata = table("metadata/00000.csv");
    assert!(metadata.contains("left/class 0/0.png,left,2,") && metadata.contains("right/class 1/1.png,right,1,"));
    let notices = summary.plan.odd_labels.notices();
    assert!(
        notices.len() == 1 && notices[0].starts_with("1 label is not among the classes that were given"),
        "{notices:?}"
    );

    let none = dataset.run(&Options { label_from: LabelFrom::None, ..Options::default() }).await;
    assert_eq!((none.extracted.computed, none.info.num_classes), (0, 1));
}

#[tokio::test]
async fn what_pictures_lost_is_counted_whoever_read_them() {
    let dataset = Dataset::of(4);
    let write = |name: &str, color, depth, pixels: &[u8]| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        support::write(&dataset.folder.path().join("in"), name, &bytes);
    };
    write("glass.png", png::ColorType::Rgba, png::BitDepth::Eight, &[10, 20, 30, 40]);
    write("opaque.png", png::ColorType::Rgba, png::BitDepth::Eight, &[10, 20, 30, 255]);
    write("science.png", png::ColorType::Grayscale, png::BitDepth::Sixteen, &[1, 0]);
    for more in 4..6 {
        let info = dataset.run(&Options::default()).await.info;
        assert_eq!((info.losses.alpha_dropped, info.losses.saturated), (1, 1));
        assert_eq!(info.notices().len(), 2, "{:?}", info.notices());
        dataset.add(more);
    }
}

#[tokio::test]
async fn a_limit_of_pixels_holds_for_its_own_run() {
    let dataset = Dataset::of(6);
    let small = Options { max_pixels: 5, max_reject_share: 1.0, ..Options::default() };
    let error = support::run(&dataset.folder.path().join("in"), &dataset.output(), &small, &dataset.pool).await;
    assert!(error.unwrap_err().to_string().contains("6 too_large"));
    assert_eq!(dataset.run(&Options { max_pixels: 6, ..Options::default() }).await.info.num_images_processed, 6);
    assert_eq!(dataset.computed(&Options::default()).await, 0);
    let lower = Options { max_pixels: 7, ..Options::default() };
    assert_eq!(dataset.computed(&lower).await, 0, "a run with a still lower limit serves this one");
    let dataset = Dataset::of(6);
    dataset.run(&Options::default()).await;
    assert_eq!(dataset.computed(&lower).await, 6, "what a higher limit let pass may be too large for this one");
}
