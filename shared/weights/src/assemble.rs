//! From the 104 weight files to one ONNX model.
//!
//! The network is MobileNetV2 (Sandler et al. 2018, <https://arxiv.org/abs/1801.04381>, table 2) with width 1.0: a
//! convolution, 17 inverted residual blocks (expand, depthwise, project), a convolution, global average pooling.

use std::collections::HashMap;

use prost::Message;

use crate::layers::{Activation, Form, LAYERS, Layer, WeightFile};
use crate::npy::{ELEMENT_BYTES, float32_array};
use crate::onnx::{Attribute, Graph, Model, Node, OperatorSet, Property, Tensor, ValueInfo};
use crate::{Error, MODEL_NAME, Result};

/// The weight files' contents by their names.
pub type WeightFiles = HashMap<&'static str, Vec<u8>>;

/// The ONNX file, the same bytes from the same files always.
///
/// # Errors
/// A file is missing, or is not a float32 `.npy` array of its layer's shape.
pub fn assemble(files: &WeightFiles) -> Result<Vec<u8>> {
    assemble_marked(files, Vec::new())
}

/// As [`assemble`], with metadata.
pub(crate) fn assemble_marked(files: &WeightFiles, metadata: Vec<Property>) -> Result<Vec<u8>> {
    let mut network = Network::new();
    for layer in &LAYERS {
        network.push_convolution(layer, files)?;
        match layer.activation {
            Activation::Relu6 => network.push_relu6(layer),
            Activation::Linear => network.end_block(layer),
        }
    }
    Ok(network.into_model(metadata).encode_to_vec())
}

/// The graph so far.
struct Network {
    nodes: Vec<Node>,
    initializers: Vec<Tensor>,
    /// The tensor that the next node takes.
    current: String,
    block: Block,
}

/// What decides whether a block's input is added to its output.
struct Block {
    /// The block's input tensor and its channels; none for the layers that come before the second block.
    input: Option<(String, usize)>,
    stride: i64,
}

impl Network {
    fn new() -> Self {
        let scalar = |name, value: f32| Tensor::float32(name, Vec::new(), value.to_le_bytes().to_vec());
        Self {
            nodes: Vec::new(),
            initializers: vec![scalar("relu6_min", 0.0), scalar("relu6_max", 6.0)],
            current: "input".into(),
            block: Block { input: None, stride: 1 },
        }
    }

    fn push_node(&mut self, op_type: &str, name: &str, input: &[&str], output: &str, attributes: Vec<Attribute>) {
        self.nodes.push(Node::new(op_type, name, input, output, attributes));
        self.current = output.into();
    }

    fn push_convolution(&mut self, layer: &Layer, files: &WeightFiles) -> Result<()> {
        let kernel_name = format!("{}/kernel", layer.name);
        let bias_name = format!("{}/bias", layer.name);
        let kernel = array(files, &layer.kernel, &layer.kernel_shape)?;
        let bias = array(files, &layer.bias, &[layer.output_channels()])?;

        let [outer, height, width, inner] = layer.kernel_shape;
        let (kernel_shape, group) = match layer.form {
            Form::Full => ([outer, inner, height, width], 1),
            Form::Depthwise => ([inner, outer, height, width], inner),
        };
        let kernel = channels_first(kernel, height * width, inner);
        self.initializers.push(Tensor::float32(&kernel_name, kernel_shape.map(dimension).to_vec(), kernel));
        self.initializers.push(Tensor::float32(&bias_name, vec![dimension(layer.output_channels())], bias.to_vec()));

        let attributes = vec![
            Attribute::int("group", dimension(group)),
            Attribute::ints("kernel_shape", &[dimension(height), dimension(width)]),
            Attribute::ints("pads", &pads(height, layer.stride)),
            Attribute::ints("strides", &[layer.stride, layer.stride]),
        ];
        let input = self.current.clone();
        self.push_node("Conv", layer.name, &[&input, &kernel_name, &bias_name], layer.name, attributes);
        self.block.stride *= layer.stride;
        Ok(())
    }

