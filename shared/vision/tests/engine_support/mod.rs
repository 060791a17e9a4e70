//! Small ONNX networks with random weights.
#![allow(dead_code, reason = "each test binary uses its part")]

use pomona_vision::model::{Engine, Model, ModelOptions};
use prost::Message;
use tract_onnx::pb;

/// A network under construction; tensors are known by their names.
#[derive(Default)]
pub struct Network {
    graph: pb::GraphProto,
    channels: std::collections::HashMap<String, usize>,
    random: Random,
}

/// A small deterministic generator (xorshift, Marsaglia 2003).
pub struct Random(u64);

impl Default for Random {
    fn default() -> Random {
        Random(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Uniform in -1..1.
    pub fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 56) as u8).collect()
    }
}

/// How a convolution is shaped.
#[derive(Clone, Copy)]
pub struct Conv {
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
    pub depthwise: bool,
}

pub fn pointwise(outputs: usize) -> Conv {
    Conv { outputs, kernel: 1, stride: 1, pads: [0; 4], depthwise: false }
}

pub fn depthwise(stride: usize, pads: [usize; 4]) -> Conv {
    Conv { outputs: 0, kernel: 3, stride, pads, depthwise: true }
}

impl Network {
    /// A network whose input `input` is a batch of RGB images.
    pub fn new(height: usize, width: usize) -> Network {
        let mut network = Network::default();
        network.input("input", &[None, Some(3), Some(height), Some(width)]);
        network
    }

