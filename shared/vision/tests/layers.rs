//! Features from any node of a network: with both engines, and as ONNX Runtime has them.

mod engine_support;

use std::fs;
use std::path::Path;
use std::process::Command;

use engine_support::*;
use pomona_vision::model::{Engine, Layer, ModelOptions, Preprocess};
use pomona_vision::preset::Preset;
use prost::Message;
use tract_onnx::pb;

const SAME: [usize; 4] = [1, 1, 1, 1];
const TOLERANCE: f32 = 1e-4;
/// Pixels and channels of MobileNetV2's last convolution.
const CONV_1: (usize, usize) = (7 * 7, 1280);

fn photograph() -> Vec<u8> {
    Random::new(224).bytes(224 * 224 * 3)
}

fn of(layer: &str, engine: Engine) -> ModelOptions {
    ModelOptions { engine, layer: layer.parse().expect("a name"), ..ModelOptions::default() }
}

/// The features that both engines agree on, and the numerics of the fused one.
fn same_features(onnx: &[u8], layer: &str, pixels: &[u8]) -> (Vec<f32>, String) {
    let (fused, numerics) = features(onnx, of(layer, Engine::Pomona), pixels);
    let (plain, _) = features(onnx, of(layer, Engine::Tract), pixels);
    let difference = difference(&fused, &plain);
    assert!(difference <= TOLERANCE, "{layer}: {difference} with {numerics}");
    (fused, numerics)
}

/// A network that ends like MobileNetV2, for images of 37 x 31 pixels, with channels that fill no vector.
fn small_network() -> Vec<u8> {
    let mut network = Network::new(37, 31);
    network.stem("stem", 12, SAME);
    network.block("stem", "b1", 6, 21, depthwise(2, SAME), false);
    network.block("b1", "b2", 3, 21, depthwise(1, SAME), true);
    network.head("b2", 53);
    network.encode()
}

fn small_image() -> Vec<u8> {
    Random::new(37).bytes(37 * 31 * 3)
}

#[test]
fn conv_1_of_mobilenet_v2_is_computed_by_own_kernels_and_close_to_tract() {
    let (features, numerics) = same_features(&pomona_weights::untrained(), "Conv_1", &photograph());
    assert_eq!(numerics, "pomona-1/tf/Conv_1");
    assert_eq!(features.len(), CONV_1.0 * CONV_1.1);
    assert!(features.iter().any(|value| *value < 0.0), "no value is negative, so ReLU6 was applied");
}

#[test]
fn the_average_of_conv_1_after_relu6_is_the_pooled_feature() {
    let onnx = pomona_weights::untrained();
    let (pixels, _) = features(&onnx, of("Conv_1", Engine::Pomona), &photograph());
    let (pooled, numerics) = features(&onnx, of("pooled", Engine::Pomona), &photograph());
    assert_eq!(numerics, "pomona-1/tf");
    let average = |channel: usize| {
        let values = pixels[channel..].iter().step_by(CONV_1.1);
        values.map(|value| value.clamp(0.0, 6.0)).sum::<f32>() / CONV_1.0 as f32
    };
    let averages: Vec<f32> = (0..CONV_1.1).map(average).collect();
    let difference = difference(&averages, &pooled);
    assert!(difference <= 1e-6, "{difference}");
}

#[test]
fn layers_of_mobilenet_v2_are_those_of_onnx_runtime() {
    let layers = ["Conv_1", "Conv_1_relu", "block_16_project", "block_5_add", "block_3_expand", "Conv1_relu"];
    let folder = tempfile::tempdir().unwrap();
    let onnx = pomona_weights::untrained();
    fs::write(folder.path().join("model.onnx"), with_outputs(&onnx, &layers)).unwrap();
    fs::write(folder.path().join("pixels"), photograph()).unwrap();
    ask_onnx_runtime(folder.path(), &layers);
    for layer in layers {
        let expected = fs::read(folder.path().join(layer)).unwrap();
        let expected: Vec<f32> = expected.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        for engine in [Engine::Pomona, Engine::Tract] {
            let (features, _) = features(&onnx, of(layer, engine), &photograph());
            let difference = difference(&features, &expected);
            assert!(difference <= TOLERANCE, "{layer} with {engine}: {difference}");
        }
    }
}

