//! The real program is killed, stopped, refused and cut off from its disk at each of its system calls; the same command
//! goes on, and ends in the result of a run that nothing has happened to.
//!
//! README.md beside it says what is simplified, and how to run one history again.

mod erasing;
mod every_call;
mod failures;
mod harness;
mod mending;
mod seeds;
mod surroundings;
