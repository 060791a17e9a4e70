//! What each stage does: how often it is called, its requests to S3, its time, counted from the stages' code and from
//! the state machine.
//!
//! What is *measured* was measured on one busy core (BENCHMARKS.md) or on the files of local runs of 1,100 photographs
//! (parts of 2026-11-26, the rest of 2026-11-21). What is *assumed* stands for services that could not be measured; a
//! measured run replaces it (see [`crate::run`]).

use pomona_run::function::Function;
use pomona_run::pace;
use pomona_run::stage::{Spec, Stage};
use pomona_run::tree::GROUP_SIZE;

use crate::passes;
use crate::usage::{Requests, Stored};
use crate::workload::{New, Workload};

/// Assumed: seconds from sending a small request to S3 until its answer.
pub(crate) const LATENCY: f64 = 0.03;
/// Assumed: seconds until a page of a listing is there.
pub(crate) const LIST_PAGE: f64 = 0.15;
/// Assumed: bytes that one Lambda moves from or to S3 in a second.
pub(crate) const BYTES_PER_SECOND: f64 = 80e6;
/// Assumed: seconds of a Distributed Map beside its children: reading items, writing results.
pub(crate) const MAP_OVERHEAD: f64 = 2.0;
/// Assumed: seconds until a new environment of list-batch is ready. They are billed.
pub(crate) const COLD_START: f64 = 0.2;

/// Pages of a listing that are fetched at once (`pomona_store`).
const LIST_AT_ONCE: f64 = 16.0;
/// Images that plan reads a little of (`pomona_lambda`).
const PROBES: u64 = 5;
/// Objects on a page of a listing.
const PAGE: u64 = 1_000;
/// Objects above this size are uploaded in parts of half of it, with a request to begin and one to end
/// (`pomona_store`).
const WHOLE: f64 = 16e6 * 1.048_576;

/// Bytes that are asked of an archive at once while it is looked through (`pomona_dataset`).
const FETCH: f64 = 8.0 * 1.048_576e6;
/// Measured: bytes of an archive that one request of list-batch brings, of a million members of 50 KB.
const RANGE: f64 = 8.12e6;

/// Features of an image.
const WIDTH: f64 = 1_280.0;
/// Measured: bytes of a file of moments of so many features.
const MOMENTS: f64 = 6_569_194.0;
/// Measured: bytes of one that leaves them out, because the part has fewer images than features.
const NO_MOMENTS: f64 = 354.0;
/// Measured: bytes of an image's features in Parquet.
const FEATURES: f64 = 3_820.0;
/// Measured: bytes of an image in the listing.
const LISTING: f64 = 90.0;
/// Measured: bytes of an image in pca/ (Parquet 218, CSV 575) and metadata/ (38), with 50 components.
const TABLES: f64 = 831.0;
/// Measured: bytes of a shard in shards.json and missing.json (360 each), rejects and errors (533), counters (2,900
/// without points).
const SHARD_FILES: f64 = 4_150.0;
/// Measured: bytes of a run whatever its size: the model, the page, the points of its plot.
const RUN_FILES: f64 = 1.2e6;
/// Measured: seconds of project-map for one image.
const PROJECT_IMAGE: f64 = 0.0001;
/// Measured: seconds of fitting the PCA.
const PCA: f64 = 0.3;
/// Assumed: seconds of decoding and merging one set of moments.
const MERGE: f64 = 0.02;
/// Measured: seconds of making moments of an image's features, which are read from Parquet.
const MOMENTS_IMAGE: f64 = 0.00007;
/// Assumed: seconds of plan for one image: parse, sort, hash, write.
const PLAN_IMAGE: f64 = 5e-6;

/// The work of one stage, as many equal invocations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Work {
    pub(crate) stage: Stage,
    pub(crate) function: Function,
    pub(crate) calls: u64,
    /// Whether the calls are children of a Distributed Map.
    pub(crate) is_map: bool,
    /// Seconds of one call, as long as S3 serves every request at once.
    pub(crate) seconds: f64,
    /// Requests of all calls together.
    pub(crate) requests: Requests,
    /// Those of them that read images.
    pub(crate) image_gets: u64,
}

