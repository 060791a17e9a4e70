//! What the program prints. A reader that goes early (`pomona inspect results | head -1`) has read what it wanted, and
//! a log that can take no more loses lines, never a run: nothing here panics.

use std::io::{self, ErrorKind, Write};

use pomona_run::visible::visible_lines;

use crate::Error;

/// Prints what a command was asked for, byte for byte.
///
/// # Errors
/// [`Error::Print`], as when the disk is full; a reader that has gone is none.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Prints lines for people, in which names of files do nothing to the terminal.
///
/// # Errors
/// As [`print()`].
pub(crate) fn show(text: &str) -> Result<(), Error> {
    print(visible_lines(text).as_bytes())
}

/// Prints JSON, for scripts.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_json(json: &str) -> Result<(), Error> {
    print(format!("{json}\n").as_bytes())
}

/// Tells people a line beside what is printed, on standard error. Where that goes nowhere there is nobody to tell.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", visible_lines(text));
}
