//! `verify` names every file that is not what was written, and says of which nothing says what they must be.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::damages::{self, FLIPS, Objects, damages, kind, kinds, with};
use crate::everything::{Bytewise, LOOK, PRUNE, REPAIR, World, images, look, mend, named, options, run_with, store};
use crate::support;
use pomona_formats::{Error as FileError, json};
use pomona_results::verify::{Unchecked, Unvouched};
use pomona_run::layout::{self, RunLayout};
use pomona_run::{Options, RunId, names};
use pomona_stages::Error;
use pomona_stages::lock::{self, UnknownHolders};
use pomona_stages::verify::{Mending, verify};
use pomona_store::Store;
use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};

#[tokio::test]
async fn a_whole_output_is_whole_and_what_nothing_vouches_for_is_said_to_be_so() {
    let world = World::new(8, 3).await;
    let found = look(&store(&world.output)).await;
    assert!(found.is_whole() && found.going_on.is_none(), "{found:?}");
    assert!(found.unneeded.is_empty() && found.unknown.is_empty(), "{found:?}");
    let unchecked = |reason| {
        let of_reason = found.unchecked.iter().filter(move |unchecked| unchecked.reason == reason);
        of_reason.map(|unchecked| unchecked.file.clone()).collect::<BTreeSet<String>>()
    };
    let (older, newest) = (RunLayout::new(world.older.as_str()), RunLayout::new(world.newest.as_str()));
    let by_nobody = [
        layout::FOLLOW_UP.to_owned(),
        older.tables_removed(),
        newest.cost(),
        newest.left(),
        format!("{}/map/extract/1/manifest.json", newest.root()),
    ];
    assert_eq!(unchecked(Unvouched::ByNobody), by_nobody.into());
    let refused = RunLayout::new(world.refused.as_str());
    let by_unfinished = unchecked(Unvouched::ByUnfinishedRun);
    assert!(by_unfinished.contains(&refused.page()) && by_unfinished.contains(&refused.errors(0)), "{by_unfinished:?}");
    assert!(by_unfinished.iter().all(|file| file.starts_with(refused.root())), "{by_unfinished:?}");
    assert_eq!(found.whole.files as usize + found.unchecked.len(), world.output.len());
    assert_eq!(mend(&store(&world.output), REPAIR).await.repaired.unwrap(), Default::default());
}

#[tokio::test]
async fn passes_over_wide_features_and_merged_moments_are_checked_too() {
    for (pool, images, shard_size) in [(support::widest_pool(2), 20, 2), (support::pool(2), 180, 1)] {
        let options = Options { classify: None, ..options(shard_size) };
        let output = store(&Objects::new());
        run_with(&pool, &options, images, &output, "0").await.unwrap();
        let whole = output.objects();
        let found = look(&output).await;
        assert!(found.is_whole() && found.unneeded.is_empty() && found.unchecked.is_empty(), "{found:?}");
        let (mut seen, kinds) = (0, kinds(&whole));
        for (key, other) in kinds.iter().filter(|(key, _)| key.starts_with("sweeps/") || key.starts_with("nodes/")) {
            for (what, damaged) in damages(&whole[key], &whole[other], FLIPS) {
                let found = look(&store(&with(whole.clone(), key, damaged))).await;
                assert_eq!(named(&found), [key.as_str()].into(), "{what}");
                seen += 1;
            }
        }
        assert!(seen > FLIPS, "{kinds:?}");
    }
}

#[tokio::test]
async fn whatever_happens_to_a_file_it_is_named_and_no_other_is() {
    let world = World::new(8, 3).await;
    let first_of_kinds: BTreeSet<String> = kinds(&world.output).into_iter().map(|(key, _)| key).collect();
    assert!(first_of_kinds.len() >= 39, "{first_of_kinds:?}");
    let mut excuses: BTreeSet<String> = BTreeSet::new();
    for (key, bytes) in &world.output {
        let flips = if first_of_kinds.contains(key) { FLIPS } else { 1 };
        for (what, damaged) in damages(bytes, &world.output[&damages::another(&world.output, key)], flips) {
            let found = look(&store(&with(world.output.clone(), key, damaged))).await;
            let mut named = named(&found);
            if key.ends_with("_SUCCESS") {
                named.remove(layout::LATEST);
            }
            match world.excuse(key, &what) {
                Some(excuse) => {
                    assert!(named.is_empty(), "{key}, {what}: {named:?}");
                    excuses.insert(format!("{}: {excuse}", kind(key)));
                }
                None => assert_eq!(named, [key.as_str()].into(), "{key}, {what}"),
            }
        }
    }
    // Nothing else goes untold.
    let untold = [
        "archives/*/json: nobody counts them",
        "follow-up/json: nobody vouches for it",
        "parts/fragments/*/*: nobody counts them",
        "runs/*/_TABLES_REMOVED: nobody vouches for it",
        "runs/*/classes/classes/csv: its run did not succeed",
        "runs/*/errors/*/csv: its run did not succeed",
        "runs/*/fits/json: nobody reads it again",
        "runs/*/left/json: nobody vouches for it",
        "runs/*/listing/*/parquet: its run did not succeed",
        "runs/*/map/extract/*/manifest/json: nobody vouches for it",
        "runs/*/missing/json: its run did not succeed",
        "runs/*/missing/json: nobody reads it again",
        "runs/*/plan/json: its run did not succeed",
        "runs/*/problems/Pomona/*/json: nobody counts them",
        "runs/*/report/cost/json: nobody vouches for it",
        "runs/*/report/report/html: its run did not succeed",
        "runs/*/shards/json: its run did not succeed",
        "sweeps/*/model: fits of older runs expire",
    ];
    assert_eq!(excuses, untold.map(str::to_owned).into());
}

