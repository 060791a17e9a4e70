//! NEON, in pairs of 4 lanes.
#![allow(unsafe_code)]

use std::arch::aarch64::*;

use super::{Kernel, Simd};

/// Proof that the CPU has NEON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Neon(());

impl Neon {
    pub fn detect() -> Option<Neon> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

// In all that follows, SAFETY: the token proves that the CPU has the instructions, and pointers come from references to
// arrays of exactly the width that is read or written.

impl Simd<8> for Neon {
    type Vector = [float32x4_t; 2];

    #[inline(always)]
    fn vectorize(self, kernel: impl Kernel<8>) {
        #[target_feature(enable = "neon")]
        fn enter(simd: Neon, kernel: impl Kernel<8>) {
            kernel.run(simd);
        }
        // SAFETY: see above.
        unsafe { enter(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [float32x4_t; 2] {
        // SAFETY: see above.
        unsafe { [vdupq_n_f32(value); 2] }
    }

    #[inline(always)]
    fn load(self, from: &[f32; 8]) -> [float32x4_t; 2] {
        // SAFETY: see above.
        unsafe { [vld1q_f32(from.as_ptr()), vld1q_f32(from[4..].as_ptr())] }
    }

    #[inline(always)]
    fn store(self, vector: [float32x4_t; 2], to: &mut [f32; 8]) {
        // SAFETY: see above.
        unsafe {
            vst1q_f32(to.as_mut_ptr(), vector[0]);
            vst1q_f32(to[4..].as_mut_ptr(), vector[1]);
        }
    }

    #[inline(always)]
    fn fma(self, a: [float32x4_t; 2], b: [float32x4_t; 2], c: [float32x4_t; 2]) -> [float32x4_t; 2] {
        // SAFETY: see above.
        unsafe { [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])] }
    }

    #[inline(always)]
    fn add(self, a: [float32x4_t; 2], b: [float32x4_t; 2]) -> [float32x4_t; 2] {
        // SAFETY: see above.
        unsafe { [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1])] }
    }

    #[inline(always)]
    fn relu6(self, vector: [float32x4_t; 2]) -> [float32x4_t; 2] {
        // SAFETY: see above.
        unsafe {
            let (zero, six) = (vdupq_n_s32(0), vdupq_n_s32(6f32.to_bits() as i32));
            let low = vminq_s32(vmaxq_s32(vreinterpretq_s32_f32(vector[0]), zero), six);
            let high = vminq_s32(vmaxq_s32(vreinterpretq_s32_f32(vector[1]), zero), six);
            [vreinterpretq_f32_s32(low), vreinterpretq_f32_s32(high)]
        }
    }

    #[inline(always)]
    fn widen(self, from: &[u8; 8]) -> [float32x4_t; 2] {
        // SAFETY: see above; exactly 8 bytes are read.
        unsafe {
            let wide = vmovl_u8(vld1_u8(from.as_ptr()));
            [vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(wide)))]
        }
    }

    #[inline(always)]
    fn prefetch(self, _from: &[f32; 8]) {
        // The intrinsic is unstable; the hardware's stream prefetcher has to do.
    }
}
