//! From features to the probabilities of classes.

use faer::MatRef;
use nalgebra::DMatrix;

use crate::dense::{add_product, as_faer_mut};
use crate::panels::Panels;

/// Scores [classes, n] of rows [n, d]: `weights` [classes, d] times each row, plus `intercepts` `[classes]`.
pub(crate) fn scores(rows: &Panels<'_>, weights: MatRef<'_, f64>, intercepts: &[f64]) -> DMatrix<f64> {
    let mut scores = DMatrix::from_fn(intercepts.len(), rows.rows.nrows(), |class, _| intercepts[class]);
    rows.for_each(|first, panel| {
        add_product(as_faer_mut(&mut scores), 1.0, weights.subcols(first, panel.nrows()), panel);
    });
    scores
}

/// Turns a row's scores into probabilities, which add up to 1, and gives the logarithm of the sum of the scores'
/// exponentials in two parts: the largest score, and the rest, which is small where one class is certain. Nothing
/// overflows, and the loss of a row that is nearly certain keeps its digits where the first part is subtracted first.
pub(crate) fn softmax(scores: &mut [f64]) -> (f64, f64) {
    let Some(likeliest) = first_largest(scores) else { return (0.0, 0.0) };
    let largest = scores[likeliest];
    let mut others = 0.0;
    for (class, score) in scores.iter_mut().enumerate() {
        *score = (*score - largest).exp();
        others += if class == likeliest { 0.0 } else { *score };
    }
    scores.iter_mut().for_each(|score| *score /= 1.0 + others);
    (largest, others.ln_1p())
}

/// The place of the largest number, the first of equals.
pub(crate) fn first_largest(numbers: &[f64]) -> Option<usize> {
    (0..numbers.len()).reduce(|best, i| if numbers[i] > numbers[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn probabilities_add_up_to_1_and_are_in_the_order_of_the_scores(
            scores in proptest::collection::vec(-1e6_f64..1e6, 1..50),
        ) {
            let mut probabilities = scores.clone();
            let (largest, rest) = softmax(&mut probabilities);
            prop_assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert_eq!(first_largest(&probabilities), first_largest(&scores));
            for (score, probability) in scores.iter().zip(&probabilities) {
                prop_assert!(((score - largest - rest).exp() - probability).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_loss_of_a_row_that_is_nearly_certain_keeps_its_digits() {
        let mut scores = [40.0, 0.0];
        let (largest, rest) = softmax(&mut scores);
        let loss = (largest - 40.0) + rest;
        assert!((loss / (-40.0_f64).exp() - 1.0).abs() < 1e-12, "{loss:e}");
    }
}