impl Work {
    /// `calls` of the stage's function, which take `seconds` each; all together make the `requests`.
    pub(crate) fn of(stage: Stage, calls: u64, seconds: f64, requests: Requests) -> Self {
        let Spec { function, children, .. } = stage.spec();
        Self { stage, function, calls, is_map: children.is_some(), seconds, requests, image_gets: 0 }
    }
}

/// The work of a run of which only `new` was not computed before, in the order of the state machine. A stage that is
/// skipped is not in it.
pub(crate) fn of(workload: &Workload, new: New) -> Vec<Work> {
    let mut work = vec![plan(workload, new)];
    if new.shards > 0 {
        work.extend([extract(workload, new), check(Stage::Extract, new.shards, 1)]);
    }
    let merges = workload.merges();
    if workload.takes_models {
        work.push(count_parts(workload));
    } else if workload.is_fitted_by_passes() {
        work.extend(passes::of(workload));
    }
    let parts = std::iter::once((workload.shards(), Child::part(workload)));
    let below = parts.chain(merges.iter().map(|&nodes| (nodes, Child::NODE)));
    for ((children, child), &groups) in below.zip(&merges) {
        if groups > 1 {
            work.extend([combine(children, &child, groups), check(Stage::Combine, groups, 1)]);
        } else {
            work.push(reduce(children, &child));
        }
    }
    let counters = workload.shards().div_ceil(PAGE);
    work.extend([project(workload), check(Stage::Project, 0, 1 + counters), report(workload)]);
    work
}

fn plan(workload: &Workload, new: New) -> Work {
    let (shards, levels, nodes) = (workload.shards(), workload.merges().len() as u64, nodes(workload));
    let parts_there = shards - new.shards.min(shards);
    let searched = searched_bytes(workload, new);
    let pages = (workload.images - workload.archived.images).div_ceil(PAGE).max(1);
    // Listing in ranges asks each of them for one page too many, and for the folders to cut at.
    let lists = if pages == 1 { 1 } else { pages + LIST_AT_ONCE as u64 + 1 };
    let written = shards + levels + 5;
    let looked_up = shards + 3 * parts_there + nodes;
    let batches = (looked_up + written) as f64 / pace::REQUESTS as f64;
    let seconds = (lists as f64 / LIST_AT_ONCE).ceil() * LIST_PAGE
        + (batches + 8.0) * LATENCY
        + searched / BYTES_PER_SECOND
        + workload.images as f64 * (PLAN_IMAGE + LISTING / BYTES_PER_SECOND);
    // A few images that are read first, spread over the shards: the list of these, their listings, an image where the
    // first one may be read.
    let probes = if new.shards == 0 { 0 } else { 1 + 2 * new.shards.min(PROBES) };
    // The lock, what was erased, the newest run, those planned last (once more when this one is added), and what
    // refreshing reads of the plan itself.
    let gets = looked_up + levels + 6 + probes + search_gets(workload, new);
    // Beside the input's, one of what an earlier attempt has left of the plan, and one of whether another has come.
    let requests = Requests { gets, puts: written + 1, lists: lists + 2 };
    Work::of(Stage::Plan, 1, seconds, requests.plus(taken_models(workload)))
}

/// What a plan reads of the run whose models it takes, and writes of them. For a classifier these are that run's
/// shards and listings, too: as many as the run's own, as nobody knows better.
fn taken_models(workload: &Workload) -> Requests {
    match (workload.takes_models, workload.is_classified()) {
        (false, _) => Requests::default(),
        // Whether it succeeded and has its tables; its plan, its classes; digests, components.
        (true, false) => Requests { gets: 6, puts: 2, lists: 0 },
        (true, true) => Requests { gets: 6 + 2 + workload.shards(), puts: 3, lists: 0 },
    }
}

fn extract(workload: &Workload, new: New) -> Work {
    let images = new.images as f64 / new.shards as f64;
    let compute = workload.ms_per_image / 1e3 / workload.cores();
    let ahead = pace::images_read_ahead(workload.threads()) as f64;
    let read = f64::max(LATENCY / ahead, workload.mean_bytes as f64 / BYTES_PER_SECOND);
    let features = features_bytes(workload) * images_of_shard(workload);
    let written = features + part_moments(workload);
    let seconds = images * compute.max(read) + 5.0 * LATENCY + LIST_PAGE + written / BYTES_PER_SECOND;
    let puts = new.shards * (2 + puts_of(features));
    // Beside the images: whether the part is there, the listing, and what an earlier attempt left.
    let image_gets = image_gets(workload, new);
    let requests = Requests { gets: image_gets + 2 * new.shards, puts, lists: new.shards };
    Work { image_gets, ..Work::of(Stage::Extract, new.shards, seconds, requests) }
}

