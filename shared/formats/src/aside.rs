//! Work that would hold up those who wait for input and output.

use tokio::task;

use crate::error::Error;

/// Runs `job` on a thread of its own, so that it holds up no other task.
///
/// # Errors
/// [`Error::Internal`] when it panics.
pub async fn run_aside<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    task::spawn_blocking(job).await.map_err(|_| Error::Internal("a computation panicked".to_owned()))
}
