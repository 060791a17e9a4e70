//! Erasures that are killed, refused or repeated, at outputs with and without versions, and whole histories of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use pomona_formats::Error as FileError;
use pomona_formats::erasure::{LeftFile, LeftFiles, WhyLeft};
use pomona_formats::json;
use pomona_formats::planned;
use pomona_formats::planned_runs::PlannedRuns;
use pomona_formats::signature::SigningKey;
use pomona_formats::suppressed::Suppressed;
use pomona_formats::tables::ParquetTable;
use pomona_results::{latest, verify};
use pomona_run::RunId;
use pomona_run::layout::{self, RunLayout};
use pomona_run::place::Place;
use pomona_stages::Error;
use pomona_stages::erase::{Erased, Eraser, Older, Which, Wish, steps};
use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
use pomona_store::{LocalStore, Store, Version, VersionKind};
use proptest::prelude::*;

use crate::proof::PRIVATE;
use crate::support::Silent;
use crate::{contents, demand_fresh, demand_gone, erase, erase_with, eraser, key, keys, result, run, two_runs, upload};

const WRITES: [Operation; 5] =
    [Operation::Put, Operation::Create, Operation::Replace, Operation::Copy, Operation::Delete];

/// Kills an erasure before each of its writes, and asks for it again.
#[tokio::test]
async fn an_erasure_that_is_killed_at_any_write_goes_on() {
    let erased: BTreeSet<String> = [2, 9].map(key).into();
    let folder = tempfile::tempdir().unwrap();
    let before: BTreeMap<String, Bytes> = contents(&two_runs(folder.path()).await).await.into_iter().collect();
    for (operation, older) in WRITES.into_iter().flat_map(|operation| Older::ALL.map(|older| (operation, older))) {
        for write in 1.. {
            let output = Arc::new(MemoryStore::new("out", before.clone()).with_versions());
            let failing = FailingStore::new(output.clone());
            failing.on(operation, |_| true, write.., Fault::CrashBefore);
            let killed = erase_with(&failing, Some(Which::Keys(erased.clone())), older).await.is_err();
            if !killed {
                break;
            }
            let output = output.as_ref();
            match erase_with(output, None, older).await {
                // Nothing was written down, or all was done and the lock was not given back.
                Err(Error::NothingToErase { .. }) => {
                    let is_done = !pomona_stages::erase::check(output, None).await.unwrap().done.is_empty();
                    if !is_done {
                        erase_with(output, Some(Which::Keys(erased.clone())), older).await.unwrap();
                    }
                }
                again => drop(again.unwrap()),
            }
            demand_gone(output, &erased, &[]).await;
            demand_fresh(&folder.path().join("in"), output, &erased).await;
            // Each run is there once, whether or not an attempt had made it already.
            let marks = output.sizes("runs/").await.unwrap().into_iter().filter(|(key, _)| key.ends_with("/_SUCCESS"));
            assert_eq!(marks.count(), if older == Older::Rewrite { 2 } else { 1 });
        }
    }
}

#[tokio::test]
async fn an_older_run_that_is_rewritten_is_a_fresh_run_over_what_it_had_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (input, erased) = (folder.path().join("in"), BTreeSet::from([2, 9].map(key)));
    let output = two_runs(folder.path()).await;
    let Erased { certificates, .. } = erase_with(&output, Some(keys([2, 9])), Older::Rewrite).await.unwrap();
    let [rewritten] = certificates[0].rewritten.as_slice() else { panic!("{:?}", certificates[0]) };
    demand_gone(&output, &erased, &[]).await;
    demand_fresh(&input, &output, &erased).await;
    assert!(!output.exists(&RunLayout::new(rewritten.was.as_str()).success()).await.unwrap());

    // The second run had found these replaced.
    upload(&input, 4..6, 0);
    let rest = MemoryStore::new("rest", BTreeMap::new());
    erased.iter().for_each(|key| std::fs::remove_file(input.join(key)).unwrap());
    run(&input, &rest).await.unwrap();
    assert_eq!(result::result_of(&output, &rewritten.run.run_id).await, result::result_in(&rest).await);
    // The newest run is another one all the same.
    let newest = latest::read(&output).await.unwrap().unwrap().run_id;
    assert_eq!(Some(&newest), certificates[0].run.as_ref().map(|run| &run.run_id));
}

