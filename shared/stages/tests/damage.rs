//! Damage to what a run left behind is found before it is used, and the next run makes it good.

#[path = "support/damages.rs"]
mod damages;
#[path = "support/result.rs"]
mod result;
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use damages::{Damaged, FLIPS, Objects, damages, kinds, pairs, with};
use pomona_dataset::Images;
use pomona_formats::Error as FileError;
use pomona_formats::moments_file;
use pomona_formats::numbers::Numbers;
use pomona_pca::Components;
use pomona_results::inspect::{self, Inspection};
use pomona_results::latest;
use pomona_results::search::{self, Hit, Space};
use pomona_run::classify::{Classify, ClassifyOn};
use pomona_run::options::CsvTables;
use pomona_run::tree::Kind;
use pomona_run::{Options, RunId, layout};
use pomona_stages::Error;
use pomona_stages::compute::ComputePool;
use pomona_stages::local::{self, Job, Summary};
use pomona_stages::lock::NoOtherHolders;
use pomona_stages::models::Models;
use pomona_stages::recipe;
use pomona_stages::retention::KeepRuns;
use pomona_store::LocalStore;
use pomona_store::testing::MemoryStore;
use result::result_in;

fn images(count: u64) -> Objects {
    let image = |image| (format!("class {}/{image}.png", image % 3), support::picture(image).into());
    let unusable = ("class 0/empty.png".to_owned(), Bytes::new());
    (0..count).map(image).chain([unusable]).collect()
}

fn options(shard_size: u64) -> Options {
    Options { shard_size, components: Components::Count(2), csv: CsvTables::All, ..Options::default() }
}

/// What a first run over some images left behind, what another run should make of them, and of one image more.
struct World {
    pool: ComputePool,
    options: Options,
    images: u64,
    keep_runs: KeepRuns,
    output: Objects,
    expected: BTreeMap<String, Vec<u8>>,
    expected_of_one_more: BTreeMap<String, Vec<u8>>,
}

impl World {
    async fn new(images: u64, shard_size: u64) -> Self {
        let mut world = Self::empty(images, Options { max_reject_share: 0.5, ..options(shard_size) });
        let output = world.fresh(images).await;
        world.expected = result_in(&output).await;
        world.expected_of_one_more = result_in(&world.fresh(images + 1).await).await;
        world.output = output.objects();
        world
    }

    /// As [`World::new`], of a run that learns labels by passes, after one that has lost its tables to it.
    async fn learning(images: u64, shard_size: u64) -> Self {
        let classify = Classify {
            classify_on: ClassifyOn::Components,
            regularization: 0.1,
            max_iterations: 3,
            ..Classify::default()
        };
        let options = Options { max_reject_share: 0.5, classify: Some(classify), ..options(shard_size) };
        let mut world = Self { keep_runs: "1".parse().unwrap(), ..Self::empty(images, options) };
        world.expected = result_in(&world.fresh(images).await).await;
        world.expected_of_one_more = result_in(&world.fresh(images + 1).await).await;
        let output = world.fresh(images - 1).await;
        world.run(&output, images).await.unwrap();
        world.output = output.objects();
        world
    }

    fn empty(images: u64, options: Options) -> Self {
        let (expected, expected_of_one_more) = Default::default();
        let (pool, keep_runs, output) = (support::pool(2), KeepRuns::default(), Objects::new());
        Self { pool, options, images, keep_runs, output, expected, expected_of_one_more }
    }

    /// An output with one run over so many images.
    async fn fresh(&self, images: u64) -> MemoryStore {
        let fresh = MemoryStore::new("out", Objects::new());
        self.run(&fresh, images).await.unwrap();
        fresh
    }

    async fn run(&self, output: &MemoryStore, count: u64) -> Result<Summary, Error> {
        self.run_with(output, count, &self.options, None).await
    }

