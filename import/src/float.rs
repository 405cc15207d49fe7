//! The float model: a chain of dense layers read from ONNX, and its executor for calibration.

use std::collections::HashMap;

use prost::Message;

use crate::error::ImportError;
use crate::onnx;

/// A scalar function between layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    Relu,
    LeakyRelu(f32),
    Sigmoid,
    Tanh,
    Clip(f32, f32),
    Elu(f32),
    HardSigmoid(f32, f32),
    Softplus,
    Abs,
    Neg,
}

impl Scalar {
    pub(crate) fn apply(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::LeakyRelu(a) if x < 0.0 => a * x,
            Self::LeakyRelu(_) => x,
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Clip(lo, hi) => x.max(lo).min(hi),
            Self::Elu(a) if x < 0.0 => a * x.exp_m1(),
            Self::Elu(_) => x,
            Self::HardSigmoid(a, b) => (a * x + b).clamp(0.0, 1.0),
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Abs => x.abs(),
            Self::Neg => -x,
        }
    }
}

/// `y = f(W x + b)`
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// `[outputs, inputs]`
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) functions: Vec<Scalar>,
}

impl Layer {
    pub(crate) fn activate(&self, x: f32) -> f32 {
        self.functions.iter().fold(x, |x, f| f.apply(x))
    }

    /// `W x + b`
    pub(crate) fn affine(&self, x: &[f32]) -> Vec<f32> {
        let rows = self.weights.chunks_exact(self.inputs).zip(&self.bias);
        rows.map(|(row, b)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + b).collect()
    }
}

/// A chain of dense layers in float.
#[derive(Clone, Debug)]
pub(crate) struct FloatModel {
    pub(crate) layers: Vec<Layer>,
}

impl FloatModel {
    /// Pre-activations of each layer and the output.
    pub(crate) fn run(&self, input: &[f32]) -> (Vec<Vec<f32>>, Vec<f32>) {
        let mut x = input.to_vec();
        let mut affine = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let y = layer.affine(&x);
            x = y.iter().map(|v| layer.activate(*v)).collect();
            affine.push(y);
        }
        (affine, x)
    }

    /// Reads an ONNX file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ImportError> {
        let model = onnx::Model::decode(bytes).map_err(ImportError::Decode)?;
        let graph = model.graph.ok_or_else(|| unsupported("there is no graph"))?;
        Reader::new(graph)?.read()
    }
}

fn unsupported(reason: impl Into<String>) -> ImportError {
    ImportError::Graph { reason: reason.into() }
}

struct Reader {
    nodes: Vec<onnx::Node>,
    constants: HashMap<String, onnx::Tensor>,
    tensor: String,
    output: String,
    layers: Vec<Layer>,
}