/// Requests that read the new images: one for a file, and for some megabytes of an archive, of which a shard has its
/// own.
fn image_gets(workload: &Workload, new: New) -> u64 {
    let archived = workload.archived_of(new.images).images;
    let ranges = (archived as f64 * workload.mean_bytes as f64 / RANGE).ceil() as u64;
    new.images - archived + ranges.max(new.shards.min(archived))
}

/// Bytes of the archives that the plan has to look through.
fn searched_bytes(workload: &Workload, new: New) -> f64 {
    workload.archived_of(new.images).searched as f64 * workload.mean_bytes as f64
}

fn search_gets(workload: &Workload, new: New) -> u64 {
    (searched_bytes(workload, new) / FETCH).ceil() as u64
}

/// Requests that read anything of the input.
pub(crate) fn input_gets(workload: &Workload, new: New) -> u64 {
    image_gets(workload, new) + search_gets(workload, new)
}

/// The check after a Map reads the plan and what the Map worked through, lists the problems that were met, and looks for
/// `items` one by one; a shard's counters are listed instead.
pub(crate) fn check(stage: Stage, items: u64, lists: u64) -> Work {
    let seconds = (items as f64 / pace::REQUESTS as f64 + 2.0) * LATENCY + lists as f64 * LIST_PAGE;
    let requests = Requests { gets: items + 2, puts: 0, lists };
    // The plan's function, though the states are those of the stage.
    Work { function: Stage::Plan.spec().function, is_map: false, ..Work::of(stage, 1, seconds, requests) }
}

/// What is read of one child, and held, while others are merged.
struct Child {
    gets: u64,
    bytes: f64,
    seconds: f64,
    held: f64,
}

impl Child {
    const NODE: Self = Self { gets: 1, bytes: MOMENTS, seconds: MERGE, held: MOMENTS };

    /// A part that stores no moments is read with its features: held are their matrix, its sums and the moments.
    fn part(workload: &Workload) -> Self {
        let images = images_of_shard(workload);
        if images >= WIDTH {
            return Self::NODE;
        }
        Self {
            gets: 2,
            bytes: NO_MOMENTS + images * FEATURES,
            seconds: MERGE + images * MOMENTS_IMAGE,
            held: images * WIDTH * 4.0 + 2.0 * MOMENTS,
        }
    }
}

/// One level of merging: `groups` invocations read `children`.
fn combine(children: u64, child: &Child, groups: u64) -> Work {
    // The last group may be smaller; all wait for a full one.
    let largest = children.min(GROUP_SIZE as u64) as f64;
    let seconds = merge_seconds(largest, child) + 2.0 * LATENCY + MOMENTS / BYTES_PER_SECOND;
    let requests = Requests { gets: children * child.gets + groups, puts: groups, lists: 0 };
    Work::of(Stage::Combine, groups, seconds, requests)
}

fn reduce(children: u64, child: &Child) -> Work {
    let seconds = merge_seconds(children as f64, child) + 4.0 * LATENCY + PCA;
    let requests = Requests { gets: children * child.gets + 3, puts: 2, lists: 0 };
    Work::of(Stage::Reduce, 1, seconds, requests)
}

/// Reduce of a run that takes its models: each part's header, the plan and the shards; the components and their digest.
fn count_parts(workload: &Workload) -> Work {
    let shards = workload.shards();
    let seconds = (shards as f64 / pace::REQUESTS as f64 + 4.0) * LATENCY;
    Work::of(Stage::Reduce, 1, seconds, Requests { gets: shards + 4, puts: 0, lists: 0 })
}

/// Children are read ahead, and merged on the one vCPU as they arrive.
fn merge_seconds(children: f64, child: &Child) -> f64 {
    child.gets as f64 * LATENCY + children * (child.bytes / BYTES_PER_SECOND + child.seconds)
}

