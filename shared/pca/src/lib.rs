//! Moments, principal components and projection: pure numbers, no I/O.
//!
//! The way from features to principal components, in four steps that need not share a process:
//!
//! 1. [`Moments::of`] reduces the feature rows of one shard to count, mean and scatter.
//! 2. [`Merger`] adds up the moments of all shards, one at a time, in order.
//! 3. [`Pca::fit`] finds the principal components from the merged moments alone.
//! 4. [`Pca::project`] turns feature rows into component rows, shard by shard.
//!
//! ```
//! use ndarray::array;
//! use pomona_pca::{Merger, Moments, FitOptions, Pca};
//!
//! let shards = [array![[1.0_f32, 2.0], [3.0, 5.0]], array![[4.0, 9.0], [7.0, 12.0]]];
//!
//! let mut merger = Merger::default();
//! for shard in &shards {
//!     merger.push(Moments::of(shard.view()))?;
//! }
//! let moments = merger.finish()?.expect("two shards were pushed");
//! let pca = Pca::fit(&moments, &FitOptions::default())?;
//!
//! assert_eq!(pca.components(), 2);
//! assert_eq!(pca.project(shards[1].view())?.dim(), (2, 2));
//! # Ok::<(), pomona_pca::Error>(())
//! ```
//!
//! Everything is computed in `f64`, in an order of additions that depends on the data's shape alone, and on
//! one thread: callers run shards in parallel, and the number of threads changes no bit of any result.
//! [`Moments::of`] uses fused multiply-add where the CPU has it, and the eigensolver picks its kernels by CPU,
//! so results are byte-identical on one CPU family and equal up to rounding elsewhere.

mod columns;
mod components;
mod covariance;
mod dense;
mod eigen;
mod encoding;
mod error;
mod lanczos;
mod lbfgs;
mod line_search;
mod logistic;
mod logistic_model;
mod merger;
mod moments;
mod panels;
mod pca;
mod pca_fit;
mod projection;
mod random;
mod rank_update;
mod softmax;
pub mod sweep;
mod triangle;

pub use columns::{ColumnMoments, Columns};
pub use covariance::Covariance;
pub use encoding::Encoding;
pub use error::Error;
pub use lanczos::{Lanczos, Product, TOLERANCE};
pub use logistic::{Logistic, LogisticOptions, Losses};
pub use logistic_model::{LogisticFit, LogisticModel, likeliest};
pub use merger::{Merger, Sum};
pub use moments::Moments;
pub use pca::{FitOptions, Pca};
pub use pca_fit::PcaFit;
pub use pomona_terms::{COVARIANCE_FEATURES, Components};
