//! Places in S3.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place in S3: `s3://bucket` or `s3://bucket/prefix`, with or without a slash at its end. It is shown without one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Location {
    bucket: String,
    prefix: String,
}

/// A text that is no place in S3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place in S3; write s3://bucket/prefix")]
pub struct NoLocation(String);

impl Location {
    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The complete key in the bucket of what is called `key` at this place.
    pub fn key(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }
}

impl FromStr for Location {
    type Err = NoLocation;

    fn from_str(text: &str) -> Result<Self, NoLocation> {
        let no_location = || NoLocation(text.to_owned());
        let path = text.strip_prefix("s3://").ok_or_else(no_location)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.split('/').any(str::is_empty) {
            return Err(no_location());
        }
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl TryFrom<String> for Location {
    type Error = NoLocation;

    fn try_from(text: String) -> Result<Self, NoLocation> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.to_string()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{slash}{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_makes_no_difference() {
        for text in ["s3://bucket/a/b", "s3://bucket/a/b/"] {
            let location: Location = text.parse().unwrap();
            assert_eq!(location.to_string(), "s3://bucket/a/b");
            assert_eq!((location.bucket(), location.key("runs/1").as_str()), ("bucket", "a/b/runs/1"));
        }
    }

    #[test]
    fn a_bucket_itself_is_a_place() {
        for text in ["s3://bucket", "s3://bucket/"] {
            let location: Location = text.parse().unwrap();
            assert_eq!((location.to_string().as_str(), location.key("runs/1").as_str()), ("s3://bucket", "runs/1"));
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in ["images", "/images", "s3:/bucket", "s3://", "s3:///a", "s3://bucket//a", "https://bucket/a"] {
            assert!(text.parse::<Location>().unwrap_err().to_string().contains(&format!("{text:?}")), "{text}");
        }
    }
}
