//! Small networks.

use pomona_tests::onnx::chain;

#[path = "../../../../shared/vision/tests/engine_support/mod.rs"]
mod engine_support;

use engine_support::{Network, depthwise};

/// Side of the pictures that they take.
const SIDE: u64 = 8;

pub(super) fn networks() -> Vec<Vec<u8>> {
    let pooled = ["Relu", "GlobalAveragePool", "Flatten"];
    vec![chain(&pooled, SIDE, 3), chain(&["Sigmoid", "Flatten"], SIDE, 3 * SIDE * SIDE), mobile_net()]
}

/// MobileNetV2 in small: a stem, two blocks, a head.
fn mobile_net() -> Vec<u8> {
    let mut network = Network::new(SIDE as usize, SIDE as usize);
    network.stem("stem", 4, [0, 0, 1, 1]);
    network.block("stem", "first", 1, 4, depthwise(1, [1; 4]), false);
    network.block("first", "second", 2, 4, depthwise(1, [1; 4]), true);
    network.head("second", 5);
    network.encode()
}
