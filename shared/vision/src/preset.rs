//! What users did before, by the name of the program that did it.

use crate::model::Preprocess;
use crate::pixels::{Channels, ExifOrientation, PixelOptions, Resampling};

/// Pixels and preprocessing together, as a well-known program has them. The pixels are that program's, bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// `Image.open(file).convert("RGB").resize(size)` and `mobilenet_v2.preprocess_input`.
    Keras,
    /// `load_img(file, target_size=size)` with its default interpolation, and `mobilenet_v2.preprocess_input`.
    KerasLoadImg,
    /// `cv2.resize(cv2.imread(file), size)`, blue first, and `mobilenet_v2.preprocess_input`.
    OpenCv,
    /// `Resize(256)`, `CenterCrop(size)`, `ToTensor()` and `Normalize` with ImageNet's mean and deviation.
    Torchvision,
}

impl Preset {
    /// All of them, by name.
    pub const ALL: [(&str, Self); 4] = [
        ("keras", Self::Keras),
        ("keras-load-img", Self::KerasLoadImg),
        ("opencv", Self::OpenCv),
        ("torchvision", Self::Torchvision),
    ];

    /// How pictures become pixels.
    pub fn pixels(self) -> PixelOptions {
        let pillow = PixelOptions::default();
        match self {
            Self::Keras => pillow,
            Self::KerasLoadImg => PixelOptions { resampling: Resampling::PillowNearest, ..pillow },
            Self::OpenCv => PixelOptions {
                resampling: Resampling::OpenCvBilinear,
                exif_orientation: ExifOrientation::Apply,
                channels: Channels::Bgr,
                ..pillow
            },
            Self::Torchvision => PixelOptions { resampling: Resampling::PillowBilinear, crop: Some(256), ..pillow },
        }
    }

    /// How pixels become the network's input.
    pub fn preprocess(self) -> Preprocess {
        match self {
            Self::Keras | Self::KerasLoadImg | Self::OpenCv => Preprocess::Tf,
            Self::Torchvision => Preprocess::Torch,
        }
    }
}
