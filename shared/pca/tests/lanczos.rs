//! Components that are found by passes are those that the covariance has.

use ndarray::{Array2, ArrayView2, s};
use pomona_pca::sweep::{Rows, Step, Sweep, fit};
use pomona_pca::{
    ColumnMoments, Columns, Components, Encoding, Error, FitOptions, Lanczos, Moments, Pca, PcaFit, TOLERANCE,
};
use proptest::prelude::*;

/// Rows whose variance falls off along random directions, as that of features does.
fn rows(count: usize, dimensions: usize, rank: usize, seed: u32) -> Array2<f32> {
    let mut state = seed;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let directions = Array2::from_shape_simple_fn((rank, dimensions), &mut number);
    let weights = Array2::from_shape_fn((count, rank), |(_, i)| number() * 20.0 / (i + 1) as f32);
    weights.dot(&directions) + 3.0
}

fn shards(rows: &Array2<f32>, size: usize) -> Vec<Rows<'_>> {
    rows.axis_chunks_iter(ndarray::Axis(0), size).map(|features| Rows { features, classes: &[] }).collect()
}

fn by_passes(rows: &Array2<f32>, size: usize, options: &FitOptions) -> Result<PcaFit, Error> {
    let shards = shards(rows, size);
    fit(Lanczos::start(&fit(Columns, &shards)?, options)?, &shards)
}

fn by_covariance(rows: ArrayView2<'_, f32>, options: &FitOptions) -> Result<Pca, Error> {
    Pca::fit(&Moments::of(rows), options)
}

/// Largest difference of the rows in component space, relative to the largest coordinate.
fn difference(rows: ArrayView2<'_, f32>, found: &Pca, expected: &Pca) -> f32 {
    let (found, expected) = (found.project(rows).unwrap(), expected.project(rows).unwrap());
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    (found - expected).iter().fold(0.0, |worst: f32, value| worst.max(value.abs())) / largest
}

#[test]
fn components_by_passes_are_those_of_the_covariance() {
    let rows = rows(700, 1500, 400, 1);
    for (components, center, standardize) in
        [(Components::Count(100), true, false), (Components::Default, false, true), (Components::Count(3), true, true)]
    {
        let options = FitOptions { components, center, standardize };
        let PcaFit { pca, passes, residuals } = by_passes(&rows, 64, &options).unwrap();
        let expected = by_covariance(rows.view(), &options).unwrap();
        assert!((pca.total_variance / expected.total_variance - 1.0).abs() < 1e-12);
        for (found, expected) in pca.explained_variance.iter().zip(&expected.explained_variance) {
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
        }
        assert!(difference(rows.view(), &pca, &expected) < 1e-4, "{}", difference(rows.view(), &pca, &expected));
        let residuals = residuals.unwrap();
        assert!(residuals.max() <= TOLERANCE && passes < 12, "{passes} passes, {residuals}");
        assert_eq!((pca.center, pca.count), (center, 700));
        assert_eq!(pca.scale.is_some(), standardize);
    }
}

#[test]
fn a_share_of_the_variance_takes_as_many_components_as_by_the_covariance() {
    let rows = rows(500, 900, 300, 2);
    for share in [0.3, 0.9, 0.99, 0.999_999] {
        let options = FitOptions { components: Components::VarianceShare(share), ..FitOptions::default() };
        let found = by_passes(&rows, 100, &options).unwrap().pca;
        let expected = by_covariance(rows.view(), &options).unwrap();
        assert_eq!(found.components(), expected.components(), "{share}");
    }
}

#[test]
fn rows_of_few_dimensions_end_in_all_of_them() {
    let alike = |count| Array2::<f32>::from_elem((count, 400), 1.5);
    let of_rank_3 = |count| rows(count, 400, 3, 3);
    // A block holds 60 vectors for 50 components, and 128 for 200.
    for (count, components) in [(70, 50), (220, 200)] {
        for (rows, rank) in [(alike(count), 0), (of_rank_3(count), 3)] {
            let options = FitOptions { components: Components::Count(components), ..FitOptions::default() };
            let PcaFit { pca, .. } = by_passes(&rows, 20, &options).unwrap();
            assert_eq!(pca.components(), components);
            let kept = pca.explained_variance.iter().filter(|&&variance| variance > 1e-6).count();
            assert_eq!(kept, rank);
            let unit = pca.loadings.transpose() * &pca.loadings;
            assert!((unit - nalgebra::DMatrix::identity(components, components)).amax() < 1e-9, "{components} {rank}");
            assert_eq!(pca.project(rows.view()).unwrap().dim(), (count, components));
        }
    }
}

