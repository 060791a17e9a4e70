//! The fused engine against plain tract, which is the reference: on MobileNetV2, on networks of other shapes, and on
//! networks of which only parts, or none, can be fused.

mod engine_support;

use engine_support::*;
use pomona_vision::model::{Engine, Model, ModelOptions, Preprocess, Weights};
use proptest::prelude::*;
use prost::Message;
use tract_onnx::pb;

const SAME: [usize; 4] = [1, 1, 1, 1];
const BOTTOM_RIGHT: [usize; 4] = [0, 0, 1, 1];
const TOLERANCE: f32 = 1e-4;

/// Runs both engines on random pixels; returns the numerics of the fused one. Features that are all zero would prove
/// nothing.
fn assert_same_features(onnx: &[u8], height: usize, width: usize, preprocess: Preprocess) -> String {
    let (features, numerics) = same_features(onnx, height, width, preprocess);
    assert!(features.iter().any(|value| *value > 0.0), "the network's features are all zero");
    numerics
}

/// The features that both engines agree on, and the numerics of the fused one.
fn same_features(onnx: &[u8], height: usize, width: usize, preprocess: Preprocess) -> (Vec<f32>, String) {
    let pixels = Random::new((height * 1000 + width) as u64).bytes(height * width * 3);
    let options = |engine| ModelOptions { engine, preprocess, ..ModelOptions::default() };
    let (fused, numerics) = features(onnx, options(Engine::Pomona), &pixels);
    let (plain, _) = features(onnx, options(Engine::Tract), &pixels);
    let difference = difference(&fused, &plain);
    assert!(difference <= TOLERANCE, "{difference} with {numerics} for {height} x {width}");
    (plain, numerics)
}

/// MobileNetV2 with a width multiplier, shortened to one block per stage and one repetition.
fn small_mobilenet(height: usize, width: usize, multiplier: f64, pads: [usize; 4]) -> Vec<u8> {
    let channels = |count: usize| (count as f64 * multiplier).round().max(1.0) as usize;
    let mut network = Network::new(height, width);
    network.stem("stem", channels(32), pads);
    network.block("stem", "b0", 1, channels(16), depthwise(1, SAME), false);
    network.block("b0", "b1", 6, channels(24), depthwise(2, pads), false);
    network.block("b1", "b2", 6, channels(24), depthwise(1, SAME), true);
    network.block("b2", "b3", 6, channels(32), depthwise(2, pads), false);
    network.block("b3", "b4", 6, channels(96), depthwise(1, SAME), false);
    network.head("b4", channels(320));
    network.encode()
}

#[test]
fn mobilenet_v2_has_the_features_that_tract_computes() {
    let onnx = pomona_weights::untrained();
    for preprocess in [Preprocess::Tf, Preprocess::Torch] {
        let numerics = assert_same_features(&onnx, 224, 224, preprocess);
        assert_eq!(numerics, format!("pomona-1/{preprocess}"));
    }
}

#[test]
fn untrained_weights_are_told_by_the_model_file_alone() {
    let weights = |onnx: &[u8]| Model::from_bytes(onnx, "model", &ModelOptions::default()).unwrap().weights();
    assert_eq!(weights(&pomona_weights::untrained()), Weights::Untrained);
    assert_eq!(weights(&small_mobilenet(32, 32, 0.5, SAME)), Weights::Trained);
}

#[test]
fn a_model_of_pytorch_s_earns_a_notice_where_it_gets_keras_s_preprocessing() {
    let mut proto = pb::ModelProto::decode(small_mobilenet(32, 32, 0.5, SAME).as_slice()).expect("a model");
    let notices = |proto: &pb::ModelProto, preprocess| {
        let options = ModelOptions { preprocess, ..ModelOptions::default() };
        Model::from_bytes(&proto.encode_to_vec(), "model", &options).expect("a model").notices().to_vec()
    };
    assert!(notices(&proto, Preprocess::Tf).is_empty());
    proto.producer_name = "pytorch".to_owned();
    assert!(matches!(notices(&proto, Preprocess::Tf)[..], [notice] if notice.contains("--preset torchvision")));
    assert!(notices(&proto, Preprocess::Torch).is_empty());
}

