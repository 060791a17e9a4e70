//! What a user calls the input: a place, or an archive in one.

use pomona_run::{BucketLocation, Location};

use crate::archive::Form;

/// The place to open for an input, and the archive there that alone is meant where the input is one. A folder that is
/// called like an archive is a folder.
pub fn parted(input: &Location) -> (Location, Option<String>) {
    let is_folder = matches!(input, Location::Folder(path) if path.is_dir());
    match input.split_last().filter(|(_, name)| !is_folder && Form::of(name).is_some()) {
        Some((above, name)) => (above, Some(name)),
        None => (input.clone(), None),
    }
}

/// As [`parted`], of an input in S3.
pub fn parted_bucket(input: &BucketLocation) -> (BucketLocation, Option<String>) {
    match input.split_last().filter(|(_, name)| Form::of(name).is_some()) {
        Some((above, name)) => (above, Some(name)),
        None => (input.clone(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_a_place_or_an_archive_in_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("unpacked.zip")).unwrap();
        let here = folder.path().display().to_string();
        for (input, place, archive) in [
            ("s3://b/a/x.zip".to_owned(), "s3://b/a".to_owned(), Some("x.zip")),
            ("s3://b/a".to_owned(), "s3://b/a".to_owned(), None),
            (format!("{here}/x.tar.gz"), here.clone(), Some("x.tar.gz")),
            (format!("{here}/unpacked.zip"), format!("{here}/unpacked.zip"), None),
            ("x.tar".to_owned(), ".".to_owned(), Some("x.tar")),
        ] {
            let (found, name) = parted(&input.parse().unwrap());
            assert_eq!((found.to_string(), name.as_deref()), (place, archive), "{input}");
        }
    }
}
