//! The threads that compute, apart from those that wait for input and output.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use pomona_vision::extractor::{Extractor, Session};
use pomona_vision::model::ModelError;
use tokio::sync::oneshot;

use crate::error::Error;

/// A fixed number of threads with an [`Extractor`]; each image is worked on by one of them.
pub struct ComputePool {
    /// None where whoever asks computes.
    threads: Option<rayon::ThreadPool>,
    extractor: Arc<Extractor>,
    idle_sessions: Arc<Mutex<Vec<Session>>>,
}

impl fmt::Debug for ComputePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComputePool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

impl ComputePool {
    /// Starts `threads` threads around `extractor`.
    ///
    /// # Errors
    /// [`pomona_formats::Error::Internal`] when the system refuses a thread.
    pub fn new(extractor: Extractor, threads: usize) -> Result<Self, Error> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|index| format!("compute-{index}"))
            // A panic drops the job's sender, and `run` reports it; the thread lives on.
            .panic_handler(|_| {})
            .build()
            .map_err(|error| Error::internal(format!("cannot start the compute threads: {error}")))?;
        Ok(Self { threads: Some(threads), extractor: Arc::new(extractor), idle_sessions: Arc::default() })
    }

    /// No threads: each image is worked on by whoever asks for it, so that everything has its place in one order, which
    /// tests of whole histories repeat.
    pub fn without_threads(extractor: Extractor) -> Self {
        Self { threads: None, extractor: Arc::new(extractor), idle_sessions: Arc::default() }
    }

    /// How many threads compute.
    pub fn threads(&self) -> usize {
        self.threads.as_ref().map_or(1, rayon::ThreadPool::current_num_threads)
    }

    /// What the threads extract with.
    pub fn extractor(&self) -> &Extractor {
        &self.extractor
    }

    /// Runs `job` on one of the threads.
    ///
    /// # Errors
    /// [`pomona_formats::Error::Internal`] when the job panicked.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let panicked = || Error::internal("a computation panicked");
        let Some(threads) = &self.threads else {
            return catch_unwind(AssertUnwindSafe(job)).map_err(|_| panicked());
        };
        let (sender, receiver) = oneshot::channel();
        threads.spawn_fifo(move || {
            // Nobody waits for the result of a run that was stopped.
            let _ = sender.send(job());
        });
        receiver.await.map_err(|_| panicked())
    }

    /// Runs `job` on one of the threads, with a session of the extractor.
    ///
    /// # Errors
    /// As [`ComputePool::run`].
    pub async fn run_with_session<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Session) -> Result<T, ModelError> + Send + 'static,
    ) -> Result<Result<T, ModelError>, Error> {
        let (extractor, idle) = (self.extractor.clone(), self.idle_sessions.clone());
        self.run(move || {
            let idle_session = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut session = idle_session.map_or_else(|| extractor.session(), Ok)?;
            let result = job(&mut session);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
            result
        })
        .await
    }
}
