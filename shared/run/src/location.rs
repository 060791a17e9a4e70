//! Places: in S3, and which of two lies inside the other.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

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

/// Refuses an output that is the input or lies inside it. Folders are compared with links and `..` resolved.
///
/// # Errors
/// [`Error::OutputInsideInput`].
pub fn refuse_output_inside_input(input: &str, output: &str) -> Result<(), Error> {
    if Path::new(&resolved(output)).starts_with(resolved(input)) {
        return Err(Error::OutputInsideInput { input: input.to_owned(), output: output.to_owned() });
    }
    Ok(())
}

/// Whether two locations are one place.
pub fn is_same(one: &str, other: &str) -> bool {
    resolved(one) == resolved(other)
}

/// A location in a form in which two can be compared, component by component.
fn resolved(location: &str) -> PathBuf {
    if location.starts_with("s3://") {
        return PathBuf::from(location);
    }
    let absolute = std::path::absolute(location).unwrap_or_else(|_| PathBuf::from(location));
    // The output may not exist yet: resolve what does, and put the rest behind it.
    for existing in absolute.ancestors() {
        if let Ok(canonical) = existing.canonicalize() {
            let rest = absolute.strip_prefix(existing).unwrap_or(Path::new(""));
            return canonical.join(rest);
        }
    }
    absolute
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

    fn is_refused(input: &str, output: &str) -> bool {
        refuse_output_inside_input(input, output).is_err()
    }

    #[test]
    fn buckets_are_compared_by_whole_prefixes() {
        assert!(is_refused("s3://b/in", "s3://b/in/"));
        assert!(is_refused("s3://b/in", "s3://b/in/out"));
        assert!(is_refused("s3://b", "s3://b/out"));
        assert!(!is_refused("s3://b/in", "s3://b/in-out"));
        assert!(!is_refused("s3://b/in", "s3://b/out"));
        assert!(!is_refused("s3://b/in", "/b/in/out"));
    }

    #[test]
    fn folders_are_compared_by_where_they_really_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(path("in")).unwrap();
        std::os::unix::fs::symlink(path("in"), path("link")).unwrap();
        assert!(is_refused(&path("in"), &path("in")));
        assert!(is_refused(&path("in"), &path("in/not/yet/there")));
        assert!(is_refused(&path("link"), &path("in/out")));
        assert!(is_refused(&path("in"), &path("link/out")));
        assert!(!is_refused(&path("in"), &path("in-out")));
        assert!(!is_refused(&path("in"), &path("out")));
    }
}
