//! Networks, and the files of weights that they are put together of.

use pomona_vision::model::{Engine, Layer, Model, ModelError, ModelOptions};
use pomona_weights::{Error, WeightFiles, assemble, untrained_files};

use crate::choice;

/// Pictures and vectors of networks that are run, at most.
const LARGEST_SIDE: usize = 64;
const MOST_FEATURES: usize = 1 << 16;

/// A network is one that can be run, or an error says why not; in time, and without a panic that an error hides.
pub(crate) fn onnx(bytes: &[u8]) {
    let (choice, bytes) = choice(bytes);
    let engine = if choice & 1 == 0 { Engine::Pomona } else { Engine::Tract };
    let layer = if choice & 2 == 0 { Layer::Pooled } else { Layer::Conv1 };
    match Model::from_bytes(bytes, "a network", &ModelOptions { engine, layer, ..ModelOptions::default() }) {
        Ok(model) => run(&model),
        Err(error) => assert!(!matches!(error, ModelError::Endless { .. }), "{error}"),
    }
}

fn run(model: &Model) {
    let (width, height) = model.input_size();
    if width.max(height) > LARGEST_SIDE || model.width() > MOST_FEATURES {
        return;
    }
    let Ok(mut session) = model.session() else { return };
    let mut features = vec![0.0; model.width()];
    // An operation may refuse what it is given only now.
    let _ = session.run(&vec![127; height * width * 3], &mut features);
}

/// A file of weights is taken if it is an array of the right shape; else it is named.
pub(crate) fn npy(bytes: &[u8]) {
    let first = FIRST_WEIGHTS;
    let files = WeightFiles::from([(first, bytes.to_vec())]);
    match assemble(&files) {
        Err(Error::BadArray { file, .. }) => assert_eq!(file, first),
        Err(Error::MissingWeights { file }) => assert_ne!(file, first),
        other => panic!("of one file {other:?}"),
    }
}

/// The file that is read first.
const FIRST_WEIGHTS: &str = "Const_90.npy";

/// That file, with numbers drawn.
pub(crate) fn first_weights() -> Vec<u8> {
    untrained_files().remove(FIRST_WEIGHTS).expect("the first layer has weights")
}
