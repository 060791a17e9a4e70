//! What a user chooses about a model: engine, pixels, preprocessing, layer.

use std::fmt;
use std::str::FromStr;

use crate::normalize::Affine;
use crate::pixels::PixelOptions;

/// The program that runs the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// This project's kernels for the parts of MobileNetV2, tract for everything else.
    #[default]
    Pomona,
    /// tract alone: slower, and the reference that Pomona's kernels are tested against.
    Tract,
}

/// How a pixel value `x` in 0..=255 becomes a network input.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Preprocess {
    /// `x / 127.5 - 1`, as `keras.applications.mobilenet_v2.preprocess_input` does.
    #[default]
    Tf,
    /// `(x / 255 - mean) / std` with ImageNet's mean and standard deviation, as torchvision's
    /// pretrained classification models expect.
    Torch,
    /// `(x / 255 - mean) / std` with a mean and a standard deviation of its own for each channel, in the order in which
    /// the network gets them.
    Normalize {
        /// Within 0..=1.
        mean: [f64; 3],
        /// Above 0.
        std: [f64; 3],
    },
}

// The numbers are finite, so equality is total.
impl Eq for Preprocess {}

/// ImageNet's mean and standard deviation for R, G, B in 0..=1, from torchvision's
/// `transforms.Normalize` of its reference classification models.
const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

/// What stands before the numbers of [`Preprocess::Normalize`] in its name.
const MEAN: &str = "mean=";
const STD: &str = ";std=";

impl Preprocess {
    /// Of a mean and a standard deviation for each channel; none where a network could not use them.
    pub fn normalize(mean: [f64; 3], std: [f64; 3]) -> Option<Self> {
        let is_mean = |mean: &f64| (0.0..=1.0).contains(mean);
        let is_deviation = |std: &f64| *std > 0.0 && std.is_finite();
        let Affine { scale, shift } = normalized(mean, std);
        let is_usable = mean.iter().all(is_mean)
            && std.iter().all(is_deviation)
            && scale.iter().chain(&shift).all(|number| number.is_finite());
        is_usable.then_some(Self::Normalize { mean, std })
    }

    fn of_numbers(name: &str) -> Option<Self> {
        let (mean, std) = name.strip_prefix(MEAN)?.split_once(STD)?;
        let numbers = |text: &str| -> Option<[f64; 3]> {
            let numbers = text.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>().ok()?;
            numbers.try_into().ok()
        };
        Self::normalize(numbers(mean)?, numbers(std)?)
    }

    pub(crate) fn affine(self) -> Affine {
        match self {
            Preprocess::Tf => Affine { scale: [(1.0 / 127.5) as f32; 3], shift: [-1.0; 3] },
            Preprocess::Torch => normalized(IMAGENET_MEAN, IMAGENET_STD),
            Preprocess::Normalize { mean, std } => normalized(mean, std),
        }
    }
}

fn normalized(mean: [f64; 3], std: [f64; 3]) -> Affine {
    Affine {
        scale: std.map(|std| (1.0 / (255.0 * std)) as f32),
        shift: std::array::from_fn(|c| (-mean[c] / std[c]) as f32),
    }
}

/// Which values of a network are the features.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Layer {
    /// `pooled`, whatever nodes there are: the model's only output, one vector. MobileNetV2's are the averages of its
    /// last 1280 channels.
    #[default]
    Pooled,
    /// `Conv_1`, as Keras calls it: the last convolution with its batch norm, before ReLU6 and the average, pixel by
    /// pixel. MobileNetV2's are 7 x 7 x 1280 = 62,720 numbers. A tensor or node of this very name is taken where there
    /// is one, and otherwise the convolution that the network pools.
    Conv1,
    /// The tensor or node of that name: one vector, or an image, which is flattened in the order height, width,
    /// channels.
    Node(String),
}

/// How to load a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelOptions {
    /// Which engine runs it.
    pub engine: Engine,
    /// What pictures it sees.
    pub pixels: PixelOptions,
    /// What it expects as input.
    pub preprocess: Preprocess,
    /// Where features are taken from.
    pub layer: Layer,
}

impl ModelOptions {
    /// The options behind the name that [`Model::numerics`](super::Model::numerics) gives and that of the pixels, if
    /// they are such.
    pub fn of_names(numerics: &str, pixels: &str) -> Option<Self> {
        let mut parts = numerics.splitn(3, '/');
        let engine = parts.next()?;
        // A network that Pomona's kernels have no part in runs on tract alone, whichever engine was asked for.
        let engine = if engine.starts_with("tract") { Engine::Tract } else { Engine::Pomona };
        let preprocess = parts.next()?.parse().ok()?;
        let layer = parts.next().map_or(Ok(Layer::default()), str::parse).ok()?;
        Some(Self { engine, pixels: pixels.parse().ok()?, preprocess, layer })
    }
}

/// A word that is not one of an option's values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {option} {value:?}: use one of {expected}")]
pub struct UnknownValue {
    option: &'static str,
    value: String,
    expected: &'static str,
}

impl FromStr for Engine {
    type Err = UnknownValue;

    fn from_str(value: &str) -> Result<Self, UnknownValue> {
        match value {
            "pomona" => Ok(Engine::Pomona),
            "tract" => Ok(Engine::Tract),
            _ => Err(UnknownValue { option: "engine", value: value.to_owned(), expected: "pomona, tract" }),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Pomona => "pomona",
            Engine::Tract => "tract",
        })
    }
}

impl FromStr for Preprocess {
    type Err = UnknownValue;

    fn from_str(value: &str) -> Result<Self, UnknownValue> {
        match value {
            "tf" => Ok(Preprocess::Tf),
            "torch" => Ok(Preprocess::Torch),
            _ => Self::of_numbers(value).ok_or_else(|| UnknownValue {
                option: "preprocess",
                value: value.to_owned(),
                expected: "tf, torch",
            }),
        }
    }
}

impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Preprocess::Tf => f.write_str("tf"),
            Preprocess::Torch => f.write_str("torch"),
            Preprocess::Normalize { mean: [m0, m1, m2], std: [s0, s1, s2] } => {
                write!(f, "{MEAN}{m0},{m1},{m2}{STD}{s0},{s1},{s2}")
            }
        }
    }
}

impl FromStr for Layer {
    type Err = UnknownValue;

    fn from_str(name: &str) -> Result<Self, UnknownValue> {
        match name {
            "" => {
                Err(UnknownValue { option: "layer", value: String::new(), expected: "pooled, Conv_1, a node's name" })
            }
            "pooled" => Ok(Layer::Pooled),
            "Conv_1" => Ok(Layer::Conv1),
            _ => Ok(Layer::Node(name.to_owned())),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Pooled => "pooled",
            Layer::Conv1 => "Conv_1",
            Layer::Node(name) => name,
        })
    }
}
