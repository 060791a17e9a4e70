//! The runs that were planned before, as sources of what need not be computed again.

use std::collections::HashSet;

use pomona_formats::error::{Error, tell_of_damage};
use pomona_formats::planned::{self, PreviousPart, Shard};
use pomona_formats::recipe::Recipe;
use pomona_run::RunId;
use pomona_store::Store;

/// Earlier runs by the same recipe whose parts are looked through. Each costs a plan two requests, and a shard one
/// where it has images that no later run knows.
const MOST_RUNS: usize = 32;

/// Earlier parts that all shards together are told of, beside those of the newest run: each takes some 230 bytes in
/// missing.json and in the plan's memory.
const MOST_PREVIOUS_IN_ALL: usize = 100_000;

/// Earlier parts that a shard is told of. Each takes some 230 bytes of the shard's entry in missing.json, which Step
/// Functions hands to a child execution as its input, of at most 256 KiB. There are more only where shards have become
/// many times larger; then the images of the others are computed again.
const MOST_PREVIOUS: usize = 1_000;

/// What was read of an earlier run; nothing where it is damaged, for that run is only a source of what need not be
/// computed again.
pub(crate) fn of_earlier_run<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(error @ Error::Damaged { .. }) => {
            tell_of_damage(&error, "nothing is taken over from its run");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Earlier runs whose features serve a recipe.
#[derive(Debug, Default)]
pub(crate) struct History {
    runs: Vec<EarlierRun>,
}

#[derive(Debug)]
struct EarlierRun {
    run_id: RunId,
    shard_bits: u32,
    /// Sorted by number.
    shards: Vec<EarlierShard>,
}

#[derive(Debug)]
struct EarlierShard {
    number: u32,
    part: String,
    listing_sha256: String,
}

impl History {
    /// Reads the plans of `sources` whose features serve `recipe`, as many as the `missing` shards can be told of.
    pub(crate) async fn read(
        output: &dyn Store,
        sources: impl Iterator<Item = &RunId>,
        recipe: &Recipe,
        missing: usize,
    ) -> Result<Self, Error> {
        let most_runs = (MOST_PREVIOUS_IN_ALL / missing.max(1)).clamp(1, MOST_RUNS);
        let mut runs = Vec::new();
        for run_id in sources {
            if runs.len() == most_runs {
                break;
            }
            let Some(plan) = of_earlier_run(planned::read_plan(output, run_id).await)? else { continue };
            if !plan.recipe.serves(recipe) {
                continue;
            }
            let shards = of_earlier_run(planned::read_shards(output, &plan).await)?;
            runs.extend(shards.map(|shards| EarlierRun::new(run_id, plan.shard_bits, shards)));
        }
        Ok(Self { runs })
    }

    /// The parts of earlier shards whose range of hashes overlaps that of `shard`, each once, at most
    /// [`MOST_PREVIOUS`].
    pub(crate) fn overlapping(&self, shard: u32, shard_bits: u32) -> Vec<PreviousPart> {
        let mut seen = HashSet::new();
        let all =
            self.runs.iter().flat_map(|run| run.overlapping(shard, shard_bits).iter().map(move |part| (run, part)));
        let parts = all.filter(|(_, part)| seen.insert(part.part.as_str())).map(|(run, part)| PreviousPart {
            run_id: run.run_id.clone(),
            shard: part.number,
            part: part.part.clone(),
            listing_sha256: part.listing_sha256.clone(),
        });
        parts.take(MOST_PREVIOUS).collect()
    }
}

impl EarlierRun {
    fn new(run_id: &RunId, shard_bits: u32, mut shards: Vec<Shard>) -> Self {
        shards.sort_unstable_by_key(|shard| shard.shard);
        let light =
            |shard: Shard| EarlierShard { number: shard.shard, part: shard.part, listing_sha256: shard.listing_sha256 };
        Self { run_id: run_id.clone(), shard_bits, shards: shards.into_iter().map(light).collect() }
    }

    fn overlapping(&self, shard: u32, shard_bits: u32) -> &[EarlierShard] {
        let bits = shard_bits.min(self.shard_bits);
        let (own, wanted) = (self.shard_bits - bits, shard >> (shard_bits - bits));
        let start = self.shards.partition_point(|earlier| earlier.number >> own < wanted);
        let end = self.shards.partition_point(|earlier| earlier.number >> own <= wanted);
        &self.shards[start..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(run_id: &str, shard_bits: u32, shards: impl IntoIterator<Item = (u32, String)>) -> EarlierRun {
        let shard = |(number, part)| EarlierShard { number, part, listing_sha256: "f".repeat(64) };
        EarlierRun { run_id: run_id.parse().unwrap(), shard_bits, shards: shards.into_iter().map(shard).collect() }
    }

    const FIRST: &str = "20260131T120000Z-0123abcd";
    const SECOND: &str = "20260201T120000Z-0123abcd";

    #[test]
    fn earlier_shards_overlap_by_their_leading_bits() {
        let history = History { runs: vec![run(FIRST, 2, (0..4).map(|number| (number, format!("part {number}"))))] };
        let overlapping =
            |shard, bits| -> Vec<u32> { history.overlapping(shard, bits).iter().map(|part| part.shard).collect() };
        assert_eq!(overlapping(2, 2), [2]);
        assert_eq!(overlapping(5, 3), [2]);
        assert_eq!(overlapping(1, 1), [2, 3]);
        assert_eq!(overlapping(0, 0), [0, 1, 2, 3]);
    }

    proptest! {
        #[test]
        fn overlapping_shards_are_those_that_share_a_hash(
            numbers in prop::collection::btree_set(0u32..64, 0..20),
            (shard, bits) in (0u32..=8).prop_flat_map(|bits| (0..1u32 << bits, Just(bits))),
        ) {
            let earlier = run(FIRST, 6, numbers.iter().map(|number| (*number, String::new())));
            let share = |number: &u32| (number << 2) >> (8 - bits.min(6)) == (shard << (8 - bits)) >> (8 - bits.min(6));
            let found: Vec<u32> = earlier.overlapping(shard, bits).iter().map(|shard| shard.number).collect();
            prop_assert_eq!(found, numbers.iter().copied().filter(share).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_part_of_several_runs_is_named_once_as_the_first_of_them_has_it() {
        let shards = |parts: [&str; 2]| (0..).zip(parts.map(str::to_owned)).collect::<Vec<_>>();
        let history = History { runs: vec![run(SECOND, 1, shards(["a", "b"])), run(FIRST, 1, shards(["b", "c"]))] };
        let found = history.overlapping(0, 0);
        let found: Vec<(&str, &str)> = found.iter().map(|part| (part.part.as_str(), part.run_id.as_str())).collect();
        assert_eq!(found, [("a", SECOND), ("b", SECOND), ("c", FIRST)]);
    }

    #[test]
    fn an_entry_of_a_shard_fits_into_the_input_of_an_execution() {
        let shards = (0..=MOST_PREVIOUS as u32).map(|number| (number, format!("{number:064}")));
        let history = History { runs: vec![run(FIRST, 16, shards)] };
        let entry = Shard {
            run_id: RunId::now(),
            attempt: Some(u32::MAX),
            shard: u32::MAX,
            part: "f".repeat(64),
            recipe: "f".repeat(64),
            max_pixels: u64::MAX,
            images: u64::MAX,
            bytes: u64::MAX,
            listing_sha256: "f".repeat(64),
            previous: history.overlapping(0, 0),
        };
        assert_eq!(entry.previous.len(), MOST_PREVIOUS);
        assert!(serde_json::to_vec(&entry).unwrap().len() < 240 << 10);
    }
}
