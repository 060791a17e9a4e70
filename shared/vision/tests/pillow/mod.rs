//! Pillow's pixels of files, and whether ours are the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use pomona_vision::pixels::{ImageReader, Limits};
use sha2::{Digest, Sha256};

/// Width and height.
pub type Size = (usize, usize);

pub const MODEL_SIZE: Size = (224, 224);

/// Digest of a file's pixels by path; none where Pillow refuses the file.
pub type Digests = BTreeMap<String, Option<String>>;

pub fn reader((width, height): Size) -> ImageReader {
    ImageReader::new(width, height, Limits::default())
}

pub fn assert_same_pixels(folder: &Path, digests: &Digests, target: Size, count: usize) {
    assert_eq!(digests.len(), count);
    let mut reader = reader(target);
    for (name, expected) in digests {
        let bytes = fs::read(folder.join(name)).unwrap();
        let pixels = reader.read(&bytes).unwrap_or_else(|reject| panic!("{name}: {reject}"));
        assert_eq!(expected.as_deref(), Some(hex_digest(pixels).as_str()), "{name}");
    }
}

/// How reading files ended, here and in Pillow.
#[derive(Default)]
pub struct Tally {
    pub equal: usize,
    /// By both.
    pub refused: usize,
    /// Files that one of the two refuses, or that have other pixels.
    pub departures: Vec<String>,
}

/// Reads all files of a folder, here and in Pillow; a tally for each extension.
pub fn compare(folder: &Path, target: Size) -> BTreeMap<String, Tally> {
    let mut reader = reader(target);
    let mut tallies = BTreeMap::<String, Tally>::new();
    for (name, expected) in digests_by_pillow(folder, target) {
        let bytes = fs::read(folder.join(&name)).unwrap();
        let tally = tallies.entry(name.rsplit('.').next().unwrap_or_default().to_owned()).or_default();
        match (reader.read(&bytes).map(hex_digest), expected) {
            (Ok(pixels), Some(expected)) if pixels == expected => tally.equal += 1,
            (Ok(_), Some(_)) => tally.departures.push(format!("{name} has other pixels")),
            (Ok(_), None) => tally.departures.push(format!("{name} is refused by Pillow")),
            (Err(_), None) => tally.refused += 1,
            (Err(reject), Some(_)) => tally.departures.push(format!("{name} is read by Pillow ({reject})")),
        }
    }
    tallies
}

pub fn hex_digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub fn digests_by_pillow(folder: &Path, (width, height): Size) -> Digests {
    let (width, height) = (width.to_string(), height.to_string());
    serde_json::from_slice(&oracle(&["digests", text(folder), &width, &height])).unwrap()
}

/// What pixels_oracle.py prints.
pub fn oracle(arguments: &[&str]) -> Vec<u8> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pixels_oracle.py");
    let output = Command::new(pomona_tests::python()).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
