//! What people ask for.

use std::ffi::OsString;

use pomona_cli::{ModelArgs, ResultsArgs, RunArgs};
use pomona_run::Options;

use crate::choice;

/// Options as JSON, of the state machine and the stack: what was read is written and read again.
pub(crate) fn options(bytes: &[u8]) {
    let Ok(options) = serde_json::from_slice::<Options>(bytes) else { return };
    let _ = options.validate();
    let written = serde_json::to_vec(&options).expect("what was read can be written");
    let again: Options = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("it could be written before"), written);
}

/// Flags of the command line, one a line.
pub(crate) fn flags(bytes: &[u8]) {
    let (choice, bytes) = choice(bytes);
    let text = String::from_utf8_lossy(bytes);
    // It opens the file that is named.
    if text.contains("--cla") {
        return;
    }
    let flags = text.lines().map(OsString::from);
    let _ = match choice % 3 {
        0 => pomona_cli::parse::<RunArgs>(flags).map(drop),
        1 => pomona_cli::parse::<ModelArgs>(flags).map(drop),
        _ => pomona_cli::parse::<ResultsArgs>(flags).map(drop),
    };
}
