//! How many principal components a user asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most features of which components are fitted by their covariance: its decomposition takes 32 bytes for each of
/// the features times features, and is exact. Those of more are found by passes over the features.
pub const COVARIANCE_FEATURES: usize = 4096;

/// The most weights of a classifier, all labels together: some 2,300 labels by 1,280 features, or 47 by 62,720. What a
/// pass of its fit hands on holds up to 23 numbers of each (550 MB), and a step holds that three times.
pub const CLASSIFIER_WEIGHTS: usize = 3_000_000;

/// How many principal components to keep.
///
/// Written as a whole number (`50`), a share of variance (`0.95`) or `default`, on the command line
/// ([`FromStr`]) and in JSON (a number or a string).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Components {
    /// 50, or as many as the data has.
    #[default]
    Default,
    /// Exactly so many; more than the data has is an error.
    Count(usize),
    /// The fewest that together explain at least this share of the total variance, in (0, 1).
    VarianceShare(f64),
}

/// Text or a number that no choice of components can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("components {0}: give a whole number from 1, a share of variance between 0 and 1 (as 0.95), or \"default\"")]
pub struct NoComponents(String);

impl Components {
    /// A share of variance.
    ///
    /// # Errors
    /// [`NoComponents`] unless it lies between 0 and 1.
    pub fn variance_share(share: f64) -> Result<Self, NoComponents> {
        if share > 0.0 && share < 1.0 {
            Ok(Self::VarianceShare(share))
        } else {
            Err(NoComponents(format!("{share:?}")))
        }
    }
}

impl FromStr for Components {
    type Err = NoComponents;

    fn from_str(text: &str) -> Result<Self, NoComponents> {
        let invalid = || NoComponents(text.to_owned());
        if text == "default" {
            return Ok(Self::Default);
        }
        match text.parse::<usize>() {
            Ok(0) => Err(invalid()),
            Ok(count) => Ok(Self::Count(count)),
            Err(_) => text.parse().map_err(|_| invalid()).and_then(Self::variance_share).map_err(|_| invalid()),
        }
    }
}

impl fmt::Display for Components {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Count(count) => count.fmt(formatter),
            Self::VarianceShare(share) => share.fmt(formatter),
        }
    }
}

impl Serialize for Components {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Default => serializer.serialize_str("default"),
            Self::Count(count) => count.serialize(serializer),
            Self::VarianceShare(share) => share.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Components {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "components must be a number or a string")]
        enum Written {
            Count(usize),
            Share(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Count(0) => Err(NoComponents("0".to_owned())),
            Written::Count(count) => Ok(Self::Count(count)),
            Written::Share(share) => Self::variance_share(share),
            Written::Text(text) => text.parse(),
        }
        .map_err(serde::de::Error::custom)
    }
}
