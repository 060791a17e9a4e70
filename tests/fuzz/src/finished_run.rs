//! A run over a few pictures, whose files are seeds and what events are about.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use pomona_formats::recipe::Recipe;
use pomona_run::Options;
use pomona_stages::compute::ComputePool;
use pomona_stages::recipe;
use pomona_store::testing::MemoryStore;

use crate::stores::block_on;

#[path = "../../../shared/stages/tests/support/mod.rs"]
#[allow(dead_code, reason = "the stages' own tests need more")]
pub(crate) mod support;

pub(crate) use support::picture;

/// How wide and high pictures come to the network.
const SIDE: u32 = 8;
const PICTURES: u64 = 12;

/// What a run is of, and all that it has written.
pub(crate) struct FinishedRun {
    pub(crate) input: BTreeMap<String, Bytes>,
    pub(crate) output: BTreeMap<String, Bytes>,
}

/// A run that learns two classes and fits components.
pub(crate) static FINISHED: LazyLock<FinishedRun> = LazyLock::new(|| {
    let key = |number: u64| format!("{}/{number}.png", ["pear", "plum"][(number % 2) as usize]);
    let mut input: BTreeMap<String, Bytes> =
        (0..PICTURES).map(|number| (key(number), picture(number).into())).collect();
    input.insert("plum/none.png".to_owned(), Bytes::from_static(b"no picture"));
    let output = MemoryStore::new("out", BTreeMap::new());
    block_on(support::run_objects(input.clone(), &output, (&options(), None), &pool(), &support::Silent))
        .expect("a run over pictures succeeds");
    FinishedRun { input, output: output.objects() }
});

impl FinishedRun {
    /// What lies at the keys that `is_meant` accepts.
    pub(crate) fn files(&self, is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = &Bytes> {
        self.output.iter().filter(move |(key, _)| is_meant(key)).map(|(_, bytes)| bytes)
    }

    /// Its name.
    pub(crate) fn run_id(&self) -> &str {
        let of_key = |key: &'_ String| key.strip_prefix("runs/").is_some_and(|rest| rest.ends_with("/plan.json"));
        let key = self.output.keys().find(|key| of_key(key)).expect("a run has a plan");
        key.split('/').nth(1).unwrap_or_default()
    }
}

/// What the run was asked for.
pub(crate) fn options() -> Options {
    let options = r#"{"components": 2, "shard_size": 4, "classify": {}, "max_reject_share": 0.5}"#;
    serde_json::from_str(options).expect("they are options")
}

/// Computes at once.
pub(crate) fn pool() -> ComputePool {
    ComputePool::without_threads(support::mean_colours(SIDE))
}

pub(crate) fn recipe() -> Recipe {
    recipe::of(pool().extractor().model())
}