    /// Adds an input; `None` is a free dimension.
    pub fn input(&mut self, name: &str, shape: &[Option<usize>]) {
        use pb::tensor_shape_proto::{Dimension, dimension::Value};
        let dim = |size: &Option<usize>| Dimension {
            value: Some(size.map_or(Value::DimParam("N".to_owned()), |size| Value::DimValue(size as i64))),
            ..Dimension::default()
        };
        let shape = pb::TensorShapeProto { dim: shape.iter().map(dim).collect() };
        let tensor = pb::type_proto::Tensor { elem_type: 1, shape: Some(shape) };
        let r#type = pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() };
        self.graph.input.push(pb::ValueInfoProto { name: name.to_owned(), r#type: Some(r#type), ..Default::default() });
        self.channels.insert(name.to_owned(), 3);
    }

    pub fn output(&mut self, name: &str) {
        self.graph.output.push(pb::ValueInfoProto { name: name.to_owned(), ..Default::default() });
    }

    pub fn constant(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        self.graph.initializer.push(pb::TensorProto {
            name: name.to_owned(),
            dims: shape.iter().map(|&dim| dim as i64).collect(),
            data_type: 1,
            float_data: values,
            ..Default::default()
        });
    }

    pub fn node(&mut self, op: &str, inputs: &[&str], output: &str, ints: &[(&str, &[i64])]) {
        let attribute = |(name, values): &(&str, &[i64])| pb::AttributeProto {
            name: (*name).to_owned(),
            r#type: 7,
            ints: values.to_vec(),
            ..Default::default()
        };
        self.push(op, inputs, output, ints.iter().map(attribute).collect());
    }

    fn push(&mut self, op: &str, inputs: &[&str], output: &str, attribute: Vec<pb::AttributeProto>) {
        if let Some(channels) = self.channels.get(inputs[0]).copied() {
            self.channels.insert(output.to_owned(), channels);
        }
        self.graph.node.push(pb::NodeProto {
            op_type: op.to_owned(),
            name: output.to_owned(),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute,
            ..Default::default()
        });
    }

    /// A convolution with random weights.
    pub fn conv(&mut self, input: &str, output: &str, conv: Conv) {
        let channels = self.channels[input];
        let outputs = if conv.depthwise { channels } else { conv.outputs };
        let (groups, group_inputs) = if conv.depthwise { (channels, 1) } else { (1, channels) };
        let fan_in = group_inputs * conv.kernel * conv.kernel;
        // Scaled so that activations keep their size from layer to layer and ReLU6 clips some of them.
        let scale = 3.0 / (fan_in as f32).sqrt();
        let weights = (0..outputs * fan_in).map(|_| self.random.float() * scale).collect();
        let biases = (0..outputs).map(|_| self.random.float()).collect();
        let (weights_name, biases_name) = (format!("{output}.weights"), format!("{output}.biases"));
        self.constant(&weights_name, &[outputs, group_inputs, conv.kernel, conv.kernel], weights);
        self.constant(&biases_name, &[outputs], biases);
        let ints = |name: &str, values: &[usize]| pb::AttributeProto {
            name: name.to_owned(),
            r#type: 7,
            ints: values.iter().map(|&value| value as i64).collect(),
            ..Default::default()
        };
        let group = pb::AttributeProto { name: "group".to_owned(), r#type: 2, i: groups as i64, ..Default::default() };
        let attributes = vec![
            ints("kernel_shape", &[conv.kernel; 2]),
            ints("strides", &[conv.stride; 2]),
            ints("pads", &conv.pads),
            group,
        ];
        self.push("Conv", &[input, &weights_name, &biases_name], output, attributes);
        self.channels.insert(output.to_owned(), outputs);
    }

    /// Puts images together by channels.
    pub fn concatenate(&mut self, inputs: &[&str], output: &str) {
        let axis = pb::AttributeProto { name: "axis".to_owned(), r#type: 2, i: 1, ..Default::default() };
        self.push("Concat", inputs, output, vec![axis]);
    }

    pub fn relu6(&mut self, input: &str, output: &str) {
        self.clip(input, output, 0.0, 6.0);
    }

    pub fn clip(&mut self, input: &str, output: &str, low: f32, high: f32) {
        let (low_name, high_name) = (format!("{output}.low"), format!("{output}.high"));
        self.constant(&low_name, &[], vec![low]);
        self.constant(&high_name, &[], vec![high]);
        self.node("Clip", &[input, &low_name, &high_name], output, &[]);
    }

    /// 3x3 convolution with stride 2 and ReLU6.
    pub fn stem(&mut self, output: &str, outputs: usize, pads: [usize; 4]) {
        let conv = Conv { outputs, kernel: 3, stride: 2, pads, depthwise: false };
        self.conv("input", &format!("{output}.conv"), conv);
        self.relu6(&format!("{output}.conv"), output);
    }

    /// An inverted residual block; expansion factor 1 leaves the expansion out.
    pub fn block(&mut self, input: &str, output: &str, factor: usize, outputs: usize, filter: Conv, skip: bool) {
        let mut hidden = input.to_owned();
        if factor > 1 {
            let expanded = self.channels[input] * factor;
            self.conv(input, &format!("{output}.expand"), pointwise(expanded));
            hidden = format!("{output}.expanded");
            self.relu6(&format!("{output}.expand"), &hidden);
        }
        self.conv(&hidden, &format!("{output}.depthwise"), filter);
        self.relu6(&format!("{output}.depthwise"), &format!("{output}.filtered"));
        let projected = if skip { format!("{output}.project") } else { output.to_owned() };
        self.conv(&format!("{output}.filtered"), &projected, pointwise(outputs));
        if skip {
            self.node("Add", &[input, &projected], output, &[]);
        }
    }

    /// The last convolution, the average over all pixels, and the network's output `features`.
    pub fn head(&mut self, input: &str, outputs: usize) {
        self.conv(input, "head.conv", pointwise(outputs));
        self.relu6("head.conv", "head.relu");
        self.node("GlobalAveragePool", &["head.relu"], "head.average", &[]);
        self.push("Flatten", &["head.average"], "features", vec![]);
        self.output("features");
    }

    pub fn encode(self) -> Vec<u8> {
        let opset = pb::OperatorSetIdProto { domain: String::new(), version: 13 };
        let model =
            pb::ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(self.graph), ..Default::default() };
        model.encode_to_vec()
    }
}

/// The features of `pixels`, and what the model says of its numerics.
pub fn features(onnx: &[u8], options: ModelOptions, pixels: &[u8]) -> (Vec<f32>, String) {
    let model = Model::from_bytes(onnx, "test network", &options).expect("the network loads");
    let mut features = vec![f32::NAN; model.width()];
    model.session().expect("a session").run(pixels, &mut features).expect("the network runs");
    (features, model.numerics().to_owned())
}

pub fn with_engine(engine: Engine) -> ModelOptions {
    ModelOptions { engine, ..ModelOptions::default() }
}

/// The largest difference, relative to the largest value or 1.
pub fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f32::max)
}
