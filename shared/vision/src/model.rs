//! A network that turns one image into one feature vector.
//!
//! [`Model::load`] reads an ONNX file, checks that it maps one RGB image to one vector, and
//! prepares it once; the model is then shared by all threads, and each thread runs images through
//! a [`Session`] of its own, which holds the scratch memory.
//!
//! The network's first operation is always `Normalize`: sessions take the
//! 8-bit pixels, and the preprocessing is part of the graph, where an engine can fuse it.

mod error;
mod graph;
mod layer;
mod options;
mod origin;
mod patience;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;

pub use error::ModelError;
pub use options::{Engine, Layer, ModelOptions, Preprocess, UnknownValue};
pub use pomona_terms::Weights;

use crate::engine;
use crate::pixels::PixelOptions;
use patience::Failure;

/// How long a model may take to be read and prepared. The largest usual ones take a few seconds; a damaged one can keep
/// tract's symbolic dimensions busy for ever, with more and more memory.
const PATIENCE: Duration = Duration::from_secs(30);

const NO_KERNELS: &str = "this CPU has neither AVX2 with FMA nor AVX-512 nor NEON: plain tract runs, about 2.5 times \
                          slower";
const LOOKS_LIKE_PYTORCH: &str = "the model looks like PyTorch's, and these mostly expect ImageNet's mean and standard \
                                  deviation, not the x / 127.5 - 1 that it gets: see --preset torchvision and \
                                  --preprocess torch";
const NOTHING_FUSED: &str = "no part of this network is MobileNetV2's: plain tract runs";

/// A loaded network, ready to run; cheap to share between threads.
#[derive(Debug)]
pub struct Model {
    name: String,
    digest: String,
    numerics: String,
    notices: Vec<&'static str>,
    input_size: (usize, usize),
    pixels: PixelOptions,
    features: usize,
    weights: Weights,
    plan: Arc<TypedSimplePlan>,
}

/// One thread's state for running a [`Model`].
#[derive(Debug)]
pub struct Session {
    name: String,
    state: TypedSimpleState,
    pixels: Arc<Tensor>,
    features: usize,
}

impl Model {
    /// Loads the ONNX file at `path`.
    pub fn load(path: &Path, options: &ModelOptions) -> Result<Model, ModelError> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
        Model::from_bytes(&bytes, &path.display().to_string(), options)
    }

    /// Loads a model from the bytes of an ONNX file; `name` stands for it in messages.
    pub fn from_bytes(bytes: &[u8], name: &str, options: &ModelOptions) -> Result<Model, ModelError> {
        let job = {
            let (bytes, name, options) = (bytes.to_vec(), name.to_owned(), options.clone());
            move || Model::prepare(&bytes, &name, &options)
        };
        patience::within(PATIENCE, job).unwrap_or_else(|failure| {
            let model = name.to_owned();
            Err(match failure {
                Failure::Endless => ModelError::Endless { model, seconds: PATIENCE.as_secs() },
                Failure::Panicked => ModelError::Panicked { model },
                Failure::NoThread => ModelError::NoThread { model },
            })
        })
    }

    fn prepare(bytes: &[u8], name: &str, options: &ModelOptions) -> Result<Model, ModelError> {
        let graph::Graph { network, height, width, features, weights, is_pytorch } = graph::read(bytes, name, options)?;
        if let Some(crop) = options.pixels.crop.filter(|crop| (*crop as usize) < width.max(height)) {
            return Err(ModelError::Crop { model: name.to_owned(), crop, height, width });
        }
        let prepared = prepare(network, options.engine).map_err(|reason| ModelError::Unsupported {
            model: name.to_owned(),
            height,
            width,
            reason,
        })?;
        let misled = is_pytorch && options.preprocess == Preprocess::Tf;
        Ok(Model {
            name: name.to_owned(),
            digest: format!("{:x}", Sha256::digest(bytes)),
            numerics: numerics(prepared.numerics, options),
            notices: prepared.notice.into_iter().chain(misled.then_some(LOOKS_LIKE_PYTORCH)).collect(),
            input_size: (width, height),
            pixels: options.pixels,
            features,
            weights,
            plan: prepared.plan,
        })
    }

    /// The SHA-256 of the model file, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// A short name for all that, beside the model file and the pixels, determines the features'
    /// bits: the engine with the version of its numerics, the preprocessing, the layer unless it is the model's output.
    pub fn numerics(&self) -> &str {
        &self.numerics
    }

    /// The image size that the network takes: (width, height) in pixels.
    pub fn input_size(&self) -> (usize, usize) {
        self.input_size
    }

    /// How pictures become its pixels.
    pub fn pixels(&self) -> &PixelOptions {
        &self.pixels
    }

    /// The length of a feature vector.
    pub fn width(&self) -> usize {
        self.features
    }

    /// Whether the network was trained.
    pub fn weights(&self) -> Weights {
        self.weights
    }

    /// What a user should know about this model and how it runs here.
    pub fn notices(&self) -> &[&'static str] {
        &self.notices
    }

    /// New state for one thread.
    pub fn session(&self) -> Result<Session, ModelError> {
        let run_error = |reason| ModelError::Run { model: self.name.clone(), reason };
        let (width, height) = self.input_size;
        Ok(Session {
            name: self.name.clone(),
            state: self.plan.spawn().map_err(run_error)?,
            pixels: Tensor::zero::<u8>(&[height, width, 3]).map_err(run_error)?.into_arc_tensor(),
            features: self.features,
        })
    }
}

