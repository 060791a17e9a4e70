//! A world that fails: whole histories of the workflow on AWS, each from one seed, with everything that its surroundings
//! can do to it. README.md says what the world does and where it is simpler than AWS.

mod asl;
mod bill;
mod bucket;
mod context;
mod deployed;
mod dice;
mod erasures;
mod execution;
mod function;
mod history;
mod images;
mod invariants;
mod lambda;
mod life;
mod log;
mod map_run;
mod met;
mod panics;
mod paths;
mod people;
mod program;
mod queue;
mod s3;
mod shrink;
mod step_functions;
mod task;
mod weather;
mod world;

/// Histories are made of small allocations: a tenth more of them are lived through in a minute with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use life::{Lived, live, trace};
pub use met::{Met, Trouble, states};
pub use shrink::tell;
