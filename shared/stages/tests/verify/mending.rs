//! What `verify` finds it mends as far as nothing need be computed, and it removes what nobody needs.

use std::collections::BTreeSet;

use crate::damages::{FLIPS, Objects, damages, kinds, pairs, with};
use crate::everything::{PRUNE, REPAIR, World, look, mend, named, options, run_with, store};
use crate::result::result_in;
use crate::support;
use bytes::Bytes;
use pomona_results::latest;
use pomona_results::verify::Verification;
use pomona_run::layout::{self, RunLayout};
use pomona_run::{Options, names};
use pomona_stages::compute::ComputePool;
use pomona_stages::verify::Mending;
use pomona_store::testing::{MemoryStore, S3Server};
use pomona_store::{LocalStore, Store};

#[tokio::test]
async fn what_was_repaired_is_whole_after_a_run_and_that_is_as_a_fresh_one() {
    let world = World::new(8, 3).await;
    for (key, other) in kinds(&world.output) {
        for (what, damaged) in damages(&world.output[&key], &world.output[&other], FLIPS) {
            let output = store(&with(world.output.clone(), &key, damaged));
            world.assert_repaired(&output, &format!("{key}, {what}")).await;
        }
    }
}

impl World {
    /// After a repair nothing is damaged, and what is missing is made by the next run.
    async fn assert_repaired(&self, output: &MemoryStore, what: &str) {
        let verified = mend(output, REPAIR).await;
        let left: Vec<_> = verified.repaired.iter().flat_map(|repaired| &repaired.left).collect();
        let is_expected = |left: &str| left == layout::LATEST && what.contains("missing");
        assert!(left.iter().all(|left| is_expected(&left.file)), "{what}: {left:?}");
        assert_eq!(verified.is_whole(), left.is_empty(), "{what}");
        let found = look(output).await;
        assert!(found.damaged.is_empty(), "{what}: {:?}", found.damaged);
        self.run(output, self.images).await;
        assert!(result_in(output).await == self.expected, "{what}: another result");
        let found = look(output).await;
        assert!(found.is_whole(), "{what}: {:?} {:?}", found.damaged, found.missing);
    }
}

#[tokio::test]
async fn of_two_damaged_files_both_are_named_unless_one_vouches_for_the_other_and_both_are_mended() {
    let world = World::new(8, 3).await;
    for pair in pairs(&world.output, 200) {
        let mut objects = world.output.clone();
        for (key, _, damaged) in &pair {
            objects = with(objects, key, damaged.clone());
        }
        let output = store(&objects);
        let found = look(&output).await;
        let named = named(&found);
        let unchecked: BTreeSet<&str> = found.unchecked.iter().map(|unchecked| unchecked.file.as_str()).collect();
        let unneeded: BTreeSet<&str> = found.unneeded.iter().map(|unneeded| unneeded.file.as_str()).collect();
        let is_told = |key: &str, what: &str| {
            named.contains(key)
                || unchecked.contains(key)
                || unneeded.contains(key)
                || world.excuse(key, what).is_some()
        };
        let [(first, what, _), (second, what_else, _)] = &pair;
        let text = format!("{first}, {what}; {second}, {what_else}");
        let told = [is_told(first, what), is_told(second, what_else)];
        let are_gone = [what == "missing", what_else == "missing"];
        // What is gone and was vouched for by what is damaged is nobody's loss to tell.
        assert!(told[0] || are_gone[0] && told[1], "{text}: {named:?}");
        assert!(told[1] || are_gone[1] && told[0], "{text}: {named:?}");
        let is_either_named = named.contains(first.as_str()) || named.contains(second.as_str());
        let are_excused = world.excuse(first, what).is_some() && world.excuse(second, what_else).is_some();
        assert!(is_either_named || are_excused, "{text}: {named:?}");
        world.assert_repaired(&output, &text).await;
    }
}

