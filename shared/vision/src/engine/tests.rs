//! All instruction sets give the bits of a plain loop that adds in the documented order, whatever the shapes.

use proptest::prelude::*;

use super::blocked::{FromBlocks, PixelsOfBlocks, ToBlocks};
use super::depthwise::Geometry;
use super::head::{Head, Pixels};
use super::layer::{InstructionSet, Layer};
use super::memory::Scratch;
use super::pack::{Taps, Weights};
use super::residual::InvertedResidual;
use super::simd::portable::Portable;
use super::stem::Stem;
use crate::model::Preprocess;

/// The CPU's instruction sets, and the portable ones of both vector lengths.
fn sets() -> Vec<InstructionSet> {
    let portable = [InstructionSet::Portable8(Portable), InstructionSet::Portable16(Portable)];
    InstructionSet::available().into_iter().chain(portable).collect()
}

/// An image in tract's layout.
#[derive(Debug, Clone, PartialEq)]
struct Image {
    channels: usize,
    size: (usize, usize),
    values: Vec<f32>,
}

/// A convolution's weights `[output][input]` or `[channel][ky][kx]`, and its biases.
#[derive(Debug)]
struct Parameters {
    weights: Vec<f32>,
    biases: Vec<f32>,
}

/// Numbers in -1..1 by Knuth's linear congruential generator (MMIX).
struct Random(u64);

impl Random {
    fn float(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn floats(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.float() * scale).collect()
    }

    /// Scaled so that ReLU6 clips some sums at both ends.
    fn parameters(&mut self, inputs: usize, outputs: usize) -> Parameters {
        let scale = 6.0 / (inputs as f32).sqrt();
        Parameters { weights: self.floats(inputs * outputs, scale), biases: self.floats(outputs, 3.0) }
    }

    fn image(&mut self, channels: usize, size: (usize, usize)) -> Image {
        Image { channels, size, values: self.floats(channels * size.0 * size.1, 2.0) }
    }
}

impl Parameters {
    fn pack(&self, lanes: usize) -> Weights {
        Weights::pack(lanes, &self.weights, &self.biases)
    }
}

impl Image {
    fn at(&self, channel: usize, y: usize, x: usize) -> f32 {
        self.values[(channel * self.size.0 + y) * self.size.1 + x]
    }

    /// An image of `channels` whose values are those of `value(channel, y, x)`.
    fn from_fn(channels: usize, size: (usize, usize), value: impl Fn(usize, usize, usize) -> f32) -> Image {
        let pixels = size.0 * size.1;
        let values = (0..channels * pixels).map(|i| value(i / pixels, i % pixels / size.1, i % size.1)).collect();
        Image { channels, size, values }
    }

    fn bits(&self) -> Vec<u32> {
        bits(&self.values)
    }