    async fn run_with(
        &self,
        output: &MemoryStore,
        count: u64,
        options: &Options,
        models: Option<&Models<'_>>,
    ) -> Result<Summary, Error> {
        let (input, keep_runs) = (MemoryStore::new("in", images(count)), self.keep_runs);
        let input = &Images::new(&input);
        let job = Job { input, output, options, models, pool: &self.pool, holder: "a test", keep_runs };
        let finished = local::run(&job, &NoOtherHolders, &support::Silent, std::future::pending()).await?;
        Ok(finished.expect("nobody stopped the run"))
    }

    /// Every run over the damaged output is as if it were whole.
    async fn assert_mended(&self, harm: &Harm) {
        let output = harm.store();
        let run = self.run(&output, self.images).await;
        run.unwrap_or_else(|error| panic!("{harm}: {error}"));
        assert!(result_in(&output).await == self.expected, "{harm}: another result");
        assert!(self.look(&output).await.is_ok(), "{harm}: damaged still");

        let output = harm.store();
        let run = self.run(&output, self.images + 1).await;
        run.unwrap_or_else(|error| panic!("{harm}, one image more: {error}"));
        assert!(result_in(&output).await == self.expected_of_one_more, "{harm}, one image more: another result");
    }

    /// What `inspect` and `search` show.
    async fn look(&self, output: &MemoryStore) -> Result<(Inspection, Vec<Hit>, Vec<Hit>), Error> {
        let run_id = inspect::find_run(output, None).await?;
        let mut inspection = inspect::inspect(output, &run_id).await?;
        // The size of a file that nobody reads tells of nothing else.
        inspection.folders.clear();
        let recipe = recipe::of(self.pool.extractor().model());
        let features = search::search(output, &run_id, &recipe, &[0.1, 0.2, 0.9], Space::Features, 5).await?;
        let components = search::search(output, &run_id, &recipe, &[0.1, 0.2, 0.9], Space::Components, 5).await?;
        Ok((inspection, features, components))
    }

    /// What is shown of the damaged output is what was shown of the whole one, or the file's name.
    async fn assert_noticed(&self, harm: &Harm) {
        let whole = self.look(&MemoryStore::new("out", self.output.clone())).await.unwrap();
        match self.look(&harm.store()).await {
            Ok(shown) => assert!(text(&shown) == text(&whole), "{harm}: other things are shown"),
            Err(error) => harm.assert_named(&error),
        }
    }
}

impl World {
    /// The tables of a run over the same images that takes the models of `results`.
    async fn apply(&self, results: &MemoryStore) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let models = Models::find(results, None).await?;
        let output = MemoryStore::new("applied", Objects::new());
        let own = Options { shard_size: self.options.shard_size, max_reject_share: 0.5, ..Options::default() };
        self.run_with(&output, self.images, &own, Some(&models)).await?;
        Ok(result_in(&output).await)
    }

    /// The models are what they were, or the file is named.
    async fn assert_applied(&self, harm: &Harm, expected: &BTreeMap<String, Vec<u8>>) {
        match self.apply(&harm.store()).await {
            Ok(applied) => assert!(applied == *expected, "{harm}: another result"),
            Err(error) => harm.assert_named(&error),
        }
    }
}

/// What has happened to some of an output's files at the same time.
struct Harm {
    files: Vec<(String, String)>,
    output: Objects,
}

impl Harm {
    /// To one of them.
    fn one(whole: &Objects, key: &str, (what, damaged): (String, Damaged)) -> Self {
        Self { files: vec![(key.to_owned(), what)], output: with(whole.clone(), key, damaged) }
    }

    /// To two of them.
    fn two(whole: &Objects, pair: [(String, String, Damaged); 2]) -> Self {
        let mut harm = Self { files: Vec::new(), output: whole.clone() };
        for (key, what, damaged) in pair {
            harm.output = with(harm.output, &key, damaged);
            harm.files.push((key, what));
        }
        harm
    }

    fn store(&self) -> MemoryStore {
        MemoryStore::new("out", self.output.clone())
    }

