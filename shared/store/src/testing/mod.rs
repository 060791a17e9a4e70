//! For tests of stores and of whatever uses them.
//!
//! [`conformance`] is the suite that every backend passes, [`FailingStore`] a store whose calls fail on command,
//! [`S3Server`] an S3 on the loopback interface.

pub mod conformance;
mod failing;
pub mod histories;
mod s3_server;

pub use failing::{FailingStore, Fault, Operation};
pub use s3_server::{S3Server, loopback_config};
