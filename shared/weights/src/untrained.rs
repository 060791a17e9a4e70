//! Untrained weights for the same network, for a first result where the published ones cannot be had.
//!
//! Kernels are drawn as He et al. 2015 (<https://arxiv.org/abs/1502.01852>, section 2.2) have it: normal, with variance
//! 2 / fan-in; biases are zero. A layer that no ReLU6 follows gets 0.7 (about 1 / √2) of that deviation, since nothing
//! halves the variance of its output. Features of such a network tell colours, edges and textures apart, and know
//! nothing of what ImageNet teaches.
//!
//! The bytes are the same everywhere: only integers are random, and what follows are single `f64` operations that
//! IEEE 754 defines exactly.

use crate::assemble::{WeightFiles, assemble_marked};
use crate::layers::{Activation, Form, LAYERS, Layer};
use crate::npy;
use crate::onnx::Property;

/// Whose presence tells readers of the ONNX file that its weights are untrained.
const MARK: (&str, &str) = ("pomona.weights", "untrained");

/// SHA-256 of the untrained model's ONNX file, lower-case hex.
pub const UNTRAINED_SHA256: &str = "680d79a0d243c816c2c3f037926a9ac53f97b752cd48649d51daade4b9e7b5e1";

const SEED: u64 = 20_180_113;

/// The share of He's deviation for layers that no ReLU6 follows.
const LINEAR_SHARE: f64 = 0.7;

/// The untrained model as an ONNX file: the published one's graph with other numbers, and metadata that says so.
pub fn untrained() -> Vec<u8> {
    let mark = Property { key: Some(MARK.0.into()), value: Some(MARK.1.into()) };
    // Every file is there and has its layer's shape: `untrained_files` goes by the same table as `assemble`.
    assemble_marked(&untrained_files(), vec![mark]).expect("the files are those of the table of layers")
}

/// Untrained weights in the form of the published ones: the same names, shapes and format.
pub fn untrained_files() -> WeightFiles {
    let mut random = Random(SEED);
    let mut files = WeightFiles::new();
    for layer in &LAYERS {
        let deviation = deviation(layer);
        let kernel: Vec<f32> = (0..layer.kernel.elements).map(|_| (random.normal() * deviation) as f32).collect();
        files.insert(layer.kernel.name, npy::file_of(&kernel, &layer.kernel_shape));
        let channels = layer.output_channels();
        files.insert(layer.bias.name, npy::file_of(&vec![0.0; channels], &[channels]));
    }
    files
}

fn deviation(layer: &Layer) -> f64 {
    let [_, height, width, inner] = layer.kernel_shape;
    let fan_in = match layer.form {
        Form::Full => height * width * inner,
        Form::Depthwise => height * width,
    };
    let he = (2.0 / fan_in as f64).sqrt();
    match layer.activation {
        Activation::Relu6 => he,
        Activation::Linear => LINEAR_SHARE * he,
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Normal with mean 0 and deviation 1, as the sum of twelve uniform numbers is to a good approximation: logarithms
    /// and cosines, which exact methods take, differ between systems in their last bits.
    fn normal(&mut self) -> f64 {
        const UNIFORM: f64 = 65_536.0;
        const MEAN: i64 = 12 * 65_535 / 2;
        let sum: u64 = (0..3).map(|_| sum_of_quarters(self.next())).sum();
        (sum as i64 - MEAN) as f64 / UNIFORM
    }
}

/// The sum of the four 16-bit numbers that make up a 64-bit one.
fn sum_of_quarters(bits: u64) -> u64 {
    (0..4).map(|quarter| (bits >> (16 * quarter)) & 0xffff).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Edition, sha256_hex};

    #[test]
    fn the_model_has_the_same_bytes_on_every_machine() {
        assert_eq!(sha256_hex(&untrained()), UNTRAINED_SHA256);
    }

    #[test]
    fn drawn_numbers_are_normal() {
        let mut random = Random(1);
        let numbers: Vec<f64> = (0..1_000_000).map(|_| random.normal()).collect();
        let moment = |power: i32| numbers.iter().map(|number| number.powi(power)).sum::<f64>() / numbers.len() as f64;
        assert!(moment(1).abs() < 0.004, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.01, "variance {}", moment(2));
        // Twelve uniform numbers have kurtosis 3 - 0.1.
        assert!((moment(4) - 2.9).abs() < 0.05, "fourth moment {}", moment(4));
    }

    #[test]
    fn each_layer_has_the_deviation_that_keeps_activations_in_range() {
        let files = untrained_files();
        for layer in &LAYERS {
            let kernel = npy::float32_array(&files[layer.kernel.name], &layer.kernel_shape).unwrap();
            let squares = kernel.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).powi(2));
            let found = (squares.sum::<f32>() / layer.kernel.elements as f32).sqrt();
            let expected = deviation(layer) as f32;
            assert!((found / expected - 1.0).abs() < 0.15, "{}: {found}, expected {expected}", layer.name);
        }
    }

    #[test]
    fn no_untrained_file_passes_for_a_published_one() {
        let untrained = Edition::of(&untrained_files()).unwrap();
        let published = Edition::published();
        assert_eq!(untrained.files.len(), published.files.len());
        for (ours, theirs) in untrained.files.iter().zip(&published.files) {
            assert_eq!((ours.name, ours.elements), (theirs.name, theirs.elements));
            assert_ne!(ours.sha256, theirs.sha256, "{}", ours.name);
        }
        assert_ne!(untrained.model_sha256, published.model_sha256);
    }
}
