//! The inner loops of the resize, in integers: no order of summing and no vector width changes a bit.
//!
//! Each is plain Rust; on x86-64 there is a second version for AVX2, chosen at run time. The only `unsafe` is that
//! call.

use super::weights::{COLUMN, Column, HALF, PRECISION_BITS, Weights};

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
    /// The rows that lie side by side in `columns`, each as RGB.
    fn rows_of_columns(columns: &[Column], rows: &mut [Vec<u8>; COLUMN])
}

dispatch! {
    /// Through the vertical pass: `out` is the sum of rows of its length, each `(where it begins in rows, its weight)`.
    fn weighted_sum(rows: &[u8], terms: &[(usize, i32)], out: &mut [u8])
}

mod portable {
    use super::{COLUMN, Column, HALF, PRECISION_BITS, Weights};

    /// Sums that fit into the vector registers of any CPU.
    const BLOCK: usize = 16;

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

    pub(super) fn rows_of_columns(columns: &[Column], rows: &mut [Vec<u8>; COLUMN]) {
        for (index, row) in rows.iter_mut().enumerate() {
            for (column, rgb) in columns.iter().zip(row.as_chunks_mut().0) {
                let [red, green, blue, _] = column[index];
                *rgb = [red, green, blue];
            }
        }
    }

    pub(super) fn weighted_sum(rows: &[u8], terms: &[(usize, i32)], out: &mut [u8]) {
        weighted_sum_from(0, rows, terms, out);
    }

    /// As [`weighted_sum`], for the bytes from `start` on.
    pub(super) fn weighted_sum_from(start: usize, rows: &[u8], terms: &[(usize, i32)], out: &mut [u8]) {
        for (index, out) in out[start..].chunks_mut(BLOCK).enumerate() {
            let mut sums = [HALF; BLOCK];
            for (row, weight) in terms {
                add_scaled(&rows[row + start + index * BLOCK..][..out.len()], *weight, &mut sums);
            }
            to_bytes(&sums, out);
        }
    }

    fn add_scaled(row: &[u8], weight: i32, sums: &mut [i32]) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += i32::from(*value) * weight;
        }
    }

    fn to_bytes(sums: &[i32], bytes: &mut [u8]) {
        for (sum, byte) in sums.iter().zip(bytes) {
            *byte = (sum >> PRECISION_BITS).clamp(0, 255) as u8;
        }
    }
}