#[test]
fn a_mean_and_a_deviation_of_ones_own_are_used_channel_by_channel() {
    let onnx = small_mobilenet(32, 32, 0.5, SAME);
    let pixels = Random::new(7).bytes(32 * 32 * 3);
    let of = |preprocess| features(&onnx, ModelOptions { preprocess, ..ModelOptions::default() }, &pixels).0;
    let imagenet = Preprocess::normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]).expect("usable numbers");
    assert_eq!(of(imagenet), of(Preprocess::Torch));
    let turned_round = Preprocess::normalize([0.406, 0.456, 0.485], [0.225, 0.224, 0.229]).expect("usable numbers");
    assert_ne!(of(turned_round), of(Preprocess::Torch));
    for preprocess in [imagenet, turned_round] {
        assert_eq!(preprocess.to_string().parse(), Ok(preprocess));
    }
    let unusable = [([0.5, 0.5, 1.5], [1.0; 3]), ([0.0; 3], [0.0, 1.0, 1.0]), ([0.0; 3], [1e-60; 3])];
    for (mean, std) in unusable {
        assert_eq!(Preprocess::normalize(mean, std), None, "{mean:?} {std:?}");
    }
    for name in ["mean=0,0,0", "mean=0,0;std=1,1,1", "mean=0,0,0;std=1,1,0", "mean=0,0,x;std=1,1,1"] {
        assert!(name.parse::<Preprocess>().is_err(), "{name}");
    }
}

#[test]
fn a_narrow_mobilenet_for_other_sizes_has_the_features_that_tract_computes() {
    for (height, width, multiplier, pads) in
        [(160, 160, 0.35, BOTTOM_RIGHT), (96, 128, 0.5, SAME), (97, 65, 1.0, SAME), (33, 50, 1.4, BOTTOM_RIGHT)]
    {
        let onnx = small_mobilenet(height, width, multiplier, pads);
        assert_eq!(assert_same_features(&onnx, height, width, Preprocess::Tf), "pomona-1/tf");
    }
}

#[test]
fn blocks_between_operations_of_other_kinds_are_fused() {
    let mut network = Network::new(48, 40);
    network.stem("stem", 12, SAME);
    network.block("stem", "b1", 4, 20, depthwise(1, SAME), false);
    // A 5x5 depthwise convolution is no part of MobileNetV2.
    network.conv("b1", "wide", Conv { outputs: 0, kernel: 5, stride: 1, pads: [2; 4], depthwise: true });
    network.block("wide", "b2", 3, 20, depthwise(1, SAME), true);
    network.head("b2", 30);
    assert_eq!(assert_same_features(&network.encode(), 48, 40, Preprocess::Tf), "pomona-1+tract-0.23.9/tf");
}

#[test]
fn values_that_something_else_reads_stay_with_tract() {
    let mut network = Network::new(32, 32);
    network.stem("stem", 8, BOTTOM_RIGHT);
    network.block("stem", "b1", 6, 8, depthwise(1, SAME), true);
    network.block("b1", "b2", 6, 16, depthwise(2, BOTTOM_RIGHT), false);
    // Reads the inside of the second block, so that only its depthwise half can be fused.
    network.node("GlobalAveragePool", &["b2.expanded"], "glance", &[]);
    network.node("GlobalAveragePool", &["b2"], "average", &[]);
    network.concatenate(&["glance", "average"], "features");
    network.output("features");
    assert_eq!(assert_same_features(&network.encode(), 32, 32, Preprocess::Tf), "pomona-1+tract-0.23.9/tf");
}

