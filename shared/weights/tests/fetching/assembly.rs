//! The table of layers and the assembled model against the published data.

use std::fs;

use pomona_weights::{MODEL_NAME, Source, WeightFiles, assemble, weight_files};
use serde_json::Value;

use crate::data;

fn read_all(folder: &std::path::Path) -> WeightFiles {
    weight_files().map(|file| (file.name, fs::read(folder.join(file.name)).unwrap())).collect()
}

/// Equal bytes give equal features under any engine.
#[test]
fn the_assembled_model_is_the_reference_model_byte_for_byte() {
    let Some(models) = data::models() else { return };
    let files = read_all(&models.join("mobilenetv2_nhwc"));
    let model = assemble(&files).unwrap();
    let reference = fs::read(models.join(format!("{MODEL_NAME}.onnx"))).unwrap();
    assert!(model == reference, "{} bytes assembled, the reference has {}", model.len(), reference.len());
    assert!(model == assemble(&files).unwrap(), "assembled twice, the bytes differ");
}

#[test]
fn weights_of_another_layer_are_refused_by_shape() {
    let Some(models) = data::models() else { return };
    let mut files = read_all(&models.join("mobilenetv2_nhwc"));
    files.insert("Const_71.npy", files["Const_90.npy"].clone());
    let message = assemble(&files).unwrap_err().to_string();
    assert!(message.starts_with("weight file Const_71.npy: its header is"), "{message}");
    assert!(message.contains("shape (1280,1,1,320)"), "{message}");
}

#[test]
fn the_table_names_the_published_files_digests_and_sizes() {
    let Some(models) = data::models() else { return };
    let published: Vec<Value> =
        serde_json::from_slice(&fs::read(models.join("mobilenetv2_layers.json")).unwrap()).unwrap();
    let published: Vec<(&str, &str)> = published
        .iter()
        .flat_map(|layer| {
            [("kernel", "kernel_sha256"), ("bias", "bias_sha256")].map(|(name, digest)| (&layer[name], &layer[digest]))
        })
        .map(|(name, digest)| (name.as_str().unwrap(), digest.as_str().unwrap()))
        .collect();
    let table: Vec<(&str, &str)> = weight_files().map(|file| (file.name, file.sha256)).collect();
    assert_eq!(table, published);
    assert_eq!(table.len(), 104);
}

#[test]
fn the_published_sources_are_those_of_the_data_s_own_page() {
    let Some(models) = data::models() else { return };
    let page = fs::read_to_string(models.join("../README.md")).unwrap();
    for source in Source::published() {
        assert!(page.contains(&format!("{source}/")), "{source}");
    }
}
