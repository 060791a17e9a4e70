//! Image files.

use std::cell::RefCell;
use std::collections::HashMap;

use pomona_terms::{Limits, Losses, Reject};
use pomona_vision::pixels::{Decode, ExifOrientation, ImageReader, PixelOptions};
use pomona_vision::preset::Preset;

/// Height and width of what pictures become.
const HEIGHT: usize = 20;
const WIDTH: usize = 24;

/// Most files are read with so low a limit of pixels that thousands can be read in a second; a last byte in 64 has the
/// usual limits.
const FEW_PIXELS: u64 = 1 << 18;
const WITH_USUAL_LIMITS: u8 = 42;

pub(crate) fn jpeg(bytes: &[u8]) {
    check(bytes, &[b"\xFF\xD8\xFF"]);
}

pub(crate) fn png(bytes: &[u8]) {
    check(bytes, &[b"\x89PNG\r\n\x1a\n"]);
}

pub(crate) fn gif(bytes: &[u8]) {
    check(bytes, &[b"GIF87a", b"GIF89a"]);
}

pub(crate) fn bmp(bytes: &[u8]) {
    check(bytes, &[b"BM"]);
}

pub(crate) fn tiff(bytes: &[u8]) {
    check(bytes, &[b"II", b"MM"]);
}

pub(crate) fn webp(bytes: &[u8]) {
    check(bytes, &[b"RIFF"]);
}

type Outcome = Result<(Vec<u8>, Losses), Reject>;

/// A file of one kind has pixels or is a reject, and the same whatever was read before: no reader keeps anything, and
/// nothing depends on what memory held. The file is read as it is, so that Pillow can read it, too; how, its last byte
/// says, which decoders seldom look at.
fn check(bytes: &[u8], magics: &[&[u8]]) {
    let Some(&choice) = bytes.last().filter(|_| magics.iter().any(|magic| bytes.starts_with(magic))) else { return };
    let options = options(choice);
    let limits = if choice & 63 == WITH_USUAL_LIMITS { Limits::DEFAULT } else { Limits::of_pixels(FEW_PIXELS) };
    let first = read(&mut ImageReader::new(WIDTH, HEIGHT, &options), bytes, &limits);
    let again = with_kept_reader(options, |reader| read(reader, bytes, &limits));
    assert!(first == again, "{first:?}, and then {again:?}");
}

fn read(reader: &mut ImageReader, bytes: &[u8], limits: &Limits) -> Outcome {
    let pixels = reader.read(bytes, limits)?.to_vec();
    assert_eq!(pixels.len(), HEIGHT * WIDTH * 3);
    Ok((pixels, reader.losses()))
}

fn options(choice: u8) -> PixelOptions {
    let (_, preset) = Preset::ALL[usize::from(choice & 3)];
    let exif_orientation = if choice & 4 == 0 { ExifOrientation::Ignore } else { ExifOrientation::Apply };
    let decode = if choice & 64 == 0 { Decode::Full } else { Decode::Scaled };
    PixelOptions { exif_orientation, decode, ..preset.pixels() }
}

thread_local! {
    static READERS: RefCell<HashMap<PixelOptions, ImageReader>> = RefCell::default();
}

/// `job` with a reader that has read other files.
fn with_kept_reader<T>(options: PixelOptions, job: impl FnOnce(&mut ImageReader) -> T) -> T {
    READERS.with_borrow_mut(|readers| {
        job(readers.entry(options).or_insert_with(|| ImageReader::new(WIDTH, HEIGHT, &options)))
    })
}
