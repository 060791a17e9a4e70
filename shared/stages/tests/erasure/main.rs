//! Erased images leave nothing behind, whenever the erasure was killed, and what stays is the result of a fresh run.

mod attempts;
mod damage;
#[path = "../support/damages.rs"]
mod damages;
mod notices;
mod proof;
#[path = "../support/result.rs"]
mod result;
mod steps;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use pomona_formats::erasure::{Certificate, Request};
use pomona_formats::error::Error as FileError;
use pomona_formats::planned_runs::PlannedRuns;
use pomona_formats::{part, problem, strings, tables::ParquetTable};
use pomona_results::latest;
use pomona_run::layout::{self, RunLayout};
use pomona_run::{ErrorName, Options, RunId, globs::globs};
use pomona_stages::Error;
use pomona_stages::erase::{self, Erased, Eraser, Older, Which, Wish};
use pomona_stages::lock::{self, NoOtherHolders};
use pomona_stages::models::Models;
use pomona_store::testing::MemoryStore;
use pomona_store::{LocalStore, Store, Version};
use support::Silent;

fn key(image: u8) -> String {
    format!("class {}/{image}.png", image % 3)
}

fn keys(images: impl IntoIterator<Item = u8>) -> Which {
    Which::Keys(images.into_iter().map(key).collect())
}

fn options() -> Options {
    Options { shard_size: 4, max_reject_share: 1.0, ..Options::default() }
}

fn upload(input: &Path, images: impl IntoIterator<Item = u8>, version: u8) {
    for image in images {
        let unusable = image % 13 == 5;
        let content =
            if unusable { vec![version; 4] } else { support::picture(u64::from(image) << 8 | u64::from(version)) };
        support::write(input, &key(image), &content);
    }
}

async fn run(input: &Path, output: &dyn Store) -> Result<(), Error> {
    support::run_into(input, output, &options(), &support::pool(1)).await.map(drop)
}

async fn erase(output: &dyn Store, which: Option<Which>) -> Result<Erased, Error> {
    erase_with(output, which, Older::Delete).await
}

fn eraser(output: &dyn Store, older: Older) -> Eraser<'_> {
    Eraser { output, holder: "a test", holders: &NoOtherHolders, threads: 1, older, signing_key: None }
}

async fn erase_with(output: &dyn Store, which: Option<Which>, older: Older) -> Result<Erased, Error> {
    let wish = which.map(|which| Wish { which, because: Some("Art. 17".to_owned()) });
    let erased = eraser(output, older).erase(wish.as_ref(), &Silent, std::future::pending()).await?;
    Ok(erased.expect("nobody stopped it"))
}

/// Everything that is there, older versions too.
async fn contents(output: &dyn Store) -> Vec<(String, Bytes)> {
    let mut contents = Vec::new();
    for version in output.versions("").await.unwrap().into_iter().filter(Version::is_content) {
        let bytes = output.get_version(&version).await.unwrap();
        contents.push((version.key, bytes));
    }
    contents
}

/// The features of an image, from the newest run.
async fn row_of(output: &dyn Store, wanted: &str) -> Vec<f32> {
    for (key, bytes) in contents(output).await {
        if key.contains("/features/parquet/") {
            let table = ParquetTable::read(&key, bytes).unwrap();
            let values = table.vectors("features", 3).unwrap();
            if let Some(row) = table.text("path").unwrap().iter().position(|path| path == Some(wanted)) {
                return values.row(row).to_vec();
            }
        }
    }
    panic!("{wanted} has no features");
}

/// Neither a key nor a row of features is anywhere.
async fn demand_gone(output: &dyn Store, erased: &BTreeSet<String>, rows: &[Vec<f32>]) {
    for (file, bytes) in contents(output).await {
        for key in erased {
            assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{key} is in {file}");
        }
        strings::each(&file, bytes.clone(), &mut |text| assert!(!erased.contains(text), "{text} is in {file}"))
            .unwrap();
        for row in rows {
            let row_bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert!(!bytes.windows(row_bytes.len()).any(|window| window == row_bytes), "{row:?} is in {file}");
        }
        if file.ends_with(".parquet") && file.contains("features") {
            let table = ParquetTable::read(&file, bytes).unwrap();
            let values = table.vectors("features", 3).unwrap();
            let is_row = |values: ndarray::ArrayView1<'_, f32>| rows.iter().any(|row| values.to_vec() == *row);
            assert!(!values.rows().into_iter().any(is_row), "features of an erased image are in {file}");
        }
    }
}