/// Killed before each deletion; then more is asked for.
#[tokio::test]
async fn what_was_made_anew_is_made_anew_again_where_more_is_asked_for_before_the_erasure_is_done() {
    let erased: BTreeSet<String> = [2, 9, 11].map(key).into();
    let folder = tempfile::tempdir().unwrap();
    let before: BTreeMap<String, Bytes> = contents(&two_runs(folder.path()).await).await.into_iter().collect();
    for (operation, older) in WRITES.into_iter().flat_map(|operation| Older::ALL.map(|older| (operation, older))) {
        for write in (1..).step_by(5) {
            let output = Arc::new(MemoryStore::new("out", before.clone()));
            let failing = FailingStore::new(output.clone());
            failing.on(operation, |_| true, write.., Fault::CrashBefore);
            let killed = erase_with(&failing, Some(keys([2, 9])), older).await.is_err();
            let all = if killed { keys([2, 9, 11]) } else { keys([11]) };
            erase_with(output.as_ref(), Some(all), older).await.unwrap();
            demand_gone(output.as_ref(), &erased, &[]).await;
            demand_fresh(&folder.path().join("in"), output.as_ref(), &erased).await;
            if !killed {
                break;
            }
        }
    }
}

/// It was of images of which only features are left, and these are gone.
#[tokio::test]
async fn an_older_run_that_cannot_be_rewritten_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    let output = two_runs(folder.path()).await;
    upload(&input, 0..24, 2);
    run(&input, &output).await.unwrap();
    let newest = latest::read(&output).await.unwrap().unwrap().run_id;
    let plan = planned::read_plan(&output, &newest).await.unwrap();
    let used: Vec<String> =
        planned::read_shards(&output, &plan).await.unwrap().into_iter().map(|shard| shard.part).collect();
    for (file, _) in output.sizes("parts/").await.unwrap() {
        if !used.iter().any(|part| file.contains(part)) {
            output.delete(&file).await.unwrap();
        }
    }
    let Erased { certificates, .. } = erase_with(&output, Some(keys([2])), Older::Rewrite).await.unwrap();
    assert!(certificates[0].rewritten.is_empty());
    demand_fresh(&input, &output, &BTreeSet::from([key(2)])).await;
}

/// Attempts that are killed one after another, each a little later: what any of them deleted stands in the certificate.
#[tokio::test]
async fn a_certificate_says_what_all_attempts_have_done() {
    let folder = tempfile::tempdir().unwrap();
    let before: BTreeMap<String, Bytes> = contents(&two_runs(folder.path()).await).await.into_iter().collect();
    let output = Arc::new(MemoryStore::new("out", before.clone()));
    let whole = erase(&MemoryStore::new("out", before.clone()), Some(keys([2, 9]))).await.unwrap();
    let mut attempts = 0;
    let certificate = loop {
        attempts += 1;
        let failing = FailingStore::new(output.clone());
        failing.on(Operation::Delete, |key| !key.ends_with("lock.json"), 30.., Fault::CrashBefore);
        let wish = (attempts == 1).then(|| keys([2, 9]));
        match erase(&failing, wish).await {
            Ok(erased) => break erased.certificates[0].clone(),
            Err(_) => assert!(failing.has_crashed() && attempts < 100),
        }
    };
    assert!(attempts > 2, "{attempts}");
    assert!(certificate.run.is_some());
    let deleted: BTreeSet<&str> = certificate.deleted.iter().map(|file| file.file.file.as_str()).collect();
    let of_whole = whole.certificates[0].deleted.iter().map(|file| file.file.file.as_str());
    assert_eq!(of_whole.filter(|file| before.contains_key(*file) && !deleted.contains(file)).count(), 0);
}

