//! For tests of stores and of whatever uses them.
//!
//! [`conformance`] is the suite that every backend passes, [`FailingStore`] a store whose calls fail on command,
//! [`MemoryStore`] one in memory, [`S3Server`] an S3 on the loopback interface.

pub mod conformance;
mod failing;
pub mod histories;
mod memory;
mod s3_server;

pub use failing::{FailingStore, Fault, Operation};
pub use memory::MemoryStore;
pub use s3_server::{S3Server, loopback_config};
