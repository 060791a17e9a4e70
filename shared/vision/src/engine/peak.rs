//! The fastest that this CPU can multiply and add, to compare the engine with.

use std::hint::black_box;
use std::time::Instant;

use super::layer::{InstructionSet, Layer};
use super::memory::Scratch;
use super::simd::{Kernel, Simd};

/// Independent sums: more than any CPU needs to hide the latency of its multipliers.
const SUMS: usize = 12;
const STEPS: usize = 200_000;

/// Multiply-adds per second that one thread reaches with nothing but registers, the best of many short rounds; `None`
/// where there are no kernels for the CPU.
pub fn fma_peak() -> Option<f64> {
    let set = *InstructionSet::available().first()?;
    let mut scratch = Scratch::default();
    let mut round = || {
        let mut output = vec![0.0; set.lanes()];
        let start = Instant::now();
        set.run(&Peak, black_box(&[0.5]), &mut output, &mut scratch);
        black_box(&output);
        (STEPS * SUMS * set.lanes()) as f64 / start.elapsed().as_secs_f64()
    };
    Some((0..50).map(|_| round()).fold(0.0, f64::max))
}

/// Sums in registers. The shape of its output is one vector.
#[derive(Debug)]
struct Peak;

impl Layer for Peak {
    type Input = f32;
    const NAME: &'static str = "Peak";

    fn output_shape(&self, lanes: usize) -> tract_onnx::prelude::TVec<usize> {
        [lanes].into_iter().collect()
    }

    fn run<S: Simd<L>, const L: usize>(&self, simd: S, input: &[f32], output: &mut [f32], _scratch: &mut Scratch) {
        simd.vectorize(MultiplyAdd { start: input[0], output: &mut output.as_chunks_mut::<L>().0[0] });
    }
}

struct MultiplyAdd<'a, const L: usize> {
    start: f32,
    output: &'a mut [f32; L],
}

impl<const L: usize> Kernel<L> for MultiplyAdd<'_, L> {
    #[inline(always)]
    fn run<S: Simd<L>>(self, simd: S) {
        let (factor, term) = (simd.splat(0.999), simd.splat(0.001));
        let mut sums = [simd.splat(self.start); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = simd.fma(*sum, factor, term);
            }
        }
        let total = sums.into_iter().fold(simd.splat(0.0), |total, sum| simd.add(total, sum));
        simd.store(total, self.output);
    }
}