/// The newest result is that of a fresh run over what is left of the input.
async fn demand_fresh(input: &Path, output: &dyn Store, erased: &BTreeSet<String>) {
    let rest = tempfile::tempdir().unwrap();
    for class in std::fs::read_dir(input).unwrap().map(|entry| entry.unwrap().path()) {
        for file in std::fs::read_dir(class).unwrap().map(|entry| entry.unwrap().path()) {
            let key = file.strip_prefix(input).unwrap().to_str().unwrap().to_owned();
            if !erased.contains(&key) {
                support::write(rest.path(), &key, &std::fs::read(&file).unwrap());
            }
        }
    }
    let fresh = MemoryStore::new("fresh", BTreeMap::new());
    match run(rest.path(), &fresh).await {
        Ok(()) => assert_eq!(result::result_in(output).await, result::result_in(&fresh).await),
        Err(error) => assert!(run(input, output).await.is_err(), "a fresh run ends with {error}"),
    }
}

/// Two runs over 24 images, of which the second found two replaced.
async fn two_runs(folder: &Path) -> LocalStore {
    let output = LocalStore::create(folder.join("out")).unwrap();
    upload(&folder.join("in"), 0..24, 0);
    run(&folder.join("in"), &output).await.unwrap();
    upload(&folder.join("in"), 4..6, 1);
    run(&folder.join("in"), &output).await.unwrap();
    output
}

#[tokio::test]
async fn erased_images_are_gone_from_everything_and_do_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), two_runs(folder.path()).await);
    let erased: BTreeSet<String> = [3, 4, 5, 17].map(key).into();
    let rows = [row_of(&output, &key(3)).await, row_of(&output, &key(17)).await];
    let unfinished = folder.path().join("out/parts/.pomona-tmp-killed");
    std::fs::write(&unfinished, key(3)).unwrap();

    let Erased { certificates, .. } = erase(&output, Some(Which::Keys(erased.clone()))).await.unwrap();
    assert_eq!((certificates.len(), certificates[0].request.unlisted), (1, 0));
    demand_gone(&output, &erased, &rows).await;
    assert!(!unfinished.exists(), "a write that was killed has left it behind");
    demand_fresh(&input, &output, &erased).await;
    let certificate = &certificates[0];
    assert_eq!(certificate.request.because.as_deref(), Some("Art. 17"));
    let newest = latest::read(&output).await.unwrap().unwrap().run_id;
    assert_eq!(certificate.run.as_ref().map(|run| &run.run_id), Some(&newest));
    assert!(certificate.deleted.iter().any(|file| file.file.file.ends_with(".features.parquet")));
    assert!(certificate.deleted.iter().all(|file| file.sha256.len() == 64));
    // The lock and the journal were there in place of the certificate and its page.
    assert_eq!(certificate.examined.files, contents(&output).await.len() as u64);

    run(&input, &output).await.unwrap();
    demand_gone(&output, &erased, &rows).await;
    demand_fresh(&input, &output, &erased).await;
    let checked = erase::check(&output, None).await.unwrap().done;
    assert_eq!((checked.len(), checked[0].traces.holding.len(), checked[0].allowed_again), (1, 0, 0));

    let nothing = erase(&output, None).await;
    assert!(matches!(nothing, Err(Error::NothingToErase { .. })), "{nothing:?}");
    let eraser = eraser(&output, Older::Delete);
    assert_eq!(eraser.allow_again(&[key(3), key(23)]).await.unwrap(), 1);
    run(&input, &output).await.unwrap();
    assert_eq!(row_of(&output, &key(3)).await, rows[0]);
    let checked = erase::check(&output, None).await.unwrap().done;
    assert_eq!((checked[0].traces.holding.len(), checked[0].allowed_again), (0, 1));
}

/// Somebody copies a part back from a backup.
#[tokio::test]
async fn a_certificate_that_is_not_true_any_more_is_found_out_and_so_is_one_that_was_altered() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let before = contents(&output).await;
    let Erased { certificates, .. } = erase(&output, Some(keys([7]))).await.unwrap();
    let is_of_part = |file: &str| file.starts_with("parts/") && file.ends_with("features.parquet");
    for (file, bytes) in before.into_iter().filter(|(file, _)| is_of_part(file)) {
        output.put(&file, bytes).await.unwrap();
    }
    let checked = erase::check(&output, None).await.unwrap().done;
    assert!(checked[0].traces.holding.iter().all(|file| is_of_part(&file.file)));
    assert!(!checked[0].traces.holding.is_empty());

    // Whoever asks again without a wish has all of it erased once more.
    let Erased { certificates: again, .. } = erase(&output, None).await.unwrap();
    assert_eq!(again[0].request.digests, certificates[0].request.digests);
    let checked = erase::check(&output, None).await.unwrap().done;
    assert!(checked.iter().all(|checked| checked.traces.holding.is_empty()), "{checked:?}");

    let key = layout::erasure_certificate(&certificates[0].request.id);
    let altered = support::flipped(&output.get(&key).await.unwrap().bytes);
    output.put(&key, altered).await.unwrap();
    assert!(matches!(erase::check(&output, None).await, Err(Error::File(FileError::Damaged { .. }))));
}

