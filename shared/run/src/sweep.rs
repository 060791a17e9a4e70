//! Fits by passes over all shards: their names, and how a pass is cut into groups of parts.
//!
//! A fit is named by all that determines it: the method, the options that it heeds, the parts. Its files lie below
//! `sweeps/<fit>/`: for each pass a state, and the sums of its groups until its step is taken; in the end the model
//! alone. So who comes again goes on where the one before ended, and a fit that was made is not made again.

use std::fmt;

pub use pomona_terms::{CLASSIFIER_WEIGHTS, COVARIANCE_FEATURES};
use serde::{Deserialize, Serialize};

use crate::names::NameHasher;
use crate::run_id::RunId;

/// The fewest parts of a group but the last. A sum may be larger than a part, and is written for every group.
const SMALLEST_GROUP: usize = 4;

/// Groups of a pass, unless they were too large: as many Lambdas work on it, and as many sums are merged by the step
/// behind it.
const GROUPS: usize = 32;

/// The most parts of a group: with 62,720 features a Lambda takes 0.8 s for each of them.
const LARGEST_GROUP: usize = 128;

/// What is fitted by passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Mean and variance of each feature.
    Columns,
    /// Principal components by the covariance.
    Covariance,
    /// Principal components of features too many for a covariance.
    Components,
    /// A classifier of labels.
    Classifier,
}

impl Method {
    /// The name as files and messages show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Covariance => "covariance",
            Self::Components => "components",
            Self::Classifier => "classifier",
        }
    }

    /// Raise it with any change that gives another bit of a state, a sum or a model, or other groups.
    fn version(self) -> &'static str {
        match self {
            Self::Columns => "pomona columns 2",
            Self::Covariance => "pomona covariance 2",
            Self::Components => "pomona components 3",
            Self::Classifier => "pomona classifier 2",
        }
    }

    /// The name of the fit of `parts`, in this order, with `options`, which say all that the method heeds, and which
    /// rows it goes over.
    pub fn fit(self, options: &str, parts: &[String]) -> String {
        let mut name = NameHasher::new(self.version());
        name.field(options.as_bytes());
        parts.iter().for_each(|part| name.field(part.as_bytes()));
        name.finish()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The sum of one group in one pass: what a pass is worked through by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The run.
    pub run_id: RunId,
    /// What is fitted.
    pub method: Method,
    /// The fit's name.
    pub fit: String,
    /// The fit of the components that rows are projected on before, for a fit that sees these and not the features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected_on: Option<String>,
    /// The pass, counted from 0.
    pub pass: u32,
    /// The group, counted from 0.
    pub group: u32,
}

/// Parts of each group but the last: a power of two, so that merging groups adds up in the order of merging parts.
pub fn group_size(parts: usize) -> usize {
    parts.div_ceil(GROUPS).next_power_of_two().clamp(SMALLEST_GROUP, LARGEST_GROUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_has_few_groups_unless_they_were_too_large_for_one_lambda() {
        for parts in [1, 4, 5, 100, 128, 129, 512, 4_096, 16_384, 1 << 20] {
            let (size, groups) = (group_size(parts), parts.div_ceil(group_size(parts)));
            assert!(size.is_power_of_two() && (groups <= GROUPS || size == LARGEST_GROUP), "{parts} parts");
        }
        assert_eq!([1, 512, 4_096, 16_384].map(group_size), [4, 16, 128, 128]);
    }

    #[test]
    fn a_fit_is_another_one_by_method_options_and_parts() {
        let parts = ["a".to_owned(), "b".to_owned()];
        let names = [
            Method::Columns.fit("", &parts),
            Method::Components.fit("", &parts),
            Method::Columns.fit("x", &parts),
            Method::Columns.fit("", &parts[..1]),
        ];
        assert!((1..4).all(|i| names[..i].iter().all(|name| *name != names[i])), "{names:?}");
        assert_eq!(Method::Columns.fit("", &parts), names[0]);
    }
}
