//! Models that are refused, and what the messages say.

mod engine_support;

use std::path::Path;

use engine_support::*;
use pomona_vision::extractor::Extractor;
use pomona_vision::model::{Model, ModelError, ModelOptions};
use pomona_vision::pixels::{Limits, RejectReason};

fn refusal(onnx: &[u8], options: &ModelOptions) -> ModelError {
    Model::from_bytes(onnx, "fruit.onnx", options).expect_err("the model is refused")
}

fn named(layer: &str) -> ModelOptions {
    ModelOptions { layer: layer.parse().expect("a name"), ..ModelOptions::default() }
}

fn assert_says(error: &ModelError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

/// `input` of that shape, averaged.
fn averaged(shape: &[Option<usize>]) -> Vec<u8> {
    let mut network = Network::default();
    network.input("input", shape);
    network.node("GlobalAveragePool", &["input"], "features", &[]);
    network.output("features");
    network.encode()
}

#[test]
fn a_missing_file_is_named() {
    let error = Model::load(Path::new("no/such/model.onnx"), &ModelOptions::default()).expect_err("no such file");
    assert!(matches!(error, ModelError::Read { .. }));
    assert_says(&error, &["no/such/model.onnx", "cannot be read"]);
}

#[test]
fn bytes_that_are_no_onnx_are_refused() {
    for bytes in [&b"<html>not found</html>"[..], b"", &averaged(&[None, Some(3), Some(8), Some(8)])[..40]] {
        let error = refusal(bytes, &ModelOptions::default());
        assert!(matches!(error, ModelError::NotOnnx { .. }), "{error:?}");
        assert_says(&error, &["fruit.onnx", "not an ONNX model"]);
    }
}

#[test]
fn an_input_that_is_not_one_image_is_refused_with_its_shape() {
    for (shape, said) in [
        (&[None, Some(224), Some(224), Some(3)][..], "N x 224 x 224 x 3"),
        (&[None, Some(3), None, None], "N x 3 x N x N"),
        (&[Some(8), Some(3), Some(32), Some(32)], "8 x 3 x 32 x 32"),
        (&[Some(3), Some(32), Some(32)], "3 x 32 x 32"),
        (&[None, Some(1), Some(28), Some(28)], "N x 1 x 28 x 28"),
    ] {
        let error = refusal(&averaged(shape), &ModelOptions::default());
        assert!(matches!(error, ModelError::Input { .. }), "{error:?}");
        assert_says(&error, &["fruit.onnx", said, "N x 3 x height x width"]);
    }
}

#[test]
fn two_inputs_are_refused() {
    let mut network = Network::new(8, 8);
    network.input("mask", &[None, Some(3), Some(8), Some(8)]);
    network.node("Add", &["input", "mask"], "features", &[]);
    network.output("features");
    assert_says(&refusal(&network.encode(), &ModelOptions::default()), &["2 inputs"]);
}

/// A convolution whose average is a vector, but whose output is the image.
fn image_to_image() -> Vec<u8> {
    let mut network = Network::new(16, 16);
    network.conv("input", "edges", Conv { outputs: 4, kernel: 3, stride: 1, pads: [1; 4], depthwise: false });
    network.node("GlobalAveragePool", &["edges"], "average", &[]);
    network.node("Relu", &["edges"], "picture", &[]);
    network.output("picture");
    network.encode()
}

#[test]
fn an_output_that_is_not_one_vector_is_refused_unless_another_node_is_named() {
    let onnx = image_to_image();
    let error = refusal(&onnx, &ModelOptions::default());
    assert!(matches!(error, ModelError::Output { .. }), "{error:?}");
    assert_says(&error, &["picture", "4,16,16", "--layer"]);

    let model = Model::from_bytes(&onnx, "fruit.onnx", &named("average")).expect("the average is a vector");
    assert_eq!(model.width(), 4);
    assert_eq!(model.input_size(), (16, 16));
    assert_eq!(model.numerics(), "tract-0.23.9/tf/average");

    // Who asks for the picture by its name gets all of it.
    assert_eq!(Model::from_bytes(&onnx, "fruit.onnx", &named("picture")).expect("an image").width(), 4 * 16 * 16);
}

#[test]
fn a_layer_that_is_not_there_is_refused_with_names_that_are() {
    for layer in ["averag", "Conv_1"] {
        let error = refusal(&image_to_image(), &named(layer));
        assert!(matches!(error, ModelError::UnknownLayer { .. }), "{error:?}");
        assert_says(&error, &["fruit.onnx", layer, "edges", "picture", "average", "--layer"]);
    }
}

#[test]
fn a_layer_that_is_neither_a_vector_nor_an_image_is_refused_with_its_shape() {
    let mut network = Network::new(8, 8);
    network.node("Transpose", &["input"], "on its side", &[("perm", &[1, 2, 3, 0])]);
    network.node("GlobalAveragePool", &["input"], "features", &[]);
    network.output("features");
    let error = refusal(&network.encode(), &named("on its side"));
    assert!(matches!(error, ModelError::Output { .. }), "{error:?}");
    assert_says(&error, &["fruit.onnx", "on its side", "3,8,8,1", "N x C x height x width", "--layer"]);
}

#[test]
fn two_outputs_are_refused_unless_one_is_named() {
    let mut network = Network::new(8, 8);
    network.node("GlobalAveragePool", &["input"], "means", &[]);
    network.node("GlobalMaxPool", &["input"], "peaks", &[]);
    network.output("means");
    network.output("peaks");
    let onnx = network.encode();
    assert_says(&refusal(&onnx, &ModelOptions::default()), &["2 outputs", "means", "peaks", "--layer"]);
    assert_eq!(Model::from_bytes(&onnx, "fruit.onnx", &named("peaks")).expect("one vector").width(), 3);
}

#[test]
fn buffers_of_another_length_are_refused() {
    let model = Model::from_bytes(&averaged(&[Some(1), Some(3), Some(4), Some(5)]), "tiny", &ModelOptions::default())
        .expect("the network loads");
    assert_eq!(model.input_size(), (5, 4));
    let mut session = model.session().expect("a session");
    let mut features = [0.0; 3];
    assert_says(&session.run(&[0; 59], &mut features).expect_err("59 bytes"), &["pixel buffer", "59", "60"]);
    assert_says(&session.run(&[0; 60], &mut features[..2]).expect_err("2 floats"), &["feature buffer", "2", "3"]);
    session.run(&[0; 60], &mut features).expect("the network runs");
    assert_eq!(features, [-1.0; 3]);
}

#[test]
fn the_digest_is_the_sha_256_of_the_file() {
    let onnx = averaged(&[None, Some(3), Some(4), Some(4)]);
    let model = Model::from_bytes(&onnx, "tiny", &ModelOptions::default()).expect("the network loads");
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&onnx);
    assert_eq!(model.digest(), format!("{digest:x}"));
}