/// A bucket with Object Lock, or rights that are missing.
#[tokio::test]
async fn what_may_not_be_deleted_is_named_and_there_is_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let before: BTreeMap<String, Bytes> = contents(&two_runs(folder.path()).await).await.into_iter().collect();
    for locked in [".features.parquet", ".moments", "plan.json"] {
        let output = Arc::new(MemoryStore::new("out", before.clone()).with_versions());
        let failing = FailingStore::new(output.clone());
        failing.on(Operation::Delete, move |key| key.contains(locked), 1.., Fault::denied());
        let refused = erase(&failing, Some(keys([2, 9]))).await;
        let Err(Error::TracesLeft { list, .. }) = refused else { panic!("{locked}: {refused:?}") };
        let left: LeftFiles = json::unseal(&list, &output.get(&list).await.unwrap().bytes).unwrap();
        let is_refused =
            |left: &&LeftFile| matches!(left.why, WhyLeft::Refused { .. }) && left.file.file.contains(locked);
        assert!(left.left.iter().any(|left| is_refused(&left)), "{left:?}");
        let checks = pomona_stages::erase::check(output.as_ref(), None).await.unwrap();
        assert_eq!((checks.done.len(), checks.pending.len()), (0, 1));

        let Erased { certificates, .. } = erase(output.as_ref(), None).await.unwrap();
        assert_eq!(certificates.len(), 1);
        demand_gone(output.as_ref(), &[2, 9].map(key).into(), &[]).await;
        assert!(!output.exists(&list).await.unwrap());
        // What the first attempt could not delete did not lose the file by which the second one finds it.
        for deleted in &certificates[0].deleted {
            assert!(!output.exists(&deleted.file.file).await.unwrap(), "{locked}: {}", deleted.file);
        }
    }
}

/// Two erasures that were asked for one after the other are done together, and killed between their certificates.
#[tokio::test]
async fn each_certificate_says_all_that_was_done_whichever_was_written_first() {
    let folder = tempfile::tempdir().unwrap();
    let before: BTreeMap<String, Bytes> = contents(&two_runs(folder.path()).await).await.into_iter().collect();
    for certificate in 1..=2 {
        let output = Arc::new(MemoryStore::new("out", before.clone()));
        for (image, (operation, file)) in
            [(2, (Operation::Create, "suppressed.json")), (9, (Operation::Put, "certificate.json"))]
        {
            let failing = FailingStore::new(output.clone());
            let calls = if image == 2 { 1 } else { certificate };
            failing.on(operation, move |key| key.ends_with(file), calls.., Fault::CrashBefore);
            assert!(erase(&failing, Some(keys([image]))).await.is_err());
        }
        erase(output.as_ref(), None).await.unwrap();
        let checks = pomona_stages::erase::check(output.as_ref(), None).await.unwrap();
        assert_eq!((checks.done.len(), checks.pending.len()), (2, 0));
        for checked in checks.done {
            assert!(checked.certificate.run.is_some() && !checked.certificate.deleted.is_empty(), "{certificate}");
        }
        let work = output.objects().into_keys().find(|key| key.ends_with("/journal.json"));
        assert_eq!(work, None);
    }
}

/// A certificate that cannot be read may hold anything, so it goes, and its erasure is proven anew by the next one; but
/// not without the key that it was to be signed with.
#[tokio::test]
async fn an_erasure_whose_certificate_cannot_be_read_is_certified_anew() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let key = SigningKey::from_pem(PRIVATE.as_bytes()).unwrap();
    for signing_key in [None, Some(&key)] {
        let wish = Wish { which: keys([2]), because: None };
        let signing = Eraser { signing_key, ..eraser(&output, Older::Delete) };
        let erased = signing.erase(Some(&wish), &Silent, std::future::pending()).await.unwrap().unwrap();
        let certificate = layout::erasure_certificate(&erased.certificates[0].request.id);
        output.put(&certificate, Bytes::from_static(b"{")).await.unwrap();
        erase(&output, Some(keys([9]))).await.unwrap();
        let checks = pomona_stages::erase::check(&output, None).await.unwrap();
        assert_eq!(checks.pending.is_empty(), signing_key.is_none());
        let allowed = eraser(&output, Older::Delete).allow_again(&[2, 9].map(crate::key)).await;
        assert_eq!(allowed.is_ok(), signing_key.is_none());
    }
}

