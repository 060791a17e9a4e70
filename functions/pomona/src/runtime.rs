//! The threads that wait for input and output.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::{io, thread};

use pomona_run::pace;
use tokio::runtime::Runtime;

use crate::Error;

/// Threads that a command needs beside two for each core: those that read and write files, fetch and load the model.
const OTHER_THREADS: usize = 8;

/// Files that a command needs open beside the images that it reads: its input and output, their folders, the runtime's
/// own.
const OTHER_FILES: usize = 24;

/// A runtime on all cores.
///
/// # Errors
/// [`Error::Runtime`] and [`Error::Files`] where the system refuses as many threads or open files as a command needs;
/// tokio would panic over them.
pub fn runtime() -> Result<Runtime, Error> {
    start_and_end(2 * available_threads() + OTHER_THREADS).map_err(Error::Runtime)?;
    open_and_close(pace::images_at_once(available_threads()) + OTHER_FILES).map_err(Error::Files)?;
    Runtime::new().map_err(Error::Runtime)
}

/// Threads that can work at once, one per core.
pub fn available_threads() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Has so many files open at once for a moment.
fn open_and_close(files: usize) -> io::Result<()> {
    let opened: io::Result<Vec<_>> = (0..files).map(|_| std::fs::File::open("/")).collect();
    opened.map(drop)
}

/// Has so many threads at once for a moment.
fn start_and_end(threads: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = || drop(gate.lock().unwrap_or_else(PoisonError::into_inner));
        let started: io::Result<Vec<_>> =
            (0..threads).map(|_| thread::Builder::new().spawn_scoped(scope, wait)).collect();
        drop(closed);
        started.map(drop)
    })
}
