//! Times the three costs of this crate at MobileNetV2's width; prints the fastest of several runs, as other work on
//! the machine can only slow them down. `cargo run --release -p pomona-pca --example speed`

use std::hint::black_box;
use std::time::{Duration, Instant};

use ndarray::Array2;
use pomona_pca::{Error, FitOptions, Moments, Pca, Sum};

const ROWS: usize = 610;
const DIMENSIONS: usize = 1280;

fn main() -> Result<(), Error> {
    let rows = features();
    let moments = Moments::of(rows.view());
    let pca = Pca::fit(&moments, &FitOptions::default())?;

    let of = fastest(20, || Moments::of(rows.view()));
    println!("moments    {:.4} ms per row", milliseconds(of) / ROWS as f64);
    let merge = fastest(10, || moments.clone().merge(&moments));
    println!("clone+merge {:.2} ms", milliseconds(merge));
    let fit = fastest(3, || Pca::fit(&moments, &FitOptions::default()));
    println!("fit        {:.0} ms", milliseconds(fit));
    let project = fastest(10, || pca.project(rows.view()));
    println!("project    {:.4} ms per row", milliseconds(project) / ROWS as f64);
    Ok(())
}

/// Pseudo-random numbers from 0 to 6, as ReLU6 gives (a linear congruential generator).
fn features() -> Array2<f32> {
    let mut state = 1_u32;
    Array2::from_shape_simple_fn((ROWS, DIMENSIONS), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 * 6.0
    })
}

fn fastest<T>(runs: usize, mut work: impl FnMut() -> T) -> Duration {
    let times = (0..runs).map(|_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