#[tokio::test]
async fn while_a_run_is_going_on_nothing_is_changed_and_what_it_makes_is_not_judged() {
    let world = World::new(6, 3).await;
    let output = store(&world.output);
    let going_on: RunId = "20300101T000000Z-00000000".parse().unwrap();
    let layout = RunLayout::new(going_on.as_str());
    output.put(&layout.listing(0, &names::digest(b"a listing")), "in the making".into()).await.unwrap();
    output.put(&layout::part_features(&names::digest(b"in the making")), "so is this".into()).await.unwrap();
    let lease = std::time::Duration::from_secs(60);
    lock::acquire(&output, &going_on, "another test", lease, &UnknownHolders).await.unwrap();
    let found = look(&output).await;
    assert!(found.is_whole() && found.unneeded.is_empty(), "{found:?}");
    assert_eq!(found.going_on.as_ref(), Some(&going_on));
    for mending in [REPAIR, PRUNE] {
        let held = ("a test", &UnknownHolders as _);
        let refused = verify(&output, mending, held, &Bytewise::default(), std::future::pending()).await;
        assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_left_alone_and_a_store_that_falters_is_an_error() {
    let world = World::new(6, 3).await;
    let inner = Arc::new(store(&world.output));
    let key = RunLayout::new(world.newest.as_str()).pca_csv(0);
    let unreadable = FailingStore::new(inner.clone());
    let of_key = key.clone();
    unreadable.on(Operation::Get, move |read| read == of_key, 1.., Fault::denied());
    let verified = mend(&unreadable, REPAIR).await;
    assert_eq!(named(&verified.found), [key.as_str()].into());
    assert!(!verified.is_whole() && verified.found.damaged[0].problem.to_string().contains("cannot be read"));
    assert!(inner.objects() == world.output);

    let faltering = FailingStore::new(inner);
    faltering.on(Operation::Get, move |read| read == key, 1.., Fault::transient());
    let held = ("a test", &UnknownHolders as _);
    let failed = verify(&faltering, LOOK, held, &Bytewise::default(), std::future::pending()).await;
    assert!(matches!(failed, Err(Error::File(FileError::Store(_)))), "{failed:?}");
}

#[tokio::test]
async fn a_place_that_no_run_has_written_to_is_no_output() {
    let output = MemoryStore::new("photos", images(3));
    for mending in [LOOK, REPAIR, PRUNE] {
        let held = ("a test", &UnknownHolders as _);
        let error = verify(&output, mending, held, &Bytewise::default(), std::future::pending()).await.unwrap_err();
        assert!(matches!(error, Error::File(FileError::NoRun { .. })), "{error}");
    }
    assert!(output.objects() == images(3));
}

#[tokio::test]
async fn what_another_version_wrote_is_not_damaged_and_nothing_is_done_to_its_run() {
    let world = World::new(6, 3).await;
    let output = store(&world.output);
    let layout = RunLayout::new(world.newest.as_str());
    let mut plan: serde_json::Value = serde_json::from_slice(&world.output[&layout.plan()]).unwrap();
    let fields = plan.as_object_mut().unwrap();
    assert!(fields.remove("sha256").is_some() && fields.remove("shard_bits").is_some());
    output.put(&layout.plan(), json::seal(&layout.plan(), &plan).unwrap()).await.unwrap();
    let before = output.objects();
    let found = mend(&output, Mending { repairs: true, prunes: true }).await.found;
    assert!(found.is_whole() && found.unneeded.is_empty(), "{found:?}");
    let is_of_other = |file: &&Unchecked| file.reason == Unvouched::ByOtherVersion;
    let of_others: Vec<&str> = found.unchecked.iter().filter(is_of_other).map(|file| file.file.as_str()).collect();
    assert_eq!(of_others, [layout.plan().as_str()]);
    assert!(output.objects() == before);
}
