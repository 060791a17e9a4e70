//! Searches for bytes that are not read as they must be: libFuzzer, with the target that `POMONA_FUZZ` names.
//!
//! One program for all targets, because each would link the whole product. `POMONA_FUZZ=seeds` writes a folder of seeds
//! for each target; `POMONA_FUZZ_FOLDER` is where.

#![no_main]

use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::OnceLock;
use std::{env, fs, io};

use pomona_fuzz::{TARGETS, Target, panics, seeds, target};

static CHOSEN: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: prepare(), |bytes: &[u8]| {
    if let Some(target) = CHOSEN.get() {
        (target.check)(bytes);
    }
});

fn prepare() {
    let wanted = env::var("POMONA_FUZZ").unwrap_or_default();
    let folder = env::var_os("POMONA_FUZZ_FOLDER").map(PathBuf::from);
    match (wanted.as_str(), folder) {
        ("seeds", Some(folder)) => end(write_seeds(&folder)),
        (name, _) => match target(name) {
            Some(target) => {
                panics::watch(|| std::process::abort());
                CHOSEN.get_or_init(|| target);
            }
            None => end(Err(io::Error::other(format!("POMONA_FUZZ names no target: `{name}`")))),
        },
    }
}

fn end(result: io::Result<()>) -> ! {
    if let Err(error) = &result {
        eprintln!("{error}");
    }
    exit(i32::from(result.is_err()))
}

fn write_seeds(folder: &Path) -> io::Result<()> {
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds::of(target.name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
