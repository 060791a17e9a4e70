//! The reference that the instruction sets are tested against: plain Rust, any number of lanes.
//!
//! Nothing is inlined: a call per operation keeps the unrolled kernels small enough to compile quickly.

use super::{Kernel, Simd};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Portable<const L: usize>;

impl<const L: usize> Simd<L> for Portable<L> {
    type Vector = [f32; L];

    fn vectorize(self, kernel: impl Kernel<L>) {
        kernel.run(self);
    }

    #[inline(never)]
    fn splat(self, value: f32) -> [f32; L] {
        [value; L]
    }

    #[inline(never)]
    fn load(self, from: &[f32; L]) -> [f32; L] {
        *from
    }

    #[inline(never)]
    fn store(self, vector: [f32; L], to: &mut [f32; L]) {
        *to = vector;
    }

    #[inline(never)]
    fn fma(self, a: [f32; L], b: [f32; L], c: [f32; L]) -> [f32; L] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }

    #[inline(never)]
    fn add(self, a: [f32; L], b: [f32; L]) -> [f32; L] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(never)]
    fn relu6(self, vector: [f32; L]) -> [f32; L] {
        vector.map(|x| if x > 0.0 { x.min(6.0) } else { 0.0 })
    }

    #[inline(never)]
    fn widen(self, from: &[u8; L]) -> [f32; L] {
        from.map(f32::from)
    }

    #[inline(never)]
    fn prefetch(self, _from: &[f32; L]) {}
}
