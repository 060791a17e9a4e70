//! classify/model.parquet: a classifier of labels, one vector a row.
//!
//! | column | type | what |
//! |---|---|---|
//! | vector | text | `mean`, `scale`, then `weights` for each label |
//! | label | text, null for mean and scale | the label that the weights are of |
//! | intercept | f64, null for mean and scale | what is added for this label |
//! | values | list of f64 | one number per feature, or per component where it classifies by these |
//!
//! So with `z = (x - mean) / scale` the probability of each label is proportional to `exp(weights . z + intercept)`.
//! The scale of a constant feature is 1. A label that no training image had has weights 0 and an intercept so low that
//! its probability is 0.
//!
//! The file's key-value metadata holds what was chosen (`classify`, JSON), how the classifier was found (`descent`,
//! JSON), and what its features and components were made by.

use std::sync::Arc;

use arrow_array::{Float64Array, StringArray};
use bytes::Bytes;
use nalgebra::DMatrix;
use ndarray::Array2;
use pomona_pca::LogisticModel;
use pomona_run::classify::Classify;
use pomona_run::layout::RunLayout;
use pomona_store::Store;

use crate::classification::Descent;
use crate::digests::Digests;
use crate::error::Error;
use crate::provenance::Entries;
use crate::tables::{self, ParquetTable};

const MEAN: &str = "mean";
const SCALE: &str = "scale";
const WEIGHTS: &str = "weights";
/// Rows before the weights.
const LEADING: usize = 2;

/// A classifier with what it tells apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// What was chosen.
    pub classify: Classify,
    /// The labels by the numbers that the model has for them.
    pub labels: Vec<String>,
    /// The model.
    pub model: LogisticModel,
    /// How it was found.
    pub descent: Descent,
}

/// The classifier as the content of `file`, with what its features were made by.
pub fn encode(file: &str, classifier: &Classifier, provenance: Entries) -> Result<Bytes, Error> {
    let Classifier { classify, labels, model, descent } = classifier;
    let (classes, width) = model.weights.shape();
    let vectors = std::iter::repeat_n(WEIGHTS, classes);
    let nulls = || std::iter::repeat_n(None, LEADING);
    let values = Array2::from_shape_fn((LEADING + classes, width), |(row, feature)| match row {
        0 => model.mean[feature],
        1 => model.scale[feature],
        _ => model.weights[(row - LEADING, feature)],
    });
    let json = |value: Result<String, serde_json::Error>| value.map_err(|error| Error::table(file, error));
    tables::to_parquet(
        file,
        vec![
            tables::text_field("vector"),
            tables::text_field("label").with_nullable(true),
            tables::float64_field("intercept"),
            tables::vector64_field("values"),
        ],
        vec![
            Arc::new(StringArray::from_iter_values([MEAN, SCALE].into_iter().chain(vectors))),
            Arc::new(nulls().chain(labels.iter().map(|label| Some(label.as_str()))).collect::<StringArray>()),
            Arc::new(Float64Array::from_iter(
                std::iter::repeat_n(None, LEADING).chain(model.intercepts.iter().copied().map(Some)),
            )),
            tables::vectors64(values.view()),
        ],
        [
            ("classify".to_owned(), json(serde_json::to_string(classify))?),
            ("descent".to_owned(), json(serde_json::to_string(descent))?),
        ]
        .into_iter()
        .chain(provenance),
    )
}

/// The classifier from the content of `file`.
pub fn decode(file: &str, bytes: Bytes) -> Result<Classifier, Error> {
    let table = ParquetTable::read(file, bytes)?;
    let width = table.vector_width("values")?;
    let values = table.vectors64("values", width)?;
    let labels: Vec<String> = of_labels(file, "label", table.text("label")?.iter().map(|row| row.map(str::to_owned)))?;
    let intercepts: Vec<f64> = of_labels(file, "intercept", table.float64("intercept")?.iter())?;
    let classes = labels.len();
    if values.nrows() != LEADING + classes {
        return Err(Error::inconsistent(file, "mean and scale are missing"));
    }
    let row = |row: usize| values.row(row).iter().copied().collect::<Vec<f64>>().into();
    let json = |key: &str| table.metadata(key);
    Ok(Classifier {
        classify: serde_json::from_str(json("classify")?).map_err(|error| Error::table(file, error))?,
        descent: serde_json::from_str(json("descent")?).map_err(|error| Error::table(file, error))?,
        model: LogisticModel {
            mean: row(0),
            scale: row(1),
            weights: DMatrix::from_fn(classes, width, |class, feature| values[(LEADING + class, feature)]),
            intercepts: intercepts.into(),
        },
        labels,
    })
}

