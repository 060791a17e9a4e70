//! classify/metrics.json and classify/confusion.csv: how well a classifier tells labels apart.
//!
//! The figures are those of scikit-learn's `classification_report` and `log_loss`. Of a label, with images of its own
//! ("support") and images that were predicted to have it:
//!
//! | figure | formula |
//! |---|---|
//! | precision | right / predicted |
//! | recall | right / support |
//! | F1 | 2 right / (predicted + support) |
//!
//! Where a formula divides by 0 the figure is 0 (`zero_division=0`). As there, the labels of a side are those that its
//! images have or were predicted to have, and no others: a label of training images alone does not weigh on the means
//! of the test images. "Macro" is the plain mean over these labels, "weighted" the mean by support. The log-loss is the
//! mean of -ln of the probability that each image was given to have its own label, in which a probability of 0 counts
//! as 2.2e-16 ([`pomona_formats::classification::Outcomes::count`]).
//!
//! Source: scikit-learn 1.9, `sklearn/metrics/_classification.py`: `precision_recall_fscore_support`,
//! `classification_report`, `log_loss`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pomona_formats::Error;
use pomona_formats::classification::{Cell, Descent, Mistake, Outcomes, Tally};
use pomona_formats::model_info::Classification;
use pomona_formats::tables::CsvTable;
use pomona_run::classify::Classify;
use pomona_run::counted::counted;
use pomona_run::visible::visible;
use serde::{Deserialize, Serialize};

/// Pairs of labels that are named as those most often confused.
const PAIRS_NAMED: usize = 10;

/// Labels that a notice names.
const LABELS_NAMED: usize = 3;

/// The content of classify/metrics.json: how well a classifier tells labels apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// What was chosen.
    pub classify: Classify,
    /// How the classifier was found, as an object of its own.
    pub descent: Descent,
    /// Labels that the classifier has numbers for.
    pub classes: u64,
    /// How it does on images that it learned from; `null` where there are none.
    pub training: Option<SideMetrics>,
    /// How it does on images that were held back; `null` where there are none.
    pub test: Option<SideMetrics>,
}

/// How well images on one side of the split are classified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideMetrics {
    /// Images.
    pub images: u64,
    /// The share that is predicted to have its own label.
    pub accuracy: f64,
    /// The mean of -ln of the probability of an image's own label.
    pub log_loss: f64,
    /// The plain mean over the labels.
    pub macro_average: Averages,
    /// The mean over the labels, each by its support.
    pub weighted_average: Averages,
    /// Each label that these images have or were predicted to have, in the order of their numbers.
    pub labels: Vec<LabelMetrics>,
}

/// Means over labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Averages {
    /// Of the precision.
    pub precision: f64,
    /// Of the recall.
    pub recall: f64,
    /// Of the F1.
    pub f1: f64,
}

/// How well one label is told from the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelMetrics {
    /// The label.
    pub label: String,
    /// The share of the images predicted to have it that have it.
    pub precision: f64,
    /// The share of the images that have it that are predicted to have it.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// Images that have it.
    pub support: u64,
}

/// Two labels of which one was taken for the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Confused<'a> {
    /// The label of the images.
    pub label: u32,
    /// What was predicted.
    pub predicted: u32,
    /// How many images.
    pub images: u64,
    /// The likeliest of them.
    pub examples: Vec<&'a Mistake>,
}

impl Metrics {
    /// The figures of what classifying images came to. `labels` are those that the numbers in the tally stand for.
    pub fn of(labels: &[String], classify: &Classify, descent: &Descent, tally: &Tally) -> Self {
        Self {
            classify: *classify,
            descent: *descent,
            classes: labels.len() as u64,
            training: SideMetrics::of(labels, &tally.training),
            test: SideMetrics::of(labels, &tally.test),
        }
    }

    /// The same in a few numbers, with what a reader must know before anything else.
    pub fn in_short(&self, labels: &[String], tally: &Tally) -> Classification {
        self.with_notices(tally, [self.not_converged(), never_learned(labels, tally), self.nothing_held_back()])
    }

    /// As [`Metrics::in_short`], of a classifier that another run fitted.
    pub fn of_another_run_in_short(&self, tally: &Tally) -> Classification {
        self.with_notices(tally, [self.not_converged(), unknown_labels(tally), self.nothing_tried()])
    }

    fn with_notices(&self, tally: &Tally, notices: [Option<String>; 3]) -> Classification {
        let accuracy = |side: &Option<SideMetrics>| side.as_ref().map(|side| side.accuracy);
        Classification {
            training_images: tally.training.images,
            training_accuracy: accuracy(&self.training),
            test_images: tally.test.images,
            test_accuracy: accuracy(&self.test),
            descent: self.descent,
            notices: notices.into_iter().flatten().collect(),
        }
    }

    fn not_converged(&self) -> Option<String> {
        let Descent { iterations, converged, .. } = self.descent;
        let iterations = counted(iterations, "iteration", "iterations").unwrap_or_else(|| "0 iterations".to_owned());
        let advice = "a larger --regularization needs fewer, a larger --max-iterations allows more";
        (!converged).then(|| format!("the classifier had not converged after {iterations}: {advice}"))
    }

    fn nothing_held_back(&self) -> Option<String> {
        const NONE: &str = "no image with a label was held back from training: how well others are classified is not \
                            known";
        self.test.is_none().then(|| NONE.to_owned())
    }

    fn nothing_tried(&self) -> Option<String> {
        const NONE: &str = "no image has a label that the classifier knows and was not learned from: how well such \
                            images are classified is not known";
        self.test.is_none().then(|| NONE.to_owned())
    }
}

