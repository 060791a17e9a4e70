//! One image file -> one feature vector.
//!
//! ```text
//! bytes --pixels--> [height, width, 3] as Pillow makes them --model--> features as Keras makes them
//! ```
//!
//! [`pixels`] decodes and resizes, [`model`] runs the network, and an [`Extractor`](extractor::Extractor) does both.

mod engine;
pub mod extractor;
pub mod model;
pub mod pixels;

pub use engine::fma_peak;
