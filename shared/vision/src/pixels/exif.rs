//! Exif data: which way up a picture is stored.

use super::orientation::Orientation;
use super::tiff;

/// What comes before the data in a JPEG, and in some other files.
pub(super) const PREFIX: &[u8] = b"Exif\0\0";

/// The orientation that Exif data tell, upright where they tell none or are damaged.
pub(super) fn orientation(exif: &[u8]) -> Orientation {
    let exif = exif.strip_prefix(PREFIX).unwrap_or(exif);
    tiff::orientation_number(exif).map_or(Orientation::UPRIGHT, Orientation::of)
}
