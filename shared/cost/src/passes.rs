//! What a fit by passes does: counted from `pomona_stages::fit` and `sweep`, and from the state machine.
//!
//! Reduce says what is to be swept, a Map sweeps, and so on: once for the features' means, once for each block of
//! vectors, until the components are there.

use pomona_run::stage::Stage;
use pomona_run::sweep::group_size;

use crate::usage::Requests;
use crate::work::{BYTES_PER_SECOND, LATENCY, LIST_PAGE, Work, check, features_bytes, images_of_shard, puts_of};
use crate::workload::Workload;

/// Vectors of a block where 100 components are fitted, and components of the model.
const BLOCK: f64 = 110.0;
const COMPONENTS: f64 = 100.0;
/// Bytes of a number.
const NUMBER: f64 = 8.0;
/// Measured: multiplications and additions of one core in a second, in the products of a pass.
const OPERATIONS_PER_SECOND: f64 = 10e9;

/// The passes of a workload.
struct Passes {
    /// Passes by blocks of vectors.
    blocks: u64,
    shards: u64,
    groups: u64,
    /// Bytes of a block of vectors, which a state is, and a sum.
    block: f64,
    /// Bytes of the features' means and variances.
    columns: f64,
}

impl Passes {
    fn of(workload: &Workload) -> Self {
        let (shards, features) = (workload.shards(), workload.features as f64);
        Self {
            blocks: workload.passes,
            shards,
            groups: shards.div_ceil(group_size(shards as usize) as u64),
            block: features * BLOCK * NUMBER,
            columns: features * 2.0 * NUMBER,
        }
    }

    /// The step behind a pass: it merges sums of so many bytes, reads `states` and writes so many bytes beside what
    /// the Map is to work through.
    fn step(&self, sum: f64, gets: u64, states: u64, written: f64, lists: u64) -> Work {
        let sums = if sum > 0.0 { self.groups } else { 0 };
        let moved = sums as f64 * sum + states as f64 * self.block + written;
        // The new vectors lose their parts in all earlier ones, four times, by two products each.
        let operations = 8.0 * 2.0 * states as f64 * self.block / NUMBER * BLOCK;
        let seconds = (gets as f64 / 8.0 + 4.0) * LATENCY
            + lists as f64 * LIST_PAGE
            + moved / BYTES_PER_SECOND
            + operations / OPERATIONS_PER_SECOND;
        let requests = Requests { gets: gets + sums + states, puts: 1 + puts_of(written), lists };
        Work::of(Stage::Reduce, 1, seconds, requests)
    }

    fn sweep(&self, workload: &Workload, state: f64, sum: f64, operations: f64) -> Work {
        let parts = self.shards as f64 / self.groups as f64;
        let part = images_of_shard(workload) * features_bytes(workload) / BYTES_PER_SECOND
            + images_of_shard(workload) * operations / OPERATIONS_PER_SECOND
            + 2.0 * LATENCY;
        let seconds = 4.0 * LATENCY + parts * part + (state + sum) / BYTES_PER_SECOND;
        // The parts' names, whether the sum is there, the state; of each part its moments' header and its features.
        let gets = 3 * self.groups + 2 * self.shards;
        let requests = Requests { gets, puts: self.groups * puts_of(sum), lists: 0 };
        Work::of(Stage::Sweep, self.groups, seconds, requests)
    }
}

/// The work of a fit by passes, from the first call of reduce to the last.
pub(crate) fn of(workload: &Workload) -> Vec<Work> {
    let passes = Passes::of(workload);
    let checked = || check(Stage::Sweep, passes.groups, 1);
    // The plan, whether the parts' names are there, the shards, each part's header; the names, an empty state.
    let mut first = passes.step(0.0, 3 + passes.shards, 0, 0.0, 1);
    first.requests.puts += 1;
    // The plan and the names again; the means' state; what they came to, and the first block. What is not needed any
    // more is listed.
    let mut second = passes.step(passes.columns, 3 + 1, 0, passes.block, 3);
    second.requests.puts += 1;
    let mut work = vec![first, passes.sweep(workload, 0.0, passes.columns, 3.0 * workload.features as f64), checked()];
    work.push(second);
    for pass in 1..=passes.blocks {
        let operations = 4.0 * workload.features as f64 * BLOCK;
        work.extend([passes.sweep(workload, passes.block, passes.block, operations), checked()]);
        let is_last = pass == passes.blocks;
        // The model for later runs, the run's own and its digest.
        let model = workload.features as f64 * COMPONENTS * NUMBER;
        let written = if is_last { model } else { passes.block };
        let mut step = passes.step(passes.block, 4, pass, written, 2 + u64::from(is_last));
        if is_last {
            step.requests.puts += puts_of(model);
        }
        work.push(step);
    }
    work
}

/// Seconds in which an image's features are projected.
pub(crate) fn project_seconds(features: f64) -> f64 {
    2.0 * features * COMPONENTS / OPERATIONS_PER_SECOND
}

/// Bytes of the models in sweeps/: components with the features' means, and these with their variances.
pub(crate) fn stored(workload: &Workload) -> f64 {
    workload.features as f64 * (COMPONENTS + 1.0) * NUMBER + Passes::of(workload).columns
}

/// MB that reduce holds at most: the sums that are not merged yet and two that are read ahead, or all blocks and the
/// products with the newest.
pub(crate) fn reduce_mb(workload: &Workload) -> f64 {
    let passes = Passes::of(workload);
    let merging = (passes.groups as f64).log2().ceil() + 1.0 + 2.0 * 2.0;
    let stepping = passes.blocks as f64 + 6.0;
    100.0 + merging.max(stepping) * passes.block / 1e6
}

#[cfg(test)]
mod tests {
    use pomona_run::function::Function;

    use super::*;

    #[test]
    fn passes_sweep_every_part_and_each_is_followed_by_a_step() {
        let workload = Workload { features: 62_720, passes: 7, ..Workload::default() };
        let work = of(&workload);
        let count = |stage, is_map| work.iter().filter(|work| work.stage == stage && work.is_map == is_map).count();
        assert_eq!((count(Stage::Sweep, true), count(Stage::Sweep, false), count(Stage::Reduce, false)), (8, 8, 9));
        let sweep = work.iter().find(|work| work.function == Function::Sweep).unwrap();
        assert_eq!(workload.shards(), 512);
        assert_eq!((sweep.calls, sweep.requests.gets), (32, 3 * 32 + 2 * 512));
    }
}
