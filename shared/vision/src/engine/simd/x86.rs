//! AVX2 with FMA, and AVX-512F.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// Proof that the CPU has AVX2 and FMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Avx2(());

/// Proof that the CPU has AVX-512F.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Avx512(());

impl Avx2 {
    pub fn detect() -> Option<Avx2> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }
}

impl Avx512 {
    pub fn detect() -> Option<Avx512> {
        is_x86_feature_detected!("avx512f").then_some(Avx512(()))
    }
}

const SIX: i32 = 6f32.to_bits() as i32;

// In all that follows, SAFETY: the token proves that the CPU has the instructions, and pointers come from references to
// arrays of exactly the width that is read or written; the unaligned forms are used.

impl Simd<8> for Avx2 {
    type Vector = __m256;

    #[inline(always)]
    fn vectorize(self, kernel: impl Kernel<8>) {
        #[target_feature(enable = "avx2,fma")]
        fn enter(simd: Avx2, kernel: impl Kernel<8>) {
            kernel.run(simd);
        }
        // SAFETY: see above.
        unsafe { enter(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; 8]) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, vector: __m256, to: &mut [f32; 8]) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), vector) }
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn relu6(self, vector: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe {
            let positive = _mm256_max_epi32(_mm256_castps_si256(vector), _mm256_setzero_si256());
            _mm256_castsi256_ps(_mm256_min_epi32(positive, _mm256_set1_epi32(SIX)))
        }
    }

    #[inline(always)]
    fn widen(self, from: &[u8; 8]) -> __m256 {
        // SAFETY: see above; exactly 8 bytes are read.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn prefetch(self, from: &[f32; 8]) {
        // SAFETY: see above; a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().cast()) }
    }
}

impl Simd<16> for Avx512 {
    type Vector = __m512;

    #[inline(always)]
    fn vectorize(self, kernel: impl Kernel<16>) {
        #[target_feature(enable = "avx512f")]
        fn enter(simd: Avx512, kernel: impl Kernel<16>) {
            kernel.run(simd);
        }
        // SAFETY: see above.
        unsafe { enter(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, vector: __m512, to: &mut [f32; 16]) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), vector) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn relu6(self, vector: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe {
            let positive = _mm512_max_epi32(_mm512_castps_si512(vector), _mm512_setzero_si512());
            _mm512_castsi512_ps(_mm512_min_epi32(positive, _mm512_set1_epi32(SIX)))
        }
    }

    #[inline(always)]
    fn widen(self, from: &[u8; 16]) -> __m512 {
        // SAFETY: see above; exactly 16 bytes are read.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn prefetch(self, from: &[f32; 16]) {
        // SAFETY: see above; a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().cast()) }
    }
}
