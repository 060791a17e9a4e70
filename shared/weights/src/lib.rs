//! The published MobileNetV2 weights, fetched, checked, assembled into one ONNX model and cached.
//!
//! Pomona carries no weights. It knows the 104 `.npy` files that hold them ([`weight_files`]: names and digests), where
//! they are published ([`Source::published`]), how they make up the network ([`assemble`]) and the digest of the result
//! ([`MODEL_SHA256`]). [`fetch`] is the whole way:
//!
//! 1. a whole model in the [`Cache`] is used as it is;
//! 2. otherwise the files come from the first source that has them, in parallel, with retries, each checked by digest;
//! 3. they are assembled, the model's own digest is checked, and an atomic rename puts it into the cache.
//!
//! ```no_run
//! use pomona_weights::{Cache, Event, Options, fetch};
//!
//! let model = fetch(&Cache::from_env()?, &Options::default(), |event| match event {
//!     Event::Fetched { file, bytes } => println!("{file}: {bytes} bytes"),
//!     Event::Retrying { failure, .. } | Event::SourceFailed { failure } => println!("{failure}"),
//! })?;
//! println!("{}", model.display());
//! # Ok::<(), pomona_weights::Error>(())
//! ```
//!
//! The model: input `input`, float32 [N, 3, 224, 224] (RGB, each number in [-1, 1]); output `features`, float32
//! [N, 1280], the global average pooling of the last convolution.

mod assemble;
mod cache;
mod error;
mod fetch;
mod layers;
mod npy;
mod onnx;
mod source;

pub use assemble::{WeightFiles, assemble};
pub use cache::{Cache, verify};
pub use error::{Error, Result};
pub use fetch::{Event, Options, fetch};
pub use layers::{WeightFile, weight_files};
pub use source::Source;

/// The model's name: its graph's name, and the first part of its file name in the cache.
pub const MODEL_NAME: &str = "mobilenet_v2_1.0_224_features";

/// SHA-256 of the assembled ONNX file, lower-case hex.
pub const MODEL_SHA256: &str = "cf32d9391ffa85a2b553267cd2cb577ac4d9af5d5f0caddd9de2ee8b0a519bc3";

/// SHA-256 in lower-case hex.
fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(bytes))
}
