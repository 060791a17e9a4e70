//! Milliseconds per image from bytes to pixels: `cargo run --release --example pixels -- FILE_OR_FOLDER...`
//!
//! For each argument: all its images (a folder: one level of subfolders), read into memory first, then decoded and
//! resized to 224 x 224 on one thread; the best of five rounds.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pomona_vision::pixels::{ImageReader, Limits, PixelOptions};

const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    for argument in std::env::args_os().skip(1) {
        let path = PathBuf::from(argument);
        let images = files_below(&path)?.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
        let mut reader = ImageReader::new(224, 224, &PixelOptions::default());
        let mut best = Duration::MAX;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for image in &images {
                reader.read(image, &Limits::DEFAULT)?;
            }
            best = best.min(start.elapsed());
        }
        let milliseconds = best.as_secs_f64() * 1e3 / images.len() as f64;
        println!("{milliseconds:8.3} ms per image, {} images, {}", images.len(), path.display());
    }
    Ok(())
}

fn files_below(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        files.extend(files_below(&entry?.path())?);
    }
    Ok(files)
}
