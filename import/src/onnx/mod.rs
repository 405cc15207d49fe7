//! The part of ONNX's protobuf schema that import reads (field numbers of `onnx.proto3`).
//!
//! Everything is optional on the wire and nothing here is checked beyond its own length: the reader
//! of the graph does that.

mod element;
mod external;
mod node;
mod tensor;

use prost::Message;

pub(crate) use element::{wrapped, Element};
pub(crate) use tensor::Numbers;

/// `ModelProto`
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// The graph.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    /// Versions of the operator sets that it uses.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    /// Operators that the model defines itself.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<Function>,
}

/// `OperatorSetIdProto`
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    /// Domain; empty for ONNX's own operators.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// `FunctionProto`
#[derive(Clone, PartialEq, Message)]
pub struct Function {
    /// The operator that it defines.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Formal operands.
    #[prost(string, repeated, tag = "4")]
    pub input: Vec<String>,
    /// Formal results.
    #[prost(string, repeated, tag = "5")]
    pub output: Vec<String>,
    /// Its body, in topological order.
    #[prost(message, repeated, tag = "7")]
    pub node: Vec<Node>,
    /// The operator's domain.
    #[prost(string, tag = "10")]
    pub domain: String,
    /// Attributes with a default.
    #[prost(message, repeated, tag = "11")]
    pub attribute_proto: Vec<Attribute>,
}

/// `GraphProto`
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// Operators in topological order.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    /// Constants.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    /// Inputs; older exporters list the constants too.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    /// Outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

/// `NodeProto`
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Names of the operands; an empty name is an absent one.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the results.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Name for people.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Attributes.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    /// Domain of the operator; empty for ONNX's own.
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// `AttributeProto`
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A float.
    #[prost(float, tag = "2")]
    pub f: f32,
    /// An integer.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// A string.
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    /// A tensor.
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    /// Floats.
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    /// Integers.
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    /// Strings.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// In a function's body: the attribute of the calling node that stands here.
    #[prost(string, tag = "21")]
    pub ref_attr_name: String,
}

/// `TensorProto`
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// Extents.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// As `TensorProto.DataType`: [`FLOAT`], [`INT64`] ...
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// Values of a float tensor.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Values of an int32 tensor; of smaller integers, and the bits of halves, too.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Values of an int64 tensor.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Values, little-endian, instead of the typed fields.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// Values of a double tensor.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Values of an unsigned tensor of 32 or 64 bits.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// Where the values lie in another file: `location`, `offset`, `length`.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Entry>,
    /// 1 when the values lie in another file.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// `StringStringEntryProto`
#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    /// Key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `ValueInfoProto`
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

/// `TypeProto`
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    /// The type of a tensor.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

/// `TypeProto.Tensor`
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    /// As [`Tensor::data_type`].
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// Extents, the batch first.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShape>,
}

/// `TensorShapeProto`
#[derive(Clone, PartialEq, Message)]
pub struct TensorShape {
    /// Extents.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    /// A known extent.
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    /// A symbol for an unknown one.
    #[prost(string, optional, tag = "2")]
    pub dim_param: Option<String>,
}

/// `TensorProto.DataType.FLOAT`
pub const FLOAT: i32 = 1;
/// `TensorProto.DataType.UINT8`
pub const UINT8: i32 = 2;
/// `TensorProto.DataType.INT8`
pub const INT8: i32 = 3;
/// `TensorProto.DataType.UINT16`
pub const UINT16: i32 = 4;
/// `TensorProto.DataType.INT16`
pub const INT16: i32 = 5;
/// `TensorProto.DataType.INT32`
pub const INT32: i32 = 6;
/// `TensorProto.DataType.INT64`
pub const INT64: i32 = 7;
/// `TensorProto.DataType.BOOL`
pub const BOOL: i32 = 9;
/// `TensorProto.DataType.FLOAT16`
pub const FLOAT16: i32 = 10;
/// `TensorProto.DataType.DOUBLE`
pub const DOUBLE: i32 = 11;
/// `TensorProto.DataType.UINT32`
pub const UINT32: i32 = 12;
/// `TensorProto.DataType.UINT64`
pub const UINT64: i32 = 13;
/// `TensorProto.DataType.BFLOAT16`
pub const BFLOAT16: i32 = 16;
