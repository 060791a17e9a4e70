//! Where input and output may lie: in an allowed region, and a run never writes below its input.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pomona_store::{S3Store, Store};

use crate::error::Error;
use crate::region;

/// Opens a location to read from: a folder that exists, or `s3://bucket/prefix` in a region that [`region::VARIABLE`] allows.
///
/// # Errors
/// [`Error::RegionNotAllowed`], and those of the store.
pub async fn open(location: &str) -> Result<Arc<dyn Store>, Error> {
    if !location.starts_with("s3://") {
        return Ok(pomona_store::open(location).await?);
    }
    let store = S3Store::open(location).await?;
    region::check(store.region(), std::env::var(region::VARIABLE).ok().as_deref())?;
    Ok(Arc::new(store))
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
pub(crate) fn is_same(one: &str, other: &str) -> bool {
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