    /// Whoever cannot show or take what was there names one of the files.
    fn assert_named(&self, error: &Error) {
        let is_named = match error {
            // Without latest.json nobody knows of a run.
            Error::File(FileError::NoRun { .. }) => {
                self.files.iter().any(|(key, what)| key == "latest.json" && what == "missing")
            }
            // latest.json may name a run that is not there, or the run lacks its mark.
            Error::File(FileError::Damaged { file, .. }) => {
                self.files.iter().any(|(key, _)| file == key || (file == "latest.json" && key.ends_with("_SUCCESS")))
            }
            Error::Models { problem, .. } => self.files.iter().any(|(key, _)| problem.contains(key)),
            _ => false,
        };
        assert!(is_named, "{self}: {error}");
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<String> = self.files.iter().map(|(key, what)| format!("{key}, {what}")).collect();
        formatter.write_str(&files.join("; "))
    }
}

fn text(shown: &(Inspection, Vec<Hit>, Vec<Hit>)) -> String {
    serde_json::to_string(shown).unwrap()
}

#[tokio::test]
async fn whatever_happens_to_a_file_is_noticed_by_those_who_look_and_mended_by_those_who_run() {
    let world = World::new(7, 3).await;
    assert!(kinds(&world.output).len() > 25, "{:?}", kinds(&world.output));
    world.assert_all_noticed_and_mended(|_| true).await;
}

#[tokio::test]
async fn so_is_what_happens_to_labels_that_were_learned_and_to_a_run_without_tables() {
    let world = World::learning(8, 3).await;
    let plain: Vec<String> = kinds(&World::new(7, 3).await.output).iter().map(|(key, _)| damages::kind(key)).collect();
    let is_new = |key: &str| !plain.contains(&damages::kind(key));
    let new = kinds(&world.output).into_iter().filter(|(key, _)| is_new(key)).count();
    assert!(new >= 7, "models of fits and classifiers, figures, predictions, the word in the place of tables: {new}");
    world.assert_all_noticed_and_mended(is_new).await;
}

impl World {
    async fn assert_all_noticed_and_mended(&self, is_meant: impl Fn(&str) -> bool) {
        for (key, other) in kinds(&self.output).into_iter().filter(|(key, _)| is_meant(key)) {
            for damage in damages(&self.output[&key], &self.output[&other], FLIPS) {
                let harm = Harm::one(&self.output, &key, damage);
                self.assert_noticed(&harm).await;
                self.assert_mended(&harm).await;
            }
        }
    }
}

#[tokio::test]
async fn so_is_what_happens_to_two_files_at_once() {
    for world in [World::new(7, 3).await, World::learning(8, 3).await] {
        for pair in pairs(&world.output, 100) {
            let harm = Harm::two(&world.output, pair);
            world.assert_noticed(&harm).await;
            world.assert_mended(&harm).await;
        }
    }
}

#[tokio::test]
async fn whatever_happens_to_a_file_models_are_taken_from_the_run_as_they_were_or_the_file_is_named() {
    let world = World::learning(8, 3).await;
    let expected = world.apply(&MemoryStore::new("out", world.output.clone())).await.unwrap();
    for (key, other) in kinds(&world.output) {
        for damage in damages(&world.output[&key], &world.output[&other], FLIPS) {
            world.assert_applied(&Harm::one(&world.output, &key, damage), &expected).await;
        }
    }
    for pair in pairs(&world.output, 100) {
        world.assert_applied(&Harm::two(&world.output, pair), &expected).await;
    }
}

/// The names of the parts that store no moments.
async fn without_moments(output: &Objects) -> Vec<String> {
    let store = MemoryStore::new("out", output.clone());
    let names = output.keys().filter_map(|key| key.strip_prefix("parts/")?.strip_suffix(".moments"));
    let mut found = Vec::new();
    for name in names {
        let part = moments_file::read(&store, Kind::Part, name, &RunId::now()).await.unwrap();
        if let Numbers::InFeatures { .. } = part.file.numbers {
            found.push(name.to_owned());
        }
    }
    found
}

