//! Work that may never end, given a time to end in.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// As much stack as a process's first thread has; graphs are walked recursively.
const STACK: usize = 8 << 20;

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It did not end in time. Its thread goes on until the process ends, as no thread can be stopped from outside.
    Endless,
    /// It panicked.
    Panicked,
    /// The system has no thread for it.
    NoThread,
}

/// What `job` comes to on a thread of its own, if it ends within `patience`.
pub(super) fn within<T: Send + 'static>(
    patience: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = mpsc::channel();
    let run = move || {
        // Nobody waits for what comes too late.
        let _ = sender.send(job());
    };
    thread::Builder::new()
        .name("load the model".to_owned())
        .stack_size(STACK)
        .spawn(run)
        .map_err(|_| Failure::NoThread)?;
    receiver.recv_timeout(patience).map_err(|error| match error {
        RecvTimeoutError::Timeout => Failure::Endless,
        RecvTimeoutError::Disconnected => Failure::Panicked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_ends_has_its_result_and_work_that_does_not_is_given_up() {
        assert_eq!(within(Duration::from_secs(60), || 7), Ok(7));
        let endless = || loop {
            thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(within(Duration::from_millis(20), endless), Err::<(), _>(Failure::Endless));
        assert_eq!(within(Duration::from_secs(60), || panic!("on purpose")), Err::<(), _>(Failure::Panicked));
    }
}
