//! What classifying images counted: how many of each label were predicted to be which, on either side of the split.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// The paths of images that were taken for another label which are kept of each pair of labels.
pub const MISTAKES_KEPT: usize = 3;

/// What classifying some images came to. Labels are told by their numbers, as the classifier has them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Images that the classifier learned from.
    pub training: Outcomes,
    /// Images that it did not learn from.
    pub test: Outcomes,
    /// Images without a label, which are on neither side.
    pub unlabelled: u64,
    /// Images of labels that the classifier does not tell apart, which are on neither side: only where the classifier is
    /// another run's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u64,
    /// Of the test images that were taken for another label the likeliest of each pair, by pair.
    pub mistakes: Vec<Mistake>,
}

/// What became of the images on one side of the split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Images.
    pub images: u64,
    /// The sum of -ln of the probability that each was given to have its own label.
    pub loss: f64,
    /// Images by label and prediction; each pair once, in order, none of 0.
    pub cells: Vec<Cell>,
}

/// How many images of a label had a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The label.
    pub label: u32,
    /// What was predicted.
    pub predicted: u32,
    /// Images.
    pub images: u64,
}

/// An image that was taken for another label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Its label.
    pub label: u32,
    /// What was predicted.
    pub predicted: u32,
    /// Where it is, relative to the input location.
    pub path: String,
    /// How likely the prediction was said to be.
    pub probability: f64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The numbers that a classifier has for its labels.
pub fn numbers(labels: &[String]) -> HashMap<String, u32> {
    labels.iter().cloned().zip(0..).collect()
}

/// How a classifier was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Descent {
    /// Iterations of L-BFGS.
    pub iterations: u64,
    /// Passes over all images that are learned from, without the one for the scales.
    pub passes: u64,
    /// Whether it came to the minimum before the iterations were used up.
    pub converged: bool,
    /// The mean loss of these images plus what the regularization adds.
    pub objective: f64,
}

impl Outcomes {
    /// Counts one image, which was given `probability` to have its own label. A probability of 0 counts as the smallest
    /// step above 1 that a number can make (2.2e-16), as in scikit-learn's `log_loss`, so that sums stay finite.
    pub fn count(&mut self, label: u32, predicted: u32, probability: f64) {
        self.images += 1;
        self.loss -= probability.max(f64::EPSILON).ln();
        self.add_cell(Cell { label, predicted, images: 1 });
    }

    /// Adds those of other images.
    pub fn add(&mut self, other: &Self) {
        self.images += other.images;
        self.loss += other.loss;
        other.cells.iter().for_each(|&cell| self.add_cell(cell));
    }

    fn add_cell(&mut self, added: Cell) {
        match self.cells.binary_search_by_key(&(added.label, added.predicted), |cell| (cell.label, cell.predicted)) {
            Ok(place) => self.cells[place].images += added.images,
            Err(place) => self.cells.insert(place, added),
        }
    }
}

impl Tally {
    /// Adds that of other images.
    pub fn add(&mut self, other: Self) {
        self.training.add(&other.training);
        self.test.add(&other.test);
        self.unlabelled += other.unlabelled;
        self.unknown += other.unknown;
        self.mistakes.extend(other.mistakes);
        self.keep_likeliest_mistakes();
    }

    /// Leaves [`MISTAKES_KEPT`] of each pair of labels, the likeliest first.
    pub fn keep_likeliest_mistakes(&mut self) {
        self.mistakes.sort_by(|a, b| {
            (a.label, a.predicted)
                .cmp(&(b.label, b.predicted))
                .then(b.probability.total_cmp(&a.probability))
                .then_with(|| a.path.cmp(&b.path))
        });
        let mut kept: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        self.mistakes.retain(|mistake| {
            let kept = kept.entry((mistake.label, mistake.predicted)).or_default();
            *kept += 1;
            *kept <= MISTAKES_KEPT
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(images: &[(u32, u32, f64)]) -> Tally {
        let mut tally = Tally::default();
        for (number, &(label, predicted, probability)) in images.iter().enumerate() {
            tally.test.count(label, predicted, 1.0 - probability);
            if label != predicted {
                tally.mistakes.push(Mistake { label, predicted, path: format!("{number}"), probability });
            }
        }
        tally.keep_likeliest_mistakes();
        tally
    }

    proptest! {
        #[test]
        fn tallies_of_two_sets_add_up_to_that_of_both(
            images in proptest::collection::vec((0_u32..4, 0_u32..4, 0.0_f64..1.0), 0..60),
            middle in 0_usize..60,
        ) {
            let (first, second) = images.split_at(middle.min(images.len()));
            let mut merged = tally(first);
            merged.add(tally(second));
            let whole = tally(&images);
            prop_assert_eq!(&merged.test.cells, &whole.test.cells);
            prop_assert!((merged.test.loss - whole.test.loss).abs() < 1e-9);
            let likeliest = |tally: &Tally| -> Vec<(u32, u32, f64)> {
                tally.mistakes.iter().map(|m| (m.label, m.predicted, m.probability)).collect()
            };
            prop_assert_eq!(likeliest(&merged), likeliest(&whole));
            let images_in_cells: u64 = whole.test.cells.iter().map(|cell| cell.images).sum();
            prop_assert_eq!(images_in_cells, images.len() as u64);
        }
    }

    #[test]
    fn a_label_that_was_given_no_chance_has_a_finite_loss() {
        let mut outcomes = Outcomes::default();
        outcomes.count(0, 1, 0.0);
        assert!((outcomes.loss - 36.04).abs() < 0.01, "{}", outcomes.loss);
    }
}