#[test]
fn what_the_covariance_refuses_passes_refuse_by_the_same_name() {
    let rows = rows(5, 40, 5, 4);
    let options = |components| FitOptions { components, ..FitOptions::default() };
    let too_many = options(Components::Count(5));
    assert_eq!(by_passes(&rows, 2, &too_many).unwrap_err(), by_covariance(rows.view(), &too_many).unwrap_err());
    let one = rows.slice(s![..1, ..]).to_owned();
    assert_eq!(by_passes(&one, 2, &FitOptions::default()), Err(Error::TooFewRows { count: 1 }));
    let mut broken = rows.clone();
    broken[(2, 7)] = f32::NAN;
    assert_eq!(by_passes(&broken, 2, &FitOptions::default()), Err(Error::NotFinite { feature: 7 }));
}

#[test]
fn more_components_than_a_basis_holds_are_refused_before_the_first_pass() {
    let rows = Array2::from_shape_fn((2, 600_000), |(i, j)| ((i * 7 + j) % 11) as f32);
    let columns = ColumnMoments::of(&Rows { features: rows.view(), classes: &[] });
    let many = FitOptions { components: Components::Count(1), ..FitOptions::default() };
    assert!(Lanczos::start(&columns, &many).is_ok());
    let columns = fit(Columns, &vec![Rows { features: rows.view(), classes: &[] }; 200]).unwrap();
    let many = FitOptions { components: Components::Count(300), ..FitOptions::default() };
    let error = Lanczos::start(&columns, &many).unwrap_err();
    assert!(matches!(error, Error::BasisTooLarge { components: 300, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Any shape, any cut: the variances of the covariance.
    #[test]
    fn any_rows_have_the_variances_of_their_covariance(
        count in 2_usize..60, dimensions in 1_usize..90, rank in 1_usize..40, size in 1_usize..30, seed in any::<u32>(),
        standardize in any::<bool>(),
    ) {
        let rows = rows(count, dimensions, rank, seed);
        let options = FitOptions { standardize, ..FitOptions::default() };
        let found = by_passes(&rows, size, &options).unwrap().pca;
        let expected = by_covariance(rows.view(), &options).unwrap();
        prop_assert_eq!(found.components(), expected.components());
        let largest = expected.explained_variance.max().max(f64::MIN_POSITIVE);
        let variances = found.explained_variance.iter().zip(&expected.explained_variance);
        for (found, expected) in variances {
            prop_assert!((found - expected).abs() <= 1e-9 * largest, "{} {}", found, expected);
        }
    }

    #[test]
    fn states_sums_and_models_survive_as_bytes(
        count in 3_usize..20, dimensions in 2_usize..9, standardize in any::<bool>(), seed in any::<u32>(),
    ) {
        let rows = rows(count, dimensions, 4, seed);
        let shards = shards(&rows, 4);
        let columns = fit(Columns, &shards).unwrap();
        prop_assert_eq!(&ColumnMoments::from_bytes(&columns.to_bytes()).unwrap(), &columns);
        let options = FitOptions { components: Components::VarianceShare(0.5), standardize, center: false };
        let state = Lanczos::start(&columns, &options).unwrap();
        prop_assert_eq!(&Lanczos::from_bytes(&state.to_bytes()).unwrap(), &state);
        let sum = state.partial(&Rows { features: rows.view(), classes: &[] }).unwrap();
        let kept = <Lanczos as Sweep>::Sum::from_bytes(&sum.to_bytes()).unwrap();
        prop_assert_eq!(&kept, &sum);
        if let Step::Done(fit) = Lanczos::step(&[state], sum).unwrap() {
            let bytes = fit.to_bytes();
            prop_assert_eq!(&PcaFit::from_bytes(&bytes).unwrap(), &fit);
            prop_assert!(PcaFit::from_bytes(&bytes[..bytes.len() - 8]).is_err());
            prop_assert!(PcaFit::from_bytes(&[bytes, vec![0; 8]].concat()).is_err());
        }
    }
}
