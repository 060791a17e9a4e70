//! Data that has no principal components, or hardly any.

use ndarray::{Array2, array};
use pomona_pca::{Encoding, Error, FitOptions, Merger, Moments, Pca, Sum};

fn fit(rows: &Array2<f32>) -> Result<Pca, Error> {
    Pca::fit(&Moments::of(rows.view()), &FitOptions::default())
}

#[test]
fn constant_data_has_no_variance_and_projects_to_zero() -> Result<(), Error> {
    let rows = Array2::from_elem((5, 3), 0.1_f32);
    for standardize in [false, true] {
        let pca = Pca::fit(&Moments::of(rows.view()), &FitOptions { standardize, ..FitOptions::default() })?;
        assert_eq!(pca.total_variance, 0.0);
        assert!(pca.explained_variance.iter().all(|&variance| variance == 0.0));
        assert!(pca.explained_variance_ratio().iter().all(|&ratio| ratio == 0.0));
        assert_eq!(pca.project(rows.view())?, Array2::<f32>::zeros((5, 3)));
    }
    Ok(())
}

#[test]
fn a_constant_column_stays_exactly_constant_through_merges() -> Result<(), Error> {
    let mut merger = Merger::default();
    for shard in 1..12 {
        let rows = Array2::from_shape_fn((shard, 2), |(row, column)| if column == 0 { 0.1 } else { row as f32 });
        merger.push(Moments::of(rows.view()))?;
    }
    let moments = merger.finish()?.expect("moments were pushed");
    assert_eq!(moments.scatter()[(0, 0)], 0.0);

    let pca = Pca::fit(&moments, &FitOptions { standardize: true, center: false, ..FitOptions::default() })?;
    assert_eq!(pca.scale.as_ref().map(|scale| scale[0]), Some(1.0));
    assert!((pca.total_variance - 1.0).abs() < 1e-12);
    assert_eq!(pca.project(array![[5.0, 0.0], [9.0, 0.0]].view())?, array![[0.0, 5.0], [0.0, 9.0]]);
    Ok(())
}

#[test]
fn duplicate_columns_share_one_component() -> Result<(), Error> {
    let pca = fit(&array![[1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [9.0, 9.0]])?;
    let half_root = 0.5_f64.sqrt();
    assert!((pca.loadings[(0, 0)] - half_root).abs() < 1e-12 && (pca.loadings[(1, 0)] - half_root).abs() < 1e-12);
    assert!((pca.explained_variance_ratio()[0] - 1.0).abs() < 1e-12);
    assert!(pca.explained_variance[1] >= 0.0 && pca.explained_variance[1] < 1e-12);
    Ok(())
}

#[test]
fn fewer_than_two_rows_or_no_features_are_errors() {
    assert_eq!(fit(&Array2::zeros((0, 3))), Err(Error::TooFewRows { count: 0 }));
    assert_eq!(fit(&Array2::zeros((1, 3))), Err(Error::TooFewRows { count: 1 }));
    assert_eq!(fit(&Array2::zeros((4, 0))), Err(Error::NoFeatures));
}

#[test]
fn numbers_that_are_not_finite_are_an_error_that_names_the_feature() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let rows = array![[1.0, 2.0, 3.0], [4.0, 5.0, bad], [7.0, 8.0, 8.0]];
        assert_eq!(fit(&rows), Err(Error::NotFinite { feature: 2 }));
    }
}

#[test]
fn the_largest_finite_features_do_not_overflow() -> Result<(), Error> {
    let pca = fit(&array![[f32::MAX, 1.0], [-f32::MAX, 2.0], [0.0, 3.0]])?;
    assert!((pca.explained_variance[0] / f64::from(f32::MAX).powi(2) - 1.0).abs() < 1e-9);
    Ok(())
}

#[test]
fn rows_of_another_width_are_refused() -> Result<(), Error> {
    let pca = fit(&array![[1.0, 2.0], [3.0, 5.0], [8.0, 1.0]])?;
    let expected = Error::Dimensions { expected: 2, actual: 3 };
    assert_eq!(pca.project(Array2::zeros((1, 3)).view()), Err(expected.clone()));
    assert_eq!(Moments::empty(2).merge(&Moments::empty(3)), Err(expected));
    Ok(())
}

#[test]
fn a_model_whose_parts_disagree_is_refused() -> Result<(), Error> {
    let mut pca = fit(&array![[1.0, 2.0], [3.0, 5.0], [8.0, 1.0]])?;
    pca.mean = pca.mean.remove_row(0);
    let error = pca.project(Array2::zeros((1, 2)).view()).expect_err("a mean that is too short");
    assert!(matches!(error, Error::InconsistentModel(_)), "{error}");
    Ok(())
}

#[test]
fn nothing_pushed_is_nothing_merged() -> Result<(), Error> {
    assert_eq!(Merger::<Moments>::default().finish()?, None);
    Ok(())
}

#[test]
fn more_rows_than_64_bits_count_are_an_error() -> Result<(), Error> {
    let moments = Moments::of(array![[1.0], [2.0]].view());
    let mut bytes = moments.to_bytes();
    bytes[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(Moments::from_bytes(&bytes)?.merge(&moments), Err(Error::CountOverflow));
    Ok(())
}
