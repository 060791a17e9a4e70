//! How `components` is written, read and applied.

use ndarray::Array2;
use pomona_pca::{Components, Error, FitOptions, Moments, Pca};

/// Independent columns (a Hadamard matrix without its constant column) whose standard deviations are `scales`.
fn moments_with_variances(scales: [f32; 7]) -> Moments {
    let rows = Array2::from_shape_fn((8, 7), |(row, column)| {
        let negative = (row & (column + 1)).count_ones() % 2 == 1;
        if negative { -scales[column] } else { scales[column] }
    });
    Moments::of(rows.view())
}

fn fit(moments: &Moments, components: Components) -> Result<Pca, Error> {
    Pca::fit(moments, &FitOptions { components, ..FitOptions::default() })
}

#[test]
fn text_and_json_say_the_same() -> Result<(), Box<dyn std::error::Error>> {
    for (text, json, expected) in [
        ("default", "\"default\"", Components::Default),
        ("50", "50", Components::Count(50)),
        ("1", "1", Components::Count(1)),
        ("0.95", "0.95", Components::VarianceShare(0.95)),
    ] {
        assert_eq!(text.parse::<Components>()?, expected);
        assert_eq!(expected.to_string(), text);
        assert_eq!(serde_json::from_str::<Components>(json)?, expected);
        assert_eq!(serde_json::to_string(&expected)?, json);
    }
    Ok(())
}

#[test]
fn nonsense_is_refused_and_named() {
    for text in ["0", "1.0", "0.0", "-3", "-0.5", "2.5", "NaN", "inf", "many", "", "99999999999999999999999"] {
        let error = text.parse::<Components>().expect_err(text);
        assert!(error.to_string().starts_with(&format!("components {text}: give a whole number")), "{error}");
    }
    for json in ["0", "1.0", "0.0", "-3", "2.5", "\"many\"", "null", "[]"] {
        let error = serde_json::from_str::<Components>(json).expect_err(json);
        assert!(error.to_string().contains("components"), "{error}");
    }
}

#[test]
fn options_in_json_may_be_partial_but_not_misspelt() -> Result<(), Box<dyn std::error::Error>> {
    let options: FitOptions = serde_json::from_str(r#"{"components": 0.9, "standardize": true}"#)?;
    let expected = FitOptions { components: Components::VarianceShare(0.9), center: true, standardize: true };
    assert_eq!(options, expected);
    assert!(serde_json::from_str::<FitOptions>(r#"{"centre": false}"#).is_err());
    Ok(())
}

#[test]
fn the_default_is_cut_with_a_notice() -> Result<(), Error> {
    let pca = fit(&moments_with_variances([1.0; 7]), Components::Default)?;
    assert_eq!(pca.components(), 7);
    let notice = FitOptions::default().notice(&pca).expect("a notice");
    assert_eq!(notice, "components: 7 instead of 50, as 8 rows of 7 features have no more");

    let wide = Array2::from_shape_fn((60, 60), |(row, column)| ((row * 7 + column * row) % 13) as f32);
    let pca = fit(&Moments::of(wide.view()), Components::Default)?;
    assert_eq!((pca.components(), FitOptions::default().notice(&pca)), (50, None));
    Ok(())
}

#[test]
fn a_number_beyond_the_data_is_an_error_that_names_the_limit() {
    let moments = moments_with_variances([1.0; 7]);
    for requested in [0, 8] {
        let error = fit(&moments, Components::Count(requested)).expect_err("out of range");
        assert_eq!(error.to_string(), format!("components {requested}: 8 rows of 7 features allow 1 to 7"));
    }
    let fewer_rows_than_features = Array2::from_shape_fn((3, 7), |(row, column)| (row * column) as f32);
    let moments = Moments::of(fewer_rows_than_features.view());
    let error = fit(&moments, Components::Count(3)).expect_err("out of range");
    assert!(error.to_string().ends_with("3 rows of 7 features allow 1 to 2"), "{error}");
}

#[test]
fn a_share_keeps_the_fewest_components_that_reach_it() -> Result<(), Error> {
    // Variances 16 : 9 : 4 : 1 : 1 : 1 : 1, in sum 33.
    let moments = moments_with_variances([1.0, 4.0, 1.0, 3.0, 1.0, 2.0, 1.0]);
    for (share, expected) in [(0.01, 1), (0.48, 1), (0.49, 2), (0.75, 2), (0.76, 3), (0.87, 3), (0.9, 4), (0.98, 7)] {
        let pca = fit(&moments, Components::VarianceShare(share))?;
        assert_eq!(pca.components(), expected, "share {share}");
        assert!(pca.explained_variance_ratio().sum() >= share);
    }
    for invalid in [0.0, 1.0, f64::NAN] {
        assert!(matches!(fit(&moments, Components::VarianceShare(invalid)), Err(Error::Components(_))));
    }
    Ok(())
}

#[test]
fn a_share_of_no_variance_is_one_component() -> Result<(), Error> {
    let pca = fit(&moments_with_variances([0.0; 7]), Components::VarianceShare(0.95))?;
    assert_eq!(pca.components(), 1);
    Ok(())
}
