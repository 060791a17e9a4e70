//! What a fit by passes does: counted from `pomona_stages::fit` and `sweep`, and from the state machine.
//!
//! Reduce says what is to be swept, a Map sweeps, and so on: once for the features' means, once for each block of
//! vectors, until the components are there, and for each step of a classifier. What is not learned from is swept all
//! the same.

use pomona_run::stage::Stage;
use pomona_run::sweep::group_size;

use crate::usage::Requests;
use crate::work::{BYTES_PER_SECOND, LATENCY, LIST_PAGE, Work, check, features_bytes, images_of_shard, puts_of};
use crate::workload::Workload;

/// Vectors of a block where 100 components are fitted, and components of the model.
const BLOCK: f64 = 110.0;
const COMPONENTS: f64 = 100.0;
/// Components of a model by the covariance.
const MODEL_COMPONENTS: f64 = 50.0;
/// Pairs of vectors of weights that L-BFGS looks back at.
const PAIRS: f64 = 10.0;
/// Bytes of a number.
const NUMBER: f64 = 8.0;
/// Measured: multiplications and additions of one core in a second, in the products of a pass.
const OPERATIONS_PER_SECOND: f64 = 10e9;

/// The passes of a workload.
struct Passes {
    /// Passes by blocks of vectors; none where the covariance serves.
    blocks: u64,
    /// Passes of a classifier.
    descent: u64,
    shards: u64,
    groups: u64,
    /// Bytes of a block of vectors, which a state is, and a sum.
    block: f64,
    /// Bytes of the features' means and variances.
    columns: f64,
    /// Bytes of a classifier's weights.
    weights: f64,
}

impl Passes {
    fn of(workload: &Workload) -> Self {
        let (shards, features) = (workload.shards(), workload.features as f64);
        Self {
            blocks: if workload.is_wide() { workload.passes } else { 0 },
            descent: if workload.is_classified() { workload.descent } else { 0 },
            shards,
            groups: shards.div_ceil(group_size(shards as usize) as u64),
            block: features * BLOCK * NUMBER,
            columns: features * 2.0 * NUMBER,
            weights: features * workload.labels as f64 * NUMBER,
        }
    }

    /// The step behind a pass: it merges sums of so many bytes, reads `states` by blocks of vectors and writes so many
    /// bytes beside what the Map is to work through.
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
    let mut work = components(workload, &passes);
    if workload.is_classified() {
        work.extend(classifier(workload, &passes));
    }
    work
}

/// The work until the components are there.
fn components(workload: &Workload, passes: &Passes) -> Vec<Work> {
    let checked = || check(Stage::Sweep, passes.groups, 1);
    let features = workload.features as f64;
    // The plan, twice, whether the parts' names are there, the shards, each part's header; the names, an empty state.
    let mut first = passes.step(0.0, 4 + passes.shards, 0, 0.0, 1);
    first.requests.puts += 1;
    if !workload.is_wide() {
        // The labels are read and an image counts for half a matrix; the next fit's state is written.
        first.requests.gets += 1;
        let moments = features * (features + 1.0) / 2.0 * NUMBER;
        let mut second = passes.step(moments, 3 + 1, 0, features * MODEL_COMPONENTS * NUMBER, 3);
        second.requests.puts += 1;
        return vec![first, passes.sweep(workload, 0.0, moments, features * features), checked(), second];
    }
    // The plan and the names again; the means' state; what they came to, and the first block. What is not needed any
    // more is listed.
    let mut second = passes.step(passes.columns, 3 + 2, 0, passes.block, 3);
    second.requests.puts += 1;
    let mut work = vec![first, passes.sweep(workload, 0.0, passes.columns, 3.0 * features), checked()];
    work.push(second);
    for pass in 1..=passes.blocks {
        let operations = 4.0 * features * BLOCK;
        work.extend([passes.sweep(workload, passes.block, passes.block, operations), checked()]);
        let is_last = pass == passes.blocks;
        // The model for later runs, the run's own and its digest.
        let model = features * COMPONENTS * NUMBER;
        let written = if is_last { model } else { passes.block };
        let mut step = passes.step(passes.block, 3, pass, written, 2 + u64::from(is_last));
        if is_last {
            // Without a classifier the run's model is written, by the plan that is there still.
            step.requests.gets += 1 + u64::from(!workload.is_classified());
            step.requests.puts += puts_of(model);
        }
        work.push(step);
    }
    work
}

