//! A run's files: types to bytes and back, and whether bytes are those that were written.
//!
//! Every file that a run writes for itself is described here once, with the types that stages, reports and readers
//! share: the plan ([`planned`]), listings, parts, [`moments_file`]s, [`counters`], the model, tables. Nothing here
//! decides what is computed; names and places are [`pomona_run`]'s.
//!
//! ```
//! use pomona_formats::tables::{self, CsvTable};
//!
//! let mut csv = CsvTable::new("report/classes.csv", ["label", "images"])?;
//! csv.row(["pear", "3"])?;
//! let rows: Vec<(String, u64)> = tables::from_csv("report/classes.csv", &csv.finish()?, usize::MAX)?;
//! assert_eq!(rows, [("pear".to_owned(), 3)]);
//! # Ok::<(), pomona_formats::Error>(())
//! ```

mod aside;
pub mod class_table;
pub mod classification;
pub mod classifier_file;
pub mod counters;
pub mod digests;
pub mod erasure;
pub mod error;
pub mod fits;
pub mod fragment;
pub mod image_table;
pub mod inventory;
pub mod json;
pub mod listing;
pub mod lock_file;
pub mod losses;
pub mod model_file;
pub mod model_info;
pub mod moments_file;
pub mod numbers;
pub mod part;
pub mod planned;
pub mod planned_runs;
pub mod problem;
pub mod provenance;
pub mod recipe;
pub mod rejects;
pub mod sealed;
pub mod signature;
pub mod strings;
pub mod suppressed;
pub mod tables;

pub use aside::run_aside;
pub use error::Error;
