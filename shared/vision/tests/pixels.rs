//! Pixels are Pillow's, bit for bit, and whatever Pillow refuses is a reject.
//!
//! References: the digests in the shared reference tables, and Pillow 13 itself, asked through `pixels_oracle.py`.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use pomona_vision::pixels::{ImageReader, Limits, RejectReason};
use sha2::{Digest, Sha256};

const SEED: &str = "20180507";

/// Width and height.
type Size = (usize, usize);

const MODEL_SIZE: Size = (224, 224);

/// Digest of a file's pixels by path; none where Pillow refuses the file.
type Digests = BTreeMap<String, Option<String>>;

#[test]
fn reference_photographs_have_pillows_pixels() {
    let Some(shared) = shared() else { return };
    let table = shared.join("reference/features.parquet");
    assert_same_pixels(&shared.join("images/fruits-360"), &digests_of_table(&table), MODEL_SIZE, 42);
}

#[test]
fn tricky_files_have_pillows_pixels() {
    let Some(shared) = shared() else { return };
    let table = shared.join("reference/tricky.parquet");
    assert_same_pixels(&shared.join("reference/tricky"), &digests_of_table(&table), MODEL_SIZE, 17);
}

#[test]
fn bad_files_are_rejected_with_their_reasons() {
    let Some(shared) = shared() else { return };
    let reasons = fs::read(shared.join("reference/rejects.json")).unwrap();
    let reasons: BTreeMap<String, RejectReason> = serde_json::from_slice(&reasons).unwrap();
    assert_eq!(reasons.len(), 6);
    for (name, reason) in reasons {
        let bytes = fs::read(shared.join("reference/tricky").join(&name)).unwrap();
        let reject = reader(MODEL_SIZE).read(&bytes).expect_err(&name);
        assert_eq!(reject.reason, reason, "{name}: {reject}");
    }
}

#[test]
fn all_photographs_have_pillows_pixels() {
    let (Some(shared), Some(python)) = (shared(), python()) else { return };
    let images = shared.join("images/fruits-360");
    assert_same_pixels(&images, &digests_by_pillow(&python, &images, MODEL_SIZE), MODEL_SIZE, 6_724);
}

#[test]
fn every_mode_size_and_coding_has_pillows_pixels() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    oracle(&python, &["variants", text(folder.path()), SEED]);
    for target in [MODEL_SIZE, (50, 20)] {
        let digests = digests_by_pillow(&python, folder.path(), target);
        assert!(digests.values().all(Option::is_some), "Pillow reads these files");
        assert_same_pixels(folder.path(), &digests, target, 2_670);
    }
}

#[test]
fn damaged_files_are_rejected_or_have_pillows_pixels() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    oracle(&python, &["damaged", text(folder.path()), SEED, "6000"]);
    let digests = digests_by_pillow(&python, folder.path(), MODEL_SIZE);
    let mut reader = reader(MODEL_SIZE);
    let (mut read, mut rejected, mut others) = (0, 0, 0);
    for (name, expected) in &digests {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        // What the decoders mind more and less than Pillow is on the module's page.
        let is_streamed = name.ends_with(".jpg") || name.ends_with(".png");
        match (reader.read(&bytes).map(hex_digest), expected) {
            (Ok(pixels), Some(expected)) if pixels == *expected => read += 1,
            (Ok(_), Some(_)) if !is_streamed => others += 1,
            (Ok(_), None) if !is_streamed => {}
            (Ok(_), expected) => panic!("{name} is read, by Pillow as {expected:?}"),
            (Err(_), None) => rejected += 1,
            (Err(_), Some(_)) if !is_streamed => {}
            (Err(reject), Some(_)) => assert!(
                name.ends_with(".png") && [RejectReason::Corrupt, RejectReason::Truncated].contains(&reject.reason),
                "{name}: {reject}, but Pillow reads it"
            ),
        }
    }
    assert!(read > 1_000 && rejected > 3_000, "{read} read, {rejected} rejected: too one-sided to show anything");
    assert!(others <= read / 200, "{others} of {read} have other pixels than Pillow's");
}

#[test]
fn kinds_whose_pixels_would_not_be_pillows_are_unsupported() {
    let bmp = |bits: u8, compression: u8| {
        let mut file = vec![0; 70];
        file[..2].copy_from_slice(b"BM");
        // The headers' length, width, height, planes; all but their lowest bytes are 0.
        for (at, byte) in [(10, 54), (14, 40), (18, 1), (22, 1), (26, 1), (28, bits), (30, compression)] {
            file[at] = byte;
        }
        file
    };
    let gif = |left: u8| {
        [b"GIF87a\x02\0\x01\0\x80\0\0abcdef,", &[left, 0, 0, 0, 1, 0, 1, 0, 0, 2][..], b"\x02L\x01\0;"].concat()
    };
    reader(MODEL_SIZE).read(&bmp(24, 0)).expect("a plain BMP of one pixel");
    for (file, detail) in [
        (bmp(16, 0), "16 bits"),
        (bmp(8, 1), "run lengths"),
        (bmp(4, 2), "run lengths"),
        (gif(0), "first frame"),
        (gif(1), "first frame"),
        (b"II*\0\x08\0\0\0".to_vec(), "none of JPEG"),
    ] {
        let reject = reader(MODEL_SIZE).read(&file).expect_err(detail);
        assert_eq!(reject.reason, RejectReason::Unsupported, "{reject}");
        assert!(reject.detail.contains(detail), "{reject}");
    }
}

