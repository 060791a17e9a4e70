//! Pillow's and OpenCV's pixels of files, and whether ours are the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use pomona_vision::pixels::{ImageReader, Limits, PixelOptions};
use sha2::{Digest, Sha256};

/// Width and height.
pub type Size = (usize, usize);

pub const MODEL_SIZE: Size = (224, 224);

/// Digest of a file's pixels by path; none where the oracle refuses the file.
pub type Digests = BTreeMap<String, Option<String>>;

pub fn reader((width, height): Size, options: &PixelOptions) -> ImageReader {
    ImageReader::new(width, height, options)
}

pub fn assert_same_pixels(folder: &Path, digests: &Digests, mut reader: ImageReader, count: usize) {
    assert_eq!(digests.len(), count);
    for (name, expected) in digests {
        let bytes = fs::read(folder.join(name)).unwrap();
        let pixels = reader.read(&bytes, &Limits::DEFAULT).unwrap_or_else(|reject| panic!("{name}: {reject}"));
        assert_eq!(expected.as_deref(), Some(hex_digest(pixels).as_str()), "{name}");
    }
}

pub fn hex_digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Of a way of making pixels that pixels_oracle.py knows.
pub fn digests_by(way: &str, folder: &Path, (width, height): Size) -> Digests {
    let (width, height) = (width.to_string(), height.to_string());
    serde_json::from_slice(&oracle(&["digests", text(folder), &width, &height, way])).unwrap()
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
