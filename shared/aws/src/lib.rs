//! Runs on AWS, seen from outside: start, stop and redrive one, look at one, and find out whether an account is ready
//! for them.
//!
//! An [`Account`] is what the credentials at hand reach in one allowed region. In it lies a [`Stack`], found by its
//! name, whose state machine runs the pipeline: [`Stack::start`] starts an execution with the documented input
//! (`statemachine/README.md`), [`Stack::status`] tells how one is going, [`Stack::stop`] ends one, and [`Stack::redrive`]
//! lets one go on that did not succeed. [`diagnose`] checks everything that a run
//! needs, and says how to mend what is missing.
//!
//! ```no_run
//! use pomona_aws::{Account, DEFAULT_STACK, Error, RunRequest, Stack};
//!
//! # async fn example() -> Result<(), Error> {
//! let stack = Stack::find(&Account::open().await?, DEFAULT_STACK).await?;
//! println!("{}", stack.start(&RunRequest::default()).await?);
//! # Ok(())
//! # }
//! ```

mod account;
mod advice;
mod control;
mod doctor;
mod encryption;
mod error;
mod executions;
mod finding;
mod lambda;
mod not_redrivable;
mod plan_says;
mod request;
mod stack;
mod state;
mod status;
#[cfg(test)]
mod tests;

pub use account::{Account, Caller};
pub use advice::{Advice, advice};
pub use control::{Redriven, Stopped};
pub use doctor::diagnose;
pub use error::Error;
pub use executions::Executions;
pub use finding::{Finding, Verdict};
pub use not_redrivable::NotRedrivable;
pub use request::RunRequest;
pub use stack::{DEFAULT_STACK, Stack};
pub use state::State;
pub use status::{Failure, MapRun, Pass, Status};
