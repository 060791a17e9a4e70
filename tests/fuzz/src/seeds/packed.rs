//! Archives of pictures.

use std::io::{Cursor, Write};
use std::sync::Arc;

use arrow_array::{Array, BinaryArray, Int64Array, StringArray};
use arrow_schema::{DataType, Field};
use flate2::Compression;
use flate2::write::GzEncoder;
use pomona_formats::tables;
use tar::{Builder, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::finished_run::picture;

/// Names of members. The target adds what kind of archive it is and whether it is the input itself, which is a bit each.
const MEMBERS: [&str; 3] = [
    "pear/1.png",
    "plum/a long name, which is longer than the hundred bytes that a header of a \
                            tar has room for, so that there is one more.png",
    "top.png",
];

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).and_then(|()| gzip.finish()).expect("memory takes it")
}

pub(super) fn tars() -> Vec<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let labelled = [("pear/1.json", br#"{"label": "x"}"#.to_vec())];
    let pictures = MEMBERS.iter().zip(1..).map(|(name, seed)| (*name, picture(seed)));
    for (name, content) in pictures.chain(labelled) {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_slice()).expect("memory takes it");
    }
    let tar = tar.into_inner().expect("memory takes it");
    let zstd = zstd::encode_all(tar.as_slice(), 1).expect("memory takes it");
    [(0, tar.clone()), (1, tar.clone()), (2, gzip(&tar)), (4, zstd)]
        .map(|(choice, bytes)| [bytes.as_slice(), &[choice]].concat())
        .to_vec()
}

pub(super) fn zips() -> Vec<Vec<u8>> {
    let of_method = |(choice, method)| {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, seed) in MEMBERS.iter().zip(1..) {
            zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).expect("memory takes it");
            zip.write_all(&picture(seed)).expect("memory takes it");
        }
        [zip.finish().expect("memory takes it").into_inner().as_slice(), &[choice]].concat()
    };
    [(0, CompressionMethod::Stored), (1, CompressionMethod::Deflated)].map(of_method).to_vec()
}

pub(super) fn tables() -> Vec<Vec<u8>> {
    super::chosen(&table(), 0..2)
}

/// Pictures with their labels and paths.
pub(super) fn table() -> Vec<u8> {
    let fields =
        vec![Field::new("image", DataType::Binary, true), tables::int64_field("label"), tables::text_field("path")];
    let pictures: Vec<Vec<u8>> = (1..4).map(picture).collect();
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(BinaryArray::from_iter_values(pictures)),
        Arc::new(Int64Array::from(vec![7, 8, 7])),
        Arc::new(StringArray::from_iter_values(MEMBERS)),
    ];
    tables::to_parquet("table", fields, columns, []).expect("memory takes it").to_vec()
}
