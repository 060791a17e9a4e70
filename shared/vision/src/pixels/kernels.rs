//! The inner loops of the resize, in integers: no order of summing and no vector width changes a bit.
//!
//! Each is plain Rust, which the compiler vectorises for the target it builds for; on x86-64 a second version is
//! compiled for AVX2 and chosen at run time. The only `unsafe` is that call.

use super::resize::{Column, HALF, PRECISION_BITS, Weights};

/// Defines a function that runs its AVX2 version where the CPU has AVX2.
macro_rules! dispatch {
    ($(#[$docs:meta])* fn $name:ident($($argument:ident: $type:ty),*)) => {
        $(#[$docs])*
        #[allow(unsafe_code)]
        pub(super) fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the CPU has AVX2, all that these safe functions require.
                return unsafe { avx2::$name($($argument),*) };
            }
            portable::$name($($argument),*);
        }
    };
}

dispatch! {
    /// Rows side by side through the horizontal pass: `rows` of the weights' input size, `out` of their output size.
    fn horizontal(rows: &[Column], weights: &Weights, out: &mut [Column])
}

dispatch! {
    /// `sums += row x weight`, element by element.
    fn add_scaled(row: &[u8], weight: i32, sums: &mut [i32])
}

dispatch! {
    /// Finished sums, rounded and cut to bytes.
    fn to_bytes(sums: &[i32], bytes: &mut [u8])
}

mod portable {
    use super::{Column, HALF, PRECISION_BITS, Weights};

    #[inline(always)]
    pub(super) fn horizontal(rows: &[Column], weights: &Weights, out: &mut [Column]) {
        for (index, out) in out.iter_mut().enumerate() {
            let (first, weights) = weights.of(index);
            let mut sums = [HALF; size_of::<Column>()];
            for (column, weight) in rows[first..][..weights.len()].iter().zip(weights) {
                add_scaled(column.as_flattened(), *weight, &mut sums);
            }
            to_bytes(&sums, out.as_flattened_mut());
        }
    }

    #[inline(always)]
    pub(super) fn add_scaled(row: &[u8], weight: i32, sums: &mut [i32]) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += i32::from(*value) * weight;
        }
    }

    #[inline(always)]
    pub(super) fn to_bytes(sums: &[i32], bytes: &mut [u8]) {
        for (sum, byte) in sums.iter().zip(bytes) {
            *byte = to_byte(*sum);
        }
    }

    fn to_byte(sum: i32) -> u8 {
        (sum >> PRECISION_BITS).clamp(0, 255) as u8
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Column, HALF, PRECISION_BITS, Weights, portable};

    /// Written out, because the compiler puts weights into lanes, of which there are often only five, and gathers for
    /// them.
    #[target_feature(enable = "avx2")]
    pub(super) fn horizontal(rows: &[Column], weights: &Weights, out: &mut [Column]) {
        for (index, out) in out.iter_mut().enumerate() {
            let (first, weights) = weights.of(index);
            let mut sums = [_mm256_set1_epi32(HALF); 2];
            for (column, weight) in rows[first..][..weights.len()].iter().zip(weights) {
                let weight = _mm256_set1_epi32(*weight);
                for (sum, bytes) in sums.iter_mut().zip(column.as_flattened().as_chunks().0) {
                    let channels = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(*bytes)));
                    *sum = _mm256_add_epi32(*sum, _mm256_mullo_epi32(channels, weight));
                }
            }
            let [low, high] = sums.map(|sum| _mm256_srai_epi32::<{ PRECISION_BITS as i32 }>(sum));
            // Packing works within halves of a register, so the quarters come out as 0, 2, 1, 3.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
            let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            let halves = out.as_flattened_mut().as_chunks_mut().0;
            halves[0] = _mm_cvtsi128_si64(bytes).to_le_bytes();
            halves[1] = _mm_extract_epi64::<1>(bytes).to_le_bytes();
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn add_scaled(row: &[u8], weight: i32, sums: &mut [i32]) {
        portable::add_scaled(row, weight, sums);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn to_bytes(sums: &[i32], bytes: &mut [u8]) {
        portable::to_bytes(sums, bytes);
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// Bytes without a pattern, from a linear congruential generator.
    fn noise(length: usize) -> Vec<u8> {
        let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        std::iter::successors(Some(1), next).map(|state| (state >> 24) as u8).take(length).collect()
    }

    #[test]
    #[allow(unsafe_code)]
    fn avx2_and_portable_versions_give_the_same_bytes() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            eprintln!("left out: this CPU has no AVX2");
            return;
        }
        for (input, output) in
            [(1, 1), (1, 7), (2, 224), (3, 5), (7, 1), (31, 33), (100, 224), (225, 224), (3_000, 224)]
        {
            let noise = noise(input * size_of::<Column>());
            let rows: Vec<Column> = noise.as_chunks().0.as_chunks().0.to_vec();
            let weights = Weights::between(input, output);
            let (mut wide, mut plain) = (vec![Column::default(); output], vec![Column::default(); output]);
            // SAFETY: the CPU has AVX2.
            unsafe { avx2::horizontal(&rows, &weights, &mut wide) };
            portable::horizontal(&rows, &weights, &mut plain);
            assert_eq!(wide, plain, "{input} -> {output}");

            let (mut wide_sums, mut plain_sums) = (vec![HALF; noise.len()], vec![HALF; noise.len()]);
            let (mut wide, mut plain) = (vec![0; noise.len()], vec![0; noise.len()]);
            for weight in [1 << PRECISION_BITS, -400_000, 123_457] {
                // SAFETY: the CPU has AVX2.
                unsafe { avx2::add_scaled(&noise, weight, &mut wide_sums) };
                portable::add_scaled(&noise, weight, &mut plain_sums);
                // SAFETY: the CPU has AVX2.
                unsafe { avx2::to_bytes(&wide_sums, &mut wide) };
                portable::to_bytes(&plain_sums, &mut plain);
                assert_eq!((&wide_sums, &wide), (&plain_sums, &plain), "{input} values times {weight}");
            }
        }
    }
}