#[test]
fn pictures_that_claim_to_be_large_are_refused_before_room_is_made_for_them() {
    let gif = b"GIF89a\xFF\xFF\xFF\xFF\0\0\0,\0\0\0\0\xFF\xFF\xFF\xFF\0\x02";
    let bmp =
        [b"BM".as_slice(), &[0; 8], &[54, 0, 0, 0, 40, 0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 1, 0, 24], &[0; 25]]
            .concat();
    // A lossless picture begins with a byte of its own and 14 bits each of width and height less one.
    let webp = b"RIFF\x16\0\0\0WEBPVP8L\x0A\0\0\0\x2F\xFE\xBF\xFF\x0F\0\0\0\0\0";
    for file in [gif.as_slice(), &bmp, webp] {
        let reject = reader(MODEL_SIZE).read(file).expect_err("too large");
        assert_eq!(reject.reason, RejectReason::TooLarge, "{}: {reject}", file.escape_ascii());
    }
}

#[test]
fn limits_are_checked_and_inclusive() {
    let Some(shared) = shared() else { return };
    let bytes = fs::read(shared.join("reference/tricky/odd_420.jpg")).unwrap(); // 101 x 67
    let exact = Limits { max_pixels: 101 * 67, max_side: 101, max_bytes: bytes.len() as u64 };
    let reason = |limits| ImageReader::new(8, 8, limits).read(&bytes).map_err(|reject| reject.reason).err();
    assert_eq!(reason(exact), None);
    assert_eq!(reason(Limits { max_pixels: exact.max_pixels - 1, ..exact }), Some(RejectReason::TooLarge));
    assert_eq!(reason(Limits { max_side: 100, ..exact }), Some(RejectReason::TooLarge));
    assert_eq!(reason(Limits { max_bytes: exact.max_bytes - 1, ..exact }), Some(RejectReason::TooLarge));
}

#[test]
fn a_reject_leaves_nothing_behind_for_the_next_image() {
    let Some(shared) = shared() else { return };
    let file = |name: &str| fs::read(shared.join("reference/tricky").join(name)).unwrap();
    let (good, same_size) = (file("odd_420.jpg"), file("bad_truncated.jpg"));
    let expected = reader(MODEL_SIZE).read(&good).unwrap().to_vec();
    let mut reader = reader(MODEL_SIZE);
    for bad in [same_size, file("bad_truncated.png"), file("bad_bomb.png"), Vec::new()] {
        reader.read(&bad).unwrap_err();
        assert_eq!(reader.read(&good).unwrap(), expected);
    }
}

#[test]
fn reasons_have_one_name_in_text_and_in_json() {
    use RejectReason::*;
    for reason in [Empty, Unsupported, Truncated, Corrupt, TooLarge, Unreadable] {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.to_string());
    }
}

fn reader((width, height): Size) -> ImageReader {
    ImageReader::new(width, height, Limits::default())
}

fn assert_same_pixels(folder: &Path, digests: &Digests, target: Size, count: usize) {
    assert_eq!(digests.len(), count);
    let mut reader = reader(target);
    for (name, expected) in digests {
        let bytes = fs::read(folder.join(name)).unwrap();
        let pixels = reader.read(&bytes).unwrap_or_else(|reject| panic!("{name}: {reject}"));
        assert_eq!(expected.as_deref(), Some(hex_digest(pixels).as_str()), "{name}");
    }
}

fn hex_digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn digests_of_table(table: &Path) -> Digests {
    let reader = SerializedFileReader::new(File::open(table).unwrap()).unwrap();
    let column = |row: &parquet::record::Row, name: &str| {
        let index = row.get_column_iter().position(|(column, _)| column == name).unwrap();
        row.get_string(index).unwrap().clone()
    };
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| (column(&row, "path"), Some(column(&row, "pixels_sha256")))).collect()
}

fn digests_by_pillow(python: &Path, folder: &Path, (width, height): Size) -> Digests {
    let (width, height) = (width.to_string(), height.to_string());
    serde_json::from_slice(&oracle(python, &["digests", text(folder), &width, &height])).unwrap()
}

fn oracle(python: &Path, arguments: &[&str]) -> Vec<u8> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pixels_oracle.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The folder of reference data beside the project.
fn shared() -> Option<PathBuf> {
    present(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")))
}

/// A Python with Pillow.
fn python() -> Option<PathBuf> {
    let of_project = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/bin/python"));
    present(env::var_os("POMONA_PYTHON").map_or_else(of_project, PathBuf::from))
}

/// A path if it exists; without it the test is left out on a developer's machine, and fails in continuous integration.
fn present(path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    assert!(env::var("CI").as_deref() != Ok("true"), "{} is missing", path.display());
    eprintln!("left out: {} is missing", path.display());
    None
}
