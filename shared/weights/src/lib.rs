//! The published MobileNetV2 weights, fetched, checked, assembled into one ONNX model and cached.
//!
//! Pomona carries no weights. It knows the 104 `.npy` files that hold them and the digest of the model that they make
//! up ([`Edition::published`]), where they are published ([`Source::published`]) and how they are put together
//! ([`assemble`]). [`fetch`] is the whole way:
//!
//! 1. a whole model in the [`Cache`] is used as it is;
//! 2. otherwise the files come from the first source that has them, in parallel, with retries, each checked by digest;
//! 3. they are assembled, the model's own digest is checked, and an atomic rename puts it into the cache.
//!
//! ```no_run
//! use pomona_weights::{Cache, Event, FetchOptions, fetch};
//!
//! let model = fetch(&Cache::from_env()?, &FetchOptions::default(), |event| match event {
//!     Event::Fetched { file, bytes } => println!("{file}: {bytes} bytes"),
//!     Event::Retrying { failure, .. } | Event::NextSource { failure } => println!("{failure}"),
//! })?;
//! println!("{}", model.display());
//! # Ok::<(), pomona_weights::Error>(())
//! ```
//!
//! The model: input `input`, float32 [N, 3, 224, 224] (RGB, each number in [-1, 1]); output `features`, float32
//! [N, 1280], the global average pooling of the last convolution.
//!
//! Where nothing can be fetched, [`untrained`] gives the same network with numbers drawn from a fixed seed.

mod assemble;
mod cache;
mod client;
mod edition;
mod error;
mod fetch;
mod layers;
mod npy;
mod obstacle;
mod onnx;
mod source;
mod untrained;

pub use assemble::{WeightFiles, assemble};
pub use cache::{Cache, verify, write_whole};
pub use edition::Edition;
pub use error::{Error, Result};
pub use fetch::{Event, FetchOptions, fetch};
pub use layers::WeightFile;
pub use obstacle::Obstacle;
pub use source::Source;
pub use untrained::{UNTRAINED_SHA256, untrained, untrained_files};

/// The model's name: its graph's name, and the first part of its file name in the cache.
pub const MODEL_NAME: &str = "mobilenet_v2_1.0_224_features";

/// SHA-256 of the published model's ONNX file, lower-case hex.
pub const MODEL_SHA256: &str = "cf32d9391ffa85a2b553267cd2cb577ac4d9af5d5f0caddd9de2ee8b0a519bc3";

/// SHA-256 in lower-case hex.
fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(bytes))
}
