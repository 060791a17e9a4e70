//! What a user chooses about pixels: whose decoding and resizing, which part of a picture, which way up, which order.

use std::fmt;
use std::str::FromStr;

/// Versions of decoding and resizing as Pillow and as OpenCV do it. Raise one with any change that gives another pixel,
/// another loss or another reject for some file.
const PILLOW_VERSION: &str = "pillow-6";
const OPENCV_VERSION: &str = "opencv-2";

const BILINEAR: &str = "bilinear";
const NEAREST: &str = "nearest";
const EXIF: &str = "exif";
const BGR: &str = "bgr";
const CROP: &str = "crop=";
const SCALED: &str = "scaled";

/// How a picture becomes as many pixels as a network takes.
///
/// Its text names all of that, for instance `pillow-6` or `opencv-2/exif/bgr`, and can be parsed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PixelOptions {
    /// How pictures are decoded and resized.
    pub resampling: Resampling,
    /// How large JPEGs are decoded.
    pub decode: Decode,
    /// Where there is one: the picture keeps its proportions, its shorter side becomes so long, and the target is cut
    /// out of its middle. Otherwise it is stretched to the target.
    pub crop: Option<u32>,
    /// Whether pictures are turned as their Exif data say.
    pub exif_orientation: ExifOrientation,
    /// In which order the network gets the colours.
    pub channels: Channels,
}

/// Whose pixels a picture becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Resampling {
    /// Pillow's, by `Image.resize(size, BICUBIC)`.
    #[default]
    PillowBicubic,
    /// Pillow's, by `Image.resize(size, BILINEAR)`.
    PillowBilinear,
    /// Pillow's, by `Image.resize(size, NEAREST)`.
    PillowNearest,
    /// OpenCV's, by `imdecode(bytes, IMREAD_COLOR)` and `resize(image, size)`, which is bilinear without antialiasing.
    OpenCvBilinear,
}

/// How much of a large JPEG is decoded; all other pictures are decoded whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Decode {
    /// All its pixels.
    #[default]
    Full,
    /// Half, a quarter or an eighth of its pixels each way, the smallest that has twice the sides that it is resized to:
    /// libjpeg makes them of the lowest frequencies. Pillow does by `Image.draft("RGB", (2 * width, 2 * height))`,
    /// OpenCV by `IMREAD_REDUCED_COLOR_2` to `_8`.
    Scaled,
}

/// What becomes of a picture that says that it is not stored upright. TIFFs are always turned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ExifOrientation {
    /// It is turned.
    Apply,
    /// It is taken as it is stored, and that is counted.
    #[default]
    Ignore,
}

/// The order of a pixel's colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

impl Decode {
    /// All choices, by name.
    pub const ALL: [(&str, Self); 2] = [("full", Self::Full), ("scaled", Self::Scaled)];
}

impl ExifOrientation {
    /// All choices, by name.
    pub const ALL: [(&str, Self); 2] = [("apply", Self::Apply), ("ignore", Self::Ignore)];
}

impl Channels {
    /// All choices, by name.
    pub const ALL: [(&str, Self); 2] = [("rgb", Self::Rgb), ("bgr", Self::Bgr)];
}

impl fmt::Display for PixelOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.resampling {
            Resampling::OpenCvBilinear => OPENCV_VERSION,
            _ => PILLOW_VERSION,
        })?;
        match self.resampling {
            Resampling::PillowBicubic | Resampling::OpenCvBilinear => {}
            Resampling::PillowBilinear => write!(f, "/{BILINEAR}")?,
            Resampling::PillowNearest => write!(f, "/{NEAREST}")?,
        }
        if self.decode == Decode::Scaled {
            write!(f, "/{SCALED}")?;
        }
        if let Some(crop) = self.crop {
            write!(f, "/{CROP}{crop}")?;
        }
        if self.exif_orientation == ExifOrientation::Apply {
            write!(f, "/{EXIF}")?;
        }
        match self.channels {
            Channels::Rgb => Ok(()),
            Channels::Bgr => write!(f, "/{BGR}"),
        }
    }
}

/// A text that names no pixels of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no pixels of this version")]
pub struct UnknownPixels(String);

impl FromStr for PixelOptions {
    type Err = UnknownPixels;

    fn from_str(name: &str) -> Result<Self, UnknownPixels> {
        let mut parts = name.split('/');
        let resampling = match parts.next() {
            Some(OPENCV_VERSION) => Resampling::OpenCvBilinear,
            _ => Resampling::PillowBicubic,
        };
        let mut options = Self { resampling, ..Self::default() };
        for part in parts {
            match (part, part.strip_prefix(CROP)) {
                (BILINEAR, _) => options.resampling = Resampling::PillowBilinear,
                (NEAREST, _) => options.resampling = Resampling::PillowNearest,
                (SCALED, _) => options.decode = Decode::Scaled,
                (EXIF, _) => options.exif_orientation = ExifOrientation::Apply,
                (BGR, _) => options.channels = Channels::Bgr,
                (_, Some(side)) => options.crop = side.parse().ok(),
                _ => {}
            }
        }
        // Whatever was not understood has no place in the name of what was.
        if options.to_string() == name { Ok(options) } else { Err(UnknownPixels(name.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_have_one_name_that_tells_all_of_them() {
        let resamplings = [
            Resampling::PillowBicubic,
            Resampling::PillowBilinear,
            Resampling::PillowNearest,
            Resampling::OpenCvBilinear,
        ];
        let mut names = std::collections::BTreeSet::new();
        for resampling in resamplings {
            for (_, decode) in Decode::ALL {
                for crop in [None, Some(256)] {
                    for (_, exif_orientation) in ExifOrientation::ALL {
                        for (_, channels) in Channels::ALL {
                            let options = PixelOptions { resampling, decode, crop, exif_orientation, channels };
                            assert_eq!(options.to_string().parse(), Ok(options));
                            assert!(names.insert(options.to_string()));
                        }
                    }
                }
            }
        }
        assert_eq!(names.len(), 4 * 2 * 2 * 2 * 2);
        for name in ["pillow-6", "opencv-2/exif/bgr", "pillow-6/bilinear/scaled/crop=256"] {
            assert!(names.contains(name), "{name} of {names:?}");
        }
    }

    #[test]
    fn other_texts_name_no_pixels() {
        for text in
            ["", "pillow-5", "pillow-6/", "pillow-6/cubic", "opencv-2/nearest", "pillow-6/bgr/exif", "pillow-6/crop=x"]
        {
            assert!(text.parse::<PixelOptions>().is_err(), "{text}");
        }
    }
}
