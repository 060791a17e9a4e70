//! Damage to what a run left behind is found before it is used, and the next run makes it good.

#[path = "support/result.rs"]
mod result;
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pomona_dataset::Images;
use pomona_formats::Error as FileError;
use pomona_formats::moments_file;
use pomona_formats::numbers::Numbers;
use pomona_pca::Components;
use pomona_results::inspect::{self, Inspection};
use pomona_results::latest;
use pomona_results::search::{self, Hit, Space};
use pomona_run::options::CsvTables;
use pomona_run::tree::Kind;
use pomona_run::{Options, RunId, layout};
use pomona_stages::Error;
use pomona_stages::compute::ComputePool;
use pomona_stages::local::{self, Job, Summary};
use pomona_stages::lock::NoOtherHolders;
use pomona_stages::recipe;
use pomona_stages::retention::KeepRuns;
use pomona_store::LocalStore;
use pomona_store::testing::MemoryStore;
use result::result_in;

type Objects = BTreeMap<String, Bytes>;

/// Places in a file at which a bit is flipped.
const FLIPS: usize = 20;

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
    output: Objects,
    expected: BTreeMap<String, Vec<u8>>,
    expected_of_one_more: BTreeMap<String, Vec<u8>>,
}

impl World {
    async fn new(images: u64, shard_size: u64) -> Self {
        let (pool, options) = (support::pool(2), Options { max_reject_share: 0.5, ..options(shard_size) });
        let mut world = Self {
            pool,
            options,
            images,
            output: Objects::new(),
            expected: BTreeMap::new(),
            expected_of_one_more: BTreeMap::new(),
        };
        let fresh = MemoryStore::new("out", Objects::new());
        world.run(&fresh, images + 1).await.unwrap();
        world.expected_of_one_more = result_in(&fresh).await;
        let fresh = MemoryStore::new("out", Objects::new());
        world.run(&fresh, images).await.unwrap();
        world.expected = result_in(&fresh).await;
        world.output = fresh.objects();
        world
    }

    async fn run(&self, output: &MemoryStore, count: u64) -> Result<Summary, Error> {
        let input = MemoryStore::new("in", images(count));
        let job = Job {
            input: &Images::new(&input),
            output,
            options: &self.options,
            models: None,
            pool: &self.pool,
            holder: "a test",
            keep_runs: KeepRuns::default(),
        };
        let finished = local::run(&job, &NoOtherHolders, &support::Silent, std::future::pending()).await?;
        Ok(finished.expect("nobody stopped the run"))
    }

    /// The output with `bytes` at `key`, or without that file.
    fn damaged(&self, key: &str, bytes: Option<Bytes>) -> MemoryStore {
        let mut objects = self.output.clone();
        match bytes {
            Some(bytes) => objects.insert(key.to_owned(), bytes),
            None => objects.remove(key),
        };
        MemoryStore::new("out", objects)
    }

    /// Every run over the damaged output is as if it were whole.
    async fn assert_mended(&self, key: &str, what: &str, bytes: Option<Bytes>) {
        let output = self.damaged(key, bytes.clone());
        let run = self.run(&output, self.images).await;
        run.unwrap_or_else(|error| panic!("{key}, {what}: {error}"));
        assert!(result_in(&output).await == self.expected, "{key}, {what}: another result");
        assert!(self.look(&output).await.is_ok(), "{key}, {what}: damaged still");

        let output = self.damaged(key, bytes);
        let run = self.run(&output, self.images + 1).await;
        run.unwrap_or_else(|error| panic!("{key}, {what}, one image more: {error}"));
        assert!(result_in(&output).await == self.expected_of_one_more, "{key}, {what}, one image more: another result");
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
    async fn assert_noticed(&self, key: &str, what: &str, bytes: Option<Bytes>) {
        let whole = self.look(&MemoryStore::new("out", self.output.clone())).await.unwrap();
        match self.look(&self.damaged(key, bytes)).await {
            Ok(shown) => assert!(text(&shown) == text(&whole), "{key}, {what}: other things are shown"),
            // Without latest.json nobody knows of a run.
            Err(Error::File(FileError::NoRun { .. })) => {
                assert_eq!((key, what), ("latest.json", "missing"))
            }
            // latest.json may name a run that is not there, or the run lacks its mark.
            Err(Error::File(FileError::Damaged { file, .. })) => {
                assert!(file == key || (file == "latest.json" && key.ends_with("_SUCCESS")), "{key}, {what}: {file}");
            }
            Err(error) => panic!("{key}, {what}: {error}"),
        }
    }
}

fn text(shown: &(Inspection, Vec<Hit>, Vec<Hit>)) -> String {
    serde_json::to_string(shown).unwrap()
}

/// One file of each kind with another of its kind, or else of its folder, that will be put in its place.
fn kinds(output: &Objects) -> Vec<(String, String)> {
    let mut found = BTreeSet::new();
    let mut kinds = Vec::new();
    for key in output.keys() {
        if found.insert(kind(key)) {
            let others = || output.keys().filter(|other| *other != key);
            let alike = others().find(|other| kind(other) == kind(key));
            let other = alike.or_else(|| others().find(|other| extension(other) == extension(key)));
            kinds.push((key.clone(), other.or_else(|| others().next()).unwrap().clone()));
        }
    }
    kinds
}

/// The key without the names of parts, runs and shards.
fn kind(key: &str) -> String {
    let is_name = |word: &str| word.len() >= 16 || word.bytes().all(|byte| byte.is_ascii_digit());
    let words = key.split(['/', '.']).map(|word| if is_name(word) { "*" } else { word });
    words.collect::<Vec<_>>().join("/")
}

fn extension(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn damages(bytes: &Bytes, other: &Bytes, flips: usize) -> Vec<(String, Option<Bytes>)> {
    let flip = |number: usize| {
        let place = number * bytes.len() / flips;
        let mut flipped = bytes.to_vec();
        flipped[place] ^= 1 << (number % 8);
        (format!("bit {} of byte {place} flipped", number % 8), Some(flipped.into()))
    };
    let mut damages: Vec<(String, Option<Bytes>)> =
        if bytes.is_empty() { Vec::new() } else { (0..flips).map(flip).collect() };
    damages.extend([
        ("half".to_owned(), Some(bytes.slice(..bytes.len() / 2))),
        ("empty".to_owned(), Some(Bytes::new())),
        ("zeros".to_owned(), Some(vec![0; bytes.len()].into())),
        ("swapped".to_owned(), Some(other.clone())),
        ("missing".to_owned(), None),
    ]);
    damages
}

#[tokio::test]
async fn whatever_happens_to_a_file_is_noticed_by_those_who_look_and_mended_by_those_who_run() {
    let world = World::new(7, 3).await;
    let kinds = kinds(&world.output);
    assert!(kinds.len() > 25, "{kinds:?}");
    for (key, other) in kinds {
        for (what, bytes) in damages(&world.output[&key], &world.output[&other], FLIPS) {
            world.assert_noticed(&key, &what, bytes.clone()).await;
            world.assert_mended(&key, &what, bytes).await;
        }
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
        for (what, bytes) in damages(&world.output[&key], &world.output[&other], FLIPS) {
            world.assert_mended(&key, &what, bytes).await;
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
    for (what, bytes) in damages(&world.output[*nodes[0]], &world.output[*nodes[1]], 6) {
        world.assert_mended(nodes[0], &what, bytes).await;
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
