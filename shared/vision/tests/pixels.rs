//! Pixels are Pillow's, bit for bit, and whatever Pillow refuses is a reject.
//!
//! The reference is Pillow 13 itself, asked through `pixels_oracle.py`.

mod pillow;

use std::fs;

use pillow::*;
use pomona_vision::pixels::{ImageReader, Limits, RejectReason};

const SEED: &str = "20180507";

#[test]
fn every_mode_size_and_coding_has_pillows_pixels() {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["variants", text(folder.path()), SEED]);
    for target in [MODEL_SIZE, (50, 20)] {
        let digests = digests_by_pillow(folder.path(), target);
        assert!(digests.values().all(Option::is_some), "Pillow reads these files");
        assert_same_pixels(folder.path(), &digests, target, 2_670);
    }
}

#[test]
fn damaged_files_are_rejected_or_have_pillows_pixels() {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["damaged", text(folder.path()), SEED, "6000"]);
    let digests = digests_by_pillow(folder.path(), MODEL_SIZE);
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
    let bytes = jpeg_of_101_by_67();
    let exact = Limits { max_pixels: 101 * 67, max_side: 101, max_bytes: bytes.len() as u64 };
    let reason = |limits| ImageReader::new(8, 8, limits).read(&bytes).map_err(|reject| reject.reason).err();
    assert_eq!(reason(exact), None);
    assert_eq!(reason(Limits { max_pixels: exact.max_pixels - 1, ..exact }), Some(RejectReason::TooLarge));
    assert_eq!(reason(Limits { max_side: 100, ..exact }), Some(RejectReason::TooLarge));
    assert_eq!(reason(Limits { max_bytes: exact.max_bytes - 1, ..exact }), Some(RejectReason::TooLarge));
}

#[test]
fn a_reject_leaves_nothing_behind_for_the_next_image() {
    let good = jpeg_of_101_by_67();
    let bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x01\0\0\0\x01\0\0\x08\x02\0\0\0\xd8\x9c\xe9\xd3";
    let expected = reader(MODEL_SIZE).read(&good).unwrap().to_vec();
    let mut reader = reader(MODEL_SIZE);
    for bad in [&good[..good.len() / 2], &good[..20], bomb, b""] {
        reader.read(bad).unwrap_err();
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

/// A JPEG with odd sides, by Pillow.
fn jpeg_of_101_by_67() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["photo", text(&folder.path().join("odd.jpg"))]);
    fs::read(folder.path().join("odd.jpg")).unwrap()
}
