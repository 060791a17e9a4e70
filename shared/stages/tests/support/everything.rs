//! An output with everything that may lie below one, for looking at all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use pomona_dataset::{Content, Images, Index, Indexes};
use pomona_formats::part::Usable;
use pomona_formats::{fragment, planned, problem};
use pomona_pca::Components;
use pomona_results::verify::{Observer, Verification};
use pomona_run::classify::{Classify, ClassifyOn};
use pomona_run::layout::{self, RunLayout};
use pomona_run::options::CsvTables;
use pomona_run::{ErrorName, Options, RunId, names};
use pomona_stages::Error;
use pomona_stages::archives::KeptIndexes;
use pomona_stages::compute::ComputePool;
use pomona_stages::local::{self, Job, Summary};
use pomona_stages::lock::{NoOtherHolders, UnknownHolders};
use pomona_stages::verify::{Mending, Verified, verify};
use pomona_store::Store;
use pomona_store::testing::MemoryStore;

use crate::damages::{Objects, kind};
use crate::result::result_in;
use crate::support;

pub const REPAIR: Mending = Mending { repairs: true, prunes: false };
pub const PRUNE: Mending = Mending { repairs: false, prunes: true };
pub const LOOK: Mending = Mending { repairs: false, prunes: false };

#[derive(Default)]
pub struct Bytewise {
    all: AtomicU64,
    done: AtomicU64,
}

impl Observer for Bytewise {
    fn begun(&self, bytes: u64) {
        self.all.store(bytes, Ordering::Relaxed);
    }
    fn bytes_looked_at(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
}

pub async fn mend(output: &dyn Store, mending: Mending) -> Verified {
    let held = ("a test", &UnknownHolders as _);
    let bytes = Bytewise::default();
    let verified = verify(output, mending, held, &bytes, std::future::pending()).await.unwrap().unwrap();
    assert_eq!(bytes.all.into_inner(), bytes.done.into_inner(), "not all bytes were looked at, or some twice");
    verified
}

pub async fn look(output: &dyn Store) -> Verification {
    mend(output, LOOK).await.found
}

pub fn store(objects: &Objects) -> MemoryStore {
    MemoryStore::new("out", objects.clone())
}

/// Files that are said to be damaged or missing.
pub fn named(found: &Verification) -> BTreeSet<&str> {
    let damaged = found.damaged.iter().map(|damaged| damaged.file.as_str());
    damaged.chain(found.missing.iter().map(|missing| missing.file.as_str())).collect()
}

pub fn images(count: u64) -> Objects {
    let image = |image| (format!("class {}/{image}.png", image % 3), support::picture(image).into());
    let unusable = ("class 0/empty.png".to_owned(), Bytes::new());
    (0..count).map(image).chain([unusable]).collect()
}

/// Components, tables of all kinds, a classifier.
pub fn options(shard_size: u64) -> Options {
    let classify_on = ClassifyOn::Components;
    let classify = Classify { classify_on, regularization: 0.1, max_iterations: 3, ..Classify::default() };
    Options {
        shard_size,
        components: Components::Count(2),
        csv: CsvTables::All,
        classify: Some(classify),
        max_reject_share: 0.5,
        ..Options::default()
    }
}

pub async fn run_with(
    pool: &ComputePool,
    options: &Options,
    count: u64,
    output: &dyn Store,
    keep: &str,
) -> Result<Summary, Error> {
    let input = MemoryStore::new("in", images(count));
    let job = Job {
        input: &Images::new(&input),
        output,
        options,
        models: None,
        pool,
        holder: "a test",
        keep_runs: keep.parse().unwrap(),
    };
    let finished = local::run(&job, &NoOtherHolders, &support::Silent, std::future::pending()).await?;
    Ok(finished.expect("nobody stopped the run"))
}

/// An output with everything that lies below one: two runs of a classifier, of which the older one has no tables any
/// more, one that was refused, a fragment, an index, and what AWS writes.
pub struct World {
    pub pool: ComputePool,
    pub options: Options,
    pub images: u64,
    pub output: Objects,
    pub older: RunId,
    pub refused: RunId,
    pub newest: RunId,
    /// What the newest run fitted by passes.
    pub newest_fits: BTreeSet<String>,
    pub expected: BTreeMap<String, Vec<u8>>,
}

/// The names of fits.
pub fn fits(output: &Objects) -> BTreeSet<String> {
    output.keys().filter_map(|key| Some(key.strip_prefix("sweeps/")?.split_once('/')?.0.to_owned())).collect()
}

impl World {
    pub async fn new(images: u64, shard_size: u64) -> Self {
        let (pool, options) = (support::pool(2), options(shard_size));
        let output = store(&Objects::new());
        let older = run_with(&pool, &options, images - 1, &output, "1").await.unwrap().plan;
        let strict = Options { max_reject_share: 0.0, ..options.clone() };
        run_with(&pool, &strict, images, &output, "1").await.unwrap_err();
        let fits_before = fits(&output.objects());
        let newest = run_with(&pool, &options, images, &output, "1").await.unwrap().plan.run_id;
        let newest_fits = &fits(&output.objects()) - &fits_before;
        let runs: BTreeSet<RunId> =
            output.objects().keys().filter_map(|key| key.split('/').nth(1)?.parse().ok()).collect();
        let refused = runs.iter().find(|run_id| ![&older.run_id, &newest].contains(run_id)).unwrap().clone();
        add_fragment(&output, &planned::read_shards(&output, &older).await.unwrap(), &newest).await;
        KeptIndexes::new(&output).write(&names::digest(b"a tar"), &Index::default()).await.unwrap();
        problem::write(&output, &newest, ErrorName::Damaged, "a file is damaged").await.unwrap();
        let layout = RunLayout::new(newest.as_str());
        for (key, bytes) in [
            (layout.cost(), "{\"usd\": 0.1}"),
            (layout.left(), "[]"),
            (format!("{}/map/extract/1/manifest.json", layout.root()), "{\"files\": []}"),
            (layout::FOLLOW_UP.to_owned(), "{\"soon\": true}"),
        ] {
            output.put(&key, bytes.into()).await.unwrap();
        }
        let fresh = store(&Objects::new());
        run_with(&pool, &options, images, &fresh, "1").await.unwrap();
        let expected = result_in(&fresh).await;
        Self {
            pool,
            options,
            images,
            output: output.objects(),
            older: older.run_id,
            refused,
            newest,
            newest_fits,
            expected,
        }
    }