fn project(workload: &Workload) -> Work {
    let shards = workload.shards();
    let images = images_of_shard(workload);
    // Plan (once more before anything is written), model and its digest, listing, the moments' header, features and
    // rejects are read; the features are copied inside S3, unless there are too many; four tables and the counters are
    // written.
    let moved = images * (features_bytes(workload) + LISTING + TABLES);
    let (compute, copies) = match workload.is_wide() {
        true => (passes::project_seconds(workload.features as f64), 0),
        false => (PROJECT_IMAGE, 1),
    };
    // A classifier's model is one more file to read, and predictions are one to write.
    let classified = u64::from(workload.is_classified());
    let seconds = 14.0 * LATENCY + moved / BYTES_PER_SECOND + images * compute;
    let requests = Requests { gets: (8 + 2 * classified) * shards, puts: (5 + copies + classified) * shards, lists: 0 };
    Work::of(Stage::Project, shards, seconds, requests)
}

/// Reads every shard's counters, and the plan twice more before it writes, lists the run's folder for cost.json and the
/// folders of tables to see that all are there, and asks which runs' tables are kept. Deleting is free.
fn report(workload: &Workload) -> Work {
    let shards = workload.shards();
    let classified = u64::from(workload.is_classified());
    let pages = |tables: u64| (tables * shards).div_ceil(PAGE).max(1);
    // Of features, components (twice), metadata, predictions and errors.
    let of_tables = pages(1) + pages(2) + pages(1) + pages(classified) + pages(1);
    let lists = pages(8 + classified) + of_tables;
    let seconds = (shards as f64 / pace::REQUESTS as f64 + 18.0) * LATENCY
        + (lists as f64 / LIST_AT_ONCE).ceil() * LIST_PAGE
        + 3.0 * LATENCY;
    let requests = Requests { gets: shards + 16 + 2 * classified, puts: 9 + 2 * classified, lists };
    Work::of(Stage::Report, 1, seconds, requests)
}

/// Requests that writing an object of so many bytes takes.
pub(crate) fn puts_of(bytes: f64) -> u64 {
    if bytes <= WHOLE { 1 } else { 2 + (bytes / (WHOLE / 2.0)).ceil() as u64 }
}

/// What a first run leaves in S3.
pub(crate) fn stored(workload: &Workload) -> Stored {
    let (images, shards) = (workload.images as f64, workload.shards() as f64);
    let copied = if workload.is_wide() { 0.0 } else { FEATURES };
    let swept = if workload.is_fitted_by_passes() { passes::stored(workload) } else { 0.0 };
    Stored {
        parts: (images * features_bytes(workload) + swept) as u64 + moments_bytes(workload),
        run: (images * (copied + LISTING + TABLES) + shards * SHARD_FILES + RUN_FILES) as u64,
    }
}

/// Bytes of the moments of all shards and of those that are merged below the last level.
pub(crate) fn moments_bytes(workload: &Workload) -> u64 {
    workload.shards() * part_moments(workload) as u64 + nodes(workload) * MOMENTS as u64
}

/// Bytes of the moments of one shard.
fn part_moments(workload: &Workload) -> f64 {
    if images_of_shard(workload) < WIDTH || workload.is_wide() { NO_MOMENTS } else { MOMENTS }
}

/// Bytes of an image's features in Parquet. Those that a ReLU has not passed hold no zeros, and are not smaller there.
pub(crate) fn features_bytes(workload: &Workload) -> f64 {
    if workload.is_wide() { 4.0 * workload.features as f64 } else { FEATURES }
}

/// Listed images of each shard.
pub(crate) fn images_of_shard(workload: &Workload) -> f64 {
    workload.images as f64 / workload.shards() as f64
}

/// Merged moments that are kept; those of the last level become the model.
fn nodes(workload: &Workload) -> u64 {
    workload.merges().iter().filter(|&&groups| groups > 1).sum()
}

/// MB that plan holds at most: each image's key and etag, its rows in three tables while one is made of the other (from
/// the sizes of the types; not measured), beside what any function needs.
pub(crate) fn plan_mb(workload: &Workload) -> f64 {
    const BYTES_PER_IMAGE: f64 = 400.0;
    100.0 + workload.images as f64 * BYTES_PER_IMAGE / 1e6
}

