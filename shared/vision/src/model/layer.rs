//! Where in a network its features are taken from, and how they become one vector.

use tract_onnx::prelude::*;

use super::{Layer, ModelError};
use crate::engine;
use crate::flatten::Flatten;

/// How many names a message lists.
const NAMES: usize = 8;

/// Makes the tensor or node of the layer's name the network's output. Says whether the output is the layer now.
pub(super) fn select_named(model: &mut InferenceModel, layer: &Layer) -> bool {
    if *layer == Layer::Pooled {
        return true;
    }
    let label = layer.to_string();
    let outlet = model.find_outlet_label(&label).or_else(|| model.node_by_name(&label).ok().map(|node| node.id.into()));
    if let Some(outlet) = outlet {
        model.outputs = vec![outlet];
    }
    outlet.is_some()
}

/// Makes the convolution that the network pools, whatever it is called, the output. Says whether there is one.
pub(super) fn select_convolution(network: &mut TypedModel) -> bool {
    let outlet = engine::pooled_convolution(network);
    if let Some(outlet) = outlet {
        network.outputs = vec![outlet];
    }
    outlet.is_some()
}

/// The error of a layer that the network has not.
pub(super) fn unknown(model: &InferenceModel, layer: &Layer, name: &str) -> ModelError {
    let operations = model.nodes().iter().rev().filter(|node| !node.inputs.is_empty());
    let last: Vec<&str> = operations.take(NAMES).map(|node| node.name.as_str()).collect();
    ModelError::UnknownLayer { model: name.to_owned(), layer: layer.to_string(), last: last.join(", ") }
}

/// How many features the output is, if it is one vector for the one image, or pixels that somebody asked for.
pub(super) fn feature_count(network: &TypedModel, layer: &Layer, name: &str) -> Result<usize, ModelError> {
    let output_error = |found| ModelError::Output { model: name.to_owned(), found };
    let &[output] = network.outputs.as_slice() else {
        let names: Vec<&str> = network.outputs.iter().map(|outlet| network.node(outlet.node).name.as_str()).collect();
        let count = names.len();
        let names = names.join(", ");
        return Err(output_error(format!("{count} outputs ({names})")));
    };
    let node = network.node(output.node);
    let fact = &node.outputs[output.slot].fact;
    let shape = fact.shape.as_concrete().filter(|_| fact.datum_type == f32::datum_type());
    match shape {
        Some([1, features, rest @ ..]) if rest.iter().all(|&dim| dim == 1) => Ok(*features),
        Some([1, channels, height, width]) if *layer != Layer::Pooled => Ok(channels * height * width),
        _ => Err(output_error(format!(
            "the output {:?} of {:?} and shape {:?} for one image",
            node.name, fact.datum_type, fact.shape
        ))),
    }
}

/// Flattens an output that is an image of more than one pixel.
pub(super) fn flatten(mut network: TypedModel) -> TractResult<TypedModel> {
    let output = network.outputs[0];
    if let Some(&[_, _, height, width]) = network.outlet_fact(output)?.shape.as_concrete()
        && (height, width) != (1, 1)
    {
        let name = format!("{}.flat", network.node(output.node).name);
        network.outputs = network.wire_node(name, Flatten, &[output])?.to_vec();
    }
    Ok(network)
}
