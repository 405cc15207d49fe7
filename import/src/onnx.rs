//! The part of ONNX's protobuf schema that import reads (field numbers of `onnx.proto3`).
//!
//! Everything is optional on the wire and nothing here is checked beyond its own length: the reader
//! of the graph does that.

use prost::Message;

/// `ModelProto`
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// The graph.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
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
}

/// `TensorProto`
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// Extents.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// [`FLOAT`], [`INT32`], [`INT64`] or [`DOUBLE`].
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// Values of a float tensor.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Values of an int32 tensor.
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
    /// 1 when the values lie in another file.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
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
/// `TensorProto.DataType.INT32`
pub const INT32: i32 = 6;
/// `TensorProto.DataType.INT64`
pub const INT64: i32 = 7;
/// `TensorProto.DataType.DOUBLE`
pub const DOUBLE: i32 = 11;

/// Splits little-endian bytes into values.
fn split<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    let chunks = bytes.chunks_exact(N).filter_map(|c| c.try_into().ok());
    chunks.map(value).collect()
}

impl Tensor {
    /// Extents, and values in row-major order, or why they cannot be read.
    pub(crate) fn floats(&self) -> Result<(Vec<usize>, Vec<f32>), String> {
        let values: Vec<f32> = match (self.data_type, self.raw_data.is_empty()) {
            (FLOAT, true) => self.float_data.clone(),
            (FLOAT, false) => split(&self.raw_data, f32::from_le_bytes),
            (DOUBLE, true) => self.double_data.iter().map(|v| *v as f32).collect(),
            (DOUBLE, false) => split(&self.raw_data, |b| f64::from_le_bytes(b) as f32),
            (INT32 | INT64, _) => self.integers()?.into_iter().map(|v| v as f32).collect(),
            (other, _) => return Err(format!("data type {other} is not supported")),
        };
        if values.iter().any(|v| !v.is_finite()) {
            return Err("a value is not finite".to_owned());
        }
        Ok((self.extents(values.len())?, values))
    }

    /// Values of an integer tensor in row-major order, or why they cannot be read.
    pub(crate) fn integers(&self) -> Result<Vec<i64>, String> {
        let values: Vec<i64> = match (self.data_type, self.raw_data.is_empty()) {
            (INT64, true) => self.int64_data.clone(),
            (INT64, false) => split(&self.raw_data, i64::from_le_bytes),
            (INT32, true) => self.int32_data.iter().map(|v| i64::from(*v)).collect(),
            (INT32, false) => split(&self.raw_data, |b| i64::from(i32::from_le_bytes(b))),
            (other, _) => return Err(format!("data type {other} is not an integer")),
        };
        self.extents(values.len())?;
        Ok(values)
    }

    fn extents(&self, len: usize) -> Result<Vec<usize>, String> {
        if self.data_location != 0 {
            return Err("its values lie in another file".to_owned());
        }
        let dims: Result<Vec<usize>, _> = self.dims.iter().map(|d| usize::try_from(*d)).collect();
        let dims = dims.map_err(|_| "a dimension is negative".to_owned())?;
        let count = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        if count.ok_or("its size overflows")? != len {
            return Err(format!("it has {len} values for dimensions {dims:?}"));
        }
        Ok(dims)
    }
}

impl Node {
    fn find(&self, name: &str) -> Option<&Attribute> {
        self.attribute.iter().find(|a| a.name == name)
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> f32 {
        self.find(name).map_or(default, |a| a.f)
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.find(name).map_or(default, |a| a.i)
    }

    /// The integers of an attribute, if it is there.
    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.find(name).map(|a| &a.ints[..])
    }

    /// The text of an attribute, empty if it is absent or not UTF-8.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).and_then(|a| std::str::from_utf8(&a.s).ok()).unwrap_or_default()
    }

    /// The tensor of an attribute.
    pub(crate) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.find(name).and_then(|a| a.t.as_ref())
    }

    /// The name of an operand that is there.
    pub(crate) fn operand(&self, at: usize) -> Option<&str> {
        self.input.get(at).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The value of a `Constant`, if it is a number or a tensor of numbers.
    pub(crate) fn constant(&self) -> Option<Tensor> {
        let a = self.attribute.first().filter(|_| self.op_type == "Constant")?;
        let floats = |dims: Vec<i64>, float_data| Tensor {
            dims,
            data_type: FLOAT,
            float_data,
            ..Tensor::default()
        };
        let integers = |dims: Vec<i64>, int64_data| Tensor {
            dims,
            data_type: INT64,
            int64_data,
            ..Tensor::default()
        };
        match a.name.as_str() {
            "value" => a.t.clone(),
            "value_float" => Some(floats(Vec::new(), vec![a.f])),
            "value_floats" => Some(floats(vec![a.floats.len() as i64], a.floats.clone())),
            "value_int" => Some(integers(Vec::new(), vec![a.i])),
            "value_ints" => Some(integers(vec![a.ints.len() as i64], a.ints.clone())),
            _ => None,
        }
    }
}
