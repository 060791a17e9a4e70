//! How images are classified: which of them a classifier of labels learns from, and by what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::names;

/// The largest penalty: it leaves no weight above a millionth or so, and all images are taken for the same label.
const MOST_REGULARIZATION: f64 = 1e6;

/// The most iterations: on AWS each leaves some 22 events of the 25,000 that an execution may have.
const MOST_ITERATIONS: u64 = 1_000;

/// What a user may choose for a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Classify {
    /// The share of the images that it learns from; it is tried on the others.
    pub train_share: f64,
    /// Another number draws another split.
    pub seed: u64,
    /// What it sees of an image.
    pub classify_on: ClassifyOn,
    /// Lambda: how much its weights are held down, as Spark's `regParam`.
    pub regularization: f64,
    /// Iterations after which fitting ends though it has not converged.
    pub max_iterations: u64,
}

impl Default for Classify {
    fn default() -> Self {
        Self { train_share: 0.8, seed: 0, classify_on: ClassifyOn::default(), regularization: 0.0, max_iterations: 100 }
    }
}

impl Classify {
    /// Checks what can be checked before the input is seen.
    ///
    /// # Errors
    /// [`Error::Option`] names the first option that no run could honour.
    pub fn validate(&self) -> Result<(), Error> {
        if !(self.train_share > 0.0 && self.train_share <= 1.0) {
            return Err(Error::option("train-share", "must be above 0 and at most 1, for instance 0.8"));
        }
        if !(0.0..=MOST_REGULARIZATION).contains(&self.regularization) {
            return Err(Error::option("regularization", "must be from 0 to 1000000, for instance 0.01"));
        }
        if !(1..=MOST_ITERATIONS).contains(&self.max_iterations) {
            return Err(Error::option("max-iterations", "must be from 1 to 1000"));
        }
        Ok(())
    }

    /// Whether the image called `id`, of this label, is one that is learned from. It is decided by the id alone, so
    /// that no image changes sides when others come; one without a label is not learned from.
    pub fn is_training(&self, id: &str, label: &str) -> bool {
        !label.is_empty() && names::split_share(self.seed, id) < self.train_share
    }
}

/// What a classifier sees of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassifyOn {
    /// Its features.
    #[default]
    Features,
    /// Its principal components.
    Components,
}

impl ClassifyOn {
    /// All choices.
    pub const ALL: [Self; 2] = [Self::Features, Self::Components];

    /// The choice as the command line and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::Components => "components",
        }
    }
}

impl fmt::Display for ClassifyOn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for ClassifyOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|choice| choice.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is neither features nor components"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn impossible_choices_are_refused_by_name() {
        let cases = [
            ("train-share", Classify { train_share: 0.0, ..Classify::default() }),
            ("train-share", Classify { train_share: 1.1, ..Classify::default() }),
            ("train-share", Classify { train_share: f64::NAN, ..Classify::default() }),
            ("regularization", Classify { regularization: -1.0, ..Classify::default() }),
            ("regularization", Classify { regularization: f64::INFINITY, ..Classify::default() }),
            ("regularization", Classify { regularization: 1e308, ..Classify::default() }),
            ("regularization", Classify { regularization: f64::NAN, ..Classify::default() }),
            ("max-iterations", Classify { max_iterations: 0, ..Classify::default() }),
            ("max-iterations", Classify { max_iterations: 1_001, ..Classify::default() }),
        ];
        for (name, classify) in cases {
            let error = classify.validate().unwrap_err();
            assert!(error.to_string().starts_with(&format!("option `{name}`")), "{error}");
        }
        Classify { train_share: 1.0, ..Classify::default() }.validate().unwrap();
    }

    #[test]
    fn a_choice_has_one_name_in_text_and_in_json() {
        for choice in ClassifyOn::ALL {
            assert_eq!(choice.as_str().parse(), Ok(choice));
            assert_eq!(serde_json::to_value(choice).unwrap(), choice.as_str());
        }
        assert!("pixels".parse::<ClassifyOn>().is_err());
    }

    #[test]
    fn each_label_is_split_by_the_share_and_another_seed_splits_otherwise() {
        let split = |seed, label: &str| -> Vec<bool> {
            let classify = Classify { seed, ..Classify::default() };
            (0..2000).map(|image| classify.is_training(&format!("{label}/{image}.jpg"), label)).collect()
        };
        for label in ["apple", "pear"] {
            let training = split(0, label).into_iter().filter(|&is_training| is_training).count();
            // Four standard deviations of 2,000 throws at 0.8.
            assert!((1528..1672).contains(&training), "{training} of 2000 {label}");
        }
        let moved = split(0, "apple").into_iter().zip(split(1, "apple")).filter(|(a, b)| a != b).count();
        assert!((500..780).contains(&moved), "{moved} of 2000 changed sides");
    }

    proptest! {
        #[test]
        fn a_larger_share_only_adds_to_what_is_learned_from(id in ".*", seed: u64, share in 0.01_f64..1.0) {
            let by = |train_share| Classify { train_share, seed, ..Classify::default() }.is_training(&id, "label");
            prop_assert!(!by(share) || by((share + 0.1).min(1.0)));
            prop_assert!(by(1.0));
            let unlabelled = Classify { train_share: 1.0, seed, ..Classify::default() }.is_training(&id, "");
            prop_assert!(!unlabelled);
        }
    }
}