#[tokio::test]
async fn whatever_happens_to_a_part_that_stores_no_moments_is_mended() {
    let world = World::new(7, 1).await;
    let parts = without_moments(&world.output).await;
    assert!(parts.len() > 1, "{parts:?}");
    for key in [layout::part_moments, layout::part_features, layout::part_rejects] {
        let (key, other) = (key(&parts[0]), key(&parts[1]));
        for damage in damages(&world.output[&key], &world.output[&other], FLIPS) {
            world.assert_mended(&Harm::one(&world.output, &key, damage)).await;
        }
    }
}

#[tokio::test]
async fn damaged_features_that_merging_meets_are_mended_all_at_once() {
    let world = World::new(180, 1).await;
    let mut objects = world.output.clone();
    let parts = without_moments(&objects).await;
    for part in &parts {
        objects.insert(layout::part_features(part), Bytes::from_static(b"something else"));
    }
    // Without nodes every part is merged.
    objects.retain(|key, _| !key.starts_with("nodes/"));
    let output = MemoryStore::new("out", objects);
    // No run is planned anew that often.
    assert!(parts.len() > 20, "{}", parts.len());
    world.run(&output, world.images).await.unwrap();
    assert!(result_in(&output).await == world.expected);
}

#[tokio::test]
async fn whatever_happens_to_merged_moments_is_mended() {
    let world = World::new(180, 1).await;
    let moments = |key: &String| key.ends_with(".moments");
    let keys: Vec<&String> = world.output.keys().filter(|key| moments(key)).collect();
    let nodes: Vec<&&String> = keys.iter().filter(|key| key.starts_with("nodes/")).collect();
    assert!(nodes.len() > 1, "{nodes:?}");
    for damage in damages(&world.output[*nodes[0]], &world.output[*nodes[1]], FLIPS) {
        world.assert_mended(&Harm::one(&world.output, nodes[0], damage)).await;
    }
    let output = MemoryStore::new("out", world.output.clone());
    let run = world.run(&output, world.images).await.unwrap();
    assert_eq!(run.extracted.computed, 0, "nothing was damaged");

    // All at once, at the end of the numbers, where no header tells.
    let spoil = |(key, bytes): (&String, &Bytes)| {
        let mut bytes = bytes.to_vec();
        if key.starts_with("parts/") || key.starts_with("nodes/") {
            *bytes.last_mut().unwrap() ^= 1;
        }
        (key.clone(), bytes.into())
    };
    let output = MemoryStore::new("out", world.output.iter().map(spoil).collect());
    world.run(&output, world.images).await.unwrap();
    assert!(result_in(&output).await == world.expected);
}

#[tokio::test]
async fn a_file_that_is_damaged_while_its_run_is_going_is_made_again_by_the_same_run() {
    let world = World::new(180, 1).await;
    let read_again = [
        "/plan.json",
        "/shards.json",
        "/missing.json",
        "/merge/1.json",
        "/merge/2.json",
        "/listing/",
        "/classes.csv",
        ".features.parquet",
        ".rejects.parquet",
        ".moments",
        "nodes/",
        "pca_model.parquet",
        "/digests/reduce.json",
        "/counters/",
    ];
    for name in read_again {
        let output = MemoryStore::new("out", Objects::new());
        output.spoil(move |key| key.contains(name));
        world.run(&output, world.images).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(result_in(&output).await == world.expected, "{name}");
    }
}

#[tokio::test]
async fn a_file_of_a_folder_that_two_names_share_is_mended_although_both_were_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    for (key, bytes) in images(7) {
        support::write(&input, &key, &bytes);
    }
    let (pool, options) = (support::pool(1), Options { max_reject_share: 0.5, ..options(3) });
    let first = support::run(&input, &output, &options, &pool).await.unwrap();
    let expected = result::result(&output).await;
    for file in std::fs::read_dir(output.join("parts")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let second = support::run(&input, &output, &options, &pool).await.unwrap();
    assert_eq!(second.extracted.computed, first.extracted.computed);
    assert!(result::result(&output).await == expected);
    let store = LocalStore::open(&output).unwrap();
    assert_eq!(latest::read(&store).await.unwrap().unwrap().run_id, second.plan.run_id);
}
