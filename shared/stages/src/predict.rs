//! What a run's classifier says of a shard's images.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, StringArray};
use bytes::Bytes;
use ndarray::{ArrayView1, ArrayView2};
use pomona_formats::Error;
use pomona_formats::classification::{self, Mistake, Tally};
use pomona_formats::classifier_file::Classifier;
use pomona_formats::listing::Row;
use pomona_formats::provenance::Entries;
use pomona_formats::tables;
use pomona_pca::likeliest;
use pomona_run::classify::ClassifyOn;

/// A classifier that predicts labels.
#[derive(Debug)]
pub(crate) struct Predictor {
    classifier: Classifier,
    classes: HashMap<String, u32>,
}

/// Predictions for rows, in their order.
pub(crate) struct Predictions<'a> {
    labels: &'a [String],
    rows: Vec<Prediction<'a>>,
}

struct Prediction<'a> {
    row: &'a Row,
    is_training: bool,
    /// The number of the image's own label, unless it has none, or one that the classifier does not know.
    class: Option<u32>,
    /// The probability of that.
    own: f64,
    predicted: u32,
    /// The probability of the prediction.
    probability: f64,
}

impl Predictor {
    /// Of a classifier.
    pub fn new(classifier: Classifier) -> Self {
        Self { classes: classification::numbers(&classifier.labels), classifier }
    }

    /// Predicts a label for each of `rows`, which have these features and components.
    pub fn predict<'a>(
        &'a self,
        rows: &'a [Row],
        features: ArrayView2<'_, f32>,
        components: ArrayView2<'_, f32>,
    ) -> Result<Predictions<'a>, Error> {
        let seen = match self.classifier.classify.classify_on {
            ClassifyOn::Features => features,
            ClassifyOn::Components => components,
        };
        let probabilities = self.classifier.model.probabilities(seen)?;
        let each = rows.iter().zip(likeliest(probabilities.view())).zip(probabilities.rows());
        let rows =
            each.map(|((row, predicted), probabilities)| self.prediction(row, predicted, probabilities)).collect();
        Ok(Predictions { labels: &self.classifier.labels, rows })
    }

    fn prediction<'a>(&self, row: &'a Row, predicted: u32, probabilities: ArrayView1<'_, f64>) -> Prediction<'a> {
        let class = self.classes.get(&*row.item.label).copied();
        let own = class.map_or(0.0, |class| probabilities[class as usize]);
        let probability = probabilities[predicted as usize];
        let is_training = row.is_known && self.classifier.classify.is_training(&row.item.id, &row.item.label);
        Prediction { row, is_training, class, own, predicted, probability }
    }
}

impl Prediction<'_> {
    /// What counts images of no class.
    fn without_class<'a>(&self, tally: &'a mut Tally) -> &'a mut u64 {
        if self.row.item.label.is_empty() { &mut tally.unlabelled } else { &mut tally.unknown }
    }
}

impl Predictions<'_> {
    /// The table as the content of `key`.
    pub fn to_parquet(&self, key: &str, provenance: Entries) -> Result<Bytes, Error> {
        let predicted = self.rows.iter().map(|prediction| &self.labels[prediction.predicted as usize]);
        tables::to_parquet(
            key,
            vec![
                tables::text_field("path"),
                tables::text_field("label"),
                tables::text_field("predicted"),
                tables::float64_field("probability").with_nullable(false),
                tables::bool_field("is_training"),
            ],
            vec![
                Arc::new(StringArray::from_iter_values(self.rows.iter().map(|prediction| &prediction.row.item.id))),
                Arc::new(StringArray::from_iter_values(self.rows.iter().map(|prediction| &*prediction.row.item.label))),
                Arc::new(StringArray::from_iter_values(predicted)),
                Arc::new(Float64Array::from_iter_values(self.rows.iter().map(|prediction| prediction.probability))),
                Arc::new(BooleanArray::from_iter(self.rows.iter().map(|prediction| Some(prediction.is_training)))),
            ],
            provenance,
        )
    }

    /// The rows of images that the classifier learned from, counted from 0.
    pub fn training_rows(&self) -> Vec<usize> {
        self.rows.iter().enumerate().filter(|(_, prediction)| prediction.is_training).map(|(row, _)| row).collect()
    }

    /// What they count.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for prediction in &self.rows {
            let Some(label) = prediction.class else {
                *prediction.without_class(&mut tally) += 1;
                continue;
            };
            let side = if prediction.is_training { &mut tally.training } else { &mut tally.test };
            side.count(label, prediction.predicted, prediction.own);
            if !prediction.is_training && label != prediction.predicted {
                let (path, probability) = (prediction.row.item.id.clone(), prediction.probability);
                tally.mistakes.push(Mistake { label, predicted: prediction.predicted, path, probability });
            }
        }
        tally.keep_likeliest_mistakes();
        tally
    }
}
