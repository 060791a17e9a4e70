//! The stages that turn a dataset of images into features, principal components and validated tables.
//!
//! A run passes through [`plan`], [`extract`], [`combine`], [`reduce`], [`project`] and [`report`].
//! Each stage takes names and counters, reads and writes everything else through a [`Store`](pomona_store::Store), and
//! may be repeated at any time: what exists is not made again, and what is made again is the same, byte for byte.
//! [`local`] runs them in one process; on AWS a state machine calls the same functions.
//!
//! [`pomona_run::layout`] knows where every file lies and [`pomona_run::names`] what it is called: names are contents,
//! so they answer the question whether work was done already.
//!
//! ```no_run
//! use pomona_dataset::Images;
//! use pomona_stages::compute::ComputePool;
//! use pomona_stages::lock::UnknownHolders;
//! use pomona_stages::local::{self, Job, Observer};
//! use pomona_stages::output::Output;
//! use pomona_stages::retention::KeepRuns;
//! use pomona_stages::{Error, open};
//! use pomona_run::{Location, Options};
//! use pomona_vision::extractor::Extractor;
//! use pomona_vision::model::{Model, ModelOptions};
//!
//! async fn run(observer: &dyn Observer) -> Result<(), Error> {
//!     let model = Model::load("mobilenet_v2.onnx".as_ref(), &ModelOptions::default())?;
//!     let pool = ComputePool::new(Extractor::new(model), 2)?;
//!     let photos: Location = "photos".parse().map_err(pomona_run::Error::from)?;
//!     let results: Location = "results".parse().map_err(pomona_run::Error::from)?;
//!     let store = open::open(&photos).await?;
//!     let output = Output::open(&results, &photos).await?;
//!     let options = Options::default();
//!     let input = Images::new(store.as_ref());
//!     let job = Job {
//!         input: &input,
//!         output: output.store(),
//!         options: &options,
//!         models: None,
//!         pool: &pool,
//!         holder: "an example",
//!         keep_runs: KeepRuns::default(),
//!     };
//!     if let Some(summary) = local::run(&job, output.holders(&UnknownHolders), observer, std::future::pending()).await? {
//!         println!("{} images", summary.info.num_images_processed);
//!     }
//!     Ok(())
//! }
//! ```

mod ahead;
pub mod archives;
mod claims;
pub mod combine;
pub mod compute;
mod damages;
mod earlier;
pub mod erase;
pub mod error;
pub mod expiry;
pub mod extract;
pub mod fit;
pub mod forget;
pub mod fragments;
mod history;
pub mod image_tables;
pub mod left;
pub mod local;
pub mod lock;
pub mod memory;
pub mod models;
pub mod open;
pub mod output;
mod part;
pub mod plan;
mod predict;
pub mod project;
pub mod recipe;
pub mod reduce;
mod refusal;
pub mod repair;
pub mod report;
pub mod retention;
mod sample;
mod seen;
pub mod sweep;
mod timings;
pub mod verify;

pub use error::{Error, name_of_model_error};
