//! What `verify` says of an output, and what it makes good.

#[path = "../support/damages.rs"]
mod damages;
mod erasures;
#[path = "../support/everything.rs"]
mod everything;
mod mending;
mod naming;
#[path = "../support/result.rs"]
mod result;
#[allow(dead_code, reason = "not every test needs all of it")]
#[path = "../support/mod.rs"]
mod support;