fn unknown_labels(tally: &Tally) -> Option<String> {
    let images = counted(tally.unknown, "image has a label", "images have labels")?;
    Some(format!("{images} that the classifier does not know; they are predicted, and count in no figure"))
}

/// A classifier gives such a label no chance at all. Images without a label are not learned from, so nothing is missing
/// where they have none.
fn never_learned(labels: &[String], tally: &Tally) -> Option<String> {
    let learned: BTreeSet<u32> = tally.training.cells.iter().map(|cell| cell.label).collect();
    let numbered = (0_u32..).zip(labels);
    let missing: Vec<&String> = numbered
        .filter(|(number, label)| !label.is_empty() && !learned.contains(number))
        .map(|(_, label)| label)
        .collect();
    let count = counted(missing.len() as u64, "label has", "labels have")?;
    let mut named: Vec<String> = missing.iter().take(LABELS_NAMED).map(|label| visible(label).to_string()).collect();
    if missing.len() > named.len() {
        named.push("...".to_owned());
    }
    Some(format!("{count} no training image and can never be predicted: {}", named.join(", ")))
}

impl SideMetrics {
    fn of(labels: &[String], outcomes: &Outcomes) -> Option<Self> {
        if outcomes.images == 0 {
            return None;
        }
        let counts = label_counts(outcomes);
        let right: u64 = counts.values().map(|counts| counts.right).sum();
        let labels: Vec<LabelMetrics> =
            counts.iter().map(|(&number, counts)| counts.metrics(name(labels, number).into_owned())).collect();
        Some(Self {
            images: outcomes.images,
            accuracy: ratio(right, outcomes.images),
            log_loss: outcomes.loss / outcomes.images as f64,
            macro_average: Averages::of(&labels, |_| 1.0),
            weighted_average: Averages::of(&labels, |label| label.support as f64),
            labels,
        })
    }
}

impl Averages {
    fn of(labels: &[LabelMetrics], weight: fn(&LabelMetrics) -> f64) -> Self {
        let total: f64 = labels.iter().map(weight).sum();
        let mean = |figure: fn(&LabelMetrics) -> f64| -> f64 {
            labels.iter().map(|label| figure(label) * weight(label)).sum::<f64>() / total
        };
        Self {
            precision: mean(|label| label.precision),
            recall: mean(|label| label.recall),
            f1: mean(|label| label.f1),
        }
    }
}

/// How often a label was there, was predicted, and both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelCounts {
    pub(crate) support: u64,
    pub(crate) predicted: u64,
    pub(crate) right: u64,
}

impl LabelCounts {
    fn metrics(self, label: String) -> LabelMetrics {
        let Self { support, predicted, right } = self;
        LabelMetrics {
            label,
            precision: ratio(right, predicted),
            recall: ratio(right, support),
            f1: ratio(2 * right, predicted + support),
            support,
        }
    }
}

/// The labels that images have or were predicted to have, by their numbers.
pub(crate) fn label_counts(outcomes: &Outcomes) -> BTreeMap<u32, LabelCounts> {
    let mut counts: BTreeMap<u32, LabelCounts> = BTreeMap::new();
    for &Cell { label, predicted, images } in &outcomes.cells {
        counts.entry(label).or_default().support += images;
        counts.entry(predicted).or_default().predicted += images;
        if label == predicted {
            counts.entry(label).or_default().right += images;
        }
    }
    counts
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The label of this number. One without a name is told by its number, so that whatever a tally holds can be shown.
pub(crate) fn name(labels: &[String], number: u32) -> Cow<'_, str> {
    match labels.get(number as usize) {
        Some(label) => Cow::Borrowed(label),
        None => Cow::Owned(format!("label {number}")),
    }
}

/// How many images of each label had which prediction, as the content of `key`: those that were learned from, then the
/// others, each in the order of the labels' numbers.
///
/// # Errors
/// [`Error::Inconsistent`] where the tally counts a label that there is not.
pub fn confusion_csv(key: &str, labels: &[String], tally: &Tally) -> Result<Bytes, Error> {
    let named = |number: u32| {
        let label = labels.get(number as usize);
        label.ok_or_else(|| Error::inconsistent(key, format!("there is no label {number} of {}", labels.len())))
    };
    let mut table = CsvTable::new(key, ["label", "predicted", "is_training", "images"])?;
    for (is_training, outcomes) in [("true", &tally.training), ("false", &tally.test)] {
        for &Cell { label, predicted, images } in &outcomes.cells {
            table.row([named(label)?, named(predicted)?, is_training, &images.to_string()])?;
        }
    }
    table.finish()
}

/// The pairs of different labels of which most test images of one were taken for the other, the most frequent first.
pub fn most_confused(tally: &Tally) -> Vec<Confused<'_>> {
    let mut mistaken: Vec<Cell> =
        tally.test.cells.iter().copied().filter(|cell| cell.label != cell.predicted).collect();
    // The sort is stable, and the cells are in the order of the labels' numbers.
    mistaken.sort_by_key(|cell| std::cmp::Reverse(cell.images));
    mistaken.truncate(PAIRS_NAMED);
    let examples = |cell: &Cell| {
        let of_pair = |mistake: &&Mistake| (mistake.label, mistake.predicted) == (cell.label, cell.predicted);
        tally.mistakes.iter().filter(of_pair).collect()
    };
    let confused = |cell: &Cell| Confused {
        label: cell.label,
        predicted: cell.predicted,
        images: cell.images,
        examples: examples(cell),
    };
    mistaken.iter().map(confused).collect()
}

#[cfg(test)]
mod tests;
