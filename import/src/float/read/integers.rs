//! Types of tensors, and what integers do that real numbers do not: quotients lose their fractions,
//! sums wrap around.

use super::arithmetic::{copy, Operand};
use super::numbers::joined;
use super::view::View;
use super::Reader;
use crate::float::Scalar;
use crate::onnx::{self, Element};

/// What powers and roots of integers may be off by, in floats.
const SLACK: f32 = 1e-5;

/// Operators whose operands are all of the type of their result.
const JOINED: &[&str] =
    &["Add", "Sub", "Mul", "Div", "Sum", "Mean", "Max", "Min", "MatMul", "Gemm", "Concat", "PRelu"];
/// Operators that are defined on real numbers only.
const REAL: &[&str] = &[
    "Atan",
    "AveragePool",
    "BatchNormalization",
    "Ceil",
    "Celu",
    "Conv",
    "ConvTranspose",
    "Cos",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Log",
    "Mean",
    "Mish",
    "Reciprocal",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
];
/// Operators whose results may have more bits than their operands.
const GROWING: &[&str] = &[
    "Abs",
    "Add",
    "CumSum",
    "Div",
    "Gemm",
    "MatMul",
    "Mul",
    "Neg",
    "Pow",
    "ReduceL1",
    "ReduceL2",
    "ReduceSum",
    "ReduceSumSquare",
    "Sub",
];

impl Reader {
    /// The type of a tensor; that of reals if it is not known.
    pub(super) fn element(&self, name: &str) -> Element {
        if let Some(constant) = self.constants.get(name) {
            return constant.element;
        }
        let initializer = self.initializers.get(name).and_then(|t| Element::of(t.data_type));
        initializer.or_else(|| self.elements.get(name).copied()).unwrap_or(Element::FLOAT)
    }

    /// The type of an operand; that of reals if it is absent.
    pub(super) fn element_at(&self, node: &onnx::Node, at: usize) -> Element {
        node.operand(at).map_or(Element::FLOAT, |name| self.element(name))
    }

    /// The type that a `Cast` or a `CastLike` leads to.
    pub(super) fn cast_target(&self, node: &onnx::Node) -> Result<Option<Element>, String> {
        match node.op_type.as_str() {
            "Cast" => {
                let to = node.int("to", 0);
                let element = i32::try_from(to).ok().and_then(Element::of);
                element.map(Some).ok_or_else(|| format!("data type {to} is not supported"))
            }
            "CastLike" => Ok(Some(self.element_at(node, 1))),
            _ => Ok(None),
        }
    }

    /// The type of a node's first result.
    pub(super) fn result_element(&self, node: &onnx::Node) -> Result<Element, String> {
        let op = node.op_type.as_str();
        if let Some(target) = self.cast_target(node)? {
            return Ok(target);
        }
        let first = self.element_at(node, 0);
        Ok(match op {
            "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" | "And" | "Or"
            | "Xor" | "Not" => Element::Bool,
            "Where" => joined(self.element_at(node, 1), self.element_at(node, 2)),
            "QuantizeLinear" => self.code_element(node)?,
            "DequantizeLinear" => Element::FLOAT,
            op if JOINED.contains(&op) => {
                node.operands().map(|name| self.element(name)).reduce(joined).unwrap_or(first)
            }
            // Layers made here count truth.
            op if REAL.contains(&op) && first == Element::Bool => Element::FLOAT,
            op if REAL.contains(&op) && !first.is_float() => {
                return Err(format!("{op} is not defined on integers: cast them to float in front"))
            }
            _ => first,
        })
    }

    /// Integers of few bits as these: what lies above their bits is lost.
    pub(super) fn in_type(
        &mut self,
        node: &onnx::Node,
        view: View,
        element: Element,
    ) -> Result<View, String> {
        match element {
            Element::Integer { bits, is_signed }
                if !element.is_wide() && GROWING.contains(&node.op_type.as_str()) =>
            {
                self.function(&view, &[Scalar::Wrap(bits, is_signed)])
            }
            _ => Ok(view),
        }
    }

