//! The same principal components as nalgebra's eigensolver and LAPACK's singular value decomposition (numpy), to
//! 1e-9 of the data's scale.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use ndarray::Array2;
use pomona_pca::{Components, FitOptions, Moments, Pca};

const TOLERANCE: f64 = 1e-9;
/// Below this share of the largest, a variance is rounding noise and its component any direction.
const NOISE: f64 = 1e-6;

struct Reference {
    variances: DVector<f64>,
    loadings: DMatrix<f64>,
    projections: DMatrix<f64>,
}

/// Uniform in (-1, 1), from a linear congruential generator (Knuth's MMIX constants).
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// Noise whose columns differ in spread, so that the components are well apart.
fn spread_noise(count: usize, width: usize, seed: u64) -> Array2<f64> {
    let mut noise = noise(seed);
    Array2::from_shape_fn((count, width), |(_, column)| noise() * 1.25_f64.powi((column % 40) as i32))
}

fn data_sets() -> Vec<(&'static str, Array2<f32>)> {
    let narrow = |rows: Array2<f64>| rows.mapv(|value| value as f32);
    let mixed = spread_noise(80, 6, 3).dot(&spread_noise(6, 30, 4));
    let mut constant_and_duplicate_columns = spread_noise(50, 12, 5);
    constant_and_duplicate_columns.column_mut(3).fill(0.1);
    let duplicate = constant_and_duplicate_columns.column(7).to_owned();
    constant_and_duplicate_columns.column_mut(9).assign(&duplicate);
    vec![
        ("random", narrow(spread_noise(200, 25, 1))),
        ("fewer rows than columns", narrow(spread_noise(12, 40, 2))),
        ("rank 6 up to f32 rounding", narrow(mixed)),
        ("constant and duplicate columns", narrow(constant_and_duplicate_columns)),
        ("mean far above spread", narrow(spread_noise(150, 10, 6) + 10_000.0)),
        ("two rows", narrow(spread_noise(2, 5, 7))),
        ("several blocks of rows and columns", narrow(spread_noise(300, 230, 8))),
    ]
}

fn standardised(rows: &Array2<f32>, pca: &Pca) -> DMatrix<f64> {
    DMatrix::from_fn(rows.nrows(), rows.ncols(), |row, column| {
        let centred = f64::from(rows[(row, column)]) - pca.mean[column];
        match &pca.scale {
            Some(scale) => centred / scale[column],
            None => centred,
        }
    })
}

fn compare(name: &str, rows: &Array2<f32>, pca: &Pca, reference: &Reference) -> Result<(), Box<dyn Error>> {
    let largest = reference.variances[0];
    let variance_error = (&pca.explained_variance - &reference.variances).amax() / largest;
    assert!(variance_error <= TOLERANCE, "{name}: variances differ by {variance_error:e}");

    let projections = standardised(rows, pca) * &pca.loadings;
    let projected = pca.project(rows.view())?;
    let scale = reference.projections.amax();
    for component in 0..pca.components() {
        let unique = reference.variances[component] > NOISE * largest;
        let (actual, expected) = (projections.column(component), reference.projections.column(component));
        let error = (actual - expected).amax() / scale;
        assert!(!unique || error <= TOLERANCE, "{name}: projection {component} differs by {error:e}");
        let loading_error = (pca.loadings.column(component) - reference.loadings.column(component)).amax();
        assert!(!unique || loading_error <= TOLERANCE, "{name}: loadings {component} differ by {loading_error:e}");

        for (row, &value) in projected.column(component).iter().enumerate() {
            let rounding = f64::from(f32::EPSILON) * actual[row].abs() + TOLERANCE * scale;
            assert!((f64::from(value) - actual[row]).abs() <= rounding, "{name}: f32 projection {component}");
        }
    }
    Ok(())
}

fn compare_all(
    reference: impl Fn(&Array2<f32>, &Pca) -> Result<Reference, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for (name, rows) in data_sets() {
        for standardize in [false, true] {
            let components = Components::Count(rows.ncols().min(rows.nrows() - 1));
            let options = FitOptions { components, standardize, ..FitOptions::default() };
            let pca = Pca::fit(&Moments::of(rows.view()), &options)?;
            compare(&format!("{name}, standardize {standardize}"), &rows, &pca, &reference(&rows, &pca)?)?;
        }
    }
    Ok(())
}

/// nalgebra's eigenvectors of the covariance by its definition.
fn nalgebra_reference(rows: &Array2<f32>, pca: &Pca) -> Result<Reference, Box<dyn Error>> {
    let features = standardised(rows, pca);
    let covariance = features.transpose() * &features / (rows.nrows() - 1) as f64;
    let eigen = SymmetricEigen::new(covariance);
    let mut order: Vec<usize> = (0..rows.ncols()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    order.truncate(pca.components());

    let variances = DVector::from_iterator(order.len(), order.iter().map(|&index| eigen.eigenvalues[index]));
    let columns: Vec<DVector<f64>> = order
        .iter()
        .map(|&index| {
            let component = eigen.eigenvectors.column(index);
            let tie = component.amax() * (1.0 - 1e-9);
            let sign = component.iter().find(|loading| loading.abs() >= tie).map_or(1.0, |loading| loading.signum());
            component * sign
        })
        .collect();
    let loadings = DMatrix::from_columns(&columns);
    Ok(Reference { variances, projections: features * &loadings, loadings })
}

fn lapack_reference(python: &Path, rows: &Array2<f32>, pca: &Pca) -> Result<Reference, Box<dyn Error>> {
    let mut child = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lapack.py"))
        .args([rows.nrows(), rows.ncols(), usize::from(pca.scale.is_some())].map(|number| number.to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    child.stdin.take().ok_or("no standard input")?.write_all(&input)?;
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "lapack.py failed: {}", output.status);

    let (words, _) = output.stdout.as_chunks::<8>();
    let mut numbers = words.iter().map(|word| f64::from_le_bytes(*word));
    let components = pca.components();
    let mut matrix =
        |height: usize| DMatrix::from_row_iterator(height, components, numbers.by_ref().take(height * components));
    let variances = matrix(1).row(0).transpose();
    Ok(Reference { variances, loadings: matrix(rows.ncols()), projections: matrix(rows.nrows()) })
}

#[test]
fn equals_nalgebra() -> Result<(), Box<dyn Error>> {
    compare_all(nalgebra_reference)
}

#[test]
fn equals_lapack() -> Result<(), Box<dyn Error>> {
    let python = pomona_tests::python();
    compare_all(|rows, pca| lapack_reference(&python, rows, pca))
}
