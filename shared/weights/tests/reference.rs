//! The table of layers and the assembled model against the published data.

use std::fs;

use pomona_tests::reference;
use pomona_weights::{Edition, MODEL_NAME, MODEL_SHA256, Source, WeightFiles, assemble};
use serde_json::Value;

/// Equal bytes give equal features under any engine.
#[test]
#[ignore = "needs the reference data in ../shared"]
fn the_assembled_model_is_the_reference_model_byte_for_byte() {
    let models = reference().join("models");
    let read = |name| fs::read(models.join("mobilenetv2_nhwc").join(name)).unwrap();
    let files: WeightFiles = Edition::published().files.iter().map(|file| (file.name, read(file.name))).collect();
    let model = assemble(&files).unwrap();
    let reference = fs::read(models.join(format!("{MODEL_NAME}.onnx"))).unwrap();
    assert!(model == reference, "{} bytes assembled, the reference has {}", model.len(), reference.len());
    assert!(model == assemble(&files).unwrap(), "assembled twice, the bytes differ");
    let edition = Edition::of(&files).unwrap();
    assert_eq!(edition.model_sha256, MODEL_SHA256);
    assert_eq!(edition, Edition::published());
}

#[test]
#[ignore = "needs the reference data in ../shared"]
fn the_table_and_the_sources_are_those_of_the_data_s_own_pages() {
    let models = reference().join("models");
    let published: Vec<Value> =
        serde_json::from_slice(&fs::read(models.join("mobilenetv2_layers.json")).unwrap()).unwrap();
    let published: Vec<(&str, &str)> = published
        .iter()
        .flat_map(|layer| {
            [("kernel", "kernel_sha256"), ("bias", "bias_sha256")].map(|(name, digest)| (&layer[name], &layer[digest]))
        })
        .map(|(name, digest)| (name.as_str().unwrap(), digest.as_str().unwrap()))
        .collect();
    let edition = Edition::published();
    let table: Vec<(&str, &str)> = edition.files.iter().map(|file| (file.name, file.sha256.as_ref())).collect();
    assert_eq!(table, published);
    assert_eq!(table.len(), 104);

    let page = fs::read_to_string(reference().join("README.md")).unwrap();
    for source in Source::published() {
        assert!(page.contains(&format!("{source}/")), "{source}");
    }
}
