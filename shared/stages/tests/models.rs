//! A run may take the models of an earlier one instead of fitting its own.

#[path = "support/result.rs"]
mod result;
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use pomona_formats::classifier_file;
use pomona_formats::model_file;
use pomona_formats::tables::ParquetTable;
use pomona_pca::{Components, likeliest};
use pomona_results::classification::Metrics;
use pomona_results::latest;
use pomona_run::classify::{Classify, ClassifyOn};
use pomona_run::label::LabelFrom;
use pomona_run::layout::RunLayout;
use pomona_run::{Options, RunId};
use pomona_stages::Error;
use pomona_stages::compute::ComputePool;
use pomona_stages::local::Summary;
use pomona_stages::models::Models;
use pomona_store::Store;
use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
use result::result_in;

type Objects = BTreeMap<String, Bytes>;

/// `count` pictures of three classes, drawn from this seed on.
fn images(classes: &str, seeds: std::ops::Range<u64>) -> Objects {
    seeds.map(|seed| (format!("{classes} {}/{seed}.png", seed % 3), support::picture(seed).into())).collect()
}

fn empty(location: &str) -> MemoryStore {
    MemoryStore::new(location, Objects::new())
}

/// Options of images alone, which a run that takes models may have.
fn of_images() -> Options {
    Options { shard_size: 2, ..Options::default() }
}

/// Options of a run whose models are taken.
fn fitting(classify_on: Option<ClassifyOn>) -> Options {
    let classify =
        |classify_on| Classify { classify_on, regularization: 0.1, max_iterations: 4, ..Classify::default() };
    Options { components: Components::Count(2), standardize: true, classify: classify_on.map(classify), ..of_images() }
}

