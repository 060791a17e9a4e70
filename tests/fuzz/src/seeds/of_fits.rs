//! Sums, states and models of fits of a few rows.

use ndarray::array;
use pomona_pca::sweep::{Rows, Sweep, fit};
use pomona_pca::{
    ColumnMoments, Columns, Covariance, Encoding, FitOptions, Lanczos, Logistic, LogisticOptions, Losses, Moments,
    Product,
};

/// Each with the byte that says what it is.
pub(super) fn states() -> Vec<Vec<u8>> {
    let features = array![[1.0_f32, 2.0, 0.5], [3.0, 5.0, 0.25], [0.0, 1.0, 7.0], [2.0, 2.5, 2.0], [4.0, 1.0, 1.0]];
    let rows = Rows { features: features.view(), classes: &[0, 1, 0, 1, 0] };
    let columns = ColumnMoments::of(&rows);
    let lanczos = Lanczos::start(&columns, &FitOptions::default()).expect("there are rows");
    let logistic = Logistic::start(&columns, 2, &LogisticOptions::default()).expect("there are classes");
    let product: Product = lanczos.partial(&rows).expect("they fit");
    let losses: Losses = logistic.partial(&rows).expect("they fit");
    let components = fit(lanczos.clone(), &[rows]).expect("they can be fitted");
    let classifier = fit(logistic.clone(), &[rows]).expect("they can be fitted");
    [
        (0, Moments::of(features.view()).to_bytes()),
        (1, columns.to_bytes()),
        (2, Columns.to_bytes()),
        (3, Covariance(FitOptions::default()).to_bytes()),
        (4, lanczos.to_bytes()),
        (5, product.to_bytes()),
        (6, components.to_bytes()),
        (7, logistic.to_bytes()),
        (8, losses.to_bytes()),
        (9, classifier.to_bytes()),
    ]
    .map(|(choice, bytes)| [bytes.as_slice(), &[choice]].concat())
    .to_vec()
}