#[test]
fn blocks_that_differ_from_mobilenet_v2_in_one_detail_give_tracts_features() {
    type Change = fn(&mut Network);
    let changes: [(&str, Change); 6] = [
        ("clipped at another bound", |network| {
            network.conv("stem", "e", pointwise(24));
            network.clip("e", "e6", 0.0, 5.0);
            network.conv("e6", "d", depthwise(1, SAME));
            network.relu6("d", "d6");
            network.conv("d6", "block", pointwise(8));
        }),
        ("not clipped after the depthwise convolution", |network| {
            network.conv("stem", "e", pointwise(24));
            network.relu6("e", "e6");
            network.conv("e6", "d", depthwise(1, SAME));
            network.conv("d", "block", pointwise(8));
        }),
        ("padded nowhere", |network| network.block("stem", "block", 3, 8, depthwise(1, [0; 4]), false)),
        ("padded at the top and left only", |network| {
            network.block("stem", "block", 3, 8, depthwise(2, [1, 1, 0, 0]), false);
        }),
        ("padded twice", |network| network.block("stem", "block", 3, 8, depthwise(2, [2; 4]), false)),
        ("added to something else", |network| {
            network.conv("stem", "other", pointwise(8));
            network.block("stem", "plain", 3, 8, depthwise(1, SAME), false);
            network.node("Add", &["other", "plain"], "block", &[]);
        }),
    ];
    for (what, change) in changes {
        let mut network = Network::new(30, 34);
        network.stem("stem", 8, SAME);
        change(&mut network);
        network.head("block", 20);
        let numerics = assert_same_features(&network.encode(), 30, 34, Preprocess::Tf);
        assert!(numerics.starts_with("pomona-1"), "{what}: {numerics}");
    }
}

#[test]
fn a_network_without_known_parts_runs_in_tract_with_a_notice() {
    let mut network = Network::new(20, 20);
    network.conv("input", "a", Conv { outputs: 5, kernel: 5, stride: 3, pads: [0; 4], depthwise: false });
    network.node("Relu", &["a"], "b", &[]);
    network.node("GlobalAveragePool", &["b"], "features", &[]);
    network.output("features");
    let onnx = network.encode();
    let model = Model::from_bytes(&onnx, "plain", &ModelOptions::default()).expect("the network loads");
    assert_eq!(model.numerics(), "tract-0.23.9/tf");
    assert!(matches!(model.notices(), [notice] if notice.contains("plain tract")));
    assert_eq!(model.width(), 5);
}

#[test]
fn sessions_on_several_threads_give_the_same_bits() {
    let onnx = small_mobilenet(64, 48, 0.75, BOTTOM_RIGHT);
    let model = Model::from_bytes(&onnx, "shared", &ModelOptions::default()).expect("the network loads");
    let images: Vec<Vec<u8>> = (1..=4).map(|seed| Random::new(seed * 977).bytes(64 * 48 * 3)).collect();
    let run_all = || {
        let mut session = model.session().expect("a session");
        let mut run = |image: &Vec<u8>| {
            let mut features = vec![0.0; model.width()];
            session.run(image, &mut features).expect("the network runs");
            features.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        // Twice, so that the second round meets used scratch memory.
        images.iter().chain(&images).map(&mut run).collect::<Vec<_>>()
    };
    let alone = run_all();
    assert_eq!(alone[..4], alone[4..]);
    assert_ne!(alone[0], alone[1]);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(run_all)).collect();
        for thread in threads {
            assert_eq!(thread.join().expect("the thread ends well"), alone);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_shape_has_the_features_that_tract_computes(
        height in 9usize..70,
        width in 9usize..70,
        stem in 1usize..40,
        inner in 1usize..40,
        outputs in 1usize..70,
        factor in 1usize..7,
        strides in prop::collection::vec(1usize..3, 2),
        same in any::<bool>(),
    ) {
        let pads = |stride| if stride == 1 || same { SAME } else { BOTTOM_RIGHT };
        let mut network = Network::new(height, width);
        network.stem("stem", stem, pads(2));
        network.block("stem", "b1", factor, inner, depthwise(strides[0], pads(strides[0])), false);
        network.block("b1", "b2", factor, inner, depthwise(1, SAME), true);
        network.block("b2", "b3", 2, inner, depthwise(strides[1], pads(strides[1])), false);
        network.head("b3", outputs);
        let (features, numerics) = same_features(&network.encode(), height, width, Preprocess::Torch);
        prop_assert_eq!(numerics, "pomona-1/torch");
        // A head with a single output or two can be negative everywhere; another network takes its place.
        prop_assume!(features.iter().any(|value| *value > 0.0));
    }
}