/// The network with nodes as further outputs, of floats.
fn with_outputs(onnx: &[u8], nodes: &[&str]) -> Vec<u8> {
    let mut model = pb::ModelProto::decode(onnx).unwrap();
    let floats = pb::type_proto::Value::TensorType(pb::type_proto::Tensor { elem_type: 1, shape: None });
    let r#type = Some(pb::TypeProto { value: Some(floats), ..Default::default() });
    let output =
        |node: &&str| pb::ValueInfoProto { name: (*node).to_owned(), r#type: r#type.clone(), ..Default::default() };
    model.graph.as_mut().unwrap().output.extend(nodes.iter().map(output));
    model.encode_to_vec()
}

/// Writes what ONNX Runtime computes for the nodes into files of their names.
fn ask_onnx_runtime(folder: &Path, nodes: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layers_oracle.py");
    let output = Command::new(pomona_tests::python()).arg(script).arg(folder).args(nodes).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn any_node_of_a_network_is_a_layer() {
    let onnx = small_network();
    let own = [
        ("stem", 19 * 16 * 12),
        ("b1.expand", 19 * 16 * 72),
        ("b1.expanded", 19 * 16 * 72),
        ("b1", 10 * 8 * 21),
        ("b2.project", 10 * 8 * 21),
        ("b2", 10 * 8 * 21),
        ("head.conv", 10 * 8 * 53),
        ("head.relu", 10 * 8 * 53),
        ("head.average", 53),
    ];
    for (layer, width) in own {
        let (features, numerics) = same_features(&onnx, layer, &small_image());
        assert_eq!((features.len(), numerics), (width, format!("pomona-1/tf/{layer}")));
    }
    // What no kernel ends with is left to tract, and the kernels serve what lies before it.
    for (layer, width) in [("b2.depthwise", 10 * 8 * 63), ("b2.filtered", 10 * 8 * 63)] {
        let (features, numerics) = same_features(&onnx, layer, &small_image());
        assert_eq!((features.len(), numerics), (width, format!("pomona-1+tract-0.23.9/tf/{layer}")));
    }
}

#[test]
fn the_input_itself_is_a_layer() {
    let expected: Vec<f32> = small_image().iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect();
    let (features, numerics) = same_features(&small_network(), "input", &small_image());
    assert!(difference(&features, &expected) <= 1e-6);
    assert_eq!(numerics, "tract-0.23.9/tf/input");
}

#[test]
fn conv_1_is_the_convolution_that_is_pooled_whatever_it_is_called() {
    let onnx = small_network();
    for engine in [Engine::Pomona, Engine::Tract] {
        let (by_place, _) = features(&onnx, of("Conv_1", engine), &small_image());
        let (by_name, _) = features(&onnx, of("head.conv", engine), &small_image());
        assert_eq!(by_place, by_name);
    }
}

#[test]
fn a_node_that_is_called_conv_1_is_conv_1() {
    let mut network = Network::new(37, 31);
    network.stem("stem", 12, SAME);
    network.block("stem", "Conv_1", 6, 21, depthwise(2, SAME), false);
    network.head("Conv_1", 53);
    let (features, numerics) = same_features(&network.encode(), "Conv_1", &small_image());
    assert_eq!((features.len(), numerics.as_str()), (10 * 8 * 21, "pomona-1/tf/Conv_1"));
}

#[test]
fn numerics_name_the_options_that_a_model_was_loaded_with() {
    let onnx = small_network();
    for layer in [Layer::Pooled, Layer::Conv1, Layer::Node("b1".to_owned())] {
        for engine in [Engine::Pomona, Engine::Tract] {
            let pixels = Preset::OpenCv.pixels();
            let options = ModelOptions { engine, pixels, preprocess: Preprocess::Torch, layer: layer.clone() };
            let (_, numerics) = features(&onnx, options.clone(), &small_image());
            assert_eq!(ModelOptions::of_names(&numerics, &pixels.to_string()), Some(options), "{numerics}");
        }
    }
    assert_eq!(ModelOptions::of_names("pomona-1/tf/", "pillow-6"), None);
}
