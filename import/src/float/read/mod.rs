//! Reads an ONNX graph into a [`FloatModel`].
//!
//! Every ONNX tensor is a [`View`]: some values of the model, one behind the other, and the
//! dimensions under which the graph sees them. `Concat`, `Flatten` and `Reshape` only make views.
//! The first dimension is the batch and is left out everywhere.

mod convolution;
mod integers;
mod pointwise;
mod pool;
mod reshape;
mod view;

use std::collections::HashMap;

use dn_core::quant::Shape;
use prost::Message;

use super::{geometry, scalar, FloatModel, Kind, Linear, Op, Origin, Scalar};
use crate::error::ImportError;
use crate::onnx;

pub(super) use view::View;

/// Most functions between two linear operations.
const MAX_FUNCTIONS: usize = 256;

/// A constant: extents and values.
type Constant = (Vec<usize>, Vec<f32>);

impl FloatModel {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// [`ImportError::Decode`], [`ImportError::Graph`], or [`ImportError::Node`] with the first
    /// node that is malformed or not supported.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ImportError> {
        let model = onnx::Model::decode(bytes).map_err(ImportError::Decode)?;
        let graph = model.graph.ok_or_else(|| unsupported("there is no graph"))?;
        Reader::read(graph)
    }
}

fn unsupported(reason: impl Into<String>) -> ImportError {
    ImportError::Graph { reason: reason.into() }
}

struct Reader {
    model: FloatModel,
    constants: HashMap<String, onnx::Tensor>,
    /// Integers computed from shapes; 0 stands for the batch.
    integers: HashMap<String, integers::Integers>,
    views: HashMap<String, View>,
    /// Name of the graph's output.
    output: String,
    /// The node that is being read.
    origin: Origin,
}

