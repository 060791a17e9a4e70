//! The images of a history, and the network's stand-in.

use bytes::Bytes;
use pomona_formats::recipe::Recipe;
use pomona_results::verify::Observer;
use pomona_stages::compute::ComputePool;
use pomona_stages::recipe;

#[path = "../../../shared/stages/tests/support/mod.rs"]
#[allow(dead_code, reason = "the stages' own tests need more")]
mod support;

pub(crate) use support::{Silent, run_objects};

/// Versions of the functions: each has a model of its own.
pub(crate) const VERSIONS: usize = 2;

/// Words that stand in keys only, so that one that is met elsewhere tells of a leak.
pub(crate) const LABELS: [&str; 3] = ["quince", "medlar", "sorb"];

pub(crate) fn key(image: u64) -> String {
    format!("{}/p{image:04}.png", LABELS[(image % 3) as usize])
}

/// A picture, and of one image in thirteen something that is none.
pub(crate) fn content(image: u64, version: u64) -> Bytes {
    match image % 13 {
        5 => vec![version as u8; 4].into(),
        _ => support::picture(image << 8 | version).into(),
    }
}

/// Computes at once, by a pure function of an image's pixels.
pub(crate) fn pool(version: usize) -> ComputePool {
    ComputePool::without_threads(support::mean_colours([8, 6][version]))
}

pub(crate) fn recipe(pool: &ComputePool) -> Recipe {
    recipe::of(pool.extractor().model())
}

/// Nobody looks on while an output is looked through.
pub(crate) struct Unseen;

impl Observer for Unseen {
    fn begun(&self, _: u64) {}
    fn bytes_looked_at(&self, _: u64) {}
}
