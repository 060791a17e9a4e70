//! Pixels of real photographs and of the files that lie in a folder with them are Pillow's.

mod pillow;

use std::collections::BTreeMap;
use std::fs;

use pillow::*;
use pomona_tests::reference;
use pomona_vision::pixels::{Limits, RejectReason};

#[test]
#[ignore = "needs the reference data in ../shared"]
fn photographs_and_tricky_files_have_the_pixels_of_the_reference_tables() {
    let shared = reference();
    for (table, images, count) in
        [("reference/features.parquet", "images/fruits-360", 42), ("reference/tricky.parquet", "reference/tricky", 17)]
    {
        let digests = serde_json::from_slice(&oracle(&["table", text(&shared.join(table))])).unwrap();
        assert_same_pixels(&shared.join(images), &digests, MODEL_SIZE, count);
    }
}

#[test]
#[ignore = "needs the reference data in ../shared"]
fn bad_files_are_rejected_with_their_reasons() {
    let shared = reference();
    let reasons = fs::read(shared.join("reference/rejects.json")).unwrap();
    let reasons: BTreeMap<String, RejectReason> = serde_json::from_slice(&reasons).unwrap();
    assert_eq!(reasons.len(), 6);
    for (name, reason) in reasons {
        let bytes = fs::read(shared.join("reference/tricky").join(&name)).unwrap();
        let reject = reader(MODEL_SIZE).read(&bytes, &Limits::DEFAULT).expect_err(&name);
        assert_eq!(reject.reason, reason, "{name}: {reject}");
    }
}

#[test]
#[ignore = "needs the reference data in ../shared"]
fn all_photographs_have_pillows_pixels() {
    let images = reference().join("images/fruits-360");
    assert_same_pixels(&images, &digests_by_pillow(&images, MODEL_SIZE), MODEL_SIZE, 6_724);
}
