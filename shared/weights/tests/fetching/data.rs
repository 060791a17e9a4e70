//! Weights to fetch: untrained ones, which have the published ones' names, shapes and format.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use pomona_weights::{Edition, untrained_files};

/// The folder of the 104 `.npy` files; all tests share one.
pub fn weights() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("untrained-weights");
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in untrained_files() {
            fs::write(folder.join(name), content).unwrap();
        }
        folder
    };
    FOLDER.get_or_init(make).clone()
}

pub fn edition() -> &'static Edition {
    static EDITION: OnceLock<Edition> = OnceLock::new();
    EDITION.get_or_init(|| Edition::of(&untrained_files()).unwrap())
}