    pub async fn run(&self, output: &dyn Store, images: u64) -> Summary {
        run_with(&self.pool, &self.options, images, output, "1").await.unwrap()
    }

    /// Why `verify` says nothing of a file that this has happened to; none where it must.
    pub fn excuse(&self, key: &str, what: &str) -> Option<&'static str> {
        let (kind, is_missing) = (kind(key), what == "missing");
        let is_of = |run_id: &RunId| key.starts_with(&format!("runs/{run_id}/"));
        match kind.as_str() {
            "runs/*/report/cost/json" | "runs/*/left/json" | "follow-up/json" => Some("nobody vouches for it"),
            _ if key.contains("/map/") => Some("nobody vouches for it"),
            "runs/*/_TABLES_REMOVED" if !is_missing => Some("nobody vouches for it"),
            "parts/fragments/*/*" | "archives/*/json" if is_missing => Some("nobody counts them"),
            "runs/*/missing/json" | "runs/*/fits/json" if is_missing => Some("nobody reads it again"),
            _ if key.contains("/problems/") && is_missing => Some("nobody counts them"),
            _ if is_of(&self.refused) => {
                let is_looked_at = ["/plan.json", "/shards.json"].iter().any(|name| key.ends_with(name));
                let is_checked = is_looked_at || key.contains("/listing/");
                (is_missing || !is_checked).then_some("its run did not succeed")
            }
            _ if is_missing && key.starts_with("sweeps/") => {
                let is_of_newest = self.newest_fits.iter().any(|fit| key.contains(fit));
                (!is_of_newest).then_some("fits of older runs expire")
            }
            _ => None,
        }
    }
}

/// Some image of a part that is not there any more and that only an older run uses.
pub async fn add_fragment(output: &MemoryStore, shards: &[planned::Shard], newest: &RunId) {
    let text = output.objects()[&RunLayout::new(newest.as_str()).shards()].clone();
    let is_of_newest = |part: &str| std::str::from_utf8(&text).unwrap().contains(part);
    let shard = shards.iter().find(|shard| !is_of_newest(&shard.part)).expect("a shard has changed");
    for key in [layout::part_moments, layout::part_features, layout::part_rejects] {
        output.delete(&key(&shard.part)).await.unwrap();
    }
    let content = Content { id: "class 0/0.png".to_owned(), version: Some("e".to_owned()), size: 1 };
    let usable = Usable { features: [0.25, 0.5, 0.75].into(), losses: Default::default() };
    fragment::write(output, &shard.part, &[(content, usable)]).await.unwrap();
}
