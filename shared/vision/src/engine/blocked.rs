//! Between tract's layout `[1, channels, height, width]` and channel blocks `[blocks, height, width, lanes]`: at the
//! borders between fused layers and operations that tract runs. And from channel blocks to features.

use tract_onnx::tract_core::internal::*;

use super::layer::{Layer, blocked_shape};
use super::memory::Scratch;
use super::simd::Simd;

/// tract's layout to channel blocks.
#[derive(Debug)]
pub(super) struct ToBlocks {
    pub channels: usize,
    pub size: (usize, usize),
}

/// Channel blocks to tract's layout.
#[derive(Debug)]
pub(super) struct FromBlocks {
    pub channels: usize,
    pub size: (usize, usize),
}

/// Channel blocks to pixels of all their channels, as [`Flatten`](crate::flatten::Flatten) orders them.
#[derive(Debug)]
pub(super) struct PixelsOfBlocks {
    pub channels: usize,
    pub size: (usize, usize),
}

impl Layer for ToBlocks {
    type Input = f32;
    const NAME: &'static str = "ToBlocks";

    fn output_shape(&self, lanes: usize) -> TVec<usize> {
        blocked_shape(lanes, self.channels, self.size)
    }

    fn run<S: Simd<L>, const L: usize>(&self, _simd: S, input: &[f32], output: &mut [f32], _scratch: &mut Scratch) {
        let pixels = self.size.0 * self.size.1;
        output.fill(0.0);
        for (channel, plane) in input.chunks_exact(pixels).enumerate() {
            let lanes = &mut output[channel / L * pixels * L + channel % L..];
            for (value, slot) in plane.iter().zip(lanes.iter_mut().step_by(L)) {
                *slot = *value;
            }
        }
    }
}

impl Layer for FromBlocks {
    type Input = f32;
    const NAME: &'static str = "FromBlocks";

    fn output_shape(&self, _lanes: usize) -> TVec<usize> {
        tvec!(1, self.channels, self.size.0, self.size.1)
    }

    fn run<S: Simd<L>, const L: usize>(&self, _simd: S, input: &[f32], output: &mut [f32], _scratch: &mut Scratch) {
        let pixels = self.size.0 * self.size.1;
        for (channel, plane) in output.chunks_exact_mut(pixels).enumerate() {
            let lanes = &input[channel / L * pixels * L + channel % L..];
            for (value, slot) in plane.iter_mut().zip(lanes.iter().step_by(L)) {
                *value = *slot;
            }
        }
    }
}

impl Layer for PixelsOfBlocks {
    type Input = f32;
    const NAME: &'static str = "PixelsOfBlocks";

    fn output_shape(&self, _lanes: usize) -> TVec<usize> {
        tvec!(1, self.size.0 * self.size.1 * self.channels)
    }

    fn run<S: Simd<L>, const L: usize>(&self, _simd: S, input: &[f32], output: &mut [f32], _scratch: &mut Scratch) {
        let blocks = input.as_chunks::<L>().0;
        let pixels = self.size.0 * self.size.1;
        for (pixel, channels) in output.chunks_exact_mut(self.channels).enumerate() {
            for (channels, lanes) in channels.chunks_mut(L).zip(blocks[pixel..].iter().step_by(pixels)) {
                channels.copy_from_slice(&lanes[..channels.len()]);
            }
        }
    }
}
