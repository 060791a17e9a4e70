//! What holds for any data.

use nalgebra::DMatrix;
use ndarray::{Array2, ArrayView2, Axis, s};
use pomona_pca::{Components, Encoding, Error, FitOptions, Merger, Moments, Pca, Sum};
use proptest::collection::vec;
use proptest::prelude::*;

const TOLERANCE: f64 = 1e-9;

/// Rows whose columns differ in mean and spread by orders of magnitude; every third data set repeats columns.
fn any_rows(counts: std::ops::Range<usize>) -> impl Strategy<Value = Array2<f32>> {
    (counts, 1..20_usize, 0..3_usize)
        .prop_flat_map(|(count, width, repeats)| {
            let column = (-1e4_f32..1e4, prop::sample::select(vec![0.0_f32, 1e-3, 1.0, 1e3]));
            (Just((count, width, repeats)), vec(-1.0_f32..1.0, count * width), vec(column, width))
        })
        .prop_map(|((count, width, repeats), noise, columns)| {
            Array2::from_shape_fn((count, width), |(row, column)| {
                let column = if repeats == 0 { column / 2 } else { column };
                let (mean, spread) = columns[column];
                mean + spread * noise[row * width + column]
            })
        })
}

fn merged(rows: ArrayView2<'_, f32>, cuts: &[prop::sample::Index]) -> Result<Moments, Error> {
    let mut bounds: Vec<usize> = cuts.iter().map(|cut| cut.index(rows.nrows() + 1)).collect();
    bounds.extend([0, rows.nrows()]);
    bounds.sort_unstable();
    let mut merger = Merger::default();
    for chunk in bounds.windows(2) {
        merger.push(Moments::of(rows.slice(s![chunk[0]..chunk[1], ..])))?;
    }
    Ok(merger.finish()?.expect("at least one chunk"))
}

/// Equal to 1e-9 of the features' own scale, and what rounding of their means amounts to: a mean is wrong by epsilon
/// times itself, and each of up to 20 merges multiplies this with twice the distance of two means times a number of
/// rows, at most `sqrt(n S)`.
fn assert_close(actual: &Moments, expected: &Moments) -> Result<(), TestCaseError> {
    prop_assert_eq!(actual.count(), expected.count());
    let mean_error = (actual.mean() - expected.mean()).amax();
    prop_assert!(mean_error <= TOLERANCE * expected.mean().amax());
    let (mean, count) = (expected.mean().amax(), expected.count() as f64);
    let (actual, expected) = (actual.scatter(), expected.scatter());
    let rounding = 40.0 * f64::EPSILON * mean * (count * expected.amax()).sqrt();
    prop_assert!((&actual - &expected).amax() <= TOLERANCE * expected.amax() + rounding);
    prop_assert_eq!(&actual, &actual.transpose());
    Ok(())
}

fn fit_all(rows: ArrayView2<'_, f32>, center: bool, standardize: bool) -> Result<Pca, Error> {
    let components = Components::Count(rows.ncols().min(rows.nrows() - 1));
    Pca::fit(&Moments::of(rows), &FitOptions { components, center, standardize })
}

