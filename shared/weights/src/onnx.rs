//! The part of the ONNX file format that the model needs.
//!
//! Field numbers are those of `onnx/onnx.proto` (<https://github.com/onnx/onnx>), IR version 8. ONNX is proto2:
//! repeated numbers are not packed, and a field that is set is written even if empty or zero; hence `optional`.

use prost::Message;

/// `TensorProto.DataType.FLOAT`.
pub(crate) const FLOAT: i32 = 1;

const ATTRIBUTE_INT: i32 = 2;
const ATTRIBUTE_INTS: i32 = 7;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Model {
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Property>,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Property {
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperatorSet {
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, optional, tag = "3")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub op_type: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(int32, optional, tag = "20")]
    pub r#type: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    #[prost(string, optional, tag = "8")]
    pub name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw_data: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueInfo {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorType {
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// Either a number or a name that stands for any number.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub dim_param: Option<String>,
}

impl Node {
    /// A node with one output. `attribute` must be in alphabetical order, as ONNX's own tools write it.
    pub fn new(op_type: &str, name: &str, input: &[&str], output: &str, attribute: Vec<Attribute>) -> Self {
        Self {
            input: input.iter().map(ToString::to_string).collect(),
            output: vec![output.into()],
            name: Some(name.into()),
            op_type: Some(op_type.into()),
            attribute,
        }
    }
}

impl Attribute {
    pub fn int(name: &str, value: i64) -> Self {
        Self { name: Some(name.into()), i: Some(value), ints: Vec::new(), r#type: Some(ATTRIBUTE_INT) }
    }

    pub fn ints(name: &str, values: &[i64]) -> Self {
        Self { name: Some(name.into()), i: None, ints: values.to_vec(), r#type: Some(ATTRIBUTE_INTS) }
    }
}

impl Tensor {
    /// A float32 tensor from its little-endian bytes in C order.
    pub fn float32(name: &str, dims: Vec<i64>, raw_data: Vec<u8>) -> Self {
        Self { dims, data_type: Some(FLOAT), name: Some(name.into()), raw_data: Some(raw_data) }
    }
}

impl ValueInfo {
    /// A float32 tensor whose first dimension is the batch, `N`.
    pub fn float32_batch(name: &str, item_shape: &[i64]) -> Self {
        let batch = Dimension { dim_value: None, dim_param: Some("N".into()) };
        let item = item_shape.iter().map(|&size| Dimension { dim_value: Some(size), dim_param: None });
        let shape = Shape { dim: std::iter::once(batch).chain(item).collect() };
        let tensor_type = TensorType { elem_type: Some(FLOAT), shape: Some(shape) };
        Self { name: Some(name.into()), r#type: Some(Type { tensor_type: Some(tensor_type) }) }
    }
}
