//! Pixels of real photographs and of the files that lie in a folder with them are Pillow's, and their features in the
//! last convolution are Keras's.

mod pillow;

use std::collections::BTreeMap;
use std::fs;

use pillow::*;
use pomona_tests::reference;
use pomona_vision::extractor::Extractor;
use pomona_vision::model::{Layer, Model, ModelOptions};
use pomona_vision::pixels::{ImageReader, Limits, PixelOptions, RejectReason};
use serde::Deserialize;

#[test]
#[ignore = "needs the reference data in ../shared"]
fn photographs_and_tricky_files_have_the_pixels_of_the_reference_tables() {
    let shared = reference();
    for (table, images, count) in
        [("reference/features.parquet", "images/fruits-360", 42), ("reference/tricky.parquet", "reference/tricky", 17)]
    {
        let digests = serde_json::from_slice(&oracle(&["table", text(&shared.join(table))])).unwrap();
        assert_same_pixels(&shared.join(images), &digests, usual(), count);
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
        let reject = usual().read(&bytes, &Limits::DEFAULT).expect_err(&name);
        assert_eq!(reject.reason, reason, "{name}: {reject}");
    }
}

#[test]
#[ignore = "needs the reference data in ../shared"]
fn all_photographs_have_pillows_pixels() {
    let images = reference().join("images/fruits-360");
    assert_same_pixels(&images, &digests_by("keras", &images, MODEL_SIZE), usual(), 6_724);
}

/// What wide_300.json says of `Conv_1`: some of the features of its first two images.
#[derive(Deserialize)]
struct Wide {
    paths: Vec<String>,
    width: usize,
    feature_index: Vec<usize>,
    features_of_first2: Vec<Vec<f32>>,
}

#[test]
#[ignore = "needs the reference data in ../shared"]
fn features_in_conv_1_equal_those_of_keras() {
    let shared = reference();
    let wide: Wide = serde_json::from_slice(&fs::read(shared.join("reference/wide_300.json")).unwrap()).unwrap();
    assert_eq!(wide.features_of_first2.len(), 2);
    let options = ModelOptions { layer: Layer::Conv1, ..ModelOptions::default() };
    let model = Model::load(&shared.join("models/mobilenet_v2_1.0_224_features.onnx"), &options).unwrap();
    assert_eq!(model.width(), wide.width);
    let mut session = Extractor::new(model).session().unwrap();
    for (path, expected) in wide.paths.iter().zip(&wide.features_of_first2) {
        let file = fs::read(shared.join("images/fruits-360").join(path)).unwrap();
        let features = session.features(&file, &Limits::DEFAULT).unwrap().expect(path).values;
        let scale = features.iter().fold(0.0f32, |scale, value| scale.max(value.abs()));
        assert_eq!(expected.len(), wide.feature_index.len());
        for (index, expected) in wide.feature_index.iter().zip(expected) {
            let found = features[*index];
            assert!((found - expected).abs() <= 1e-4 * scale, "{path}, feature {index}: {found}, expected {expected}");
        }
    }
}

fn usual() -> ImageReader {
    reader(MODEL_SIZE, &PixelOptions::default())
}