impl Session {
    /// Computes the feature vector of one image.
    ///
    /// `rgb` is `[height, width, 3]` in row-major order, of the model's
    /// [`input_size`](Model::input_size); `features` is [`width`](Model::width) long.
    pub fn run(&mut self, rgb: &[u8], features: &mut [f32]) -> Result<(), ModelError> {
        check_length("pixel", rgb.len(), self.pixels.len())?;
        check_length("feature", features.len(), self.features)?;
        self.run_plan(rgb, features).map_err(|reason| ModelError::Run { model: self.name.clone(), reason })
    }

    fn run_plan(&mut self, rgb: &[u8], features: &mut [f32]) -> TractResult<()> {
        // The plan gave its reference back after the previous image, so this clones nothing.
        Arc::make_mut(&mut self.pixels).as_bytes_mut().copy_from_slice(rgb);
        let outputs = self.state.run(tvec!(self.pixels.clone().into_tvalue()))?;
        features.copy_from_slice(outputs[0].try_as_plain_ram()?.as_slice::<f32>()?);
        Ok(())
    }
}

fn check_length(buffer: &'static str, found: usize, expected: usize) -> Result<(), ModelError> {
    if found == expected {
        return Ok(());
    }
    Err(ModelError::Buffer { buffer, found, expected })
}

/// A plan, and what its engine is called.
struct Prepared {
    plan: Arc<TypedSimplePlan>,
    numerics: &'static str,
    notice: Option<&'static str>,
}

fn prepare(network: TypedModel, engine: Engine) -> TractResult<Prepared> {
    if engine == Engine::Tract {
        return tract_alone(network, None);
    }
    let Some(fused) = engine::fuse(&network)? else { return tract_alone(network, Some(NO_KERNELS)) };
    if fused.layers == 0 {
        return tract_alone(network, Some(NOTHING_FUSED));
    }
    let (network, numerics) = match fused.is_whole {
        true => (fused.network, engine::NUMERICS),
        false => (fused.network.into_optimized()?, engine::NUMERICS_WITH_TRACT),
    };
    let plan = TypedSimplePlan::build(network, &RunOptions::default())?.with_turn_handler(engine::MemoryHandler);
    Ok(Prepared { plan: Arc::new(plan), numerics, notice: None })
}

fn tract_alone(network: TypedModel, notice: Option<&'static str>) -> TractResult<Prepared> {
    let plan = TypedSimplePlan::new(network.into_optimized()?)?;
    Ok(Prepared { plan, numerics: engine::TRACT_NUMERICS, notice })
}

/// Whether [`Model::numerics`] of this version can be `numerics`.
pub fn are_current_numerics(numerics: &str) -> bool {
    let current = [engine::NUMERICS, engine::NUMERICS_WITH_TRACT, engine::TRACT_NUMERICS];
    numerics.split('/').next().is_some_and(|engine| current.contains(&engine))
}

fn numerics(engine: &str, options: &ModelOptions) -> String {
    let preprocess = options.preprocess;
    match &options.layer {
        Layer::Pooled => format!("{engine}/{preprocess}"),
        layer => format!("{engine}/{preprocess}/{layer}"),
    }
}