#[tokio::test]
async fn images_are_chosen_by_their_paths_and_by_their_labels() {
    for (which, gone) in [
        (Which::Matching(globs("--filter", ["class 1/*"]).unwrap()), 8),
        (Which::Label("class 2".to_owned()), 8),
        (keys([1, 2, 99]), 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = two_runs(folder.path()).await;
        let Erased { certificates, .. } = erase(&output, Some(which)).await.unwrap();
        let Request { digests, unlisted, .. } = &certificates[0].request;
        assert_eq!(digests.len() as u64, gone + unlisted);
        let newest = latest::read(&output).await.unwrap().unwrap().run_id;
        assert_eq!(pomona_formats::planned::read_plan(&output, &newest).await.unwrap().images, 24 - gone);
    }
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let nothing = erase(&output, Some(Which::Label("class 3".to_owned()))).await;
    assert!(matches!(nothing, Err(Error::NothingToErase { .. })), "{nothing:?}");
}

#[tokio::test]
async fn where_all_images_are_erased_no_result_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    for sum in [layout::node_moments(&"0".repeat(64)), layout::sweep_model(&"1".repeat(64))] {
        output.put(&sum, "what was learned".into()).await.unwrap();
    }
    let all: BTreeSet<String> = (0..24).map(key).collect();
    let Erased { certificates, .. } = erase(&output, Some(Which::Keys(all.clone()))).await.unwrap();
    assert_eq!(certificates[0].run, None);
    demand_gone(&output, &all, &[]).await;
    assert_eq!(latest::read(&output).await.unwrap(), None);
    let left = contents(&output).await.into_iter().map(|(file, _)| file);
    let left: Vec<String> = left.filter(|file| !file.starts_with(layout::ERASURES)).collect();
    assert_eq!(left, [layout::PLANNED, layout::SUPPRESSED]);
    // All that is there was erased: that is no reason to take the dataset for lost.
    let again = run(&folder.path().join("in"), &output).await;
    assert!(matches!(again, Err(Error::NoImages { .. })), "{again:?}");
}

/// That the rest is no dataset is no reason to keep somebody's images.
#[tokio::test]
async fn images_are_erased_even_if_nothing_can_be_fitted_to_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    // One that can be used stays, and one that cannot.
    let erased: BTreeSet<String> = (0..24).filter(|image| ![2, 5].contains(image)).map(key).collect();
    let Erased { certificates, obstacle, .. } = erase(&output, Some(Which::Keys(erased.clone()))).await.unwrap();
    assert!(obstacle.is_some_and(|obstacle| obstacle.contains("class 2/5.png")));
    assert_eq!(certificates[0].no_run_because.as_deref(), Some("Pomona.BadInput"), "the error names an image");
    assert_eq!(certificates[0].run, None);
    demand_gone(&output, &erased, &[]).await;
    assert_eq!(latest::read(&output).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_late_call_has_written_for_a_run_that_is_gone_goes_too() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let gone = RunLayout::new("20260105T091351Z-ee74d566");
    let remains = [gone.success(), gone.model_info()];
    // Of a run that found the output in use there is nothing else, and that it was is no secret.
    let run_id: RunId = "20260105T091351Z-ee74d566".parse().unwrap();
    let why = problem::write(&output, &run_id, ErrorName::Busy, "in use").await.unwrap();
    for key in &remains {
        output.put(key, Bytes::from_static(b"{}")).await.unwrap();
    }
    let Erased { certificates, .. } = erase(&output, Some(keys([1]))).await.unwrap();
    for key in &remains {
        assert!(certificates[0].deleted.iter().any(|deleted| deleted.file.file == *key), "{key}");
        assert!(!output.exists(key).await.unwrap());
    }
    // After the erasure, too, and although it has pointed latest.json at itself.
    for key in &remains {
        output.put(key, Bytes::from_static(b"{}")).await.unwrap();
    }
    let newest = latest::read(&output).await.unwrap().unwrap().run_id;
    latest::point_at(&output, &run_id, Some(&newest)).await.unwrap();
    let checked = erase::check(&output, None).await.unwrap().done;
    assert_eq!(
        checked[0].traces.remains.iter().map(|file| file.file.clone()).collect::<BTreeSet<_>>(),
        remains.clone().into()
    );
    erase(&output, None).await.unwrap();
    let checked = erase::check(&output, None).await.unwrap().done;
    assert!(checked.iter().all(|checked| checked.traces.remains.is_empty()));
    assert!(!output.exists(&why).await.unwrap(), "it goes with what else is of that run");
    assert_eq!(latest::read(&output).await.unwrap().unwrap().run_id, newest);
}