#[tokio::test]
async fn features_that_stand_twice_are_copied_from_where_they_are_whole() {
    let pool = support::pool(2);
    let options = Options { classify: None, ..options(3) };
    let output = store(&Objects::new());
    let run_id = run_with(&pool, &options, 8, &output, "0").await.unwrap().plan.run_id;
    let whole = output.objects();
    let table = RunLayout::new(run_id.as_str()).features_parquet(0);
    let part = whole.iter().find(|(key, bytes)| key.starts_with("parts/") && **bytes == whole[&table]).unwrap().0;
    for key in [&table, part] {
        for (what, damaged) in damages(&whole[key], &Bytes::from_static(b"other"), 2) {
            let output = store(&with(whole.clone(), key, damaged));
            let verified = mend(&output, REPAIR).await;
            assert_eq!(verified.repaired.unwrap().restored, std::slice::from_ref(key), "{what}");
            assert!(output.objects() == whole, "{key}, {what}");
        }
    }
    // Both at once are lost.
    let objects = with(with(whole.clone(), part, None), &table, None);
    let output = store(&objects);
    let repaired = mend(&output, REPAIR).await.repaired.unwrap();
    assert_eq!((repaired.set_aside, repaired.withdrawn), (vec![part.clone(), layout::LATEST.to_owned()], vec![run_id]));
    assert!(latest::read(&output).await.unwrap().is_none());
    assert!(run_with(&pool, &options, 8, &output, "0").await.unwrap().extracted.computed > 0);
}

#[tokio::test]
async fn a_report_is_written_again_where_all_that_it_is_made_of_is_whole() {
    let world = World::new(8, 3).await;
    let layout = RunLayout::new(world.newest.as_str());
    for file in [layout.page(), layout.model_info(), layout.validation(), layout.metrics(), layout.report_digests()] {
        for (what, damaged) in damages(&world.output[&file], &Bytes::from_static(b"other"), 1) {
            let output = store(&with(world.output.clone(), &file, damaged));
            let repaired = mend(&output, REPAIR).await.repaired.unwrap();
            assert_eq!((&repaired.restored[..], &repaired.withdrawn[..]), (&[file.clone()][..], &[][..]), "{what}");
            assert!(output.objects() == world.output, "{file}, {what}");
        }
    }
    // Nobody else knows how long the stages took.
    let output = store(&with(world.output.clone(), &layout.timings(), None));
    assert_eq!(mend(&output, REPAIR).await.repaired.unwrap().restored, [layout.timings()]);
    let found = look(&output).await;
    assert!(found.is_whole() && found.unneeded.is_empty(), "{found:?}");
}

#[tokio::test]
async fn listings_that_were_called_by_their_number_are_whole() {
    let world = World::new(8, 3).await;
    let output = store(&world.output);
    for key in world.output.keys().filter(|key| key.contains("/listing/")) {
        let (folder, name) = key.rsplit_once('/').unwrap();
        let by_number = format!("{folder}/{}.parquet", name.split_once('-').unwrap().0);
        output.copy(key, &by_number).await.unwrap();
        output.delete(key).await.unwrap();
    }
    let verified = mend(&output, Mending { repairs: true, prunes: true }).await;
    assert!(verified.found.is_whole() && verified.found.unknown.is_empty(), "{:?}", verified.found);
    assert!(output.objects().contains_key(&RunLayout::new(world.newest.as_str()).success()));
}

