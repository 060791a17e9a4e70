//! A run's vocabulary: what a user may choose, what runs, stages and files are called, where they lie. Nothing here
//! reads or writes, decodes or computes, so whoever only talks about runs needs nothing else.
//!
//! ```
//! use pomona_run::layout::RunLayout;
//! use pomona_run::{Options, RunId};
//!
//! let options: Options = serde_json::from_str(r#"{"components": 0.95, "label_from": "top"}"#)?;
//! options.validate()?;
//! let run_id: RunId = "20260131T120000Z-0123abcd".parse()?;
//! assert_eq!(RunLayout::new(run_id.as_str()).page(), "runs/20260131T120000Z-0123abcd/report/report.html");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod archived;
pub mod chance;
pub mod classify;
pub mod clock;
pub mod counted;
pub mod diagnosis;
pub mod endings;
pub mod error;
pub mod executions;
pub mod function;
pub mod globs;
pub mod label;
pub mod layout;
pub mod location;
pub mod names;
pub mod options;
pub mod pace;
pub mod place;
pub mod region;
pub mod run_id;
pub mod stage;
pub mod sweep;
pub mod tree;
pub mod visible;

pub use error::{Error, ErrorName};
pub use location::{BucketLocation, Location};
pub use options::Options;
pub use run_id::RunId;
