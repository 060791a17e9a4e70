//! S3 Inventory: lists of a bucket's objects, which S3 writes by itself every day or week.
//!
//! A manifest names the files of one list, which are CSV without a header, compressed by gzip, or Parquet
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>).

use std::io::Read;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::error::Error;
use crate::tables::{self, caught};

/// What a list consists of.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The bucket whose objects are listed.
    pub source_bucket: String,
    /// The one that the files are in, by its ARN.
    destination_bucket: String,
    file_format: Format,
    /// The names of the columns, which CSV does not have itself.
    file_schema: String,
    files: Vec<ListFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Format {
    #[serde(rename = "CSV")]
    Csv,
    Parquet,
    #[serde(rename = "ORC")]
    Orc,
}

#[derive(Clone, Debug, Deserialize)]
struct ListFile {
    key: String,
}

impl Manifest {
    /// The manifest that `bytes` are.
    ///
    /// # Errors
    /// [`Error::Unusable`] where they are none, or one of files that are not read.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| Error::unusable(file, format!("it is no manifest of S3 Inventory: {error}")))?;
        match manifest.file_format {
            Format::Orc => Err(Error::unusable(file, "its files are ORC; let S3 Inventory write CSV or Parquet")),
            Format::Csv | Format::Parquet => Ok(manifest),
        }
    }

    /// Where its files are.
    pub fn places(&self) -> impl Iterator<Item = String> {
        let bucket = self.destination_bucket.rsplit(':').next().unwrap_or_default();
        self.files.iter().map(move |file| format!("s3://{bucket}/{}", file.key))
    }

    /// The keys that one of its files lists: of several versions of an object the newest, unless that is deleted.
    ///
    /// # Errors
    /// [`Error::Unusable`] where it does not hold what the manifest says.
    pub fn keys(&self, file: &str, bytes: &Bytes) -> Result<Vec<String>, Error> {
        match self.file_format {
            Format::Csv => self.of_csv(file, bytes),
            Format::Parquet | Format::Orc => {
                caught(|| of_parquet(file, bytes), |problem| Error::unusable(file, problem))
            }
        }
    }

    fn of_csv(&self, file: &str, bytes: &[u8]) -> Result<Vec<String>, Error> {
        let names: Vec<&str> = self.file_schema.split(',').map(str::trim).collect();
        let place = |name: &str| names.iter().position(|other| *other == name);
        let key = place("Key").ok_or_else(|| Error::unusable(file, "its manifest names no column `Key`"))?;
        let (latest, deleted) = (place("IsLatest"), place("IsDeleteMarker"));
        let unpacked: Box<dyn Read> = match bytes.starts_with(&[0x1f, 0x8b]) {
            true => Box::new(MultiGzDecoder::new(bytes)),
            false => Box::new(bytes),
        };
        let mut keys = Vec::new();
        for record in csv::ReaderBuilder::new().has_headers(false).from_reader(unpacked).records() {
            let record = record.map_err(|error| Error::unusable(file, error.to_string()))?;
            let says = |place: Option<usize>, what: &str| place.is_some_and(|place| record.get(place) == Some(what));
            if !says(latest, "false") && !says(deleted, "true") {
                keys.push(decoded(record.get(key).unwrap_or_default()));
            }
        }
        Ok(keys)
    }
}

/// A key as CSV has it: encoded as in an address.
fn decoded(key: &str) -> String {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

fn of_parquet(file: &str, bytes: &Bytes) -> Result<Vec<String>, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::unusable(file, error.to_string());
    let builder = tables::parquet_reader(bytes, ArrowReaderOptions::default()).map_err(|error| failed(&error))?;
    let mut keys = Vec::new();
    for batch in tables::batches(bytes, builder).map_err(|error| failed(&error))? {
        let batch = batch.map_err(|error| failed(&error))?;
        let column = batch.column_by_name("key").and_then(|column| column.as_string_opt::<i32>());
        let column = column.ok_or_else(|| Error::unusable(file, "it has no column `key` of text"))?;
        let flag = |name: &str| batch.column_by_name(name).and_then(|column| column.as_boolean_opt());
        let (latest, deleted) = (flag("is_latest"), flag("is_delete_marker"));
        for (row, key) in column.iter().enumerate() {
            let says = |flags: Option<&arrow_array::BooleanArray>, what: bool| {
                flags.is_some_and(|flags| flags.is_valid(row) && flags.value(row) == what)
            };
            if !says(latest, false) && !says(deleted, true) {
                keys.extend(key.map(str::to_owned));
            }
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, StringArray};
    use std::io::Write;
    use std::sync::Arc;

    fn manifest(format: &str) -> String {
        format!(
            r#"{{"sourceBucket": "images", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30",
            "creationTimestamp": "1514944800000", "fileFormat": "{format}",
            "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size",
            "files": [{{"key": "images/all/data/1.gz", "size": 7, "MD5checksum": "f1"}}]}}"#
        )
    }

    #[test]
    fn a_manifest_names_its_files_and_orc_is_refused() {
        let parsed = Manifest::parse("m", manifest("CSV").as_bytes()).unwrap();
        assert_eq!(parsed.source_bucket, "images");
        assert_eq!(parsed.places().collect::<Vec<_>>(), ["s3://lists/images/all/data/1.gz"]);
        for (text, said) in [(manifest("ORC").as_str(), "ORC"), ("[]", "no manifest"), ("{}", "no manifest")] {
            let error = Manifest::parse("m", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn keys_are_the_newest_versions_as_they_are_called() {
        let rows = [
            r#""images","cat/1.jpg","v2","true","false","7""#,
            r#""images","cat/1.jpg","v1","false","false","7""#,
            r#""images","gone.jpg","v3","true","true","""#,
            r#""images","d%C3%BCr/a+b%2Bc%2C.jpg","","true","false","7""#,
        ];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(rows.join("\n").as_bytes()).unwrap();
        let csv = Manifest::parse("m", manifest("CSV").as_bytes()).unwrap();
        for bytes in [gzip.finish().unwrap().into(), Bytes::from(rows.join("\n"))] {
            assert_eq!(csv.keys("f", &bytes).unwrap(), ["cat/1.jpg", "dür/a b+c,.jpg"]);
        }

        let fields = vec![tables::text_field("key"), tables::bool_field("is_latest")];
        let keys = StringArray::from_iter_values(["a+b.jpg", "old.jpg"]);
        let columns: Vec<Arc<dyn Array>> = vec![Arc::new(keys), Arc::new(BooleanArray::from(vec![true, false]))];
        let table = tables::to_parquet("t", fields, columns, []).unwrap();
        let parquet = Manifest::parse("m", manifest("Parquet").as_bytes()).unwrap();
        assert_eq!(parquet.keys("f", &table).unwrap(), ["a+b.jpg"]);
        assert!(parquet.keys("f", &Bytes::from("no table")).is_err());
        assert!(csv.keys("f", &Bytes::from(&b"\x1f\x8b damaged"[..])).is_err());
    }
}
