//! Small datasets, small models, and runs over both.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use pomona_dataset::Images;
use pomona_run::Options;
use pomona_run::stage::{Stage, Timing};
use pomona_stages::Error;
use pomona_stages::compute::ComputePool;
use pomona_stages::fit::Pass;
use pomona_stages::local::{self, Job, Observer, Summary};
use pomona_stages::lock::NoOtherHolders;
use pomona_stages::models::Models;
use pomona_stages::retention::KeepRuns;
use pomona_store::testing::MemoryStore;
use pomona_store::{LocalStore, Store};
use pomona_vision::extractor::Extractor;
use pomona_vision::model::{Model, ModelOptions};

/// How wide and high images come to the model.
const SIDE: u32 = 8;

/// An ONNX model small enough to write by hand, of pictures of `side` by `side` pixels. Its last node makes so many
/// `features`.
fn model(nodes: &[(&str, &str, &str)], side: u32, features: u32) -> Model {
    let message = |field: u8, content: &[u8]| -> Vec<u8> {
        assert!(content.len() < 128);
        [&[field << 3 | 2, content.len() as u8], content].concat()
    };
    let text = |field, content: &str| message(field, content.as_bytes());
    let number = |field: u8, value: u32| {
        let mut bytes = vec![field << 3];
        // Seven bits at a time, the lowest first; the highest bit says that more follow.
        let last = (0..).find(|seven| value >> (7 * seven) < 128).unwrap();
        bytes.extend((0..=last).map(|seven| (value >> (7 * seven)) as u8 & 127 | if seven < last { 128 } else { 0 }));
        bytes
    };
    let node = |&(input, output, operator): &(&str, &str, &str)| {
        message(1, &[text(1, input), text(2, output), text(3, output), text(4, operator)].concat())
    };
    let tensor = |field, name, dims: &[u32]| {
        let batch = message(1, &text(2, "N"));
        let dims: Vec<u8> = dims.iter().flat_map(|&dim| message(1, &number(1, dim))).collect();
        let shape = message(2, &[batch, dims].concat());
        let tensor_type = message(1, &[number(1, 1), shape].concat());
        message(field, &[text(1, name), message(2, &tensor_type)].concat())
    };
    let graph = [
        nodes.iter().flat_map(node).collect(),
        text(2, "colours"),
        tensor(11, "input", &[3, side, side]),
        tensor(12, "features", &[features]),
    ]
    .concat();
    let opset = message(8, &number(2, 13));
    // The graph is longer than one byte can say.
    let graph_length = [(graph.len() as u8 & 0x7f) | 0x80, (graph.len() >> 7) as u8];
    let bytes = [&number(1, 8)[..], &opset, &[7 << 3 | 2], &graph_length, &graph].concat();
    Model::from_bytes(&bytes, "colours", &ModelOptions::default()).unwrap()
}

/// A model of three features: the mean of each colour of pictures of `side` by `side` pixels.
pub fn mean_colours(side: u32) -> Extractor {
    let nodes = [("input", "pooled", "GlobalAveragePool"), ("pooled", "features", "Flatten")];
    Extractor::new(model(&nodes, side, 3))
}

/// Threads with a model of three features.
pub fn pool(threads: usize) -> ComputePool {
    ComputePool::new(mean_colours(SIDE), threads).unwrap()
}

/// Threads with a model of more features than a shard has images: every pixel.
#[allow(dead_code, reason = "not every test needs it")]
pub fn wide_pool(threads: usize) -> ComputePool {
    pixels_pool(threads, SIDE)
}

/// Threads with a model of more features than components are fitted to by a covariance: every pixel of larger pictures.
#[allow(dead_code, reason = "not every test needs it")]
pub fn widest_pool(threads: usize) -> ComputePool {
    pixels_pool(threads, 40)
}

fn pixels_pool(threads: usize, side: u32) -> ComputePool {
    let pixels = model(&[("input", "features", "Flatten")], side, 3 * side * side);
    ComputePool::new(Extractor::new(pixels), threads).unwrap()
}

/// A PNG of 3 x 2 pixels whose colours `seed` decides.
pub fn picture(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let pixels: Vec<u8> = (0..18)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 3, 2);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// Writes an image of a dataset.
pub fn write(folder: &Path, key: &str, bytes: &[u8]) {
    let path = folder.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

pub struct Silent;

impl Observer for Silent {
    fn stage_started(&self, _: Stage, _: u64) {}
    fn file_listed(&self) {}
    fn item_done(&self, _: Stage) {}
    fn item_there(&self, _: Stage) {}
    fn stage_finished(&self, _: &Timing) {}
    fn pass_started(&self, _: &Pass) {}
    fn notice(&self, _: &str) {}
}

/// Runs the pipeline from a folder into a store.
pub async fn run_into(
    input: &Path,
    output: &dyn Store,
    options: &Options,
    pool: &ComputePool,
) -> Result<Summary, Error> {
    run_and_keep(input, output, options, pool, KeepRuns::default()).await
}

/// As [`run_into`], and keeps the tables of the newest runs only.
pub async fn run_and_keep(
    input: &Path,
    output: &dyn Store,
    options: &Options,
    pool: &ComputePool,
    keep_runs: KeepRuns,
) -> Result<Summary, Error> {
    let input = LocalStore::open(input).unwrap();
    let job = Job { input: &Images::new(&input), output, options, models: None, pool, holder: "a test", keep_runs };
    let finished = local::run(&job, &NoOtherHolders, &Silent, std::future::pending()).await?;
    Ok(finished.expect("nobody stopped the run"))
}

/// Runs the pipeline from objects in memory into a store, with its own models or those of another run.
#[allow(dead_code, reason = "not every test needs it")]
pub async fn run_objects(
    input: BTreeMap<String, Bytes>,
    output: &dyn Store,
    (options, models): (&Options, Option<&Models<'_>>),
    pool: &ComputePool,
    observer: &dyn Observer,
) -> Result<Summary, Error> {
    let (input, keep_runs) = (MemoryStore::new("in", input), KeepRuns::default());
    let job = Job { input: &Images::new(&input), output, options, models, pool, holder: "a test", keep_runs };
    let finished = local::run(&job, &NoOtherHolders, observer, std::future::pending()).await?;
    Ok(finished.expect("nobody stopped the run"))
}

/// The bytes with a bit in their middle flipped.
#[allow(dead_code, reason = "not every test needs it")]
pub fn flipped(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.into()
}

/// As [`run_into`], into a folder.
#[allow(dead_code, reason = "not every test needs it")]
pub async fn run(input: &Path, output: &Path, options: &Options, pool: &ComputePool) -> Result<Summary, Error> {
    run_into(input, &LocalStore::create(output).unwrap(), options, pool).await
}