    /// The values in the order height, width, channels.
    fn by_pixels(&self) -> Vec<f32> {
        let places = (0..self.size.0).flat_map(|y| (0..self.size.1).map(move |x| (y, x)));
        places.flat_map(|(y, x)| (0..self.channels).map(move |channel| self.at(channel, y, x))).collect()
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn relu6(value: f32) -> f32 {
    if value > 0.0 { value.min(6.0) } else { 0.0 }
}

fn plain_pointwise(input: &Image, parameters: &Parameters) -> Image {
    Image::from_fn(parameters.biases.len(), input.size, |output, y, x| {
        let weights = &parameters.weights[output * input.channels..][..input.channels];
        let products = weights.iter().enumerate();
        products.fold(parameters.biases[output], |sum, (c, weight)| input.at(c, y, x).mul_add(*weight, sum))
    })
}

fn plain_depthwise(input: &Image, parameters: &Parameters, geometry: Geometry) -> Image {
    Image::from_fn(input.channels, geometry.output, |channel, y, x| {
        let mut sum = parameters.biases[channel];
        for kx in 0..3 {
            for ky in 0..3 {
                let row = (y * geometry.stride + ky).checked_sub(geometry.pad.0);
                let column = (x * geometry.stride + kx).checked_sub(geometry.pad.1);
                if let (Some(row), Some(column)) = (row, column)
                    && row < input.size.0
                    && column < input.size.1
                {
                    sum = input.at(channel, row, column).mul_add(parameters.weights[channel * 9 + ky * 3 + kx], sum);
                }
            }
        }
        relu6(sum)
    })
}

fn map(image: &Image, function: impl Fn(f32) -> f32) -> Image {
    Image { values: image.values.iter().map(|value| function(*value)).collect(), ..image.clone() }
}

/// Runs a layer; memory starts dirty, as it is from the second image on.
fn run<K: Layer>(set: InstructionSet, layer: &K, input: &[K::Input]) -> Vec<f32> {
    let mut scratch = Scratch::default();
    for buffer in [&mut scratch.expanded, &mut scratch.halo, &mut scratch.band, &mut scratch.partial, &mut scratch.rows]
    {
        buffer.at_least(100_000).fill(f32::NAN);
    }
    let mut output = vec![f32::NAN; layer.output_shape(set.lanes()).iter().product()];
    set.run(layer, input, &mut output, &mut scratch);
    output
}

fn to_blocks(set: InstructionSet, image: &Image) -> Vec<f32> {
    run(set, &ToBlocks { channels: image.channels, size: image.size }, &image.values)
}

fn from_blocks(set: InstructionSet, blocks: &[f32], channels: usize, size: (usize, usize)) -> Image {
    Image { channels, size, values: run(set, &FromBlocks { channels, size }, blocks) }
}

/// A geometry for an input of that size, with `after` rows and columns of padding at the bottom and right.
fn geometry(input: (usize, usize), stride: usize, pad: (usize, usize), after: (usize, usize)) -> Geometry {
    let output = |size: usize, before: usize, after: usize| (size + before + after - 3) / stride + 1;
    let output = (output(input.0, pad.0, after.0), output(input.1, pad.1, after.1));
    Geometry { input, output, stride, pad }
}

fn geometries() -> impl Strategy<Value = Geometry> {
    let padding = || (0usize..2, 0usize..2);
    ((3usize..40, 3usize..40), 1usize..3, padding(), padding()).prop_map(|(input, stride, pad, after)| match stride {
        1 => geometry(input, 1, (1, 1), (1, 1)),
        _ => geometry(input, 2, pad, after),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn an_inverted_residual_block_has_the_bits_of_a_plain_loop(
        geometry in geometries(),
        channels in 1usize..40,
        hidden in 1usize..90,
        outputs in 1usize..40,
        expands in any::<bool>(),
        skips in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let input = random.image(channels, geometry.input);
        let hidden = if expands { hidden } else { channels };
        let expand = expands.then(|| random.parameters(channels, hidden));
        let depthwise = random.parameters(9, hidden);
        let skip = skips && geometry.stride == 1;
        let outputs = if skip { channels } else { outputs };
        let project = random.parameters(hidden, outputs);

        let expanded = match &expand {
            Some(expand) => map(&plain_pointwise(&input, expand), relu6),
            None => input.clone(),
        };
        let mut expected = plain_pointwise(&plain_depthwise(&expanded, &depthwise, geometry), &project);
        if skip {
            expected = Image::from_fn(outputs, geometry.output, |c, y, x| expected.at(c, y, x) + input.at(c, y, x));
        }

        for set in sets() {
            let lanes = set.lanes();
            let layer = InvertedResidual {
                geometry,
                expand: expand.as_ref().map(|expand| expand.pack(lanes)),
                taps: Taps::pack(lanes, &depthwise.weights, &depthwise.biases),
                project: project.pack(lanes),
                skip,
            };
            let output = run(set, &layer, &to_blocks(set, &input));
            let image = from_blocks(set, &output, outputs, geometry.output);
            prop_assert_eq!(image.bits(), expected.bits(), "{:?}", set);
            // The next layer reads the unused lanes.
            prop_assert_eq!(bits(&output), bits(&to_blocks(set, &expected)), "{:?}: unused lanes", set);
        }
    }

    #[test]
    fn the_stem_has_the_bits_of_a_plain_loop(
        size in (3usize..40, 3usize..40),
        pad in (0usize..2, 0usize..2),
        after in (0usize..2, 0usize..2),
        outputs in 1usize..60,
        torch in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let geometry = geometry(size, 2, pad, after);
        let mut random = Random(seed);
        let pixels: Vec<u8> = (0..size.0 * size.1 * 3).map(|_| (random.float() * 128.0 + 128.0) as u8).collect();
        let parameters = random.parameters(27, outputs);
        let affine = if torch { Preprocess::Torch } else { Preprocess::Tf }.affine();

        let expected = Image::from_fn(outputs, geometry.output, |output, y, x| {
            let mut sum = parameters.biases[output];
            for tap in 0..27 {
                let (ky, kx, c) = (tap / 9, tap / 3 % 3, tap % 3);
                let row = (2 * y + ky).checked_sub(pad.0);
                let column = (2 * x + kx).checked_sub(pad.1);
                if let (Some(row), Some(column)) = (row, column)
                    && row < size.0
                    && column < size.1
                {
                    let pixel = f32::from(pixels[(row * size.1 + column) * 3 + c]);
                    let value = pixel.mul_add(affine.scale[c], affine.shift[c]);
                    sum = value.mul_add(parameters.weights[output * 27 + c * 9 + ky * 3 + kx], sum);
                }
            }
            relu6(sum)
        });

        for set in sets() {
            let layer = Stem::new(set.lanes(), geometry, &parameters.weights, &parameters.biases, affine);
            let output = run(set, &layer, &pixels);
            let image = from_blocks(set, &output, outputs, geometry.output);
            prop_assert_eq!(image.bits(), expected.bits(), "{:?}", set);
            prop_assert_eq!(bits(&output), bits(&to_blocks(set, &expected)), "{:?}: unused lanes", set);
        }
    }

    #[test]
    fn the_head_has_the_bits_of_a_plain_loop(
        size in (1usize..12, 1usize..12),
        channels in 1usize..400,
        outputs in 1usize..90,
        seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let input = random.image(channels, size);
        let parameters = random.parameters(channels, outputs);
        let activated = map(&plain_pointwise(&input, &parameters), relu6);
        let pixels = size.0 * size.1;
        let average = |plane: &[f32]| plane.iter().fold(0.0, |sum, value| sum + value) / pixels as f32;
        let expected: Vec<f32> = activated.values.chunks(pixels).map(average).collect();

        for set in sets() {
            let layer = Head { weights: parameters.pack(set.lanes()), pixels, shape: [1, outputs].into_iter().collect() };
            let output = run(set, &layer, &to_blocks(set, &input));
            prop_assert_eq!(bits(&output), bits(&expected), "{:?}", set);
        }
    }

    #[test]
    fn a_head_that_is_not_pooled_has_the_bits_of_a_plain_loop_pixel_by_pixel(
        size in (1usize..12, 1usize..12),
        channels in 1usize..400,
        outputs in 1usize..90,
        is_activated in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let input = random.image(channels, size);
        let parameters = random.parameters(channels, outputs);
        let sums = plain_pointwise(&input, &parameters);
        let expected = if is_activated { map(&sums, relu6) } else { sums };

        for set in sets() {
            let weights = parameters.pack(set.lanes());
            let layer = Pixels { weights, pixels: size.0 * size.1, relu6: is_activated };
            let output = run(set, &layer, &to_blocks(set, &input));
            prop_assert_eq!(bits(&output), bits(&expected.by_pixels()), "{:?}", set);
        }
    }

    #[test]
    fn channel_blocks_become_pixels_of_all_channels(
        size in (1usize..12, 1usize..12),
        channels in 1usize..70,
        seed in any::<u64>(),
    ) {
        let image = Random(seed).image(channels, size);
        for set in sets() {
            let output = run(set, &PixelsOfBlocks { channels, size }, &to_blocks(set, &image));
            prop_assert_eq!(bits(&output), bits(&image.by_pixels()), "{:?}", set);
        }
    }
}

/// Blocks as large as MobileNetV2's are cut into bands and long panels into chunks, which small shapes never are; wide
/// ones into bands of a single row, which reads more of the halo than it adds to it.
#[test]
fn bands_and_chunks_leave_the_bits_alone() {
    for (size, channels, hidden, outputs, stride) in [
        ((56, 56), 24, 144, 24, 1),
        ((61, 57), 16, 96, 24, 2),
        ((7, 7), 24, 960, 40, 1),
        ((5, 1_200), 8, 96, 8, 1),
        ((9, 1_500), 8, 96, 8, 2),
    ] {
        let geometry = geometry(size, stride, (1, 1), (1, 1));
        let mut random = Random(size.0 as u64);
        let input = random.image(channels, size);
        let (expand, depthwise) = (random.parameters(channels, hidden), random.parameters(9, hidden));
        let project = random.parameters(hidden, outputs);
        let expanded = map(&plain_pointwise(&input, &expand), relu6);
        let expected = plain_pointwise(&plain_depthwise(&expanded, &depthwise, geometry), &project);
        for set in sets() {
            let lanes = set.lanes();
            let layer = InvertedResidual {
                geometry,
                expand: Some(expand.pack(lanes)),
                taps: Taps::pack(lanes, &depthwise.weights, &depthwise.biases),
                project: project.pack(lanes),
                skip: false,
            };
            let output = run(set, &layer, &to_blocks(set, &input));
            assert_eq!(from_blocks(set, &output, outputs, geometry.output).bits(), expected.bits(), "{set:?} {size:?}");
        }
    }
}
