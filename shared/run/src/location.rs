//! Places: folders and what is in S3, and which of two lies inside the other.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, NoLocation};

/// A place in S3: `s3://bucket` or `s3://bucket/prefix`, with or without a slash at its end. It is shown without one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketLocation {
    bucket: String,
    prefix: String,
}

impl BucketLocation {
    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What all keys at this place begin with, without a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The complete key in the bucket of what is called `key` at this place.
    pub fn key(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }

    /// The place above this one, and what this one is called there.
    pub fn split_last(&self) -> Option<(Self, String)> {
        if self.prefix.is_empty() {
            return None;
        }
        let (above, name) = self.prefix.rsplit_once('/').unwrap_or(("", &self.prefix));
        Some((Self { bucket: self.bucket.clone(), prefix: above.to_owned() }, name.to_owned()))
    }

    /// Whether `other` is this place or lies below it.
    fn holds(&self, other: &Self) -> bool {
        let below = other.prefix.strip_prefix(&self.prefix);
        let is_below = self.prefix.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.bucket == other.bucket && is_below
    }
}

impl FromStr for BucketLocation {
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

impl TryFrom<String> for BucketLocation {
    type Error = NoLocation;

    fn try_from(text: String) -> Result<Self, NoLocation> {
        text.parse()
    }
}

impl From<BucketLocation> for String {
    fn from(location: BucketLocation) -> Self {
        location.to_string()
    }
}

impl fmt::Display for BucketLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{slash}{}", self.bucket, self.prefix)
    }
}

/// Where images are, or where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A place in S3.
    Bucket(BucketLocation),
}

impl FromStr for Location {
    type Err = NoLocation;

    /// What looks like a URL is a place in S3 or an error; everything else is a path.
    fn from_str(text: &str) -> Result<Self, NoLocation> {
        match text.split_once("://") {
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => text.parse().map(Self::Bucket),
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket(location) => location.fmt(f),
        }
    }
}

impl From<BucketLocation> for Location {
    fn from(location: BucketLocation) -> Self {
        Self::Bucket(location)
    }
}

impl Location {
    /// The same place, wherever it is looked at from: a folder by its absolute path.
    #[must_use]
    pub fn into_absolute(self) -> Self {
        match self {
            Self::Folder(path) => Self::Folder(std::path::absolute(&path).unwrap_or(path)),
            bucket @ Self::Bucket(_) => bucket,
        }
    }

    /// The place above this one, and what this one is called there.
    pub fn split_last(&self) -> Option<(Self, String)> {
        match self {
            Self::Bucket(bucket) => bucket.split_last().map(|(above, name)| (Self::Bucket(above), name)),
            Self::Folder(path) => {
                let (above, name) = (path.parent()?, path.file_name()?.to_str()?);
                let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
                Some((Self::Folder(above.to_owned()), name.to_owned()))
            }
        }
    }

    /// Refuses an output that is this input or lies inside it. Folders are compared with links and `..` resolved.
    ///
    /// # Errors
    /// [`Error::OutputInsideInput`].
    pub fn refuse_inside(&self, output: &Self) -> Result<(), Error> {
        let is_inside = match (self, output) {
            (Self::Folder(input), Self::Folder(output)) => resolved(output).starts_with(resolved(input)),
            (Self::Bucket(input), Self::Bucket(output)) => input.holds(output),
            _ => false,
        };
        if is_inside {
            return Err(Error::OutputInsideInput { input: self.to_string(), output: output.to_string() });
        }
        Ok(())
    }

    /// Whether two locations are one place.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => resolved(one) == resolved(other),
            _ => self == other,
        }
    }
}

/// A path in a form in which two can be compared, component by component.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
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
            let location: BucketLocation = text.parse().unwrap();
            assert_eq!(location.to_string(), "s3://bucket/a/b");
            assert_eq!((location.bucket(), location.key("runs/1").as_str()), ("bucket", "a/b/runs/1"));
        }
    }

    #[test]
    fn a_bucket_itself_is_a_place() {
        for text in ["s3://bucket", "s3://bucket/"] {
            let location: BucketLocation = text.parse().unwrap();
            assert_eq!((location.to_string().as_str(), location.key("runs/1").as_str()), ("s3://bucket", "runs/1"));
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in ["images", "/images", "s3:/bucket", "s3://", "s3:///a", "s3://bucket//a", "https://bucket/a"] {
            assert!(text.parse::<BucketLocation>().unwrap_err().to_string().contains(&format!("{text:?}")), "{text}");
        }
    }

    #[test]
    fn what_looks_like_a_url_is_no_folder() {
        for text in ["https://bucket/a", "file:///a", "s3://", "S3://bucket"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
        for text in ["images", "/images", "a b/c", "a/b://c", "."] {
            assert_eq!(text.parse::<Location>().unwrap(), Location::Folder(text.into()));
        }
        assert_eq!("s3://b/a".parse::<Location>().unwrap().to_string(), "s3://b/a");
        assert!("photos".parse::<Location>().unwrap().into_absolute().to_string().starts_with('/'));
    }

    #[test]
    fn a_place_but_a_bucket_lies_in_another_one() {
        for (text, above) in [
            ("s3://b/a/x.zip", Some(("s3://b/a", "x.zip"))),
            ("s3://b/x.zip", Some(("s3://b", "x.zip"))),
            ("s3://b", None),
            ("a/x.zip", Some(("a", "x.zip"))),
            ("x.zip", Some((".", "x.zip"))),
            ("/x.zip", Some(("/", "x.zip"))),
            ("/", None),
        ] {
            let found = text.parse::<Location>().unwrap().split_last();
            let found = found.map(|(above, name)| (above.to_string(), name));
            assert_eq!(found, above.map(|(above, name)| (above.to_owned(), name.to_owned())), "{text}");
        }
    }

    fn is_refused(input: &str, output: &str) -> bool {
        let [input, output]: [Location; 2] = [input, output].map(|text| text.parse().unwrap());
        assert!(!input.is_same(&output) || input.refuse_inside(&output).is_err());
        input.refuse_inside(&output).is_err()
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
