//! `compare FOLDER`: reads the pictures of a folder here and by Pillow, and tells what only one of them reads.
//!
//! No part of the program that searches, whose readers of PNG pass over checksums (`cfg(fuzzing)`).

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).expect("a folder");
    match pomona_fuzz::differential::print(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