#[test]
fn tracts_version_in_part_names_is_the_pinned_one() {
    let workspace = include_str!("../../../Cargo.toml");
    assert!(workspace.contains(r#"tract-onnx = { version = "=0.23.9""#));
}

#[test]
fn an_image_whose_features_are_not_finite_is_a_reject() {
    // The brightness by itself, which for black is 0 / 0.
    let mut network = Network::new(8, 8);
    network.node("Relu", &["input"], "bright", &[]);
    network.node("GlobalAveragePool", &["bright"], "mean", &[]);
    network.node("Div", &["mean", "mean"], "features", &[]);
    network.output("features");
    let model = Model::from_bytes(&network.encode(), "divides.onnx", &ModelOptions::default()).expect("a model");
    let mut session = Extractor::new(model).session().expect("a session");

    let mut picture = |gray: u8| {
        let features = session.features(&bitmap(gray), &Limits::DEFAULT).expect("the network runs");
        features.map(|features| features.values.to_vec())
    };
    assert_eq!(picture(255), Ok(vec![1.0; 3]));
    let reject = picture(0).expect_err("no finite features");
    assert_eq!(
        (reject.reason, reject.detail.as_str()),
        (RejectReason::NotFinite, "the model's feature 0 of it is NaN")
    );
    assert_eq!(picture(200), Ok(vec![1.0; 3]));
}

/// An uncompressed BMP of 8x8 pixels of one gray.
fn bitmap(gray: u8) -> Vec<u8> {
    const HEADER: u32 = 14 + 40;
    let mut file = b"BM".to_vec();
    for number in [HEADER + 8 * 8 * 3, 0, HEADER, 40, 8, 8, 24 << 16 | 1, 0, 0, 0, 0, 0, 0] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(&[gray; 8 * 8 * 3]);
    file
}
