//! The vector operations that kernels are written in, one token type per instruction set.
//!
//! Kernels are generic over [`Simd`] and contain no `unsafe`; a token exists only on a CPU that has its instructions,
//! which is what makes its methods sound. **All code from [`Simd::vectorize`] down to the token's methods must be
//! `#[inline(always)]`**: what is not inlined into the `target_feature` function is compiled without these
//! instructions. That holds for closures too, and for those given to `array::map` and `array::from_fn`: kernels use
//! loops instead.
//!
//! Every operation rounds as IEEE 754 asks, lane by lane, so a kernel gives the same bits on all instruction sets.

#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
#[cfg(test)]
pub(super) mod portable;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

/// Code that is compiled once per instruction set.
pub(super) trait Kernel<const L: usize> {
    /// Must be `#[inline(always)]`.
    fn run<S: Simd<L>>(self, simd: S);
}

/// An instruction set with vectors of `L` floats.
pub(super) trait Simd<const L: usize>: Copy {
    /// `L` floats.
    type Vector: Copy;

    /// Runs `kernel` compiled for this instruction set.
    fn vectorize(self, kernel: impl Kernel<L>);

    fn splat(self, value: f32) -> Self::Vector;
    fn load(self, from: &[f32; L]) -> Self::Vector;
    fn store(self, vector: Self::Vector, to: &mut [f32; L]);
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `min(max(vector, 0), 6)`; -0 becomes 0. On the bits as integers, which order as floats do above zero: integer
    /// minimum and maximum do not compete with multiplications for execution ports.
    fn relu6(self, vector: Self::Vector) -> Self::Vector;
    /// Bytes as floats.
    fn widen(self, from: &[u8; L]) -> Self::Vector;
    /// Hints that the cache line at `from` is read soon.
    fn prefetch(self, from: &[f32; L]);
}
