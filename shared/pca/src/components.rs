use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

const DEFAULT_COMPONENTS: usize = 50;

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

/// What the data allows and how its variance is spread: all that decides on the number of components.
pub(crate) struct Spectrum<'a> {
    pub(crate) count: u64,
    pub(crate) variances: &'a [f64],
    pub(crate) total_variance: f64,
}

impl Spectrum<'_> {
    /// n centred rows span at most n - 1 dimensions.
    fn limit(&self) -> usize {
        let rank_of_rows = usize::try_from(self.count.saturating_sub(1)).unwrap_or(usize::MAX);
        rank_of_rows.min(self.variances.len())
    }

    fn fewest_for_share(&self, share: f64) -> usize {
        let wanted = share * self.total_variance;
        let too_few = self.variances.iter().scan(0.0, |cumulative, variance| {
            *cumulative += variance;
            Some(*cumulative)
        });
        let too_few = too_few.take_while(|&cumulative| cumulative < wanted).count();
        (too_few + 1).min(self.limit())
    }
}

impl Components {
    /// A share of variance.
    ///
    /// # Errors
    /// [`Error::ComponentsInvalid`] unless it lies between 0 and 1.
    pub fn variance_share(share: f64) -> Result<Self, Error> {
        if share > 0.0 && share < 1.0 {
            Ok(Self::VarianceShare(share))
        } else {
            Err(Error::ComponentsInvalid(format!("{share:?}")))
        }
    }

    /// The number of components to keep, and a notice where it is not what a reader would expect.
    pub(crate) fn resolve(self, spectrum: &Spectrum<'_>) -> Result<(usize, Option<String>), Error> {
        let limit = spectrum.limit();
        match self {
            Self::Default if limit < DEFAULT_COMPONENTS => {
                let (count, dimensions) = (spectrum.count, spectrum.variances.len());
                let notice = format!(
                    "components: {limit} instead of {DEFAULT_COMPONENTS}, as {count} rows of {dimensions} features have no more"
                );
                Ok((limit, Some(notice)))
            }
            Self::Default => Ok((DEFAULT_COMPONENTS, None)),
            Self::Count(requested) if (1..=limit).contains(&requested) => Ok((requested, None)),
            Self::Count(requested) => Err(Error::ComponentsOutOfRange {
                requested,
                count: spectrum.count,
                dimensions: spectrum.variances.len(),
                limit,
            }),
            Self::VarianceShare(share) => {
                Self::variance_share(share)?;
                Ok((spectrum.fewest_for_share(share), None))
            }
        }
    }
}

impl FromStr for Components {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::ComponentsInvalid(text.to_owned());
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
            Written::Count(0) => Err(Error::ComponentsInvalid("0".to_owned())),
            Written::Count(count) => Ok(Self::Count(count)),
            Written::Share(share) => Self::variance_share(share),
            Written::Text(text) => text.parse(),
        }
        .map_err(serde::de::Error::custom)
    }
}
