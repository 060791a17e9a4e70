//! Files of labels and lists of images.

use bytes::Bytes;
use pomona_formats::image_table;
use pomona_formats::inventory::Manifest;

use crate::choice;

pub(crate) fn labels(bytes: &[u8]) {
    // What is no table is an error, which says so.
    let _ = image_table::labels("labels.csv", &Bytes::copy_from_slice(bytes));
}

/// A list of paths is sorted, and names each image once.
pub(crate) fn list(bytes: &[u8]) {
    let (choice, bytes) = choice(bytes);
    let name = if choice & 1 == 0 { "list.txt" } else { "list.csv" };
    let Ok(paths) = image_table::paths(name, &Bytes::copy_from_slice(bytes)) else { return };
    assert!(!paths.is_empty() && paths.is_sorted_by(|a, b| a < b), "{paths:?}");
}

/// A manifest of S3 Inventory alone, or a file that a manifest lists.
pub(crate) fn inventory(bytes: &[u8]) {
    let (choice, bytes) = choice(bytes);
    match choice % 3 {
        0 => {
            let _ = Manifest::parse("manifest.json", bytes).map(|manifest| manifest.places().count());
        }
        kind => {
            let manifest = manifest(if kind == 1 { "CSV" } else { "Parquet" });
            let manifest = Manifest::parse("manifest.json", manifest.as_bytes()).expect("it is one");
            let _ = manifest.keys("file", &Bytes::copy_from_slice(bytes));
        }
    }
}

/// A manifest of one file.
pub(crate) fn manifest(format: &str) -> String {
    format!(
        r#"{{"sourceBucket": "images", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30",
        "creationTimestamp": "1514944800000", "fileFormat": "{format}",
        "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size",
        "files": [{{"key": "images/all/data/1.gz", "size": 7, "MD5checksum": "f1"}}]}}"#
    )
}
