//! Pixels are Pillow's, bit for bit, and whatever Pillow refuses is a reject.
//!
//! The reference is Pillow 13 itself, asked through `pixels_oracle.py`.

mod pillow;
mod tally;

use std::fs;

use pillow::*;
use pomona_vision::pixels::{Decode, ImageReader, Limits, Losses, PixelOptions, RejectReason};
use tally::{Tally, compare};

const SEED: &str = "20180507";

/// Kinds of files that odd_files.py writes, and that are read exactly as Pillow does.
const ODD_KINDS: &[&str] = &["bmp", "gif", "png", "webp"];

/// How many files show what is lost or is not.
const LOSSES_FILES: usize = 24;

#[test]
fn every_mode_size_and_coding_has_pillows_pixels() {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["variants", text(folder.path()), SEED]);
    for target in [MODEL_SIZE, (50, 20)] {
        let digests = digests_by("keras", folder.path(), target);
        assert!(digests.values().all(Option::is_some), "Pillow reads these files");
        assert_same_pixels(folder.path(), &digests, usual(target), 2_910);
    }
}

#[test]
fn odd_files_of_each_kind_are_read_or_refused_as_pillow_does() {
    for kind in ODD_KINDS {
        let tally = odd_files(kind);
        assert!(tally.departures.is_empty() && tally.refused_here.is_empty(), "{:?}", tally.all_departures());
        assert!(tally.equal > 200, "{kind}: {} equal are too few to show anything", tally.equal);
    }
}

#[test]
fn odd_tiffs_have_pillows_pixels_or_are_rejected() {
    let tally = odd_files("tiff");
    assert!(tally.departures.len() <= 1, "{:?}", tally.departures);
    // Kinds that are not read here, and damage that libtiff makes the best of; both are on the module's page.
    assert!(tally.refused_here.len() <= tally.files() / 20, "{:?}", tally.refused_here);
    assert!(tally.equal > 300, "{} equal are too few to show anything", tally.equal);
}

#[test]
fn damaged_files_are_rejected_or_have_pillows_pixels() {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["damaged", text(folder.path()), SEED, "6000"]);
    let tallies = compare(folder.path(), MODEL_SIZE, "keras", &PixelOptions::default());
    for (kind, tally) in &tallies {
        // What the decoders mind more and less than Pillow is on the module's page.
        let one_in = if kind == "tiff" { 20 } else { 500 };
        let departures = tally.all_departures();
        assert!(departures.len() <= tally.files() / one_in, "{kind}: of {} files {departures:?}", tally.files());
    }
    let (equal, refused) = tallies.values().fold((0, 0), |(equal, refused), t| (equal + t.equal, refused + t.refused));
    assert!(equal > 1_000 && refused > 3_000, "{equal} equal, {refused} refused: too one-sided to show anything");

    let options = PixelOptions { decode: Decode::Scaled, ..PixelOptions::default() };
    let jpegs = compare(folder.path(), (24, 20), "keras-scaled", &options).remove("jpg").unwrap();
    assert!(jpegs.all_departures().len() <= jpegs.files() / 500, "{:?}", jpegs.all_departures());
    assert!(jpegs.equal > 200, "{} equal are too few to show anything", jpegs.equal);
}

