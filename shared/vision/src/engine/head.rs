//! The last 1x1 convolution: with ReLU6 and the average over all pixels, or every pixel of it as features.

use tract_onnx::tract_core::internal::*;

use super::layer::Layer;
use super::memory::Scratch;
use super::pack::Weights;
use super::pointwise::{PixelsInto, Planes, Pointwise, PoolInto};
use super::simd::Simd;

/// The pooled layer. Pixels are added up in order, then divided by their number.
#[derive(Debug)]
pub(super) struct Head {
    /// The convolution.
    pub weights: Weights,
    /// Pixels of its input.
    pub pixels: usize,
    /// Shape of the averages in the graph, which holds each channel once.
    pub shape: TVec<usize>,
}

/// The layer that is not pooled: pixel by pixel, each with all its channels.
#[derive(Debug)]
pub(super) struct Pixels {
    /// The convolution.
    pub weights: Weights,
    /// Pixels of its input.
    pub pixels: usize,
    /// Whether ReLU6 follows it.
    pub relu6: bool,
}

impl Layer for Head {
    type Input = f32;
    const NAME: &'static str = "Head";

    fn output_shape(&self, _lanes: usize) -> TVec<usize> {
        self.shape.clone()
    }

    fn run<S: Simd<L>, const L: usize>(&self, simd: S, input: &[f32], output: &mut [f32], scratch: &mut Scratch) {
        let totals = scratch.rows.at_least(self.weights.outputs.next_multiple_of(L));
        totals.fill(0.0);
        let partial = scratch.partial.at_least(3 * self.pixels * L).as_chunks_mut::<L>().0;
        for panel in self.weights.panels::<L>() {
            simd.vectorize(Pointwise {
                panel,
                input: Planes { data: input.as_chunks::<L>().0, stride: self.pixels },
                from: 0,
                count: self.pixels,
                epilogue: PoolInto { totals: &mut totals.as_chunks_mut::<L>().0[panel.first..] },
                partial,
            });
        }
        for (average, total) in output.iter_mut().zip(totals) {
            *average = *total / self.pixels as f32;
        }
    }
}

impl Layer for Pixels {
    type Input = f32;
    const NAME: &'static str = "Pixels";

    fn output_shape(&self, _lanes: usize) -> TVec<usize> {
        tvec!(1, self.pixels * self.weights.outputs)
    }

    fn run<S: Simd<L>, const L: usize>(&self, simd: S, input: &[f32], output: &mut [f32], scratch: &mut Scratch) {
        let partial = scratch.partial.at_least(3 * self.pixels * L).as_chunks_mut::<L>().0;
        for panel in self.weights.panels::<L>() {
            simd.vectorize(Pointwise {
                panel,
                input: Planes { data: input.as_chunks::<L>().0, stride: self.pixels },
                from: 0,
                count: self.pixels,
                epilogue: PixelsInto {
                    output: &mut *output,
                    channels: self.weights.outputs,
                    first: panel.first * L,
                    relu6: self.relu6,
                },
                partial,
            });
        }
    }
}
