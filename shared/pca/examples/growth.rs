//! How the time of a pass and of a step grows with rows, features, components and labels: each line differs from the
//! first of its table in one number. One thread, the fastest of three.
//! `cargo run --release -p pomona-pca --example growth`

mod timing;

use pomona_pca::sweep::{Rows, Step, Sweep, fit};
use pomona_pca::{Columns, Components, Error, FitOptions, Lanczos, Logistic, LogisticOptions};
use timing::{fastest, features};

/// Passes behind which the times are taken: what a step looks back at grows with them.
const PASSES: usize = 3;

/// Times that each is timed.
const TIMES: usize = 3;

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
        let rows = features(shape.rows, shape.width);
        let rows = Rows { features: rows.view(), classes: &[] };
        let options = FitOptions { components: Components::Count(shape.count), ..FitOptions::default() };
        line(shape, times(Lanczos::start(&fit(Columns, &[rows])?, &options)?, &rows)?);
    }
    println!("\n| rows | features | labels | pass, s | step, s |\n|---|---|---|---|---|");
    let first = Shape { rows: 2_048, width: 1_280, count: 131 };
    for shape in varied(first, [4_096, 8_192], [2_560, 5_120], [262, 524]) {
        let rows = features(shape.rows, shape.width);
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

/// Seconds of a pass over `rows`, and of the step behind it.
fn times<S: Sweep<Sum: Clone>>(start: S, rows: &Rows<'_>) -> Result<(f64, f64), Error> {
    let mut states = vec![start];
    for _ in 0..PASSES {
        let Step::Next(next) = S::step(&states, states[states.len() - 1].partial(rows)?)? else { break };
        states.push(next);
    }
    let state = &states[states.len() - 1];
    let sum = state.partial(rows)?;
    let pass = fastest(TIMES, || (), |()| state.partial(rows));
    let step = fastest(TIMES, || sum.clone(), |sum| S::step(&states, sum));
    Ok((pass.as_secs_f64(), step.as_secs_f64()))
}

fn line(Shape { rows, width, count }: Shape, (pass, step): (f64, f64)) {
    println!("| {rows} | {width} | {count} | {pass:.3} | {step:.3} |");
}
