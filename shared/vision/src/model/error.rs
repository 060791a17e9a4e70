//! What can be wrong with a model.

use std::path::PathBuf;

use tract_onnx::prelude::TractError;

/// Why a model cannot be loaded or run. `model` is its path, or the name it was loaded under.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be opened or read.
    #[error("model file {path} cannot be read: {source}; name a readable ONNX file")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// The bytes are not an ONNX model, or not a complete one.
    #[error("{model} is not an ONNX model ({reason:#}); name an ONNX file with all its weights inside")]
    NotOnnx {
        /// The model.
        model: String,
        /// What the parser said.
        reason: TractError,
    },

    /// The network's input is not one image.
    #[error(
        "{model} has {found}, but images need exactly one float32 input of shape N x 3 x height x \
         width with height and width declared (N free or 1); export the model with such an input"
    )]
    Input {
        /// The model.
        model: String,
        /// Its inputs.
        found: String,
    },

    /// The network's output cannot be features.
    #[error(
        "{model} has {found}, but features are one float32 vector per image (N x C or N x C x 1 x 1), or with --layer \
         the pixels of one (N x C x height x width); name a node that is such with --layer"
    )]
    Output {
        /// The model.
        model: String,
        /// Its outputs.
        found: String,
    },

    /// The network's image is larger than what it is to be cut from.
    #[error(
        "{model} takes images of {height} x {width} pixels, which cannot be cut from a side of {crop}; give a larger --crop"
    )]
    Crop {
        /// The model.
        model: String,
        /// The shorter side of what is cut.
        crop: u32,
        /// Input height in pixels.
        height: usize,
        /// Input width in pixels.
        width: usize,
    },

    /// The layer is not in the network.
    #[error("{model} has no tensor or node named {layer:?}; name one with --layer, its last ones are {last}")]
    UnknownLayer {
        /// The model.
        model: String,
        /// The layer asked for.
        layer: String,
        /// Names near the network's end, which are the likely ones.
        last: String,
    },

    /// The network is valid ONNX, but tract cannot prepare it.
    #[error("{model} cannot be prepared for one {height} x {width} image: {reason:#}")]
    Unsupported {
        /// The model.
        model: String,
        /// Input height in pixels.
        height: usize,
        /// Input width in pixels.
        width: usize,
        /// What tract said.
        reason: TractError,
    },

    /// The network took too long to be read and prepared.
    #[error(
        "{model} was not ready after {seconds} s, so it is damaged or beyond what tract can prepare; check the file against its source, \
         or export it with fixed dimensions"
    )]
    Endless {
        /// The model.
        model: String,
        /// How long was waited.
        seconds: u64,
    },

    /// The system has no thread for reading the network.
    #[error(
        "{model} cannot be loaded: the system has no memory or no thread for it; end other programs, or raise the limits \
         (`ulimit -v`, `ulimit -u`)"
    )]
    NoThread {
        /// The model.
        model: String,
    },

    /// Reading or preparing the network ended in a panic.
    #[error(
        "{model} made its reader fail, so it is damaged or beyond what tract can prepare; check the file against its \
         source"
    )]
    Panicked {
        /// The model.
        model: String,
    },

    /// A buffer handed to [`Session::run`](super::Session::run) has the wrong length.
    #[error("{buffer} buffer has {found} elements, the model needs {expected}")]
    Buffer {
        /// "pixel" or "feature".
        buffer: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },

    /// The network failed on an image.
    #[error("{model} failed on an image: {reason:#}")]
    Run {
        /// The model.
        model: String,
        /// What tract said.
        reason: TractError,
    },
}