#[tokio::test]
async fn where_the_newest_run_is_withdrawn_the_one_before_it_takes_its_place() {
    let pool = support::pool(2);
    let output = store(&Objects::new());
    let mut runs = Vec::new();
    for images in 6..9 {
        runs.push(run_with(&pool, &options(3), images, &output, "0").await.unwrap().plan.run_id);
    }
    let layouts: Vec<RunLayout> = runs.iter().map(|run_id| RunLayout::new(run_id.as_str())).collect();
    output.put(&layouts[2].pca_csv(0), "no table".into()).await.unwrap();
    output.put(layout::PLANNED, "no runs".into()).await.unwrap();
    let whole = output.objects();
    let verified = mend(&output, REPAIR).await;
    assert!(verified.is_whole() && !verified.found.is_whole());
    let repaired = verified.repaired.unwrap();
    assert_eq!(repaired.withdrawn, [runs[2].clone()]);
    assert_eq!(repaired.restored, [layout::LATEST, layout::PLANNED]);
    assert_eq!(latest::read(&output).await.unwrap().unwrap().run_id, runs[1]);
    let found = look(&output).await;
    assert!(found.is_whole(), "{:?} {:?}", found.damaged, found.missing);
    // Its tables are left, and nobody but who made them may say that nobody needs them.
    assert!(found.unneeded.is_empty(), "{:?}", found.unneeded);
    assert!(output.objects().contains_key(&layouts[2].pca_parquet(0)));
    // planned.json is as it was.
    let fresh = store(&whole);
    let rewritten = mend(&fresh, REPAIR).await;
    assert!(rewritten.is_whole());
    assert_eq!(output.objects()[layout::PLANNED], fresh.objects()[layout::PLANNED]);
    let computed = run_with(&pool, &options(3), 9, &output, "0").await.unwrap().extracted.computed;
    assert_eq!(computed, 1, "the features of the withdrawn run serve the next one");
}

#[tokio::test]
async fn a_run_is_whole_although_somebody_had_begun_to_withdraw_it() {
    let world = World::new(8, 3).await;
    let word = RunLayout::new(world.newest.as_str()).withdrawn();
    let found = look(&store(&with(world.output.clone(), &word, Some("it is no result any more".into())))).await;
    assert!(found.is_whole() && found.unknown.is_empty() && found.unneeded.is_empty(), "{found:?}");
}

/// What runs compute over so many images of a copy of an output, and of one more.
async fn computed(pool: &ComputePool, options: &Options, images: u64, objects: &Objects) -> [u64; 2] {
    let mut computed = [0, 0];
    for (more, computed) in (0..).zip(&mut computed) {
        let output = store(objects);
        *computed = run_with(pool, options, images + more, &output, "0").await.unwrap().extracted.computed;
    }
    computed
}

#[tokio::test]
async fn what_is_pruned_is_missed_by_no_later_run() {
    let world = World::new(8, 3).await;
    let output = store(&world.output);
    // A run that was killed before its plan was written, leftovers of a part and of a fit, an old lock, a table of a run
    // that did not succeed, one whose removal was cut short; and what is not ours.
    let killed = RunLayout::new("20200101T000000Z-00000000");
    let unused = names::digest(b"unused");
    let newest_fit = world.newest_fits.first().unwrap();
    let part = world.output.keys().find_map(|key| key.strip_prefix("parts/")?.strip_suffix(".moments")).unwrap();
    let unneeded = [
        killed.listing(0, &unused),
        killed.errors(0),
        layout::part_features(&unused),
        layout::part_fragment(&unused, "x"),
        layout::part_fragment(part, "y"),
        layout::node_moments(&unused),
        layout::sweep_model(&unused),
        layout::sweep_state(newest_fit, 3),
        layout::LOCK.to_owned(),
        RunLayout::new(world.refused.as_str()).counters(0),
        RunLayout::new(world.older.as_str()).metadata(0),
        RunLayout::new(world.newest.as_str()).listing(0, &unused),
    ];
    for key in &unneeded {
        output.put(key, "left over".into()).await.unwrap();
    }
    let stale = format!(
        "{{\"run_id\": \"{}\", \"holder\": \"x\", \"since\": \"2020-01-01T00:00:00Z\", \"until\": \"2020-01-01T00:01:00Z\"}}",
        world.older
    );
    output.put(layout::LOCK, stale.into()).await.unwrap();
    let foreign = [
        "notes.txt".to_owned(),
        "parts/notes.txt".to_owned(),
        "runs/notes".to_owned(),
        format!("runs/{}/mine.csv", world.newest),
        format!("runs/{}/features/mine.csv", world.refused),
        format!("{}/notes.txt", killed.root()),
    ];
    for key in &foreign {
        output.put(key, "not ours".into()).await.unwrap();
    }
    let found = look(&output).await;
    assert!(found.is_whole(), "{:?} {:?}", found.damaged, found.missing);
    let named: BTreeSet<&String> = found.unneeded.iter().map(|unneeded| &unneeded.file).collect();
    assert_eq!(named, unneeded.iter().collect());
    assert_eq!(found.unknown.iter().collect::<BTreeSet<_>>(), foreign.iter().collect());

    let before = computed(&world.pool, &world.options, world.images, &output.objects()).await;
    let pruned = mend(&output, PRUNE).await.pruned.unwrap();
    // The lock was replaced by that of the pruning.
    assert_eq!(pruned.files as usize, unneeded.len() - 1);
    let mut left = output.objects();
    foreign.iter().for_each(|key| assert!(left.remove(key).is_some(), "{key}"));
    assert!(left == world.output, "{:?}", left.keys().collect::<Vec<_>>());
    assert_eq!(computed(&world.pool, &world.options, world.images, &left).await, before);
    assert_eq!(before, [0, 1]);
}

