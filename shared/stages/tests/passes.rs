//! Components of features too many for a covariance are fitted by passes, which go on wherever they were left.

#[path = "support/damages.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod damages;
#[path = "support/result.rs"]
mod result;
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use damages::{FLIPS, Objects, another, damages, kinds, with};
use nalgebra::DMatrix;
use pomona_formats::model_file;
use pomona_formats::tables::ParquetTable;
use pomona_pca::{Components, TOLERANCE};
use pomona_results::latest;
use pomona_run::Options;
use pomona_run::classify::{Classify, ClassifyOn};
use pomona_run::layout::RunLayout;
use pomona_run::options::KeepFeatures;
use pomona_run::stage::{Stage, Timing};
use pomona_run::sweep::Method;
use pomona_stages::Error;
use pomona_stages::compute::ComputePool;
use pomona_stages::fit::Pass;
use pomona_stages::local::{Observer, Summary};
use pomona_store::Store;
use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
use result::result_in;

const IMAGES: u64 = 40;
/// Features of an image.
const WIDTH: usize = 3 * 40 * 40;

fn images(count: u64) -> Objects {
    (0..count).map(|image| (format!("class {}/{image}.png", image % 3), support::picture(image).into())).collect()
}

fn options() -> Options {
    // Some sixteen shards, which make four groups.
    Options { components: Components::Count(4), shard_size: 2, ..Options::default() }
}

async fn run(output: &dyn Store, pool: &ComputePool, options: &Options) -> Result<Summary, Error> {
    watch(output, pool, options, &support::Silent).await
}

async fn watch(
    output: &dyn Store,
    pool: &ComputePool,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Summary, Error> {
    support::run_objects(images(IMAGES), output, (options, None), pool, observer).await
}

fn empty() -> MemoryStore {
    MemoryStore::new("out", Objects::new())
}

async fn table(output: &dyn Store, folder: &str, column: &str, width: usize) -> DMatrix<f64> {
    let run_id = latest::read(output).await.unwrap().unwrap().run_id;
    let root = format!("{}/{folder}/", RunLayout::new(run_id.as_str()).root());
    let mut rows = Vec::new();
    for object in output.list(&root, &|_| true).await.unwrap() {
        let table = ParquetTable::read(&object.key, output.get(&object.key).await.unwrap().bytes).unwrap();
        rows.extend(table.vectors(column, width).unwrap().iter().map(|&value| f64::from(value)));
    }
    DMatrix::from_row_iterator(rows.len() / width, width, rows)
}

/// Variances of the columns' combinations, largest first, by the products of all rows with all rows.
fn exact_variances(mut rows: DMatrix<f64>) -> Vec<f64> {
    let mean = rows.row_mean();
    rows.row_iter_mut().for_each(|mut row| row -= &mean);
    let products = &rows * rows.transpose() / (rows.nrows() - 1) as f64;
    let mut variances: Vec<f64> = products.symmetric_eigenvalues().iter().copied().collect();
    variances.sort_by(|a, b| b.total_cmp(a));
    variances
}

#[tokio::test]
async fn components_are_those_of_the_features_whatever_the_number_of_threads() {
    let options = Options { keep_features: KeepFeatures::Yes, ..options() };
    let (one, three) = (empty(), empty());
    run(&one, &support::widest_pool(1), &options).await.unwrap();
    let summary = run(&three, &support::widest_pool(3), &options).await.unwrap();
    assert!(result_in(&one).await == result_in(&three).await, "another number of threads, another result");
    assert!(summary.plan.shards > 8 && summary.plan.merge_levels == 0, "{:?}", summary.plan);

    let expected = exact_variances(table(&three, "features/parquet", "features", WIDTH).await);
    let run_id = &summary.plan.run_id;
    let model = model_file::read(&three, &RunLayout::new(run_id.as_str())).await.unwrap();
    for (found, expected) in model.pca.explained_variance.iter().zip(&expected) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
    }
    let total: f64 = expected.iter().sum();
    assert!((model.pca.total_variance / total - 1.0).abs() < 1e-9);
    let convergence = summary.info.convergence.expect("components that are found by passes say how");
    assert_eq!(Some(&convergence), model.convergence.as_ref());
    assert!(convergence.residuals.iter().all(|&residual| residual <= TOLERANCE), "{convergence:?}");
    // Their variances in the table are what the model says: validation.json has checked it.
    let projected = table(&three, "pca/parquet", "pca_features", 4).await;
    assert_eq!(projected.nrows() as u64, IMAGES);
}