/// MB that list-batch holds at most: the model and its sessions (measured: 125 MB in all for one shard), images read
/// ahead, a shard's features as rows, matrix and file, moments twice where they are stored.
pub(crate) fn list_batch_mb(workload: &Workload) -> f64 {
    let images = images_of_shard(workload);
    let threads = workload.threads();
    let held = pace::images_read_ahead(threads) + threads;
    let ahead = f64::min(pace::bytes_read_ahead(threads) as f64, held as f64 * workload.mean_bytes as f64);
    let features = 2.0 * 4.0 * workload.features as f64 + features_bytes(workload);
    100.0 + (ahead + images * features + 2.0 * part_moments(workload)) / 1e6
}

/// MB that reduce holds at most: of 64 moments a binary tree keeps seven, two while they merge, four children are read
/// ahead, and the PCA needs a few square matrices.
pub(crate) fn reduce_mb(workload: &Workload) -> f64 {
    if workload.is_fitted_by_passes() {
        return passes::reduce_mb(workload);
    }
    const MATRICES: f64 = 6.0 * WIDTH * WIDTH * 8.0;
    50.0 + (9.0 * MOMENTS + 4.0 * Child::part(workload).held + MATRICES) / 1e6
}

/// Bytes of the list that a Map reads: an entry of shards.json, with or without an earlier part.
pub(crate) fn items_bytes(workload: &Workload) -> f64 {
    const ENTRY: f64 = 360.0 + 230.0;
    workload.shards() as f64 * ENTRY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(images: u64) -> Workload {
        Workload { images, ..Workload::default() }
    }

    fn total(work: &[Work]) -> Requests {
        work.iter().fold(Requests::default(), |sum, work| sum.plus(work.requests))
    }

    #[test]
    fn the_requests_of_a_small_run_are_those_counted_by_hand() {
        let work = of(&workload(500), workload(500).all_new());
        let requests: Vec<_> =
            work.iter().map(|work| (work.stage, work.requests.gets, work.requests.puts, work.requests.lists)).collect();
        assert_eq!(
            requests,
            [
                // One part looked for, one image tried; its listing, classes, merge level, plan, missing and shards, the
                // last plan, what was erased, and the lock; lists the images, and what is there of the plan, twice.
                (Stage::Plan, 11, 8, 3),
                // The part looked for, its listing, 500 images; features, rejects, moments; the part's fragments.
                (Stage::Extract, 502, 3, 1),
                (Stage::Extract, 3, 0, 1),
                // The plan, twice, the level, the only part's moments and features; the model and its digest.
                (Stage::Reduce, 5, 2, 0),
                (Stage::Project, 8, 6, 0),
                // The plan and the shards; the problems and the counters.
                (Stage::Project, 2, 0, 2),
                // Lists the run, and its five folders of tables.
                (Stage::Report, 17, 9, 6),
            ]
        );
    }

    #[test]
    fn every_child_is_merged_once() {
        let workload = workload(10_000_000);
        let work = of(&workload, workload.all_new());
        let merged: Vec<_> =
            work.iter().filter(|work| work.function == Function::Reduce).map(|work| work.calls).collect();
        assert_eq!(merged, [256, 4, 1]);
        let reads: u64 =
            work.iter().filter(|work| work.is_map && work.stage == Stage::Combine).map(|work| work.requests.gets).sum();
        // Of a part its features as well.
        assert_eq!(reads, (2 * 16_384 + 256) + (256 + 4));
    }

    #[test]
    fn a_run_that_finds_every_part_reads_no_image() {
        let workload = workload(67_000);
        let first = total(&of(&workload, workload.all_new()));
        let again = total(&of(&workload, New { shards: 0, images: 0 }));
        assert!(first.gets > 67_000 && again.gets < 3_000, "{} {}", first.gets, again.gets);
        assert!(of(&workload, New { shards: 0, images: 0 }).iter().all(|work| work.stage != Stage::Extract));
    }

    #[test]
    fn files_above_16_mib_are_written_in_parts() {
        assert_eq!((puts_of(1.0), puts_of(WHOLE), puts_of(WHOLE + 1.0)), (1, 1, 5));
    }

    #[test]
    fn what_is_stored_is_what_the_measured_run_stored() {
        // 1,100 photographs in two shards: parts/ 4,206,518 bytes, the run's folder 6,089,674.
        let stored = stored(&workload(1_100));
        assert!((stored.parts as f64 / 4_206_518.0 - 1.0).abs() < 0.01, "{stored:?}");
        assert!((stored.run as f64 / 6_089_674.0 - 1.0).abs() < 0.1, "{stored:?}");
    }
}