/// Once its certificate has gone nobody knows that it was allowed again.
#[tokio::test]
async fn what_was_allowed_again_is_not_certified_while_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let erased = erase(&output, Some(keys([2]))).await.unwrap();
    eraser(&output, Older::Delete).allow_again(&[key(2)]).await.unwrap();
    run(&folder.path().join("in"), &output).await.unwrap();
    let certificate = layout::erasure_certificate(&erased.certificates[0].request.id);
    output.put(&certificate, Bytes::from_static(b"{")).await.unwrap();
    let ended = erase(&output, Some(keys([9]))).await;
    assert!(matches!(ended, Err(Error::TracesLeft { .. })), "{ended:?}");
    assert_eq!(erase(&output, None).await.unwrap().certificates.len(), 2);
    demand_fresh(&folder.path().join("in"), &output, &[2, 9].map(key).into()).await;
}

#[tokio::test]
async fn what_was_asked_for_is_in_force_before_anything_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    let before: BTreeMap<String, Bytes> = contents(&two_runs(folder.path()).await).await.into_iter().collect();
    let output = Arc::new(MemoryStore::new("out", before));
    erase(output.as_ref(), Some(keys([2]))).await.unwrap();
    let failing = FailingStore::new(output.clone());
    failing.on(Operation::Replace, |key| key == "suppressed.json", 1.., Fault::CrashBefore);
    assert!(erase(&failing, Some(keys([9]))).await.is_err());
    run(&input, output.as_ref()).await.unwrap();
    demand_fresh(&input, output.as_ref(), &[2, 9].map(key).into()).await;
    // Nobody takes back what is being done.
    let eraser = eraser(output.as_ref(), Older::Delete);
    let refused = eraser.allow_again(&[key(9)]).await;
    assert!(matches!(refused, Err(Error::File(FileError::Request(_)))), "{refused:?}");
}

#[tokio::test]
async fn whoever_goes_on_does_it_as_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let before: BTreeMap<String, Bytes> = contents(&two_runs(folder.path()).await).await.into_iter().collect();
    let output = Arc::new(MemoryStore::new("out", before));
    let failing = FailingStore::new(output.clone());
    failing.on(Operation::Create, |key| key == "suppressed.json", 1.., Fault::CrashBefore);
    let key = SigningKey::from_pem(PRIVATE.as_bytes()).unwrap();
    let wish = Wish { which: keys([2]), because: None };
    let signing = |output| Eraser { signing_key: Some(&key), ..eraser(output, Older::Rewrite) };
    assert!(signing(&failing).erase(Some(&wish), &Silent, std::future::pending()).await.is_err());

    let unsigned = erase(output.as_ref(), None).await.unwrap_err();
    assert!(unsigned.to_string().contains("sign-with"), "{unsigned}");
    let on_aws = eraser(output.as_ref(), Older::Delete).ask(&wish).await.unwrap_err();
    assert!(on_aws.to_string().contains("--older rewrite"), "{on_aws}");
    let lock: RunId = "20260131T120000Z-0123abcd".parse().unwrap();
    assert!(steps::begin(output.as_ref(), &lock, chrono::Utc::now()).await.is_err());
    let going_on = Eraser { older: Older::Delete, ..signing(output.as_ref()) };
    let Erased { certificates, .. } = going_on.erase(None, &Silent, std::future::pending()).await.unwrap().unwrap();
    assert_eq!(certificates[0].rewritten.len(), 1);
    assert!(output.exists(&layout::erasure_signature(&certificates[0].request.id)).await.unwrap());
}

#[tokio::test]
async fn a_list_of_keys_that_is_none_of_paths_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let before = contents(&output).await;
    for mistaken in ["path", "class 1", "./class 1/1.png", "class 1/1.png "] {
        let which = Which::Keys(BTreeSet::from([key(2), mistaken.to_owned()]));
        let refused = erase(&output, Some(which)).await.unwrap_err();
        assert!(refused.to_string().contains(&format!("`{mistaken}`")), "{refused}");
    }
    assert_eq!(contents(&output).await, before);
    let empty = LocalStore::create(folder.path().join("photos")).unwrap();
    assert!(matches!(erase(&empty, Some(keys([2]))).await, Err(Error::NothingToErase { .. })));
    assert!(contents(&empty).await.is_empty());
    // Once more is no mistake, although no run lists them any more.
    for _ in 0..2 {
        erase(&output, Some(keys([2, 200]))).await.unwrap();
    }
}