#[tokio::test]
async fn features_are_copied_into_the_run_where_that_is_asked_for_or_they_are_few() {
    let copies = |output: MemoryStore| output.objects().keys().filter(|key| key.contains("/features/")).count();
    for (pool, keep_features, are_kept) in [
        (support::widest_pool(2), KeepFeatures::Auto, false),
        (support::widest_pool(2), KeepFeatures::Yes, true),
        (support::pool(2), KeepFeatures::Auto, true),
        (support::pool(2), KeepFeatures::No, false),
    ] {
        let (output, options) = (empty(), Options { components: Components::Count(2), keep_features, ..options() });
        run(&output, &pool, &options).await.unwrap();
        assert_eq!(copies(output) > 0, are_kept, "{keep_features}, {} features", pool.extractor().model().width());
    }
}

/// Notes the passes that were made.
#[derive(Default)]
struct Passes(Mutex<Vec<Pass>>);

impl Observer for Passes {
    fn stage_started(&self, _: Stage, _: u64) {}
    fn file_listed(&self) {}
    fn item_done(&self, _: Stage) {}
    fn item_there(&self, _: Stage) {}
    fn stage_finished(&self, _: &Timing) {}
    fn pass_started(&self, pass: &Pass) {
        self.0.lock().unwrap().push(pass.clone());
    }
    fn notice(&self, _: &str) {}
}

#[tokio::test]
async fn a_fit_that_was_made_is_not_made_again_and_another_one_makes_its_own() {
    let (output, pool) = (empty(), support::widest_pool(2));
    let passes_of = async |options: &Options| {
        let passes = Passes::default();
        watch(&output, &pool, options, &passes).await.unwrap();
        passes.0.into_inner().unwrap()
    };
    let first = passes_of(&options()).await;
    assert!(first.len() > 3 && first.last().unwrap().distance.is_some(), "{first:?}");
    assert_eq!(passes_of(&options()).await, []);
    // Means and variances of the features are the same ones.
    let standardized = passes_of(&Options { standardize: true, ..options() }).await;
    assert!(standardized.len() < first.len() + 2 && !standardized.is_empty());
    assert!(standardized.iter().all(|pass| pass.method == first.last().unwrap().method), "{standardized:?}");
}