    /// `Cast`, `CastLike`.
    pub(super) fn cast(&mut self, node: &onnx::Node) -> Result<Vec<View>, String> {
        let view = self.operand(node, 0)?;
        let from = self.element_at(node, 0);
        let to = self.cast_target(node)?.ok_or("it names no type")?;
        let chain = match to {
            _ if to.holds(from) => Vec::new(),
            Element::Bool => vec![Scalar::Abs, Scalar::Above(0.0)],
            Element::Float { .. } => Vec::new(),
            Element::Integer { bits, is_signed } if to.is_wide() => {
                let may_be_negative = from.range().is_none_or(|(low, _)| low < 0.0);
                if !is_signed && may_be_negative && !self.is_never_negative(&view) {
                    return Err(format!(
                        "negative numbers become integers of {bits} bits near 2^{bits}, which no layer here holds"
                    ));
                }
                if from.is_float() {
                    vec![Scalar::Trunc(0.0)]
                } else {
                    Vec::new()
                }
            }
            Element::Integer { bits, is_signed } => {
                let cut = from.is_float().then_some(Scalar::Trunc(0.0));
                cut.into_iter().chain([Scalar::Wrap(bits, is_signed)]).collect()
            }
        };
        if chain.is_empty() {
            return Ok(vec![view]);
        }
        self.function(&view, &chain).map(|v| vec![v])
    }

    /// Whether the numbers of a view are those of functions that are never negative.
    pub(super) fn is_never_negative(&self, view: &View) -> bool {
        let values = self.values(view);
        values.iter().all(|v| self.chain(*v).1.last().is_some_and(Scalar::is_non_negative))
            && self.constants_of(view).iter().all(|c| *c >= 0.0)
    }

    /// Arithmetic of integers that differs from that of real numbers; `None` where it does not.
    pub(super) fn whole_arithmetic(
        &mut self,
        node: &onnx::Node,
        operands: &[Operand],
    ) -> Result<Option<View>, String> {
        let names: Vec<&str> = node.operands().collect();
        let [first, second] = operands else { return Ok(None) };
        let [x, y] = [0, 1].map(|at| self.element(names[at]));
        if x.is_float() {
            return Ok(None);
        }
        match node.op_type.as_str() {
            "Div" if !y.is_float() => self.whole_quotient(first, second).map(Some),
            "Pow" => self.whole_power(first, second, y).map(Some),
            _ => Ok(None),
        }
    }

    /// A quotient of integers without its fraction.
    fn whole_quotient(&mut self, a: &Operand, b: &Operand) -> Result<View, String> {
        match (a, b) {
            (Operand::View(view), Operand::Constant(c)) => {
                let largest = c.values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
                if c.values.contains(&0.0) {
                    return Err("integers are divided by zero".to_owned());
                }
                let quotient =
                    self.affine(view, &c.map(f64::recip), &super::arithmetic::number(0.0))?;
                // Quotients are multiples of 1 / c, so nothing else lies that near.
                self.function(&quotient, &[Scalar::Trunc((0.5 / largest) as f32)])
            }
            (Operand::Constant(c), Operand::View(view)) => {
                let [c] = c.values[..] else {
                    return Err("several integers are divided by computed ones".to_owned());
                };
                let quotient =
                    Scalar::Quotient(vec![Scalar::Affine(0.0, c as f32)], vec![Scalar::Round]);
                self.function(view, &[quotient, Scalar::Trunc(0.0)])
            }
            (Operand::View(a), Operand::View(b)) => {
                let (a, b) = self.spread_both(a, b)?;
                let pairs = self.alike(&a, &b).ok_or(
                    "computed integers are divided by others: the fraction cannot be cut off exactly; cast both to float \
                     in front",
                )?;
                let whole = |mut f: Vec<Scalar>| {
                    f.push(Scalar::Round);
                    f
                };
                let quotient =
                    self.combine(&a, &pairs, |f, g| Scalar::Quotient(whole(f), whole(g)))?;
                self.function(&quotient, &[Scalar::Trunc(0.0)])
            }
            _ => Err("constants stand in front of what is computed".to_owned()),
        }
    }

    /// A power of integers without its fraction; `exponent` is the exponents' type.
    fn whole_power(&mut self, a: &Operand, b: &Operand, exponent: Element) -> Result<View, String> {
        let power = self.pair("Pow", &copy(a), &copy(b))?;
        match b {
            Operand::Constant(p) if p.values.iter().all(|p| p.fract() == 0.0 && *p >= 0.0) => {
                Ok(power)
            }
            Operand::View(_) if !exponent.is_float() => {
                // A base to a negative power lies below 1.
                let whole = vec![Scalar::Round];
                let none = vec![Scalar::Affine(0.0, 0.0)];
                let chain = Scalar::Select(vec![Scalar::AtLeast(1.0 - SLACK)], whole, none);
                self.function(&power, &[chain])
            }
            _ => self.function(&power, &[Scalar::Trunc(SLACK)]),
        }
    }
}
