//! Times the three costs of this crate at MobileNetV2's width; prints the fastest of several runs, as other work on
//! the machine can only slow them down. `cargo run --release -p pomona-pca --example speed`

mod timing;

use std::time::Duration;

use pomona_pca::{Error, FitOptions, Moments, Pca, Sum};
use timing::{fastest, features};

const ROWS: usize = 610;
const DIMENSIONS: usize = 1280;

fn main() -> Result<(), Error> {
    let rows = features(ROWS, DIMENSIONS);
    let moments = Moments::of(rows.view());
    let pca = Pca::fit(&moments, &FitOptions::default())?;

    let of = fastest(20, || (), |()| Moments::of(rows.view()));
    println!("moments    {:.4} ms per row", milliseconds(of) / ROWS as f64);
    let merge = fastest(10, || (), |()| moments.clone().merge(&moments));
    println!("clone+merge {:.2} ms", milliseconds(merge));
    let fit = fastest(3, || (), |()| Pca::fit(&moments, &FitOptions::default()));
    println!("fit        {:.0} ms", milliseconds(fit));
    let project = fastest(10, || (), |()| pca.project(rows.view()));
    println!("project    {:.4} ms per row", milliseconds(project) / ROWS as f64);
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