#[tokio::test]
async fn damage_to_the_files_that_name_runs_costs_no_result() {
    for damaged in [layout::LATEST, layout::PLANNED] {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in");
        upload(&input, 0..12, 0);
        let output = MemoryStore::new("out", BTreeMap::new()).with_versions();
        run(&input, &output).await.unwrap();
        output.put(damaged, Bytes::from_static(b"what a disk left of it")).await.unwrap();
        erase(&output, Some(keys([1]))).await.unwrap();
        demand_fresh(&input, &output, &BTreeSet::from([key(1)])).await;
        assert!(!PlannedRuns::read(&output).await.unwrap().run_ids().is_empty());
        assert!(erase::check(&output, None).await.unwrap().done[0].traces.unreadable.is_empty());
    }
}

#[tokio::test]
async fn nothing_is_erased_under_a_run_nor_of_features_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let run_id = RunId::now();
    let holder: &dyn lock::Holders = &lock::UnknownHolders;
    lock::acquire(&output, &run_id, "a run", std::time::Duration::from_secs(90), holder).await.unwrap();
    let eraser = Eraser {
        output: &output,
        holder: "a test",
        holders: holder,
        threads: 1,
        older: Older::Delete,
        signing_key: None,
    };
    let wish = Wish { which: keys([1]), because: None };
    let busy = eraser.erase(Some(&wish), &Silent, std::future::pending()).await;
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
    lock::release(&output, &run_id).await.unwrap();

    for (file, _) in output.sizes("parts/").await.unwrap() {
        output.delete(&file).await.unwrap();
    }
    let gone = erase(&output, Some(keys([1]))).await;
    assert!(matches!(gone, Err(Error::FeaturesGone { .. })), "{gone:?}");
    // As the error advises.
    run(&folder.path().join("in"), &output).await.unwrap();
    erase(&output, None).await.unwrap();
    demand_gone(&output, &[key(1)].into(), &[]).await;
    assert!(part::exists(&output, "x").await.is_ok_and(|exists| !exists));
}

/// What names an image in other ways, what is no file of ours, and what was learned from it.
#[tokio::test]
async fn erased_images_are_gone_from_options_messages_and_models_and_a_users_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), LocalStore::create(folder.path().join("out")).unwrap());
    upload(&input, 0..24, 0);
    let pool = support::pool(1);
    support::run_into(&input, &output, &Options { exclude: vec![key(7)], ..options() }, &pool).await.unwrap();
    let fitted = latest::read(&output).await.unwrap().unwrap().run_id;
    problem::write(&output, &fitted, ErrorName::Retryable, &format!("`{}` could not be read", key(7))).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    upload(other.path(), 40..50, 0);
    let objects =
        std::fs::read_dir(other.path()).unwrap().flat_map(|class| std::fs::read_dir(class.unwrap().path()).unwrap());
    let objects = objects.map(|file| file.unwrap().path()).map(|file| {
        let key = file.strip_prefix(other.path()).unwrap().to_str().unwrap().to_owned();
        (key, Bytes::from(std::fs::read(&file).unwrap()))
    });
    let objects: BTreeMap<String, Bytes> = objects.collect();
    let models = Models::find(&output, None).await.unwrap();
    let applied = support::run_objects(objects, &output, (&options(), Some(&models)), &pool, &Silent).await.unwrap();
    support::run_into(&input, &output, &Options { exclude: vec![key(7)], ..options() }, &pool).await.unwrap();
    output.put("export.csv", key(7).into()).await.unwrap();

    let Erased { certificates, .. } = erase(&output, Some(keys([7]))).await.unwrap();
    assert_eq!(certificates[0].not_examined, 1);
    assert!(output.exists("export.csv").await.unwrap(), "a user's own file");
    output.delete("export.csv").await.unwrap();
    demand_gone(&output, &[key(7)].into(), &[]).await;
    let runs: BTreeSet<String> = output.sizes("runs/").await.unwrap().into_iter().map(|(key, _)| key).collect();
    assert!(!runs.iter().any(|file| file.contains(applied.plan.run_id.as_str())), "it took models of an erased run");

    let because = Wish { which: keys([8]), because: Some(format!("as the owner of {} asked", key(8))) };
    let eraser = eraser(&output, Older::Delete);
    let refused = eraser.erase(Some(&because), &Silent, std::future::pending()).await;
    assert!(matches!(refused, Err(Error::File(FileError::Request(_)))), "{refused:?}");
}
