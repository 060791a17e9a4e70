//! Long work that Ctrl-C ends.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use pomona_run::ErrorName;
use pyo3::prelude::*;

use crate::error;

/// What becomes of work that was told to stop.
pub(crate) enum Stopped {
    /// It has something to put away, and ends soon.
    Ending,
    /// Nobody waits for it: it only reads.
    Left,
}

/// How often signals and progress are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Does `work` on a thread of its own, without Python's lock, and calls `tick` ten times a second on this one.
///
/// Where a signal raises an exception, as Ctrl-C does, or `tick` fails, `stop` is called once, and `work` is waited for
/// where it then ends; a second exception waits no longer.
///
/// # Errors
/// That exception, and [`ErrorName::Internal`] where `work` panicked.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
    stop: impl Fn() -> Stopped,
    mut tick: impl FnMut(Python<'_>) -> PyResult<()>,
) -> PyResult<T> {
    let (sender, mut receiver) = channel();
    // Nobody takes the result of work that was not waited for.
    thread::Builder::new().name("pomona".to_owned()).spawn(move || drop(sender.send(work())))?;
    let mut raised = None;
    loop {
        let received;
        (receiver, received) = py.detach(move || {
            let received = receiver.recv_timeout(TICK);
            (receiver, received)
        });
        match received {
            Ok(done) => {
                tick(py)?;
                return raised.map_or(Ok(done), Err);
            }
            Err(RecvTimeoutError::Disconnected) => return Err(error::named(ErrorName::Internal, PANICKED)),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Err(exception) = py.check_signals().and_then(|()| tick(py)) {
            if raised.is_some() {
                return Err(exception);
            }
            match stop() {
                Stopped::Ending => raised = Some(exception),
                Stopped::Left => return Err(exception),
            }
        }
    }
}

const PANICKED: &str = "internal error: a thread ended early; please report it";
