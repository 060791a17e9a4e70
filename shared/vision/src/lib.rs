//! One image file -> one feature vector.
//!
//! ```text
//! bytes --pixels--> [height, width, 3] as Pillow (or OpenCV) makes them --model--> features as Keras makes them
//! ```
//!
//! [`pixels`] decodes and resizes, [`model`] runs the network, and an [`Extractor`](extractor::Extractor) does both.
//!
//! ```
//! use pomona_vision::pixels::{ImageReader, Limits, PixelOptions};
//!
//! // A BMP of one red pixel.
//! let header = [66, 77, 58, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0];
//! let file = [header.as_slice(), &[0; 24], &[0, 0, 255, 0]].concat();
//! let mut reader = ImageReader::new(2, 1, &PixelOptions::default());
//! assert_eq!(reader.read(&file, &Limits::DEFAULT)?, [255, 0, 0, 255, 0, 0]);
//! # Ok::<(), pomona_vision::pixels::Reject>(())
//! ```
//!
//! ```no_run
//! use pomona_vision::extractor::Extractor;
//! use pomona_vision::model::{Model, ModelOptions};
//! use pomona_vision::pixels::Limits;
//!
//! let model = Model::load("mobilenet_v2.onnx".as_ref(), &ModelOptions::default())?;
//! let mut session = Extractor::new(model).session()?;
//! match session.features(&std::fs::read("cat.jpg")?, &Limits::DEFAULT)? {
//!     Ok(features) => println!("{:?}", &features.values[..4]),
//!     Err(reject) => println!("{reject}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod engine;
pub mod extractor;
mod flatten;
pub mod model;
mod normalize;
pub mod pixels;
pub mod preset;

pub use engine::fma_peak;