    fn push_relu6(&mut self, layer: &Layer) {
        let name = format!("{}_relu", layer.name);
        self.push_node("Clip", &name, &[layer.name, "relu6_min", "relu6_max"], &name, Vec::new());
    }

    /// A block ends with its linear projection; its input is added where stride and channels leave the shape unchanged
    /// (section 3.3 of the paper).
    fn end_block(&mut self, projection: &Layer) {
        let channels = projection.output_channels();
        if let Some((input, input_channels)) = self.block.input.take()
            && self.block.stride == 1
            && input_channels == channels
        {
            let name = projection.name.replace("_project", "_add");
            self.push_node("Add", &name, &[&input, projection.name], &name, Vec::new());
        }
        self.block = Block { input: Some((self.current.clone(), channels)), stride: 1 };
    }

    fn into_model(mut self, metadata_props: Vec<Property>) -> Model {
        let last = self.current.clone();
        self.push_node("GlobalAveragePool", "global_average_pooling2d", &[&last], "gap", Vec::new());
        self.push_node("Flatten", "flatten", &["gap"], "features", vec![Attribute::int("axis", 1)]);
        let graph = Graph {
            node: self.nodes,
            name: Some(MODEL_NAME.into()),
            initializer: self.initializers,
            input: vec![ValueInfo::float32_batch("input", &[3, 224, 224])],
            output: vec![ValueInfo::float32_batch("features", &[1280])],
        };
        let default_operators = OperatorSet { domain: Some(String::new()), version: Some(13) };
        Model { ir_version: Some(8), graph: Some(graph), opset_import: vec![default_operators], metadata_props }
    }
}

fn array<'a>(files: &'a WeightFiles, file: &WeightFile, shape: &[usize]) -> Result<&'a [u8]> {
    let bytes = files.get(file.name).ok_or(Error::MissingWeights { file: file.name })?;
    float32_array(bytes, shape).map_err(|problem| Error::BadArray { file: file.name, problem })
}

/// Begin and end padding of height and width, as TensorFlow's "same" has it for the even sizes that this network
/// meets: a stride of 2 leaves one row to pad, and it goes to the bottom (and right).
fn pads(kernel_size: usize, stride: i64) -> [i64; 4] {
    match (kernel_size, stride) {
        (1, _) => [0, 0, 0, 0],
        (_, 1) => [1, 1, 1, 1],
        _ => [0, 0, 1, 1],
    }
}

/// Turns [outer, area, channels] into [outer, channels, area]: `OHWI` into `OIHW`, and `1HWC` into `C1HW`.
fn channels_first(channels_last: &[u8], area: usize, channels: usize) -> Vec<u8> {
    let mut result = Vec::with_capacity(channels_last.len());
    for filter in channels_last.chunks_exact(area * channels * ELEMENT_BYTES) {
        for channel in 0..channels {
            for place in 0..area {
                let start = (place * channels + channel) * ELEMENT_BYTES;
                result.extend_from_slice(&filter[start..start + ELEMENT_BYTES]);
            }
        }
    }
    result
}

/// ONNX's type for sizes; the sizes are those of [`LAYERS`].
const fn dimension(size: usize) -> i64 {
    size as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_move_before_height_and_width() {
        let bytes = |numbers: &[f32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        // Two filters, two places, three channels.
        let last = bytes(&[0., 1., 2., 10., 11., 12., 100., 101., 102., 110., 111., 112.]);
        let first = bytes(&[0., 10., 1., 11., 2., 12., 100., 110., 101., 111., 102., 112.]);
        assert_eq!(channels_first(&last, 2, 3), first);
    }

    #[test]
    fn a_missing_or_misshapen_file_is_named() {
        let message = assemble(&WeightFiles::new()).unwrap_err().to_string();
        assert!(message.starts_with("weight file Const_90.npy: missing"), "{message}");

        let files = WeightFiles::from([("Const_90.npy", b"<html>".to_vec())]);
        let message = assemble(&files).unwrap_err().to_string();
        assert!(message.starts_with("weight file Const_90.npy: not a .npy file"), "{message}");
    }
}
