//! Milliseconds per image from bytes to pixels: `cargo run --release --example pixels -- FILE_OR_FOLDER...`
//!
//! For each argument: all its images (a folder: those of subfolders, too), read into memory first, then decoded and
//! resized to 224 x 224 on one thread by each preset in turn, JPEGs whole and scaled; the best of five rounds.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pomona_vision::pixels::{Decode, ImageReader, Limits, PixelOptions, Reject};
use pomona_vision::preset::Preset;

const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    for argument in std::env::args_os().skip(1) {
        let path = PathBuf::from(argument);
        let images = files_below(&path)?.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
        let mut readers: Vec<_> = Preset::ALL.iter().flat_map(|&(name, preset)| readers(name, preset)).collect();
        for _ in 0..ROUNDS {
            for Contender { reader, best, .. } in &mut readers {
                *best = (*best).min(round(reader, &images)?);
            }
        }
        println!("{} images, {}", images.len(), path.display());
        for Contender { name, best, .. } in readers {
            println!("{:8.3} ms per image, {name}", best.as_secs_f64() * 1e3 / images.len() as f64);
        }
    }
    Ok(())
}

struct Contender {
    name: String,
    reader: ImageReader,
    best: Duration,
}

fn readers(preset_name: &str, preset: Preset) -> [Contender; 2] {
    Decode::ALL.map(|(name, decode)| {
        let reader = ImageReader::new(224, 224, &PixelOptions { decode, ..preset.pixels() });
        Contender { name: format!("{preset_name}, {name}"), reader, best: Duration::MAX }
    })
}

fn round(reader: &mut ImageReader, images: &[Vec<u8>]) -> Result<Duration, Reject> {
    let start = Instant::now();
    for image in images {
        reader.read(image, &Limits::DEFAULT)?;
    }
    Ok(start.elapsed())
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