#[test]
fn rejects_say_what_a_file_is() {
    let zeros = [0; 100];
    let files: [(&[u8], &str); 21] = [
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"\xEF\xBB\xBF\n <HTML>", "HTML"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<svg/>", "SVG"),
        (b"<?xml version='1.0'?><a/>", "XML"),
        (b" {\"error\": \"not found\"}", "JSON"),
        (b"%PDF-1.7", "PDF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git-lfs"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0miafavif", "AVIF"),
        (b"\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL"),
        (b"\xFF\x0A\0", "JPEG XL"),
        (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\x05\x16\x07\0\x02\0\0", "AppleDouble"),
        (b"PK\x03\x04", "zip"),
        (&zeros, "zeros"),
        (b"not an image", "text"),
        (b"\x01\x02\x03", "none of JPEG"),
        (b"II*\0\x08\0\0\0\x01\0\x03\x01\x03\0\x01\0\0\0\x04\0\0\0", "a TIFF compressed with fax coding"),
        (b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0", "a BMP header of 16 bytes"),
    ];
    for (file, detail) in files {
        let reject = usual(MODEL_SIZE).read(file, &Limits::DEFAULT).expect_err(detail);
        assert_eq!(reject.reason, RejectReason::Unsupported, "{reject}");
        assert!(reject.detail.contains(detail), "{reject}");
    }
    let empty = usual(MODEL_SIZE).read(b"", &Limits::DEFAULT).unwrap_err();
    assert_eq!((empty.reason, empty.detail.as_str()), (RejectReason::Empty, "no bytes"));
}

#[test]
fn losses_are_told_where_pixels_lose_their_meaning() {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["losses", text(folder.path())]);
    let mut reader = usual(MODEL_SIZE);
    let mut count = 0;
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        reader.read(&fs::read(&path).unwrap(), &Limits::DEFAULT).unwrap();
        let expected = Losses {
            alpha_dropped: name.starts_with("alpha"),
            saturated: name.starts_with("saturated"),
            orientation_ignored: name.starts_with("turned"),
        };
        assert_eq!(reader.losses(), expected, "{}", path.display());
        count += 1;
    }
    assert_eq!(count, LOSSES_FILES);
}

#[test]
fn pictures_that_claim_to_be_large_are_refused_before_room_is_made_for_them() {
    let gif = b"GIF89a\xFF\xFF\xFF\xFF\0\0\0,\0\0\0\0\xFF\xFF\xFF\xFF\0\x02";
    let bmp =
        [b"BM".as_slice(), &[0; 8], &[54, 0, 0, 0, 40, 0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 1, 0, 24], &[0; 25]]
            .concat();
    // A lossless picture begins with a byte of its own and 14 bits each of width and height less one.
    let webp = b"RIFF\x16\0\0\0WEBPVP8L\x0A\0\0\0\x2F\xFE\xBF\xFF\x0F\0\0\0\0\0";
    // A directory of five tags, each of one number, behind the header: a picture of one pixel in a tile that is large.
    let entry = |tag: u16, value: u32| [&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat();
    let tags = [(256, 1), (257, 1), (258, 8), (322, 65_535), (323, 65_535)].map(|(tag, value)| entry(tag, value));
    let tiff = [b"II*\0\x08\0\0\0\x05\0", tags.concat().as_slice()].concat();
    for file in [gif.as_slice(), &bmp, webp, &tiff] {
        let reject = usual(MODEL_SIZE).read(file, &Limits::DEFAULT).expect_err("too large");
        assert_eq!(reject.reason, RejectReason::TooLarge, "{}: {reject}", file.escape_ascii());
    }
}

#[test]
fn limits_are_checked_and_inclusive() {
    let bytes = jpeg_of_101_by_67();
    let exact = Limits { max_pixels: 101 * 67, max_side: 101, max_bytes: bytes.len() as u64 };
    let reason = |limits| usual((8, 8)).read(&bytes, &limits).map_err(|reject| reject.reason).err();
    assert_eq!(reason(exact), None);
    assert_eq!(reason(Limits { max_pixels: exact.max_pixels - 1, ..exact }), Some(RejectReason::TooLarge));
    assert_eq!(reason(Limits { max_side: 100, ..exact }), Some(RejectReason::TooLarge));
    assert_eq!(reason(Limits { max_bytes: exact.max_bytes - 1, ..exact }), Some(RejectReason::TooLarge));
}

#[test]
fn a_reject_leaves_nothing_behind_for_the_next_image() {
    let good = jpeg_of_101_by_67();
    let bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x01\0\0\0\x01\0\0\x08\x02\0\0\0\xd8\x9c\xe9\xd3";
    let expected = usual(MODEL_SIZE).read(&good, &Limits::DEFAULT).unwrap().to_vec();
    let mut reader = usual(MODEL_SIZE);
    for bad in [&good[..good.len() / 2], &good[..20], bomb, b""] {
        reader.read(bad, &Limits::DEFAULT).unwrap_err();
        assert_eq!(reader.read(&good, &Limits::DEFAULT).unwrap(), expected);
    }
}

#[test]
fn reasons_have_one_name_in_text_and_in_json() {
    use RejectReason::*;
    for reason in [Empty, Unsupported, Truncated, Corrupt, TooLarge, Unreadable] {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.to_string());
    }
}

/// A reader as runs have it where nothing is chosen.
fn usual(target: Size) -> ImageReader {
    reader(target, &PixelOptions::default())
}

/// How 600 files of a kind, by odd_files.py or odd_tiffs.py, are read.
fn odd_files(kind: &str) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["odd", text(folder.path()), SEED, "600", kind]);
    compare(folder.path(), (24, 20), "keras", &PixelOptions::default()).remove(kind).unwrap()
}

/// A JPEG with odd sides, by Pillow.
fn jpeg_of_101_by_67() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["photo", text(&folder.path().join("odd.jpg"))]);
    fs::read(folder.path().join("odd.jpg")).unwrap()
}