/// The newest run has none of the images, an older one has.
#[tokio::test]
async fn an_older_run_that_is_rewritten_keeps_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    let output = two_runs(folder.path()).await;
    std::fs::remove_file(input.join(key(2))).unwrap();
    run(&input, &output).await.unwrap();
    let newest = latest::read(&output).await.unwrap().unwrap().run_id;
    let before = PlannedRuns::read(&output).await.unwrap();
    let Erased { certificates, .. } = erase_with(&output, Some(keys([2])), Older::Rewrite).await.unwrap();
    assert_eq!((certificates[0].rewritten.len(), &certificates[0].run), (2, &None));
    assert_eq!(latest::read(&output).await.unwrap().unwrap().run_id, newest);
    let anew = |run_id: &RunId| {
        let rewritten = certificates[0].rewritten.iter().find(|rewritten| rewritten.was == *run_id);
        rewritten.map_or_else(|| run_id.clone(), |rewritten| rewritten.run.run_id.clone())
    };
    let expected: Vec<RunId> = before.run_ids().iter().map(anew).collect();
    assert_eq!(PlannedRuns::read(&output).await.unwrap().run_ids(), expected);
    // So do plans, which tell where planned.json is lost.
    assert_eq!(verify::runs(&output).await.unwrap().planned.run_ids(), expected);
}

/// Runs that were deleted, parts that were pruned, lists that were written anew: a bucket keeps them all.
#[tokio::test]
async fn older_versions_are_erased_with_what_was_made_of_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let before: BTreeMap<String, Bytes> = contents(&two_runs(folder.path()).await).await.into_iter().collect();
    let output = MemoryStore::new("out", before).with_versions();
    // Whoever deletes a run by hand leaves its model behind, as an older version that names nobody.
    let runs: BTreeSet<RunId> = output.objects().keys().filter_map(|key| Place::run_of(key)).collect();
    let first = runs.first().unwrap().as_str();
    for file in output.objects().into_keys().filter(|key| key.contains(first) || key.starts_with("nodes/")) {
        output.delete(&file).await.unwrap();
    }
    let of_first = output.versions("").await.unwrap().into_iter().filter(|version| version.key.contains(first));
    for version in of_first.filter(|version| !version.key.contains("/pca/")) {
        output.delete_version(&version).await.unwrap();
    }
    run(&folder.path().join("in"), &output).await.unwrap();
    let erased: BTreeSet<String> = [2, 9].map(key).into();
    let Erased { certificates, .. } = erase(&output, Some(Which::Keys(erased.clone()))).await.unwrap();
    demand_gone(&output, &erased, &[]).await;
    demand_fresh(&folder.path().join("in"), &output, &erased).await;
    assert!(certificates[0].deleted.iter().any(|file| !file.file.is_current()));
    let kept = output.versions("").await.unwrap();
    assert!(!kept.iter().any(|version| version.key.contains(first)), "a run that was deleted before");
    let is_sum = |version: &&Version| version.key.starts_with("nodes/") || version.key.ends_with(".moments");
    assert!(kept.iter().filter(is_sum).all(|version| version.kind == VersionKind::Current), "sums of older versions");
    let runs_of_kept = kept.iter().filter_map(|version| Place::run_of(&version.key));
    let runs_of_kept: BTreeSet<RunId> = runs_of_kept.collect();
    assert_eq!(runs_of_kept.len(), 1, "marks of deletions, too");
}

/// Killed after the last listing that knew of the label has gone.
#[tokio::test]
async fn the_same_command_goes_on_although_no_run_lists_the_label_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        Arc::new(MemoryStore::new("out", contents(&two_runs(folder.path()).await).await.into_iter().collect()));
    let label = || Some(Which::Label("class 2".to_owned()));
    let killed = FailingStore::new(output.clone());
    killed.on(Operation::Put, |key| key.ends_with("certificate.json"), 1.., Fault::CrashBefore);
    erase(&killed, label()).await.unwrap_err();
    assert_eq!(pomona_stages::erase::check(output.as_ref(), None).await.unwrap().pending.len(), 1);
    let Erased { certificates, .. } = erase(output.as_ref(), label()).await.unwrap();
    assert_eq!(certificates[0].request.digests.len(), 8);
}

