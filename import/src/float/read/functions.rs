//! Functions of single values.

use super::view::{Body, Cell, View};
use super::{Reader, MAX_VIEW};
use crate::float::Scalar;
use crate::onnx::{self, Element, Numbers};

/// Most rows of a table that is looked up: an input has as many codes that are not negative.
const MAX_ROWS: usize = 128;
/// Most columns of a table that is looked up; each costs an operation.
const MAX_COLUMNS: usize = 256;

impl Reader {
    /// The function that an operator is.
    pub(super) fn scalar(&self, node: &onnx::Node) -> Result<Vec<Scalar>, String> {
        let alpha = |default: f32| node.float("alpha", default);
        Ok(vec![match node.op_type.as_str() {
            "Relu" => Scalar::Relu,
            "LeakyRelu" => Scalar::LeakyRelu(alpha(0.01)),
            "Sigmoid" => Scalar::Sigmoid,
            "Tanh" => Scalar::Tanh,
            "Elu" => Scalar::Elu(alpha(1.0)),
            "Celu" => Scalar::Celu(alpha(1.0)),
            "Selu" => Scalar::Selu(alpha(1.673_263_2), node.float("gamma", 1.050_701)),
            "HardSigmoid" => Scalar::HardSigmoid(alpha(0.2), node.float("beta", 0.5)),
            "HardSwish" => Scalar::HardSwish,
            "ThresholdedRelu" => Scalar::ThresholdedRelu(alpha(1.0)),
            "Shrink" => Scalar::Shrink(node.float("lambd", 0.5), node.float("bias", 0.0)),
            "Softplus" => Scalar::Softplus,
            "Softsign" => Scalar::Softsign,
            "Abs" => Scalar::Abs,
            "Neg" => Scalar::Affine(-1.0, 0.0),
            "Exp" => Scalar::Exp,
            "Log" => Scalar::Log,
            "Sin" => Scalar::Sin,
            "Cos" => Scalar::Cos,
            "Tan" => Scalar::Tan,
            "Atan" => Scalar::Atan,
            "Erf" => Scalar::Erf,
            "Sqrt" => Scalar::Sqrt,
            "Reciprocal" => Scalar::Power(-1.0),
            "Floor" => Scalar::Floor,
            "Ceil" => Scalar::Ceil,
            "Round" => Scalar::Round,
            "Sign" => Scalar::Sign,
            "Mish" => Scalar::Mish,
            "Swish" => {
                let gate = vec![Scalar::Affine(alpha(1.0), 0.0), Scalar::Sigmoid];
                Scalar::Product(Vec::new(), gate)
            }
            "Gelu" if node.text("approximate") == "tanh" => Scalar::GeluTanh,
            "Gelu" => Scalar::Gelu,
            "Clip" => self.clip(node)?,
            "Binarizer" => Scalar::Above(node.float("threshold", 0.0)),
            op => return Err(format!("{op} is no function of one number")),
        }])
    }

    pub(super) fn function_node(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        if let ("Log", Some(inner)) = (node.op_type.as_str(), self.behind_sigmoid(&view)) {
            // log(sigmoid(x)) = -softplus(-x), which does not underflow.
            let minus = Scalar::Affine(-1.0, 0.0);
            return self.function(&inner, &[minus.clone(), Scalar::Softplus, minus]);
        }
        let chain = self.scalar(node)?;
        self.function(&view, &chain)
    }

    /// The operand of the sigmoid that a view is.
    fn behind_sigmoid(&mut self, view: &View) -> Option<View> {
        let Body::Stack(values) = &view.body else { return None };
        let mut inner = Vec::new();
        for value in values {
            let (root, mut chain) = self.chain(*value);
            if chain.pop() != Some(Scalar::Sigmoid) {
                return None;
            }
            inner.push(if chain.is_empty() {
                root
            } else {
                self.push_scalar(root, &chain).ok()?
            });
        }
        Some(View::stack(inner, view.dims.clone()))
    }

    /// `max(x, 0) - slope max(-x, 0)`, with one slope or one per channel or value.
    pub(super) fn prelu(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let name = node.operand(1).ok_or("operand 1 is missing")?;
        let slopes = self.numbers(name)?.ok_or("the slopes are not constants")?;
        let first = slopes.values.first().copied().ok_or("there is no slope")?;
        if slopes.values.iter().all(|s| *s == first) {
            return self.function(&view, &[Scalar::LeakyRelu(first as f32)]);
        }
        let positive = self.function(&view, &[Scalar::Relu])?;
        let negative = self.function(&view, &[Scalar::Affine(-1.0, 0.0), Scalar::Relu])?;
        let scale = Numbers {
            dims: slopes.dims.clone(),
            values: slopes.values.iter().map(|s| -s).collect(),
            element: Element::FLOAT,
        };
        let zero = Numbers::floats(Vec::new(), vec![0.0]);
        let negative = self.affine(&negative, &scale, &zero)?;
        self.weighted(&[(positive, 1.0), (negative, 1.0)])
    }

    fn clip(&self, node: &onnx::Node) -> Result<Scalar, String> {
        let bound = |at: usize, name: &str, default: f32| match node.operand(at) {
            Some(operand) => {
                let numbers = self.numbers(operand)?.ok_or("a bound is not a constant")?;
                let bound = numbers.values.first().ok_or("a bound is empty")?;
                Ok::<f32, String>(*bound as f32)
            }
            None => Ok(node.float(name, default)),
        };
        Ok(Scalar::Clip(bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?))
    }

    /// Rows of a constant table by computed indices: one function of the index per column.
    pub(super) fn look_up(&mut self, node: &onnx::Node) -> Result<View, String> {
        let indices = self.view(node.operand(1).ok_or("the indices are missing")?)?;
        let (dims, table) = self.constant(node, 0)?;
        let [rows, ref rest @ ..] = dims[..] else {
            return Err("the table is a single number".to_owned());
        };
        if super::axes::axis(node.int("axis", 0), dims.len())? != 0 {
            return Err("only rows of a table can be looked up, axis 0".to_owned());
        }
        let columns: usize = rest.iter().product();
        if rows > MAX_ROWS || columns > MAX_COLUMNS {
            return Err(format!(
                "a table of {rows} x {columns} is looked up; an input has 8 bits, so there can be {MAX_ROWS} rows, \
                 and {MAX_COLUMNS} columns"
            ));
        }
        if indices.len().saturating_mul(columns) > MAX_VIEW {
            return Err("the result is too large".to_owned());
        }
        let mut parts = Vec::new();
        for column in 0..columns {
            let entries = (0..rows).map(|row| table[row * columns + column]).collect();
            let part = self.function(&indices, &[Scalar::Lookup(entries)])?;
            parts.push(self.cells(&part)?);
        }
        let cell = |i: usize| parts.iter().map(move |part| part[i]);
        let cells: Vec<Cell> = (0..indices.len()).flat_map(cell).collect();
        let dims = indices.dims.iter().chain(rest).copied().collect();
        self.view_of(cells, dims)
    }
}
