//! From the bytes of an ONNX file to a typed network from pixels to features.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::{DimLike, InferenceModelExt, SpecialOps, ToDim, bail};

use super::{Layer, ModelError, ModelOptions, Weights, layer, origin};
use crate::normalize::Normalize;

/// A network from `[height, width, 3]` bytes to one vector, not yet optimised.
pub(super) struct Graph {
    pub network: TypedModel,
    pub height: usize,
    pub width: usize,
    pub features: usize,
    pub weights: Weights,
    pub is_pytorch: bool,
}

/// Reads and checks the network.
pub(super) fn read(bytes: &[u8], name: &str, options: &ModelOptions) -> Result<Graph, ModelError> {
    let mut inference = parse(bytes, name)?;
    let (height, width) = input_size(&inference, name)?;
    let weights = weights(&inference);
    let is_pytorch = origin::is_pytorch(&inference);
    let unknown_layer = layer::unknown(&inference, &options.layer, name);
    let is_selected = layer::select_named(&mut inference, &options.layer);
    if !is_selected && options.layer != Layer::Conv1 {
        return Err(unknown_layer);
    }
    let unsupported = |reason| ModelError::Unsupported { model: name.to_owned(), height, width, reason };
    let image = InferenceFact::dt_shape(f32::datum_type(), [1, 3, height, width]);
    let mut network = inference
        .with_input_fact(0, image)
        .and_then(InferenceModelExt::into_typed)
        .and_then(|typed| take_pixels(typed, height, width, options))
        .and_then(refuse_empty_pictures)
        .map_err(unsupported)?;
    if !is_selected && !layer::select_convolution(&mut network) {
        return Err(unknown_layer);
    }
    let features = layer::feature_count(&network, &options.layer, name)?;
    let network = layer::flatten(network).and_then(TypedModel::into_compact).map_err(unsupported)?;
    Ok(Graph { network, height, width, features, weights, is_pytorch })
}

fn parse(mut bytes: &[u8], name: &str) -> Result<InferenceModel, ModelError> {
    let mut onnx = tract_onnx::onnx();
    // Declared shapes of inner tensors name the free batch dimension, which becomes 1 here.
    onnx.ignore_value_info = true;
    onnx.model_for_read(&mut bytes).map_err(|reason| ModelError::NotOnnx { model: name.to_owned(), reason })
}

/// Metadata of the key `pomona.weights` marks weights that are untrained; no other model has it.
fn weights(model: &InferenceModel) -> Weights {
    let mark = model.properties.get("onnx.metadata_props.pomona.weights");
    let text = mark.and_then(|mark| mark.try_as_plain_ram().ok()?.to_scalar::<String>().ok().cloned());
    match text.as_deref() {
        Some("untrained") => Weights::Untrained,
        _ => Weights::Trained,
    }
}

/// The input's (height, width), if it is one batch of RGB images.
fn input_size(model: &InferenceModel, name: &str) -> Result<(usize, usize), ModelError> {
    let input_error = |found| ModelError::Input { model: name.to_owned(), found };
    let &[input] = model.inputs.as_slice() else {
        return Err(input_error(format!("{} inputs", model.inputs.len())));
    };
    let node = &model.nodes()[input.node];
    let fact = &node.outputs[input.slot].fact;
    let dims: Vec<Option<TDim>> = fact.shape.dims().map(|dim| dim.concretize()).collect();
    let size = |dim: &Option<TDim>| dim.as_ref().and_then(|dim| dim.to_usize().ok()).filter(|&size| size > 0);
    // A batch dimension without a number is free.
    let is_batch = |dim: &Option<TDim>| size(dim).is_none_or(|n| n == 1);
    let is_float = fact.datum_type() == Some(f32::datum_type());
    if let [n, channels, height, width] = &dims[..]
        && is_float
        && is_batch(n)
        && size(channels) == Some(3)
        && let (Some(height), Some(width)) = (size(height), size(width))
    {
        return Ok((height, width));
    }
    let shape: Vec<String> = dims.iter().map(|dim| dim.as_ref().map_or("?".to_owned(), TDim::to_string)).collect();
    let element = match fact.datum_type() {
        Some(datum_type) => format!("{datum_type:?}"),
        None => "untyped".to_owned(),
    };
    Err(input_error(format!("the {element} input {:?} of shape {}", node.name, shape.join(" x "))))
}

/// Refuses operations that leave nothing of a picture: tract reckons with addresses outside of it then.
fn refuse_empty_pictures(network: TypedModel) -> TractResult<TypedModel> {
    let is_empty = |fact: &TypedFact| fact.rank() == 4 && fact.shape.iter().any(|dim| *dim == 0.to_dim());
    match network.nodes().iter().find(|node| node.outputs.iter().any(|output| is_empty(&output.fact))) {
        Some(node) => bail!("nothing is left of a picture behind node `{}`", node.name),
        None => Ok(network),
    }
}

/// Puts [`Normalize`] before the network's first operation.
fn take_pixels(
    mut network: TypedModel,
    height: usize,
    width: usize,
    options: &ModelOptions,
) -> TractResult<TypedModel> {
    let input = network.input_outlets()?[0];
    let readers = network.node(input.node).outputs[input.slot].successors.clone();
    let pixels = network.add_source("pixels", u8::fact([height, width, 3]))?;
    let normalize = Normalize::new(options.preprocess.affine());
    let values = network.wire_node("normalize", normalize, &[pixels])?[0];
    for reader in readers {
        network.add_edge(values, reader)?;
    }
    network.inputs = vec![pixels];
    // The layer may be the input itself.
    for output in network.outputs.iter_mut().filter(|output| **output == input) {
        *output = values;
    }
    Ok(network)
}