#[tokio::test]
async fn a_run_that_nobody_remembers_any_more_is_pruned_with_its_parts_and_a_successful_one_is_not() {
    let pool = support::pool(2);
    let output = store(&Objects::new());
    let options = options(3);
    run_with(&pool, &options, 8, &output, "0").await.unwrap();
    let strict = Options { max_reject_share: 0.0, max_pixels: 7, ..options.clone() };
    let before = output.objects();
    run_with(&pool, &strict, 8, &output, "0").await.unwrap_err();
    let of_refused: BTreeSet<String> = output.objects().into_keys().filter(|key| !before.contains_key(key)).collect();
    assert!(of_refused.iter().any(|key| key.starts_with("parts/")), "{of_refused:?}");
    assert!(look(&output).await.unneeded.is_empty(), "planned.json remembers it");
    output.put(layout::PLANNED, before[layout::PLANNED].clone()).await.unwrap();
    let found = look(&output).await;
    let unneeded: BTreeSet<String> = found.unneeded.iter().map(|unneeded| unneeded.file.clone()).collect();
    assert_eq!(unneeded, of_refused);
    // Nobody is sure while a list of what is used cannot be read.
    let doubtful = store(&output.objects());
    doubtful.put(layout::PLANNED, "nothing".into()).await.unwrap();
    assert!(look(&doubtful).await.unneeded.is_empty());
    mend(&output, PRUNE).await;
    assert!(output.objects() == before);
}

#[tokio::test]
async fn a_folder_and_a_bucket_are_verified_alike() {
    let world = World::new(6, 3).await;
    let server = S3Server::start();
    server.create_bucket("results").await;
    let bucket = server.store("s3://results/all");
    let folder = tempfile::tempdir().unwrap();
    let local = LocalStore::create(folder.path()).unwrap();
    let key = world.output.keys().find(|key| key.ends_with(".features.parquet")).unwrap();
    for output in [&bucket as &dyn Store, &local] {
        for (key, bytes) in &world.output {
            output.put(key, bytes.clone()).await.unwrap();
        }
        let found = look(output).await;
        assert_eq!(Verification { location: "out".to_owned(), ..found }, look(&store(&world.output)).await);
        output.put(key, support::flipped(&world.output[key])).await.unwrap();
        output.put(&layout::node_moments(&names::digest(b"unused")), "left over".into()).await.unwrap();
        let verified = mend(output, Mending { repairs: true, prunes: true }).await;
        assert_eq!(named(&verified.found), [key.as_str()].into());
        assert!(verified.is_whole());
        assert_eq!(verified.pruned.unwrap().files, 1);
        world.run(output, world.images).await;
        assert!(result_in(output).await == world.expected && look(output).await.is_whole());
    }
}
