//! What the Lambdas share: everything between an event and a stage of [`pomona_stages`].
//!
//! A Lambda's `main.rs` reads its [`Settings`], builds one [`Function`] and hands it to [`serve`], which answers each
//! event with it. There is a function for each Lambda:
//!
//! | Lambda | function | stage |
//! |---|---|---|
//! | plan | [`plan::Planner`] | takes the output's lock and plans; counts what a Map left undone |
//! | list-batch | [`list_batch::ListBatch`] | extracts one shard |
//! | sweep | [`sweep::Sweep`] | adds up one group of parts in a pass |
//! | reduce | [`reduce::Reduce`] | merges one group of moments, or fits |
//! | project-map | [`project_map::ProjectMap`] | projects one shard |
//! | report | [`report::Report`] | checks and reports the run, gives the lock back |
//! | erase | [`erase::Erase`] | a step of an erasure, one group of files that it looks through, one part that it makes anew |
//! | trigger | [`trigger::Trigger`] | none: it starts a run when the input has changed |
//!
//! Events and answers are those that `statemachine/README.md` lists; tests hold both against the state machine itself.
//! An [`Error`] leaves a Lambda under one of the closed set of names `Pomona.*`, which the state machine's `Retry`
//! matches; its message, which may name images, is written beside the run. Lines of the log and metrics go to standard
//! output as JSON; at level info they hold no image key.
//!
//! ```no_run
//! use pomona_lambda::plan::Planner;
//! use pomona_lambda::{Settings, serve, start_logging};
//!
//! # async fn example() -> Result<(), lambda_runtime::Error> {
//! start_logging();
//! serve(Settings::from_env().and_then(|settings| Planner::new(&settings))).await
//! # }
//! ```

mod check;
mod cost;
mod diagnose;
mod edge;
pub mod erase;
mod error;
mod event;
pub mod list_batch;
mod logging;
mod metrics;
pub mod plan;
mod probe;
mod problems;
pub mod project_map;
pub mod reduce;
pub mod report;
mod settings;
mod stores;
pub mod sweep;
pub mod trigger;

pub use check::Checked;
pub use cost::StackSettings;
pub use edge::{Answer, Edge, Function, serve};
pub use error::{Error, Obstacle};
pub use logging::start_logging;
pub use metrics::{RunFigures, Work};
pub use pomona_run::BucketLocation;
pub use problems::RunPlace;
pub use settings::Settings;
pub use stores::Stores;