#[derive(Clone, Debug)]
enum Event {
    Upload { first: u8, count: u8, version: u8 },
    Run,
    CrashedRun { after: u8 },
    Erase { first: u8, count: u8 },
    CrashedErasure { first: u8, after: u8 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0u8..40, 1u8..20, 0u8..3).prop_map(|(first, count, version)| Event::Upload { first, count, version }),
        3 => Just(Event::Run),
        2 => (1u8..60).prop_map(|after| Event::CrashedRun { after }),
        2 => (0u8..40, 1u8..4).prop_map(|(first, count)| Event::Erase { first, count }),
        2 => (0u8..40, 1u8..60).prop_map(|(first, after)| Event::CrashedErasure { first, after }),
    ]
}

fn crashing(output: &Arc<MemoryStore>, after: u8) -> FailingStore {
    let failing = FailingStore::new(output.clone());
    for write in WRITES {
        failing.on(write, |_| true, u64::from(after).., Fault::CrashBefore);
    }
    failing
}

/// Lives through a history and ends what of it was cut short.
/// Features of images, by their keys.
type Rows = BTreeMap<String, Vec<Vec<f32>>>;

/// Adds those that stand in tables now.
fn note_rows(output: &MemoryStore, rows: &mut Rows) {
    for (file, bytes) in output.objects().into_iter().filter(|(file, _)| file.contains("/features/parquet/")) {
        let table = ParquetTable::read(&file, bytes).unwrap();
        let values = table.vectors("features", 3).unwrap();
        for (row, path) in table.text("path").unwrap().iter().enumerate() {
            let (seen, row) = (rows.entry(path.unwrap().to_owned()).or_default(), values.row(row).to_vec());
            if !seen.contains(&row) {
                seen.push(row);
            }
        }
    }
}

/// Gives the features that there ever were.
async fn live(history: &[Event], input: &Path, output: &Arc<MemoryStore>) -> Rows {
    let (store, mut rows): (&dyn Store, Rows) = (output.as_ref(), Rows::new());
    for event in history {
        note_rows(output, &mut rows);
        match *event {
            Event::Upload { first, count, version } => upload(input, first..first + count, version),
            // A dataset that is too small at this point of the history is refused; it may grow later.
            Event::Run => drop(run(input, store).await),
            Event::CrashedRun { after } => drop(run(input, &crashing(output, after)).await),
            Event::Erase { first, count } => {
                drop(erase(store, Some(keys(first..first + count))).await);
            }
            Event::CrashedErasure { first, after } => {
                drop(erase(&crashing(output, after), Some(keys([first]))).await);
            }
        }
    }
    note_rows(output, &mut rows);
    match erase(store, None).await {
        Err(Error::NothingToErase { .. }) => {}
        Err(Error::FeaturesGone { .. }) => {
            // As the error advises.
            upload(input, 100..104, 0);
            run(input, store).await.unwrap();
            erase(store, None).await.unwrap();
        }
        ended => drop(ended.unwrap()),
    }
    rows
}

/// Of all images those that must not come back.
async fn suppressed(output: &dyn Store) -> BTreeSet<String> {
    let Some(suppressed) = Suppressed::read(output).await.unwrap() else { return BTreeSet::new() };
    (0..=u8::MAX).map(key).filter(|key| suppressed.has(key)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_history_ends_without_what_was_erased_and_in_the_result_of_a_fresh_run(
        history in prop::collection::vec(event(), 1..12),
        has_versions in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let input = folder.path().join("in");
            std::fs::create_dir(&input).unwrap();
            let output = MemoryStore::new("out", BTreeMap::new());
            let output = Arc::new(if has_versions { output.with_versions() } else { output });
            let mut rows = live(&history, &input, &output).await;
            let erased = suppressed(output.as_ref()).await;
            let rows: Vec<Vec<f32>> = erased.iter().filter_map(|key| rows.remove(key)).flatten().collect();
            demand_gone(output.as_ref(), &erased, &rows).await;
            if run(&input, output.as_ref()).await.is_ok() {
                demand_gone(output.as_ref(), &erased, &rows).await;
                demand_fresh(&input, output.as_ref(), &erased).await;
            }
        });
    }
}
