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
use pomona_vision::pixels::{ImageReader, Limits, PixelOptions, Reject};
use sha2::{Digest, Sha256};

/// Width and height of what pictures become.
const SIZE: (usize, usize) = (24, 20);

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

/// Prints the tally of a folder.
///
/// # Errors
/// Where files cannot be read, Pillow has failed, or pixels differ.
pub fn print(folder: &Path) -> io::Result<()> {
    let tally = compare(folder)?;
    println!("{} equal, {} refused by both", tally.equal, tally.refused);
    let print = |what: &str, names: &[String]| {
        println!("{} {what}: {}", names.len(), names[..names.len().min(NAMED)].join(" "));
    };
    tally.only_pillow.iter().for_each(|(why, names)| print(&format!("read by Pillow only ({why})"), names));
    print("read here only", &tally.only_here);
    print("with other pixels", &tally.other_pixels);
    let differ = || io::Error::other(format!("{} has files whose pixels are not Pillow's", folder.display()));
    if tally.other_pixels.is_empty() { Ok(()) } else { Err(differ()) }
}

/// Reads all files of a folder, here and by Pillow.
///
/// # Errors
/// Where files cannot be read, or Pillow has failed.
pub fn compare(folder: &Path) -> io::Result<Tally> {
    let mut reader = ImageReader::new(SIZE.0, SIZE.1, &PixelOptions::default());
    let mut tally = Tally::default();
    for (name, expected) in pillows_digests(folder)? {
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
fn pillows_digests(folder: &Path) -> io::Result<BTreeMap<String, Option<String>>> {
    let script = project().join("shared/vision/tests/pixels_oracle.py");
    let mut oracle = Command::new(python());
    oracle.arg(script).arg("digests").arg(folder).args([SIZE.0, SIZE.1].map(|side| side.to_string())).arg("keras");
    // libtiff says there what it minds.
    let output = oracle.stderr(Stdio::null()).output()?;
    serde_json::from_slice(&output.stdout).map_err(io::Error::other)
}
