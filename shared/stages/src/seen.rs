//! What a fit sees of a part: which of its rows, their classes, and features or components.

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::{Array2, Axis};
use pomona_formats::Error;
use pomona_formats::classification;
use pomona_formats::fits::{Fits, Learning};
use pomona_formats::part::Features;
use pomona_formats::sealed;
use pomona_pca::PcaFit;
use pomona_pca::sweep::Rows;
use pomona_run::classify::Classify;
use pomona_run::layout;
use pomona_run::sweep::Group;
use pomona_store::Store;

/// How a part is looked at.
#[derive(Debug)]
pub(crate) struct View {
    learner: Option<Learner>,
    components: Option<PcaFit>,
}

/// Rows of a part, with the class of each where classes are learned.
pub(crate) struct Seen {
    values: Array2<f32>,
    classes: Vec<u32>,
}

#[derive(Debug)]
struct Learner {
    classify: Classify,
    classes: HashMap<String, u32>,
}

impl View {
    /// The view of the fit that a group is of.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the components that it sees are missing or damaged, and those of the store.
    pub async fn of(output: &dyn Store, fits: &Fits, group: &Group) -> Result<Arc<Self>, Error> {
        let components = match &group.projected_on {
            Some(fit) => Some(sealed::read(output, &layout::sweep_model(fit)).await?),
            None => None,
        };
        Ok(Arc::new(Self { learner: fits.learning.as_ref().map(Learner::new), components }))
    }

    /// The rows that the fit sees.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] for a label that was not planned, and those of projecting.
    pub fn see(&self, features: Features) -> Result<Seen, Error> {
        let Seen { values, classes } = match &self.learner {
            None => Seen { values: features.values, classes: Vec::new() },
            Some(learner) => learner.training_rows(&features)?,
        };
        let values = match &self.components {
            None => values,
            Some(components) => components.pca.project(values.view())?,
        };
        Ok(Seen { values, classes })
    }
}

impl Seen {
    /// The rows, for a sweep.
    pub fn rows(&self) -> Rows<'_> {
        Rows { features: self.values.view(), classes: &self.classes }
    }
}

impl Learner {
    fn new(learning: &Learning) -> Self {
        Self { classify: learning.classify, classes: classification::numbers(&learning.labels) }
    }

    fn training_rows(&self, features: &Features) -> Result<Seen, Error> {
        let (mut rows, mut classes) = (Vec::new(), Vec::new());
        for (row, (path, label)) in features.paths.iter().zip(&features.labels).enumerate() {
            if self.classify.is_training(path, label) {
                rows.push(row);
                classes.push(self.class(path, label)?);
            }
        }
        Ok(Seen { values: features.values.select(Axis(0), &rows), classes })
    }

    fn class(&self, path: &str, label: &str) -> Result<u32, Error> {
        let class = self.classes.get(label).copied();
        class.ok_or_else(|| Error::inconsistent(path, format!("its label `{label}` is not one that was planned")))
    }
}
