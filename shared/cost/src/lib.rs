//! What a run on AWS costs and how long it takes: before it is started, from a model of its work; afterwards, from what
//! was measured.
//!
//! [`Prices`](prices::Prices) times [`Usage`](usage::Usage) is a [`Bill`](bill::Bill). [`simulation`] says what a
//! [`Workload`](workload::Workload) uses: it knows what each stage asks of S3, Lambda and Step Functions, and how those
//! answer under load. [`estimate`] puts prices to it, beside the cluster that Pomona replaces ([`emr`]). [`run`] puts
//! what a run has measured in the place of what the model assumes: that is the content of report/cost.json.
//!
//! ```
//! use pomona_cost::simulation::simulate;
//! use pomona_cost::workload::Workload;
//!
//! let run = simulate(&Workload { images: 67_000, mean_bytes: 50_000, ..Workload::default() })?;
//! assert!(run.seconds > 10.0 && run.usage.transitions > 0);
//! # Ok::<(), pomona_cost::Error>(())
//! ```

pub mod bill;
pub mod emr;
pub mod error;
pub mod estimate;
mod passes;
pub mod prices;
pub mod run;
pub mod simulation;
pub mod usage;
pub mod watching;
mod work;
pub mod workload;

pub use error::Error;
