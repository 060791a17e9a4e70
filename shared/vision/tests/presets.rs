//! The pixels of each preset are those of the program that it is named after, bit for bit.
//!
//! The references are Pillow and OpenCV themselves, asked through `pixels_oracle.py`.

mod pillow;

use std::path::Path;

use pillow::*;
use pomona_vision::pixels::{Channels, ExifOrientation, PixelOptions};
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

#[test]
fn pictures_that_are_not_stored_upright_have_each_programs_pixels() {
    let folder = tempfile::tempdir().unwrap();
    oracle(&["turned", text(folder.path()), SEED]);
    for (way, options) in ways() {
        assert_way(way, &options, folder.path(), MODEL_SIZE, TURNED);
    }
}