/// Options of a run that learns labels, by few passes.
fn learning(classify_on: ClassifyOn) -> Options {
    let classify = Classify { classify_on, regularization: 0.1, max_iterations: 4, ..Classify::default() };
    Options { components: Components::Count(2), classify: Some(classify), ..options() }
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_with_its_pass_and_ends_in_the_result_of_a_fresh_one() {
    killed_and_gone_on_with(&support::widest_pool(2), &options()).await;
    killed_and_gone_on_with(&support::pool(2), &learning(ClassifyOn::Features)).await;
    killed_and_gone_on_with(&support::pool(2), &learning(ClassifyOn::Components)).await;
}

async fn killed_and_gone_on_with(pool: &ComputePool, options: &Options) {
    let fresh = empty();
    let counted = FailingStore::new(Arc::new(fresh));
    run(&counted, pool, options).await.unwrap();
    let is_of_fits = |key: &str| key.starts_with("sweeps/") || key.ends_with("fits.json");
    let writes = counted.calls().iter().filter(|(call, key)| *call == Operation::Put && is_of_fits(key)).count();
    let deletes = counted.calls().iter().filter(|(call, key)| *call == Operation::Delete && is_of_fits(key)).count();
    let expected = result_in(&counted).await;
    assert!(writes > 12 && deletes > 8, "{writes} {deletes}");

    for (operation, calls) in [(Operation::Put, writes), (Operation::Delete, deletes)] {
        for call in 1..=calls as u64 {
            for fault in [Fault::CrashBefore, Fault::CrashAfter] {
                let output = Arc::new(empty());
                let killed = FailingStore::new(output.clone());
                killed.on(operation, is_of_fits, call..=call, fault);
                run(&killed, pool, options).await.unwrap_err();
                run(&*output, pool, options).await.unwrap();
                assert!(result_in(&*output).await == expected, "{operation:?} {call}: another result");
                let left = of_fits(&output.objects());
                assert!(left.iter().all(|file| file.ends_with("/model")), "{operation:?} {call}: {left:?}");
            }
        }
    }
}

/// Files of fits.
fn of_fits(objects: &Objects) -> Vec<String> {
    objects.keys().filter(|key| key.starts_with("sweeps/")).cloned().collect()
}

#[tokio::test]
async fn of_a_fit_that_is_done_only_its_model_is_left() {
    let output = empty();
    run(&output, &support::widest_pool(2), &options()).await.unwrap();
    let files = of_fits(&output.objects());
    assert!(files.len() == 2 && files.iter().all(|file| file.ends_with("/model")), "{files:?}");
}

#[tokio::test]
async fn a_classifier_keeps_no_more_than_the_states_that_somebody_may_still_need() {
    let output = Arc::new(empty());
    let killed = FailingStore::new(output.clone());
    killed.on(Operation::Put, |key| key.ends_with("/003/state"), 1..=1, Fault::CrashAfter);
    run(&killed, &support::pool(2), &learning(ClassifyOn::Features)).await.unwrap_err();
    let states: Vec<String> = of_fits(&output.objects()).into_iter().filter(|file| file.ends_with("/state")).collect();
    assert!(["/001/state", "/002/state", "/003/state"].iter().zip(&states).all(|(end, file)| file.ends_with(end)));
    assert_eq!(states.len(), 3, "{states:?}");
    // The step that was killed would have deleted the oldest.
}

#[tokio::test]
async fn images_to_learn_from_that_cannot_be_used_are_named_as_such() {
    // Two of the four are learned from, and one of these is broken.
    let classify = |seed| Classify { train_share: 0.5, seed, ..Classify::default() };
    let labelled = |image: u64| (format!("class {}/{image}.png", image % 3), format!("class {}", image % 3));
    let is_training = |seed: u64| (0..4).map(labelled).map(move |(id, label)| classify(seed).is_training(&id, &label));
    let seed = (0..).find(|&seed| is_training(seed).eq([true, true, false, false])).unwrap();
    let mut objects = images(4);
    assert!((0..4).all(|image| objects.contains_key(&labelled(image).0)), "{:?}", objects.keys());
    objects.insert(labelled(0).0, Bytes::new());
    let options = Options { classify: Some(classify(seed)), max_reject_share: 0.5, ..options() };
    let options = Options { components: Components::Default, ..options };
    let (output, pool) = (empty(), support::pool(2));
    let run = support::run_objects(objects, &output, (&options, None), &pool, &support::Silent);
    let error = run.await.unwrap_err().to_string();
    assert!(error.contains("option `classify`") && error.contains("--train-share"), "{error}");
}

#[tokio::test]
async fn labels_without_images_count_for_the_weights_too() {
    let mut options = learning(ClassifyOn::Features);
    options.classes = (0..700).map(|class| format!("given {class}")).collect();
    let error = run(&empty(), &support::widest_pool(2), &options).await.unwrap_err();
    assert!(error.to_string().contains("3000000 weights"), "{error}");
}

#[tokio::test]
async fn what_is_learned_of_labels_is_the_same_whatever_the_number_of_threads() {
    for (classify_on, wide) in [(ClassifyOn::Features, false), (ClassifyOn::Components, true)] {
        let pool = |threads| if wide { support::widest_pool(threads) } else { support::pool(threads) };
        let (one, three) = (empty(), empty());
        let summary = run(&one, &pool(1), &learning(classify_on)).await.unwrap();
        run(&three, &pool(3), &learning(classify_on)).await.unwrap();
        let files = result_in(&one).await;
        assert!(files == result_in(&three).await, "another number of threads, another result");
        assert_eq!(
            files.keys().filter(|file| file.starts_with("classify/predictions/")).count() as u64,
            summary.plan.shards
        );
        let classification = summary.info.classification.expect("a classifier was fitted");
        assert_eq!(classification.training_images + classification.test_images, IMAGES);
        assert!(classification.training_images < IMAGES && classification.test_accuracy.is_some());
        assert_eq!(summary.info.convergence.is_some(), wide);
    }
}

#[tokio::test]
async fn another_split_and_other_labels_are_another_fit_and_an_image_without_a_label_takes_no_part() {
    let (output, pool) = (empty(), support::pool(2));
    let passes_of = async |options: &Options| {
        let passes = Passes::default();
        let info = watch(&output, &pool, options, &passes).await.unwrap().info;
        (passes.0.into_inner().unwrap(), info.classification.map(|classification| classification.training_images))
    };
    let options = learning(ClassifyOn::Features);
    let (first, training) = passes_of(&options).await;
    assert!(!first.is_empty());
    assert_eq!(passes_of(&options).await.0, []);
    let changed = |change: fn(&mut Classify)| {
        let mut classify = options.classify.unwrap();
        change(&mut classify);
        Options { classify: Some(classify), ..options.clone() }
    };
    assert!(
        passes_of(&changed(|classify| classify.seed = 1)).await.0.iter().any(|pass| pass.method == Method::Covariance)
    );
    // Components and scales are those of the same images.
    let (passes, same) = passes_of(&changed(|classify| classify.regularization = 0.2)).await;
    assert!(!passes.is_empty() && passes.iter().all(|pass| pass.method == Method::Classifier), "{passes:?}");
    assert_eq!(same, training);

    let unlabelled = Options { label_from: "none".parse().unwrap(), ..options.clone() };
    let error = run(&output, &pool, &unlabelled).await.unwrap_err();
    assert!(error.to_string().contains("option `classify`"), "{error}");
}

#[tokio::test]
async fn what_is_damaged_is_made_again() {
    for (pool, options, model) in
        [(support::widest_pool(2), options(), 2), (support::pool(2), learning(ClassifyOn::Components), 3)]
    {
        damaged_and_made_again(&pool, &options, model).await;
    }
}

/// `model` is the number of the model whose fit is interrupted.
async fn damaged_and_made_again(pool: &ComputePool, options: &Options, model: u64) {
    let whole = empty();
    run(&whole, pool, options).await.unwrap();
    let expected = result_in(&whole).await;
    // A run that was killed before its model was written, with all states and the last pass's sums.
    let interrupted = Arc::new(empty());
    let killed = FailingStore::new(interrupted.clone());
    killed.on(Operation::Put, |key| key.ends_with("/model"), model..=model, Fault::CrashBefore);
    run(&killed, pool, options).await.unwrap_err();
    for objects in [whole.objects(), interrupted.objects()] {
        let kinds: BTreeMap<String, String> = kinds(&objects).into_iter().collect();
        for key in of_fits(&objects) {
            let flips = if kinds.contains_key(&key) { FLIPS } else { 1 };
            for (what, damaged) in damages(&objects[&key], &objects[&another(&objects, &key)], flips) {
                let output = MemoryStore::new("out", with(objects.clone(), &key, damaged));
                run(&output, pool, options).await.unwrap_or_else(|error| panic!("{key}, {what}: {error}"));
                assert!(result_in(&output).await == expected, "{key}, {what}: another result");
            }
        }
    }
    let files = of_fits(&interrupted.objects());
    assert!(["/state", "/sums/"].iter().all(|kind| files.iter().any(|file| file.contains(kind))), "{files:?}");
}

#[tokio::test]
async fn sums_that_are_damaged_while_a_pass_is_made_are_made_again() {
    let (whole, pool) = (empty(), support::widest_pool(2));
    run(&whole, &pool, &options()).await.unwrap();
    let output = empty();
    output.spoil(|key| key.contains("/001/sums/"));
    output.spoil(|key| key.ends_with("/002/state"));
    run(&output, &pool, &options()).await.unwrap();
    assert!(result_in(&output).await == result_in(&whole).await);
}

#[tokio::test]
async fn too_many_unusable_images_end_the_run_before_its_first_pass() {
    let mut images = images(3);
    images.extend((0..7).map(|image| (format!("class 0/empty {image}.png"), Bytes::new())));
    let (output, pool, options) = (empty(), support::widest_pool(2), options());
    let run = support::run_objects(images, &output, (&options, None), &pool, &support::Silent);
    let error = run.await.unwrap_err();
    assert!(matches!(error, Error::TooManyRejects { .. }), "{error}");
    assert!(!output.objects().keys().any(|key| key.starts_with("sweeps/")));
}
