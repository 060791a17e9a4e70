//! The pixels of each preset are those of the program that it is named after, bit for bit.
//!
//! The references are Pillow and OpenCV themselves, asked through `pixels_oracle.py`.

mod pillow;

use std::path::Path;

use pillow::*;
use pomona_vision::pixels::{Channels, Decode, ExifOrientation, Limits, Picture, PixelOptions, RejectReason};
use pomona_vision::preset::Preset;

const SEED: &str = "20180507";

/// How many files pixels_oracle.py writes: of all kinds, and of those that are not stored upright.
const VARIANTS: usize = 2_910;
const TURNED: usize = 315;

/// Options by the name of the oracle's way of making the same pixels.
fn ways() -> [(&'static str, PixelOptions); 9] {
    let [keras, load_img, opencv, torchvision] = Preset::ALL.map(|(_, preset)| preset.pixels());
    [
        ("keras", keras),
        ("keras-upright", PixelOptions { exif_orientation: ExifOrientation::Apply, ..keras }),
        ("keras-crop", PixelOptions { crop: Some(299), ..keras }),
        ("keras-load-img", load_img),
        ("keras-load-img-crop", PixelOptions { crop: Some(256), ..load_img }),
        ("opencv", opencv),
        ("opencv-rgb", PixelOptions { channels: Channels::Rgb, ..opencv }),
        ("opencv-as-stored", PixelOptions { exif_orientation: ExifOrientation::Ignore, ..opencv }),
        ("torchvision", torchvision),
    ]
}

/// The same of pixels that are decoded smaller where they can be.
fn scaled_ways() -> [(&'static str, PixelOptions); 5] {
    let [keras, load_img, opencv, torchvision] =
        Preset::ALL.map(|(_, preset)| PixelOptions { decode: Decode::Scaled, ..preset.pixels() });
    [
        ("keras-scaled", keras),
        ("keras-scaled-upright", PixelOptions { exif_orientation: ExifOrientation::Apply, ..keras }),
        ("keras-load-img-scaled", load_img),
        ("opencv-scaled", opencv),
        ("torchvision-scaled", PixelOptions { crop: Some(20), ..torchvision }),
    ]
}

fn assert_way(way: &str, options: &PixelOptions, folder: &Path, target: Size, count: usize) {
    let digests = digests_by(way, folder, target);
    assert!(digests.values().all(Option::is_some), "{way} reads these files");
    eprintln!("{way} at {target:?}");
    assert_same_pixels(folder, &digests, reader(target, options), count);
}

#[test]
fn every_mode_size_and_coding_has_each_programs_pixels() {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["variants", text(folder.path()), SEED]);
    // Pixels by the defaults are tested with pixels.rs.
    for ((way, options), target) in ways().into_iter().skip(1).zip([MODEL_SIZE, (50, 21)].into_iter().cycle()) {
        assert_way(way, &options, folder.path(), target, VARIANTS);
    }
}

/// Of the sides of pictures of up to 640 x 480 pixels, these are more than a half, a quarter, an eighth, and less.
#[test]
fn jpegs_that_are_decoded_smaller_have_each_programs_pixels() {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["variants", text(folder.path()), SEED]);
    for (way, options) in scaled_ways() {
        for target in [(60, 21), (32, 50), (9, 20)] {
            // What is cut out is no larger than what it is cut from.
            let target = if options.crop.is_some() { (target.0.min(20), target.1.min(20)) } else { target };
            assert_way(way, &options, folder.path(), target, VARIANTS);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    oracle(&["turned", text(folder.path()), SEED]);
    for (way, options) in scaled_ways() {
        assert_way(way, &options, folder.path(), (12, 5), TURNED);
    }
}

#[test]
fn a_picture_that_is_decoded_already_has_the_pixels_of_a_lossless_file() {
    for (width, height) in [(1, 1), (7, 300), (301, 2), (224, 224), (640, 481)] {
        let rgb: Vec<u8> = (0..width * height * 3).map(|at| (at * at / 7 % 251) as u8).collect();
        let file = bmp(width, height, &rgb);
        for (way, options) in ways() {
            let (mut of_file, mut of_picture) = (reader(MODEL_SIZE, &options), reader(MODEL_SIZE, &options));
            let expected = of_file.read(&file, &Limits::DEFAULT).map_err(|reject| reject.reason);
            let found = of_picture.take(&Picture { width, height, rgb: &rgb }, &Limits::DEFAULT);
            assert_eq!(found.map_err(|reject| reject.reason), expected, "{way} of {width} x {height}");
        }
    }
}

#[test]
fn a_picture_that_is_none_is_rejected() {
    let mut reader = reader(MODEL_SIZE, &PixelOptions::default());
    let few = Limits { max_pixels: 11, ..Limits::DEFAULT };
    for (width, height, samples, limits, reason) in [
        (4, 3, 35, &Limits::DEFAULT, RejectReason::Corrupt),
        (4, 3, 37, &Limits::DEFAULT, RejectReason::Corrupt),
        (0, 3, 0, &Limits::DEFAULT, RejectReason::Corrupt),
        (4, 3, 36, &few, RejectReason::TooLarge),
        (u32::MAX, u32::MAX, 3, &Limits::DEFAULT, RejectReason::TooLarge),
    ] {
        let rejected = reader.take(&Picture { width, height, rgb: &vec![7; samples] }, limits).unwrap_err();
        assert_eq!(rejected.reason, reason, "{width} x {height} of {samples}: {}", rejected.detail);
    }
}

/// A file of 24 bits a pixel, whose rows go upwards, blue first, in whole words.
fn bmp(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut rows = Vec::new();
    for row in rgb.chunks_exact(width as usize * 3).rev() {
        rows.extend(row.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]));
        rows.resize(rows.len().next_multiple_of(4), 0);
    }
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut file = b"BM".to_vec();
    file.extend(words(&[
        54 + rows.len() as u32,
        0,
        54,
        40,
        width,
        height,
        24 << 16 | 1,
        0,
        rows.len() as u32,
        0,
        0,
        0,
        0,
    ]));
    file.extend(rows);
    file
}

#[test]
fn pictures_that_are_not_stored_upright_have_each_programs_pixels() {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["turned", text(folder.path()), SEED]);
    for (way, options) in ways() {
        assert_way(way, &options, folder.path(), MODEL_SIZE, TURNED);
    }
}