proptest! {
    #[test]
    fn merging_any_chunks_equals_the_moments_of_the_whole(
        rows in any_rows(1..200),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        assert_close(&merged(rows.view(), &cuts)?, &Moments::of(rows.view()))?;
    }

    #[test]
    fn merging_groups_of_a_power_of_two_first_gives_the_same_bits(
        shards in vec(any_rows(0..5).prop_map(|rows| rows.slice(s![.., ..1]).to_owned()), 1..40),
        group in prop::sample::select(vec![1_usize, 2, 4, 8, 64]),
    ) {
        let merge = |moments: Vec<Moments>| {
            let mut merger = Merger::default();
            moments.into_iter().try_for_each(|moments| merger.push(moments))?;
            merger.finish().map(|merged| merged.expect("at least one shard"))
        };
        let moments: Vec<Moments> = shards.iter().map(|rows| Moments::of(rows.view())).collect();
        let groups: Result<Vec<Moments>, Error> = moments.chunks(group).map(|group| merge(group.to_vec())).collect();
        prop_assert_eq!(merge(groups?)?, merge(moments)?);
    }

    #[test]
    fn empty_moments_change_nothing(rows in any_rows(1..20)) {
        let moments = Moments::of(rows.view());
        let empty = Moments::empty(rows.ncols());
        prop_assert_eq!(&moments.clone().merge(&empty)?, &moments);
        prop_assert_eq!(&empty.merge(&moments)?, &moments);
    }

    #[test]
    fn bytes_restore_every_bit(rows in any_rows(0..20)) {
        let moments = Moments::of(rows.view());
        prop_assert_eq!(Moments::from_bytes(&moments.to_bytes())?, moments);
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_panic(bytes in vec(any::<u8>(), 0..100)) {
        // Random dimensions never agree with the length, so no random bytes are moments.
        prop_assert!(matches!(Moments::from_bytes(&bytes), Err(Error::Encoding(_))));
    }

    #[test]
    fn absurd_dimensions_cut_bytes_and_numbers_that_are_not_finite_are_refused(
        rows in any_rows(1..5),
        dimensions in any::<u64>(),
        cut in any::<prop::sample::Index>(),
        number in any::<prop::sample::Index>(),
    ) {
        let bytes = Moments::of(rows.view()).to_bytes();
        prop_assert!(Moments::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());

        let mut absurd = bytes.clone();
        absurd[..8].copy_from_slice(&dimensions.saturating_add(20).to_le_bytes());
        prop_assert!(Moments::from_bytes(&absurd).is_err());

        let mut not_finite = bytes.clone();
        let word = 2 + number.index(bytes.len() / 8 - 2);
        not_finite[word * 8..][..8].copy_from_slice(&f64::NAN.to_le_bytes());
        prop_assert!(Moments::from_bytes(&not_finite).is_err());
    }

    #[test]
    fn the_largest_loading_of_each_component_is_positive(rows in any_rows(2..60), standardize: bool) {
        let pca = fit_all(rows.view(), true, standardize)?;
        for component in pca.loadings.column_iter() {
            let largest = component.amax();
            let first = component.iter().find(|loading| loading.abs() >= largest * (1.0 - TOLERANCE));
            prop_assert!(first.is_some_and(|&loading| loading > 0.0));
        }
    }

    #[test]
    fn loadings_are_orthonormal(rows in any_rows(2..60), standardize: bool) {
        let loadings = fit_all(rows.view(), true, standardize)?.loadings;
        let identity = DMatrix::identity(loadings.ncols(), loadings.ncols());
        prop_assert!((loadings.transpose() * &loadings - identity).amax() < TOLERANCE);
    }

    #[test]
    fn variances_decrease_and_add_up_to_the_total(rows in any_rows(2..60), standardize: bool) {
        let pca = fit_all(rows.view(), true, standardize)?;
        let variances = pca.explained_variance.as_slice();
        prop_assert!(variances.is_sorted_by(|earlier, later| earlier >= later));
        prop_assert!(variances.iter().all(|&variance| variance >= 0.0));
        prop_assert!((pca.explained_variance.sum() - pca.total_variance).abs() <= TOLERANCE * pca.total_variance);
    }

    #[test]
    fn a_row_projects_to_the_same_bits_in_any_batch(rows in any_rows(2..60), center: bool, standardize: bool) {
        let pca = fit_all(rows.view(), center, standardize)?;
        let together = pca.project(rows.view())?;
        for (row, projected) in rows.axis_chunks_iter(Axis(0), 1).zip(together.axis_chunks_iter(Axis(0), 1)) {
            prop_assert_eq!(pca.project(row)?, projected);
        }
        let column_major = rows.t().as_standard_layout().to_owned().reversed_axes();
        prop_assert_eq!(pca.project(column_major.view())?, together);
    }

    #[test]
    fn without_centring_projections_differ_by_one_constant_row(rows in any_rows(2..60), standardize: bool) {
        let centred = fit_all(rows.view(), true, standardize)?;
        let raw = fit_all(rows.view(), false, standardize)?;
        prop_assert_eq!(&raw.loadings, &centred.loadings);

        let mean = Array2::from_shape_fn((1, rows.ncols()), |(_, column)| centred.mean[column] as f32);
        let projected_mean = raw.project(mean.view())?;
        let (raw, centred) = (raw.project(rows.view())?, centred.project(rows.view())?);
        let scale = raw.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
        let error = (&raw - &centred - &projected_mean).iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        prop_assert!(error <= scale * 1e-4, "{error} of {scale}");
    }

    #[test]
    fn standardising_equals_the_pca_of_the_standardised_matrix(rows in any_rows(3..60)) {
        let pca = fit_all(rows.view(), true, true)?;
        let scale = pca.scale.clone().expect("standardised");
        let standardised = Array2::from_shape_fn(rows.dim(), |(row, column)| {
            let centred = f64::from(rows[(row, column)]) - pca.mean[column];
            if scale[column] > 0.0 { (centred / scale[column]) as f32 } else { 0.0 }
        });
        let of_standardised = fit_all(standardised.view(), true, false)?;
        // The standardised matrix is rounded to f32 on its way.
        let error = (&pca.explained_variance - &of_standardised.explained_variance).amax();
        prop_assert!(error <= 1e-5 * pca.total_variance.max(1.0), "{error}");
    }
}
