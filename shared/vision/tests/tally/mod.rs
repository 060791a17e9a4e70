//! How files are read here and in Pillow, counted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pomona_vision::pixels::{Limits, PixelOptions};

use crate::pillow::{Size, digests_by, hex_digest, reader};

/// How reading files ended, here and in Pillow.
#[derive(Default)]
pub struct Tally {
    pub equal: usize,
    /// By both.
    pub refused: usize,
    /// Files that only Pillow reads.
    pub refused_here: Vec<String>,
    /// Files that only Pillow refuses, or that have other pixels.
    pub departures: Vec<String>,
}

impl Tally {
    pub fn all_departures(&self) -> Vec<&String> {
        self.refused_here.iter().chain(&self.departures).collect()
    }

    pub fn files(&self) -> usize {
        self.equal + self.refused + self.refused_here.len() + self.departures.len()
    }
}

/// Reads all files of a folder, here and in a way of Pillow's; a tally for each extension.
pub fn compare(folder: &Path, target: Size, way: &str, options: &PixelOptions) -> BTreeMap<String, Tally> {
    let mut reader = reader(target, options);
    let mut tallies = BTreeMap::<String, Tally>::new();
    for (name, expected) in digests_by(way, folder, target) {
        let bytes = fs::read(folder.join(&name)).unwrap();
        let tally = tallies.entry(name.rsplit('.').next().unwrap_or_default().to_owned()).or_default();
        match (reader.read(&bytes, &Limits::DEFAULT).map(hex_digest), expected) {
            (Ok(pixels), Some(expected)) if pixels == expected => tally.equal += 1,
            (Ok(_), Some(_)) => tally.departures.push(format!("{name} has other pixels")),
            (Ok(_), None) => tally.departures.push(format!("{name} is refused by Pillow")),
            (Err(_), None) => tally.refused += 1,
            (Err(reject), Some(_)) => tally.refused_here.push(format!("{name}: {reject}")),
        }
    }
    tallies
}
