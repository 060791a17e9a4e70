//! Files of a search, read here and by Pillow.
//!
//! Where both read a file their pixels must be equal. What only one of them reads is counted by why; the departures that
//! are known stand in the documentation of `pomona_vision::pixels`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use pomona_tests::{project, python};
use pomona_vision::pixels::{Decode, ExifOrientation, ImageReader, Limits, PixelOptions, Reject};
use sha2::{Digest, Sha256};

/// Width and height of what pictures become.
const SIZE: (usize, usize) = (24, 20);

/// How files are decoded, by the name that Pillow's side knows it under. What is done to pixels afterwards does not
/// depend on the file.
fn ways() -> [(&'static str, PixelOptions); 3] {
    let as_stored = PixelOptions::default();
    let upright = PixelOptions { exif_orientation: ExifOrientation::Apply, ..as_stored };
    let scaled = PixelOptions { decode: Decode::Scaled, ..as_stored };
    [("keras", as_stored), ("keras-upright", upright), ("keras-scaled", scaled)]
}

/// How many files of a reason are named.
const NAMED: usize = 5;

/// How the files of a folder are read here and by Pillow.
#[derive(Debug, Default)]
pub struct Tally {
    /// With the same pixels.
    pub equal: usize,
    /// By neither.
    pub refused: usize,
    /// Names of files with other pixels.
    pub other_pixels: Vec<String>,
    /// Names of files that only this reads.
    pub only_here: Vec<String>,
    /// Names of files that only Pillow reads, by why this does not.
    pub only_pillow: BTreeMap<String, Vec<String>>,
}

/// Prints the tallies of a folder.
///
/// # Errors
/// Where files cannot be read, Pillow has failed, pixels differ, or both read no file at all.
pub fn print(folder: &Path) -> io::Result<()> {
    ways().into_iter().try_for_each(|(way, options)| print_tally(folder, way, &compare(folder, way, &options)?))
}

fn print_tally(folder: &Path, way: &str, tally: &Tally) -> io::Result<()> {
    println!("{way}: {} equal, {} refused by both", tally.equal, tally.refused);
    let print = |what: &str, names: &[String]| {
        println!("{} {what}: {}", names.len(), names[..names.len().min(NAMED)].join(" "));
    };
    tally.only_pillow.iter().for_each(|(why, names)| print(&format!("read by Pillow only ({why})"), names));
    print("read here only", &tally.only_here);
    print("with other pixels", &tally.other_pixels);
    let error = |problem: &str| Err(io::Error::other(format!("{} {problem}", folder.display())));
    match tally.other_pixels.is_empty() {
        true if tally.equal == 0 => error("has no file that both read"),
        true => Ok(()),
        false => error("has files whose pixels are not Pillow's"),
    }
}

/// Reads all files of a folder, here and by Pillow, in one of its ways.
///
/// # Errors
/// Where files cannot be read, or Pillow has failed.
pub fn compare(folder: &Path, way: &str, options: &PixelOptions) -> io::Result<Tally> {
    let mut reader = ImageReader::new(SIZE.0, SIZE.1, options);
    let mut tally = Tally::default();
    for (name, expected) in pillows_digests(folder, way)? {
        let bytes = fs::read(folder.join(&name))?;
        match (reader.read(&bytes, &Limits::DEFAULT), expected) {
            (Ok(pixels), Some(expected)) if format!("{:x}", Sha256::digest(pixels)) == expected => tally.equal += 1,
            (Ok(_), Some(_)) => tally.other_pixels.push(name),
            (Ok(_), None) => tally.only_here.push(name),
            (Err(_), None) => tally.refused += 1,
            (Err(reject), Some(_)) => tally.only_pillow.entry(why(&reject)).or_default().push(name),
        }
    }
    Ok(tally)
}

/// A reject without the numbers in it, so that those of one kind are one.
fn why(reject: &Reject) -> String {
    reject.to_string().chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The digest of each file's pixels by Pillow; none where it refuses the file.
fn pillows_digests(folder: &Path, way: &str) -> io::Result<BTreeMap<String, Option<String>>> {
    let script = project().join("shared/vision/tests/pixels_oracle.py");
    let mut oracle = Command::new(python());
    oracle.arg(script).arg("digests").arg(folder).args([SIZE.0, SIZE.1].map(|side| side.to_string())).arg(way);
    // libtiff says there what it minds.
    let output = oracle.stderr(Stdio::null()).output()?;
    serde_json::from_slice(&output.stdout).map_err(io::Error::other)
}