/// The work of a classifier, behind the components.
fn classifier(workload: &Workload, passes: &Passes) -> Vec<Work> {
    let checked = || check(Stage::Sweep, passes.groups, 1);
    let mut work = Vec::new();
    if !workload.is_wide() {
        // Plan, names, the state, and what it came to.
        let mut scales = passes.step(passes.columns, 3 + 2, 0, passes.weights, 4);
        scales.requests.puts += 1;
        work.extend([passes.sweep(workload, 0.0, passes.columns, 3.0 * workload.features as f64), checked(), scales]);
    }
    for pass in 1..=passes.descent {
        // What L-BFGS looks back at grows by two vectors a pass.
        let state = passes.weights * (2.0 + 2.0 * f64::min(pass as f64, PAIRS));
        let operations = 4.0 * workload.features as f64 * workload.labels as f64;
        let is_last = pass == passes.descent;
        let written = if is_last { passes.weights } else { state };
        // Plan, names, the state.
        let mut step = passes.step(passes.weights, 3 + 1, 0, written, 3 + u64::from(is_last));
        step.seconds += state / BYTES_PER_SECOND;
        if is_last {
            // Both models are read, to become the run's own, with their digests, and the plan once more.
            step.requests.gets += 3;
            step.requests.puts += 2 * puts_of(passes.weights) + 1;
        }
        work.extend([passes.sweep(workload, state, passes.weights, operations), checked(), step]);
    }
    work
}

/// Seconds in which an image's features are projected.
pub(crate) fn project_seconds(features: f64) -> f64 {
    2.0 * features * COMPONENTS / OPERATIONS_PER_SECOND
}

/// Bytes of the models in sweeps/: components with the features' means, and these with their variances.
pub(crate) fn stored(workload: &Workload) -> f64 {
    let passes = Passes::of(workload);
    let components = if workload.is_wide() { COMPONENTS } else { MODEL_COMPONENTS };
    workload.features as f64 * (components + 1.0) * NUMBER + passes.columns + passes.weights
}

/// MB that reduce holds at most: the sums that are not merged yet and two that are read ahead, or all blocks and the
/// products with the newest.
pub(crate) fn reduce_mb(workload: &Workload) -> f64 {
    let passes = Passes::of(workload);
    let merging = (passes.groups as f64).log2().ceil() + 1.0 + 2.0 * 2.0;
    let stepping = passes.blocks as f64 + 6.0;
    let by_blocks = if passes.blocks > 0 { merging.max(stepping) * passes.block } else { 0.0 };
    // The state, the next one, and one of them as bytes.
    let by_descent = f64::max(merging, 3.0 * (2.0 + 2.0 * PAIRS)) * passes.weights;
    100.0 + by_blocks.max(by_descent) / 1e6
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

    #[test]
    fn a_classifier_sweeps_once_for_components_once_for_scales_and_once_for_each_step() {
        let workload = Workload { labels: 131, descent: 60, ..Workload::default() };
        let sweeps = of(&workload).iter().filter(|work| work.function == Function::Sweep).count() as u64;
        assert_eq!((sweeps, workload.all_passes()), (62, 62));
        let wide = Workload { features: 62_720, ..workload };
        let sweeps = of(&wide).iter().filter(|work| work.function == Function::Sweep).count() as u64;
        assert_eq!((sweeps, wide.all_passes()), (69, 69));
    }
}