/// A column that has a value for each label, and none for mean and scale.
fn of_labels<T>(file: &str, column: &str, rows: impl Iterator<Item = Option<T>>) -> Result<Vec<T>, Error> {
    let problem = || Error::inconsistent(file, format!("`{column}` is to have a value in each row of a label alone"));
    let is_due = (0..).map(|row| row >= LEADING);
    let values =
        rows.zip(is_due).map(|(value, is_due)| if value.is_some() == is_due { Ok(value) } else { Err(problem()) });
    values.filter_map(Result::transpose).collect()
}

/// Reads the classifier of a run that has one.
///
/// # Errors
/// Those of the store, and [`Error::Damaged`].
pub async fn read(output: &dyn Store, layout: &RunLayout) -> Result<Classifier, Error> {
    let key = layout.classifier();
    let digests = Digests::read_record(output, &layout.reduce_digests()).await?;
    decode(&key, digests.read(output, &key).await?)
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use nalgebra::DVector;
    use pomona_run::classify::ClassifyOn;

    use super::*;

    fn classifier() -> Classifier {
        let model = LogisticModel {
            mean: DVector::from_vec(vec![0.5, -1.0, 3.25]),
            scale: DVector::from_vec(vec![1.0, 0.1, 7.0]),
            weights: DMatrix::from_fn(2, 3, |class, feature| class as f64 + feature as f64 / 3.0),
            intercepts: DVector::from_vec(vec![0.25, -1e6]),
        };
        Classifier {
            classify: Classify { seed: u64::MAX, classify_on: ClassifyOn::Components, ..Classify::default() },
            labels: vec!["Apple Braeburn".to_owned(), "mela \"rossa\"".to_owned()],
            model,
            descent: Descent { iterations: 7, passes: 9, converged: false, objective: 0.125 },
        }
    }

    #[test]
    fn a_classifier_survives_writing_and_reading() {
        let classifier = classifier();
        assert_eq!(decode("model", encode("model", &classifier, Vec::new()).unwrap()).unwrap(), classifier);
    }

    /// Each row: what is there of a label, of an intercept.
    #[test]
    fn every_label_has_an_intercept_and_no_other_row_has_one() {
        let decoded = |rows: &[(Option<&str>, Option<f64>)]| {
            let columns: Vec<Arc<dyn Array>> = vec![
                Arc::new(rows.iter().map(|(label, _)| *label).collect::<StringArray>()),
                Arc::new(rows.iter().map(|(_, intercept)| *intercept).collect::<Float64Array>()),
                tables::vectors64(Array2::ones((rows.len(), 3)).view()),
            ];
            let fields = vec![
                tables::text_field("label").with_nullable(true),
                tables::float64_field("intercept"),
                tables::vector64_field("values"),
            ];
            let Classifier { classify, descent, .. } = classifier();
            let metadata = [
                ("classify".to_owned(), serde_json::to_string(&classify).unwrap()),
                ("descent".to_owned(), serde_json::to_string(&descent).unwrap()),
            ];
            decode("model", tables::to_parquet("model", fields, columns, metadata).unwrap())
        };
        let (none, of_label) = ((None, None), (Some("a"), Some(0.5)));
        assert_eq!(decoded(&[none, none, of_label]).unwrap().labels, ["a"]);
        for wrong in [
            &[none, none, (Some("a"), None)][..],
            &[none, none, (None, Some(0.5))],
            &[none, none, of_label, none],
            &[none, of_label, of_label],
            &[(None, Some(0.5)), none, of_label],
            &[none],
            &[],
        ] {
            let read = decoded(wrong);
            assert!(matches!(read, Err(Error::Inconsistent { .. })), "{wrong:?}: {read:?}");
        }
    }

    #[test]
    fn whoever_predicts_by_hand_finds_all_that_it_takes() {
        let classifier = classifier();
        let table = ParquetTable::read("model", encode("model", &classifier, Vec::new()).unwrap()).unwrap();
        let values = table.vectors64("values", 3).unwrap();
        let intercepts: Vec<f64> = table.float64("intercept").unwrap().iter().flatten().collect();
        let row = ndarray::array![[0.75_f32, 0.5, 9.0]];
        let scores: Vec<f64> = (0..2)
            .map(|class| {
                let z = |i: usize| (f64::from(row[(0, i)]) - values[(0, i)]) / values[(1, i)];
                intercepts[class] + (0..3).map(|i| z(i) * values[(2 + class, i)]).sum::<f64>()
            })
            .collect();
        let sum: f64 = scores.iter().map(|score| score.exp()).sum();
        let probabilities = classifier.model.probabilities(row.view()).unwrap();
        for (class, score) in scores.iter().enumerate() {
            assert!((score.exp() / sum - probabilities[(0, class)]).abs() < 1e-12);
        }
    }
}