impl Reader {
    fn read(graph: onnx::Graph) -> Result<FloatModel, ImportError> {
        let constants: HashMap<String, onnx::Tensor> =
            graph.initializer.into_iter().map(|t| (t.name.clone(), t)).collect();
        let mut inputs = graph.input.into_iter().filter(|i| !constants.contains_key(&i.name));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err(unsupported("exactly one input is needed"));
        };
        let [output] = &graph.output[..] else {
            return Err(unsupported("exactly one output is needed"));
        };
        let dims = input_dims(&input).map_err(unsupported)?;
        let shape = view::image_shape(&dims).map_err(|r| unsupported(format!("input: {r}")))?;
        let mut reader = Self {
            model: FloatModel { input: shape, ops: Vec::new() },
            constants,
            integers: HashMap::new(),
            views: HashMap::from([(input.name, View { parts: vec![0], dims })]),
            output: output.name.clone(),
            origin: Origin::default(),
        };
        for node in graph.node {
            reader.node(&node)?;
        }
        reader.finish()
    }

    fn node(&mut self, node: &onnx::Node) -> Result<(), ImportError> {
        let Some(output) = node.output.first().filter(|name| !name.is_empty()) else {
            let name = node.name.clone();
            let origin = Origin { node: name, op: node.op_type.clone() };
            return Err(origin.error("it has no output"));
        };
        let name = if node.name.is_empty() { output } else { &node.name };
        self.origin = Origin { node: name.clone(), op: node.op_type.clone() };
        if let Some(tensor) = node.constant() {
            self.constants.insert(output.clone(), tensor);
        } else if let Some(tensor) = self.alias(node) {
            self.constants.insert(output.clone(), tensor);
        } else if let Some(integers) = self.fold_integers(node) {
            self.integers.insert(output.clone(), integers);
        } else {
            let view = self.apply(node).map_err(|reason| self.origin.error(reason))?;
            self.views.insert(output.clone(), view);
        }
        Ok(())
    }

    /// The constant that an `Identity` passes on.
    fn alias(&self, node: &onnx::Node) -> Option<onnx::Tensor> {
        let name = node.operand(0).filter(|_| node.op_type == "Identity")?;
        self.constants.get(name).cloned()
    }

    fn apply(&mut self, node: &onnx::Node) -> Result<View, String> {
        match node.op_type.as_str() {
            "Conv" => self.conv(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.mat_mul(node),
            "BatchNormalization" => self.batch_norm(node),
            "MaxPool" => self.max_pool(node),
            "AveragePool" => self.average_pool(node),
            "GlobalAveragePool" | "GlobalMaxPool" => self.global_pool(node),
            "ReduceMean" => self.reduce_mean(node),
            "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Mean" | "Max" | "Min" => self.arithmetic(node),
            "Concat" => self.concat(node),
            "Pad" => self.pad(node),
            "Identity" | "Dropout" => self.operand(node, 0),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Softmax" | "LogSoftmax" => self.softmax(node),
            _ => self.scalar(node),
        }
    }

    fn finish(mut self) -> Result<FloatModel, ImportError> {
        let view = self.views.get(&self.output).cloned();
        let view = view.ok_or_else(|| {
            unsupported(format!("no node produces the graph's output {:?}", self.output))
        })?;
        self.origin = Origin { node: self.output.clone(), op: "output".to_owned() };
        let value = self.whole(&view).map_err(|reason| self.origin.error(reason))?;
        if value == 0 {
            return Err(unsupported("there is no operator between input and output"));
        }
        self.model.keep_only(value);
        Ok(self.model)
    }

    /// Normalised exponentials keep the order of their inputs, so the last one is dropped.
    fn softmax(&self, node: &onnx::Node) -> Result<View, String> {
        if node.output.first() == Some(&self.output) {
            self.operand(node, 0)
        } else {
            Err("it is supported as the last node only, where it is dropped".to_owned())
        }
    }

    fn view(&self, name: &str) -> Result<View, String> {
        self.views.get(name).cloned().ok_or_else(|| {
            if self.constants.contains_key(name) || self.integers.contains_key(name) {
                format!("operand {name:?} must not be a constant")
            } else {
                format!("operand {name:?} is not computed before this node")
            }
        })
    }

    fn operand(&self, node: &onnx::Node, at: usize) -> Result<View, String> {
        self.view(node.operand(at).ok_or_else(|| format!("operand {at} is missing"))?)
    }

    fn constant(&self, node: &onnx::Node, at: usize) -> Result<Constant, String> {
        let name = node.operand(at).ok_or_else(|| format!("operand {at} is missing"))?;
        let tensor =
            self.constants.get(name).ok_or_else(|| format!("{name:?} is not a constant"))?;
        tensor.floats().map_err(|reason| format!("constant {name:?}: {reason}"))
    }

    /// An operand that may be absent.
    fn optional(&self, node: &onnx::Node, at: usize) -> Result<Option<Constant>, String> {
        node.operand(at).map(|_| self.constant(node, at)).transpose()
    }

    /// A constant with `len` values; one value stands for all.
    fn per_channel(&self, node: &onnx::Node, at: usize, len: usize) -> Result<Vec<f32>, String> {
        let (dims, values) = self.constant(node, at)?;
        match values.len() {
            1 => Ok(vec![values[0]; len]),
            n if n == len => Ok(values),
            _ => Err(format!("operand {at} has dimensions {dims:?}, {len} values are needed")),
        }
    }

    /// Adds an operation; gives its value.
    fn push(&mut self, shape: Shape, kind: Kind) -> Result<usize, String> {
        if let Kind::Linear(linear) = &kind {
            for term in &linear.terms {
                let input = self.model.shape(term.value);
                let len = geometry::weights_len(&term.geometry, input, shape)?;
                debug_assert_eq!(len, term.weights.len());
            }
        }
        self.model.ops.push(Op { origin: self.origin.clone(), shape, kind });
        Ok(self.model.ops.len())
    }

    fn push_linear(&mut self, shape: Shape, linear: Linear) -> Result<usize, String> {
        self.push(shape, Kind::Linear(linear))
    }

    /// A value as a chain of functions on another value.
    fn chain(&self, value: usize) -> (usize, Vec<Scalar>) {
        match value.checked_sub(1).map(|i| &self.model.ops[i].kind) {
            Some(Kind::Scalar { of, chain }) => (*of, chain.clone()),
            _ => (value, Vec::new()),
        }
    }

    /// Appends functions to a value.
    fn push_scalar(&mut self, value: usize, functions: &[Scalar]) -> Result<usize, String> {
        let (of, mut chain) = self.chain(value);
        chain.extend_from_slice(functions);
        if scalar::size(&chain) > MAX_FUNCTIONS {
            return Err(format!("more than {MAX_FUNCTIONS} functions follow each other"));
        }
        self.push(self.model.shape(value), Kind::Scalar { of, chain })
    }

    /// Applies `op` to each value of a view.
    fn each(
        &mut self,
        view: &View,
        mut op: impl FnMut(&mut Self, usize) -> Result<usize, String>,
    ) -> Result<View, String> {
        let parts: Result<Vec<usize>, String> = view.parts.iter().map(|v| op(self, *v)).collect();
        Ok(View { parts: parts?, dims: view.dims.clone() })
    }
}

/// Dimensions of the graph's input without the batch.
fn input_dims(input: &onnx::ValueInfo) -> Result<Vec<usize>, String> {
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let shape = tensor.and_then(|t| t.shape.as_ref());
    let shape = shape.ok_or_else(|| format!("input {:?} has no shape", input.name))?;
    let [_batch, dims @ ..] = &shape.dim[..] else {
        return Err(format!("input {:?} has no batch dimension", input.name));
    };
    let extent = |(axis, d): (usize, &onnx::Dimension)| {
        let symbol = d.dim_param.as_deref().unwrap_or("?");
        let known = d.dim_value.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        known.ok_or_else(|| {
            format!(
                "dimension {} of input {:?} is {symbol:?}: export the model with a fixed size",
                axis + 1,
                input.name
            )
        })
    };
    dims.iter().enumerate().map(extent).collect()
}
