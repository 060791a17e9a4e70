//! Sums, states and models of fits.

use pomona_pca::{
    ColumnMoments, Columns, Covariance, Encoding, Lanczos, Logistic, LogisticFit, Losses, Moments, PcaFit, Product,
};

use crate::choice;

/// What was read is written, read and written again as the same bytes.
pub(crate) fn state(bytes: &[u8]) {
    let (choice, bytes) = choice(bytes);
    match choice % 10 {
        0 => check::<Moments>(bytes),
        1 => check::<ColumnMoments>(bytes),
        2 => check::<Columns>(bytes),
        3 => check::<Covariance>(bytes),
        4 => check::<Lanczos>(bytes),
        5 => check::<Product>(bytes),
        6 => check::<PcaFit>(bytes),
        7 => check::<Logistic>(bytes),
        8 => check::<Losses>(bytes),
        _ => check::<LogisticFit>(bytes),
    }
}

fn check<T: Encoding>(bytes: &[u8]) {
    let Ok(read) = T::from_bytes(bytes) else { return };
    let written = read.to_bytes();
    let again = T::from_bytes(&written).expect("what was written can be read");
    assert_eq!(again.to_bytes(), written);
}
