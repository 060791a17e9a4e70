//! The runs that were planned before, as sources of what need not be computed again: each plan names the one before it.

use std::collections::HashSet;

use pomona_run::RunId;
use pomona_run::layout::PLANNED;
use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use crate::error::{Error, tell_of_damage};
use crate::json;
use crate::planned::{self, PreviousPart, Shard};
use crate::recipe::Recipe;

/// Earlier runs that are looked through. Each costs a plan two requests, and a shard that has images which none of them knows one.
const MOST_RUNS: usize = 32;

/// Earlier parts that a shard is told of. Each takes some 230 bytes of the shard's entry in missing.json, which Step Functions hands to
/// a child execution as its input, of at most 256 KiB. There are more only where shards have become many times larger; then the
/// images of the others are computed again.
const MOST_PREVIOUS: usize = 1_000;

/// The content of [`PLANNED`].
#[derive(Debug, Serialize, Deserialize)]
struct Planned {
    run_id: RunId,
}

/// The run that was planned before `run_id`.
///
/// # Errors
/// Those of the store.
pub(crate) async fn last_planned(output: &dyn Store, run_id: &RunId) -> Result<Option<RunId>, Error> {
    let read = match output.get(PLANNED).await {
        Ok(stored) => json::unseal::<Planned>(PLANNED, &stored.bytes).map(|planned| planned.run_id),
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match of_earlier_run(read)? {
        // It is planned again: what came before has not changed.
        Some(last) if last == *run_id => {
            let plan = of_earlier_run(planned::read_plan(output, run_id).await)?;
            Ok(plan.and_then(|plan| plan.after))
        }
        last => Ok(last),
    }
}

/// Makes `run_id` the run that was planned last.
///
/// # Errors
/// Those of the store.
pub(crate) async fn note_planned(output: &dyn Store, run_id: &RunId) -> Result<(), Error> {
    Ok(output.put(PLANNED, json::seal(PLANNED, &Planned { run_id: run_id.clone() })?).await?)
}

/// What was read of an earlier run; nothing where it is damaged, for that run is only a source of what need not be computed again.
pub(crate) fn of_earlier_run<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(error @ Error::Damaged { .. }) => {
            tell_of_damage(&error, "nothing is taken over from its run");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Earlier runs whose features were made by the same recipe, the last planned first.
#[derive(Debug)]
pub(crate) struct History {
    runs: Vec<EarlierRun>,
}

#[derive(Debug)]
struct EarlierRun {
    shard_bits: u32,
    shards: Vec<Shard>,
}

impl History {
    /// Follows the plans from each of `heads` to the ones before it.
    pub(crate) async fn read(
        output: &dyn Store,
        heads: impl Iterator<Item = &RunId>,
        recipe: &Recipe,
    ) -> Result<Self, Error> {
        let (mut seen, mut runs) = (HashSet::new(), Vec::new());
        for head in heads {
            let mut next = Some(head.clone());
            while let Some(run_id) = next.take()
                && seen.len() < MOST_RUNS
                && seen.insert(run_id.clone())
            {
                let Some(plan) = of_earlier_run(planned::read_plan(output, &run_id).await)? else { break };
                next.clone_from(&plan.after);
                if plan.recipe != *recipe {
                    continue;
                }
                let shards = of_earlier_run(planned::read_shards(output, &plan).await)?;
                runs.extend(shards.map(|shards| EarlierRun { shard_bits: plan.shard_bits, shards }));
            }
        }
        Ok(Self { runs })
    }

    /// The parts of earlier shards whose range of hashes overlaps that of `shard`, each once, at most [`MOST_PREVIOUS`].
    pub(crate) fn overlapping(&self, shard: u32, shard_bits: u32) -> Vec<PreviousPart> {
        let mut seen = HashSet::new();
        let all = self.runs.iter().flat_map(|run| run.overlapping(shard, shard_bits));
        let parts = all.filter(|earlier| seen.insert(earlier.part.as_str())).map(|earlier| PreviousPart {
            run_id: earlier.run_id.clone(),
            shard: earlier.shard,
            part: earlier.part.clone(),
            listing_sha256: earlier.listing_sha256.clone(),
        });
        parts.take(MOST_PREVIOUS).collect()
    }
}

impl EarlierRun {
    fn overlapping(&self, shard: u32, shard_bits: u32) -> impl Iterator<Item = &Shard> {
        let bits = shard_bits.min(self.shard_bits);
        let (own, others) = (self.shard_bits - bits, shard_bits - bits);
        self.shards.iter().filter(move |earlier| earlier.shard >> own == shard >> others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With names and numbers as long as they can be.
    fn shard(run_id: &RunId, number: u32) -> Shard {
        Shard {
            run_id: run_id.clone(),
            shard: number,
            part: "f".repeat(64),
            recipe: "f".repeat(64),
            max_pixels: u64::MAX,
            images: u64::MAX,
            bytes: u64::MAX,
            listing_sha256: "f".repeat(64),
            previous: vec![],
        }
    }

    #[test]
    fn earlier_shards_overlap_by_their_leading_bits() {
        let run_id = RunId::now();
        let shard = |number| Shard { part: format!("part {number}"), ..shard(&run_id, number) };
        let previous = History { runs: vec![EarlierRun { shard_bits: 2, shards: (0..4).map(shard).collect() }] };
        let overlapping =
            |shard, bits| -> Vec<u32> { previous.overlapping(shard, bits).iter().map(|part| part.shard).collect() };
        assert_eq!(overlapping(2, 2), [2]);
        assert_eq!(overlapping(5, 3), [2]);
        assert_eq!(overlapping(1, 1), [2, 3]);
        assert_eq!(overlapping(0, 0), [0, 1, 2, 3]);
    }

    #[test]
    fn a_part_of_several_runs_is_named_once_as_the_last_run_has_it() {
        let run = |number, parts: [&str; 2]| EarlierRun {
            shard_bits: 3,
            shards: parts.map(|part| Shard { part: part.to_owned(), ..shard(&RunId::now(), number) }).to_vec(),
        };
        let history = History { runs: vec![run(7, ["a", "b"]), run(3, ["b", "c"])] };
        let found = history.overlapping(0, 0);
        let found: Vec<(&str, u32)> = found.iter().map(|part| (part.part.as_str(), part.shard)).collect();
        assert_eq!(found, [("a", 7), ("b", 7), ("c", 3)]);
    }

    #[test]
    fn an_entry_of_a_shard_fits_into_the_input_of_an_execution() {
        let shard = |number| shard(&RunId::now(), number);
        let shards =
            (0..=MOST_PREVIOUS as u32).map(|number| Shard { part: format!("{number:064}"), ..shard(number) }).collect();
        let previous = History { runs: vec![EarlierRun { shard_bits: 16, shards }] };
        let entry = Shard { previous: previous.overlapping(0, 0), ..shard(0) };
        assert_eq!(entry.previous.len(), MOST_PREVIOUS);
        assert!(serde_json::to_vec(&entry).unwrap().len() < 240 << 10);
    }
}
