//! Work that would hold up those who wait for input and output.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task;

use crate::error::Error;

/// Runs `job` on a thread of its own, so that it holds up no other task. A runtime of one thread runs it at once: there
/// everything has its place in one order, which tests of whole histories repeat.
///
/// # Errors
/// [`Error::Internal`] when it panics.
pub async fn run_aside<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return catch_unwind(AssertUnwindSafe(job)).map_err(|_| panicked());
    }
    task::spawn_blocking(job).await.map_err(|_| panicked())
}

fn panicked() -> Error {
    Error::Internal("a computation panicked".to_owned())
}
