//! Rows that are drawn, and what takes how long.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ndarray::Array2;

/// Pseudo-random numbers from 0 to 6, as ReLU6 gives (a linear congruential generator).
pub fn features(rows: usize, width: usize) -> Array2<f32> {
    let mut state = 1_u32;
    Array2::from_shape_simple_fn((rows, width), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 * 6.0
    })
}

/// The fastest of several times, as other work on the machine can only slow them down. What is prepared for each is not
/// timed.
pub fn fastest<P, T>(runs: usize, mut prepare: impl FnMut() -> P, mut work: impl FnMut(P) -> T) -> Duration {
    let times = (0..runs).map(|_| {
        let prepared = prepare();
        let start = Instant::now();
        black_box(work(prepared));
        start.elapsed()
    });
    times.min().unwrap_or_default()
}
