//! How the time of a pass and of a step grows with rows, features, components and labels: each line differs from the
//! first of its table in one number. One thread, the fastest of three.
//! `cargo run --release -p pomona-pca --example growth`

use std::hint::black_box;
use std::time::Instant;

use ndarray::Array2;
use pomona_pca::sweep::{Rows, Step, Sweep, fit};
use pomona_pca::{Columns, Components, Error, FitOptions, Lanczos, Logistic, LogisticOptions};

/// Passes behind which the times are taken: what a step looks back at grows with them.
const PASSES: usize = 3;

/// What is drawn and fitted.
#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    width: usize,
    /// Components or labels.
    count: usize,
}

fn main() -> Result<(), Error> {
    println!("| rows | features | components | pass, s | step, s |\n|---|---|---|---|---|");
    let first = Shape { rows: 512, width: 15_680, count: 50 };
    for shape in varied(first, [1024, 2048], [31_360, 62_720], [100, 118]) {
        let rows = drawn(shape);
        let rows = Rows { features: rows.view(), classes: &[] };
        let options = FitOptions { components: Components::Count(shape.count), ..FitOptions::default() };
        line(shape, times(Lanczos::start(&fit(Columns, &[rows])?, &options)?, &rows)?);
    }
    println!("\n| rows | features | labels | pass, s | step, s |\n|---|---|---|---|---|");
    let first = Shape { rows: 2_048, width: 1_280, count: 131 };
    for shape in varied(first, [4_096, 8_192], [2_560, 5_120], [262, 524]) {
        let rows = drawn(shape);
        let classes: Vec<u32> = (0..shape.rows).map(|row| (row % shape.count) as u32).collect();
        let rows = Rows { features: rows.view(), classes: &classes };
        let options = LogisticOptions { regularization: 0.01, ..LogisticOptions::default() };
        line(shape, times(Logistic::start(&fit(Columns, &[rows])?, shape.count, &options)?, &rows)?);
    }
    Ok(())
}

/// The first shape, and what differs from it in one number.
fn varied(first: Shape, rows: [usize; 2], widths: [usize; 2], counts: [usize; 2]) -> Vec<Shape> {
    let rows = rows.map(|rows| Shape { rows, ..first });
    let widths = widths.map(|width| Shape { width, ..first });
    let counts = counts.map(|count| Shape { count, ..first });
    [first].into_iter().chain(rows).chain(widths).chain(counts).collect()
}

/// Pseudo-random numbers from 0 to 6, as ReLU6 gives (a linear congruential generator).
fn drawn(Shape { rows, width, .. }: Shape) -> Array2<f32> {
    let mut state = 1_u32;
    Array2::from_shape_simple_fn((rows, width), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 * 6.0
    })
}

/// Seconds of a pass over `rows`, and of the step behind it.
fn times<S: Sweep>(start: S, rows: &Rows<'_>) -> Result<(f64, f64), Error> {
    let mut states = vec![start];
    for _ in 0..PASSES {
        let Step::Next(next) = S::step(&states, states[states.len() - 1].partial(rows)?)? else { break };
        states.push(next);
    }
    let state = &states[states.len() - 1];
    let pass = fastest(|| state.partial(rows).map(drop))?;
    let mut step = f64::INFINITY;
    for _ in 0..3 {
        let sum = state.partial(rows)?;
        let started = Instant::now();
        black_box(S::step(&states, sum)?);
        step = step.min(started.elapsed().as_secs_f64());
    }
    Ok((pass, step))
}

fn fastest(mut work: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let mut fastest = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        work()?;
        fastest = fastest.min(started.elapsed().as_secs_f64());
    }
    Ok(fastest)
}

fn line(Shape { rows, width, count }: Shape, (pass, step): (f64, f64)) {
    println!("| {rows} | {width} | {count} | {pass:.3} | {step:.3} |");
}