/// Written out, because the compiler puts weights into lanes, of which there are often only five, and gathers for them.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{COLUMN, Column, HALF, PRECISION_BITS, Weights, portable};

    #[target_feature(enable = "avx2")]
    pub(super) fn horizontal(rows: &[Column], weights: &Weights, out: &mut [Column]) {
        for (index, out) in out.iter_mut().enumerate() {
            let (first, weights) = weights.of(index);
            let mut sums = [_mm256_set1_epi32(HALF); 2];
            for (column, weight) in rows[first..][..weights.len()].iter().zip(weights) {
                add_scaled(&mut sums, column.as_flattened().as_chunks().0, *weight);
            }
            // Packing works within halves of a register, so the quarters come out as 0, 2, 1, 3.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(to_words(sums[0], sums[1]));
            let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            let halves = out.as_flattened_mut().as_chunks_mut().0;
            halves[0] = _mm_cvtsi128_si64(bytes).to_le_bytes();
            halves[1] = _mm_extract_epi64::<1>(bytes).to_le_bytes();
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn rows_of_columns(columns: &[Column], rows: &mut [Vec<u8>; COLUMN]) {
        let (squares, rest) = columns.as_chunks::<COLUMN>();
        let without_fourth_byte = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
        for (index, square) in squares.iter().enumerate() {
            let columns = [load(&square[0]), load(&square[1]), load(&square[2]), load(&square[3])];
            let upper = [_mm_unpacklo_epi32(columns[0], columns[1]), _mm_unpacklo_epi32(columns[2], columns[3])];
            let lower = [_mm_unpackhi_epi32(columns[0], columns[1]), _mm_unpackhi_epi32(columns[2], columns[3])];
            let transposed = [
                _mm_unpacklo_epi64(upper[0], upper[1]),
                _mm_unpackhi_epi64(upper[0], upper[1]),
                _mm_unpacklo_epi64(lower[0], lower[1]),
                _mm_unpackhi_epi64(lower[0], lower[1]),
            ];
            for (row, pixels) in rows.iter_mut().zip(transposed) {
                let rgb = _mm_shuffle_epi8(pixels, without_fourth_byte);
                let [start, middle, end] = &mut row.as_chunks_mut::<4>().0[3 * index..][..3] else { continue };
                *start = _mm_cvtsi128_si32(rgb).to_le_bytes();
                *middle = _mm_extract_epi32::<1>(rgb).to_le_bytes();
                *end = _mm_extract_epi32::<2>(rgb).to_le_bytes();
            }
        }
        for (offset, column) in rest.iter().enumerate() {
            let at = 3 * (squares.len() * COLUMN + offset);
            for (row, pixel) in rows.iter_mut().zip(column) {
                row[at..][..3].copy_from_slice(&pixel[..3]);
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn weighted_sum(rows: &[u8], terms: &[(usize, i32)], out: &mut [u8]) {
        let whole = out.len() / 32 * 32;
        for (index, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let mut sums = [_mm256_set1_epi32(HALF); 4];
            for (row, weight) in terms {
                add_scaled(&mut sums, rows[row + 32 * index..][..32].as_chunks().0, *weight);
            }
            // Packed twice within halves, so fours of bytes come out as 0, 2, 4, 6, 1, 3, 5, 7.
            let bytes = _mm256_packus_epi16(to_words(sums[0], sums[1]), to_words(sums[2], sums[3]));
            let bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
            let (low, high) = (_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
            let quarters = out.as_chunks_mut().0;
            quarters[0] = _mm_cvtsi128_si64(low).to_le_bytes();
            quarters[1] = _mm_extract_epi64::<1>(low).to_le_bytes();
            quarters[2] = _mm_cvtsi128_si64(high).to_le_bytes();
            quarters[3] = _mm_extract_epi64::<1>(high).to_le_bytes();
        }
        portable::weighted_sum_from(whole, rows, terms, out);
    }

    /// `sums += bytes x weight`, eight bytes for each sum.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add_scaled<const N: usize>(sums: &mut [__m256i; N], bytes: &[[u8; 8]], weight: i32) {
        let weight = _mm256_set1_epi32(weight);
        for (sum, bytes) in sums.iter_mut().zip(bytes) {
            let values = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(*bytes)));
            *sum = _mm256_add_epi32(*sum, _mm256_mullo_epi32(values, weight));
        }
    }

    /// Finished sums, rounded, as 16-bit integers, which packing to bytes cuts to 0..=255.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn to_words(low: __m256i, high: __m256i) -> __m256i {
        const BITS: i32 = PRECISION_BITS as i32;
        _mm256_packs_epi32(_mm256_srai_epi32::<BITS>(low), _mm256_srai_epi32::<BITS>(high))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(column: &Column) -> __m128i {
        let halves = column.as_flattened().as_chunks().0;
        _mm_set_epi64x(i64::from_le_bytes(halves[1]), i64::from_le_bytes(halves[0]))
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

            let (mut wide, mut plain) = [(); 2].map(|()| std::array::from_fn(|_| vec![0; 3 * input])).into();
            // SAFETY: the CPU has AVX2.
            unsafe { avx2::rows_of_columns(&rows, &mut wide) };
            portable::rows_of_columns(&rows, &mut plain);
            assert_eq!(wide, plain, "{input} columns");
        }
    }

    #[test]
    #[allow(unsafe_code)]
    fn avx2_and_portable_sums_of_rows_are_the_same() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            eprintln!("left out: this CPU has no AVX2");
            return;
        }
        for length in [1, 31, 32, 33, 48, 672, 675] {
            let rows = noise(6 * length);
            for weights in
                [&[1 << PRECISION_BITS][..], &[-400_000, 5_000_000, -405_696], &[123_457, -9, 1, 0, 4_000_000]]
            {
                let terms: Vec<_> = weights.iter().enumerate().map(|(row, weight)| (row * length, *weight)).collect();
                let (mut wide, mut plain) = (vec![0; length], vec![0; length]);
                // SAFETY: the CPU has AVX2.
                unsafe { avx2::weighted_sum(&rows, &terms, &mut wide) };
                portable::weighted_sum(&rows, &terms, &mut plain);
                assert_eq!(wide, plain, "{} rows of {length} bytes", terms.len());
            }
        }
    }
}