async fn run(
    input: Objects,
    output: &dyn Store,
    chosen: (&Options, Option<&Models<'_>>),
    pool: &ComputePool,
) -> Result<Summary, Error> {
    support::run_objects(input, output, chosen, pool, &support::Silent).await
}

async fn fit(output: &dyn Store, options: &Options, pool: &ComputePool) -> Summary {
    run(images("class", 0..40), output, (options, None), pool).await.unwrap()
}

async fn apply(results: &dyn Store, input: Objects, output: &dyn Store, pool: &ComputePool) -> Result<Summary, Error> {
    let models = Models::find(results, None).await?;
    run(input, output, (&of_images(), Some(&models)), pool).await
}

/// The result of the newest run but for model_info, which says whose models they are.
async fn tables(output: &dyn Store) -> BTreeMap<String, Vec<u8>> {
    let mut files = result_in(output).await;
    files.remove("model_info/model_info.json").expect("a run has its model_info");
    files
}

/// The predictions of the newest run: path, label, prediction, and whether it was learned from.
async fn predictions(output: &dyn Store) -> Vec<(String, String, String, bool)> {
    let run_id = latest::read(output).await.unwrap().unwrap().run_id;
    let root = format!("{}/classify/predictions/", RunLayout::new(run_id.as_str()).root());
    let mut rows = Vec::new();
    for object in output.list(&root, &|_| true).await.unwrap() {
        let table = ParquetTable::read(&object.key, output.get(&object.key).await.unwrap().bytes).unwrap();
        let text = |name| table.text(name).unwrap().iter().flatten().map(str::to_owned).collect::<Vec<_>>();
        let is_training = table.bool_if_any("is_training").unwrap().unwrap();
        for (row, path) in text("path").into_iter().enumerate() {
            let (label, predicted) = (text("label")[row].clone(), text("predicted")[row].clone());
            rows.push((path, label, predicted, is_training.value(row)));
        }
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn of_a_runs_own_images_the_same_bytes_are_made_at_its_own_output_and_at_another() {
    for (pool, classify_on) in [
        (support::pool(2), None),
        (support::pool(2), Some(ClassifyOn::Features)),
        (support::pool(2), Some(ClassifyOn::Components)),
        (support::widest_pool(2), None),
    ] {
        let results = empty("results");
        let fitted = fit(&results, &fitting(classify_on), &pool).await;
        let expected = tables(&results).await;
        let elsewhere = empty("elsewhere");
        for output in [&elsewhere, &results] {
            let applied = apply(&results, images("class", 0..40), output, &pool).await.unwrap();
            assert_eq!(applied.plan.merge_levels, 0);
            assert_eq!(applied.info.models_of.as_ref(), Some(&fitted.plan.run_id));
            assert_eq!(
                applied.info.options,
                Options { classes: applied.plan.options.classes.clone(), ..fitting(classify_on) }
            );
            assert!(tables(output).await == expected, "{classify_on:?} {}: other bytes", output.location());
            let fits = output.objects().into_keys().filter(|key| key.starts_with("sweeps/")).count();
            assert!(fits == 0 || output.location() == "results", "{fits} files of fits");
        }
    }
}

#[tokio::test]
async fn new_images_are_projected_and_predicted_and_none_of_them_was_learned_from() {
    let pool = support::pool(2);
    let (results, output) = (empty("results"), empty("output"));
    let fitted = fit(&results, &fitting(Some(ClassifyOn::Features)), &pool).await;
    let mut input = images("class", 100..120);
    input.extend(images("other", 200..203));
    input.insert("without label.png".to_owned(), support::picture(300).into());
    // The same place as one of the run's own images, and another picture; and one of its own.
    input.insert("class 0/0.png".to_owned(), support::picture(301).into());
    input.insert("class 1/1.png".to_owned(), support::picture(1).into());
    let applied = apply(&results, input, &output, &pool).await.unwrap();

    let layout = RunLayout::new(applied.plan.run_id.as_str());
    let pca = model_file::read(&output, &layout).await.unwrap().pca;
    let classifier = classifier_file::read(&output, &layout).await.unwrap();
    let mut by_hand = Vec::new();
    for object in output.list(&format!("{}/features/", layout.root()), &|_| true).await.unwrap() {
        let number = object.key.rsplit('/').next().unwrap();
        let features = ParquetTable::read(&object.key, output.get(&object.key).await.unwrap().bytes).unwrap();
        let values = features.vectors("features", 3).unwrap();
        let key = format!("{}/pca/parquet/{number}", layout.root());
        let components = ParquetTable::read(&key, output.get(&key).await.unwrap().bytes).unwrap();
        assert_eq!(components.vectors("pca_features", 2).unwrap(), pca.project(values.view()).unwrap());
        let predicted = likeliest(classifier.model.probabilities(values.view()).unwrap().view());
        let paths = features.text("path").unwrap().iter().flatten().map(str::to_owned);
        by_hand.extend(paths.zip(predicted.into_iter().map(|label| classifier.labels[label as usize].clone())));
    }
    by_hand.sort();
    let predictions = predictions(&output).await;
    let predicted: Vec<_> =
        predictions.iter().map(|(path, _, predicted, _)| (path.clone(), predicted.clone())).collect();
    assert_eq!(predicted, by_hand);

    let is_training = |path: &str| predictions.iter().find(|row| row.0 == path).unwrap().3;
    assert!(!is_training("class 0/0.png"), "another picture was learned from");
    let was_learned = fitted.plan.options.classify.unwrap().is_training("class 1/1.png", "class 1");
    assert_eq!(is_training("class 1/1.png"), was_learned);
    assert_eq!(predictions.iter().filter(|row| row.3).count(), usize::from(was_learned));

    let classification = applied.info.classification.expect("a run that predicts labels says how well");
    assert_eq!(classification.test_images + classification.training_images, 22);
    assert!(classification.notices[0].starts_with("the classifier had not converged"), "{classification:?}");
    assert!(classification.notices[1].starts_with("3 images have labels that"), "{classification:?}");
    let metrics: Metrics = serde_json::from_slice(&output.get(&layout.metrics()).await.unwrap().bytes).unwrap();
    assert_eq!(metrics.test.unwrap().images, classification.test_images);
    // Labels of the earlier run keep their ids, and others come behind.
    assert_eq!(applied.plan.options.classes, ["class 0", "class 1", "class 2"]);
    let page = output.get(&layout.page()).await.unwrap().bytes;
    assert!(String::from_utf8_lossy(&page).contains(fitted.plan.run_id.as_str()));
}

#[tokio::test]
async fn images_without_labels_and_a_single_image_can_be_predicted() {
    let pool = support::pool(1);
    let (results, output) = (empty("results"), empty("output"));
    fit(&results, &fitting(Some(ClassifyOn::Components)), &pool).await;
    let models = Models::find(&results, None).await.unwrap();
    let one = images("class", 50..51);
    let options = Options { label_from: LabelFrom::None, ..of_images() };
    let applied = run(one, &output, (&options, Some(&models)), &pool).await.unwrap();
    assert_eq!((applied.info.num_images_processed, predictions(&output).await.len()), (1, 1));
    let notices = applied.info.classification.unwrap().notices;
    assert!(notices.last().unwrap().contains("how well such images are classified is not known"), "{notices:?}");
    let none = run(Objects::new(), &empty("nothing"), (&options, Some(&models)), &pool).await.unwrap_err();
    assert!(matches!(none, Error::NoImages { .. }), "{none}");
    let broken = Objects::from([("a.png".to_owned(), Bytes::from_static(b"no picture"))]);
    let unusable = run(broken, &output, (&options, Some(&models)), &pool).await.unwrap_err();
    assert!(matches!(unusable, Error::NothingUsable { .. }), "{unusable}");
}

#[tokio::test]
async fn models_are_found_behind_runs_that_took_them_and_behind_tables_that_were_removed() {
    let pool = support::pool(2);
    let results = empty("results");
    let fitted = fit(&results, &fitting(None), &pool).await.plan.run_id;
    let taken = apply(&results, images("class", 50..60), &results, &pool).await.unwrap().plan.run_id;
    assert_eq!(latest::read(&results).await.unwrap().unwrap().run_id, taken);
    let again = apply(&results, images("class", 60..70), &results, &pool).await.unwrap();
    assert_eq!(again.plan.models_of.unwrap().run_id, fitted);

    let elsewhere = empty("elsewhere");
    apply(&results, images("class", 50..60), &elsewhere, &pool).await.unwrap();
    let error = Models::find(&elsewhere, None).await.unwrap_err().to_string();
    assert!(error.contains(&format!("those of run {fitted} at `results`")), "{error}");

    results.put(&RunLayout::new(fitted.as_str()).tables_removed(), "removed".into()).await.unwrap();
    results.delete(&RunLayout::new(fitted.as_str()).success()).await.unwrap();
    Models::find(&results, Some(&fitted)).await.unwrap();
    let nobody: RunId = "20260131T120000Z-0123abcd".parse().unwrap();
    assert!(Models::find(&results, Some(&nobody)).await.unwrap_err().to_string().contains(nobody.as_str()));
    assert!(Models::find(&empty("nothing"), None).await.is_err());
}

#[tokio::test]
async fn what_does_not_fit_the_models_is_refused_by_name() {
    let pool = support::pool(1);
    let (results, output) = (empty("results"), empty("output"));
    fit(&results, &fitting(None), &pool).await;
    let models = Models::find(&results, None).await.unwrap();
    let own = Options { components: Components::Count(3), ..of_images() };
    let error = run(images("class", 0..9), &output, (&own, Some(&models)), &pool).await.unwrap_err();
    assert!(error.to_string().starts_with("option `components`"), "{error}");
    let wide = support::wide_pool(1);
    let error = run(images("class", 0..9), &output, (&of_images(), Some(&models)), &wide).await.unwrap_err();
    assert!(matches!(error, Error::OtherRecipe { what: "model file", .. }), "{error}");
    // A lower limit of pixels only refuses more.
    let limited = Options { max_pixels: 1_000, ..of_images() };
    run(images("class", 0..9), &output, (&limited, Some(&models)), &pool).await.unwrap();
}

#[tokio::test]
async fn damage_to_the_run_whose_models_are_taken_is_named_and_not_taken_for_the_runs_own() {
    let pool = support::pool(1);
    let results = empty("results");
    let fitted = fit(&results, &fitting(Some(ClassifyOn::Features)), &pool).await.plan.run_id;
    let whole = results.objects();
    let layout = RunLayout::new(fitted.as_str());
    let listing = whole.keys().find(|key| key.contains("/listing/00000-")).expect("a listing").clone();
    let files = [
        layout.plan(),
        layout.shards(),
        layout.classes(),
        listing,
        layout.reduce_digests(),
        layout.pca_model(),
        layout.classifier(),
    ];
    for file in files {
        for damaged in [Some(support::flipped(&whole[&file])), Some(Bytes::new()), None] {
            let mut objects = whole.clone();
            match damaged {
                Some(bytes) => drop(objects.insert(file.clone(), bytes)),
                None => drop(objects.remove(&file)),
            }
            let results = MemoryStore::new("results", objects);
            let error = apply(&results, images("class", 0..9), &empty("output"), &pool).await.unwrap_err();
            assert!(matches!(&error, Error::Models { problem, .. } if problem.contains(&file)), "{file}: {error}");
        }
    }
}

#[tokio::test]
async fn models_that_are_damaged_behind_the_plan_are_taken_again() {
    let pool = support::pool(1);
    let results = empty("results");
    fit(&results, &fitting(Some(ClassifyOn::Features)), &pool).await;
    let expected = Arc::new(empty("output"));
    apply(&results, images("class", 0..40), &*expected, &pool).await.unwrap();
    for name in ["model_info/pca_model.parquet", "classify/model.parquet", "digests/reduce.json"] {
        let output = Arc::new(FailingStore::new(Arc::new(empty("output"))));
        // It is gone once it was written.
        output.on(
            Operation::Get,
            move |key| key.ends_with(name),
            1..=1,
            Fault::Fail(|location, key| pomona_store::Error::NotFound { location: location.into(), key: key.into() }),
        );
        apply(&results, images("class", 0..40), &*output, &pool).await.unwrap();
        assert!(tables(&*output).await == tables(&*expected).await, "{name}: other bytes");
    }
}

#[tokio::test]
async fn a_run_that_was_killed_ends_in_the_bytes_of_one_that_was_not() {
    let pool = support::pool(2);
    let results = empty("results");
    fit(&results, &fitting(Some(ClassifyOn::Components)), &pool).await;
    let counted = FailingStore::new(Arc::new(empty("output")));
    apply(&results, images("class", 20..60), &counted, &pool).await.unwrap();
    let expected = tables(&counted).await;
    let writes = counted.calls().iter().filter(|(call, _)| *call == Operation::Put).count();
    assert!(writes > 40, "{writes}");
    for write in 1..=writes as u64 {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let output = Arc::new(empty("output"));
            let killed = FailingStore::new(output.clone());
            killed.on(Operation::Put, |_| true, write..=write, fault);
            drop(apply(&results, images("class", 20..60), &killed, &pool).await);
            apply(&results, images("class", 20..60), &*output, &pool).await.unwrap();
            assert!(tables(&*output).await == expected, "write {write}: other bytes");
        }
    }
}