impl Reader {
    fn new(graph: onnx::Graph) -> Result<Self, ImportError> {
        let mut constants: HashMap<String, onnx::Tensor> =
            graph.initializer.into_iter().map(|t| (t.name.clone(), t)).collect();
        let mut nodes = Vec::new();
        for mut node in graph.node {
            let value = node.attribute.iter_mut().find_map(|a| a.t.take());
            match (node.op_type.as_str(), value, node.output.first()) {
                ("Constant", Some(tensor), Some(name)) => {
                    constants.insert(name.clone(), tensor);
                }
                _ => nodes.push(node),
            }
        }
        let mut inputs = graph.input.into_iter().filter(|i| !constants.contains_key(&i.name));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err(unsupported("exactly one input is needed"));
        };
        let [output] = &graph.output[..] else {
            return Err(unsupported("exactly one output is needed"));
        };
        let output = output.name.clone();
        Ok(Self { nodes, constants, tensor: input.name, output, layers: Vec::new() })
    }

    fn read(mut self) -> Result<FloatModel, ImportError> {
        for node in std::mem::take(&mut self.nodes) {
            let fail = |reason: String| ImportError::Node {
                node: if node.name.is_empty() {
                    node.output.first().cloned().unwrap_or_default()
                } else {
                    node.name.clone()
                },
                op: node.op_type.clone(),
                reason,
            };
            self.node(&node).map_err(fail)?;
            let [output] = &node.output[..] else {
                return Err(fail("it must have exactly one output".into()));
            };
            self.tensor.clone_from(output);
        }
        if self.layers.is_empty() {
            return Err(unsupported("there is no Gemm or MatMul"));
        }
        if self.tensor != self.output {
            return Err(unsupported("the last node does not produce the graph's output"));
        }
        Ok(FloatModel { layers: self.layers })
    }

    /// The operand that is not the running tensor.
    fn other(&self, node: &onnx::Node) -> Result<(Vec<usize>, Vec<f32>), String> {
        let mut others = node.input.iter().filter(|i| **i != self.tensor);
        let (Some(name), None) = (others.next(), others.next()) else {
            return Err(
                "one operand must be the previous node's output, the other a constant".into()
            );
        };
        self.constant(name)
    }

    fn constant(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>), String> {
        let tensor = self.constants.get(name).ok_or(format!("{name:?} is not a constant"))?;
        tensor.floats().map_err(|reason| format!("constant {name:?}: {reason}"))
    }

    fn node(&mut self, node: &onnx::Node) -> Result<(), String> {
        if !node.input.contains(&self.tensor) {
            return Err(format!(
                "it does not take the previous tensor {:?}; only chains are supported",
                self.tensor
            ));
        }
        match node.op_type.as_str() {
            "Gemm" => self.gemm(node),
            "MatMul" => {
                if node.input.first() != Some(&self.tensor) {
                    return Err("the weights must be the second operand".into());
                }
                let (dims, values) = self.other(node)?;
                self.push(&dims, &values, false, None)
            }
            "Add" => self.add(node),
            "Identity" | "Flatten" | "Reshape" | "Dropout" | "Squeeze" | "Unsqueeze" => Ok(()),
            _ => self.scalar(node),
        }
    }

    fn gemm(&mut self, node: &onnx::Node) -> Result<(), String> {
        if node.input.first() != Some(&self.tensor) || node.int("transA", 0) != 0 {
            return Err("the first operand must be the previous tensor, not transposed".into());
        }
        let name = node.input.get(1).ok_or("there are no weights")?;
        let (dims, mut values) = self.constant(name)?;
        let alpha = node.float("alpha", 1.0);
        values.iter_mut().for_each(|v| *v *= alpha);
        let bias = match node.input.get(2).filter(|n| !n.is_empty()) {
            Some(name) => {
                let beta = node.float("beta", 1.0);
                Some(self.constant(name)?.1.into_iter().map(|v| v * beta).collect())
            }
            None => None,
        };
        self.push(&dims, &values, node.int("transB", 0) != 0, bias)
    }

    /// Adds a dense layer with weights `[inputs, outputs]`, or transposed.
    fn push(
        &mut self,
        dims: &[usize],
        values: &[f32],
        transposed: bool,
        bias: Option<Vec<f32>>,
    ) -> Result<(), String> {
        let (inputs, outputs) = match (dims, transposed) {
            ([o, i], true) | ([i, o], false) => (*i, *o),
            _ => return Err(format!("the weights have {} dimensions, not 2", dims.len())),
        };
        if inputs == 0 || outputs == 0 {
            return Err("the weights are empty".into());
        }
        if let Some(last) = self.layers.last().filter(|l| l.outputs != inputs) {
            return Err(format!(
                "it takes {inputs} values, the previous layer gives {}",
                last.outputs
            ));
        }
        let weights = if transposed {
            values.to_vec()
        } else {
            (0..inputs * outputs).map(|n| values[(n % inputs) * outputs + n / inputs]).collect()
        };
        let bias = match bias {
            None => vec![0.0; outputs],
            Some(b) if b.len() == 1 => vec![b[0]; outputs],
            Some(b) if b.len() == outputs => b,
            Some(b) => return Err(format!("{} biases for {outputs} outputs", b.len())),
        };
        self.layers.push(Layer { inputs, outputs, weights, bias, functions: Vec::new() });
        Ok(())
    }

    fn add(&mut self, node: &onnx::Node) -> Result<(), String> {
        let (_, values) = self.other(node)?;
        let layer = self.layers.last_mut().filter(|l| l.functions.is_empty());
        let layer = layer.ok_or("it must follow a MatMul or Gemm")?;
        if values.len() != layer.outputs && values.len() != 1 {
            return Err(format!("{} values for {} outputs", values.len(), layer.outputs));
        }
        for (i, b) in layer.bias.iter_mut().enumerate() {
            *b += values[i % values.len()];
        }
        Ok(())
    }

    fn scalar(&mut self, node: &onnx::Node) -> Result<(), String> {
        let function = match node.op_type.as_str() {
            "Relu" => Scalar::Relu,
            "LeakyRelu" => Scalar::LeakyRelu(node.float("alpha", 0.01)),
            "Sigmoid" => Scalar::Sigmoid,
            "Tanh" => Scalar::Tanh,
            "Elu" => Scalar::Elu(node.float("alpha", 1.0)),
            "HardSigmoid" => Scalar::HardSigmoid(node.float("alpha", 0.2), node.float("beta", 0.5)),
            "Softplus" => Scalar::Softplus,
            "Abs" => Scalar::Abs,
            "Neg" => Scalar::Neg,
            "Clip" => self.clip(node)?,
            _ => return Err("this operator is not supported".into()),
        };
        let layer = self.layers.last_mut().ok_or("it must follow a Gemm or MatMul")?;
        layer.functions.push(function);
        Ok(())
    }

    fn clip(&self, node: &onnx::Node) -> Result<Scalar, String> {
        let bound = |at: usize, attribute: &str, default: f32| match node.input.get(at) {
            Some(name) if !name.is_empty() => {
                self.constant(name)?.1.first().copied().ok_or("an empty bound".to_owned())
            }
            _ => Ok(node.float(attribute, default)),
        };
        Ok(Scalar::Clip(bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?))
    }
}
