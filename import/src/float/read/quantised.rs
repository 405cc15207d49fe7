//! Quantised models: the numbers that codes stand for are read, and quantised again by calibration.
//!
//! ```text
//! QuantizeLinear        a clip to the range of its codes
//! DequantizeLinear      nothing; of a constant, the constant's numbers
//! DynamicQuantizeLinear nothing, with scale 1 and zero point 0
//! QLinear..., ...Integer   the layer with the weights that its codes stand for
//! ```

use std::rc::Rc;

use super::axes::axis;
use super::rewrite::{node as make, with_float, with_int};
use super::view::View;
use super::Reader;
use crate::float::Scalar;
use crate::onnx::{self, Element, Node, Numbers};

/// What the codes of a computed tensor stand for in the file: `scale (code - zero)`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Coding {
    scale: Vec<f64>,
    /// As many, or one.
    zero: Vec<f64>,
    /// The axis that has a scale for each entry, where there are several.
    axis: Option<usize>,
    /// Whether each example has a scale by itself; that here is 1.
    pub(super) is_dynamic: bool,
}

impl Coding {
    /// Of a tensor of `rank` axes, with scales along `at` if there are several.
    fn of(
        scale: &Numbers,
        zero: Option<&Numbers>,
        (at, rank): (i64, usize),
    ) -> Result<Self, String> {
        let zero = zero.map_or_else(|| vec![0.0], |z| z.values.clone());
        if scale.values.is_empty() || zero.is_empty() {
            return Err("the scale or the zero point is empty".to_owned());
        }
        let zero = if zero.iter().all(|z| *z == zero[0]) { vec![zero[0]] } else { zero };
        let axis = if scale.values.len() > 1 { Some(axis(at, rank)?) } else { None };
        Ok(Self { scale: scale.values.clone(), zero, axis, is_dynamic: false })
    }

    /// Numbers that are their own codes.
    fn plain() -> Self {
        Self { scale: vec![1.0], zero: vec![0.0], axis: None, is_dynamic: false }
    }

    /// The scale and zero point, if there is one of each.
    pub(super) fn single(&self) -> Option<(f64, f64)> {
        match (&self.scale[..], &self.zero[..]) {
            ([scale], [zero]) => Some((*scale, *zero)),
            _ => None,
        }
    }
}

/// `f(x, scale, zero point)` with one pair for all, or one per entry of axis `at`.
fn each(
    x: &Numbers,
    (scale, zero): (&Numbers, Option<&Numbers>),
    at: i64,
    f: impl Fn(f64, f64, f64) -> f64,
) -> Result<Numbers, String> {
    let count = scale.values.len();
    let one = |n: &Numbers, i: usize| n.values[if n.values.len() == 1 { 0 } else { i }];
    let zero_at = |i: usize| zero.map_or(0.0, |z| one(z, i));
    let inner = match count {
        0 => return Err("the scale is empty".to_owned()),
        _ if zero.is_some_and(|z| z.values.len() != count) => {
            return Err("there are not as many zero points as scales".to_owned())
        }
        1 => x.values.len().max(1),
        _ => {
            let at = axis(at, x.dims.len())?;
            if x.dims[at] != count || zero.is_some_and(|z| ![1, count].contains(&z.values.len())) {
                return Err(format!("{count} scales do not fit axis {at} of {:?}", x.dims));
            }
            x.dims[at + 1..].iter().product()
        }
    };
    let value = |(n, v): (usize, &f64)| {
        let i = n / inner % count;
        f(*v, one(scale, i), zero_at(i))
    };
    let values = x.values.iter().enumerate().map(value).collect();
    Ok(Numbers::floats(x.dims.clone(), values))
}

fn real(x: &Numbers, scale: &Numbers, zero: Option<&Numbers>, at: i64) -> Result<Numbers, String> {
    each(x, (scale, zero), at, |x, s, z| (x - z) * s)
}

impl Reader {
    /// The numbers that constant codes stand for.
    pub(super) fn dequantized(
        &self,
        node: &onnx::Node,
        operands: &[Rc<Numbers>],
    ) -> Result<Numbers, String> {
        if node.int("block_size", 0) != 0 {
            return Err("scales per block are not supported".to_owned());
        }
        match operands {
            [x, scale] => real(x, scale, None, node.int("axis", 1)),
            [x, scale, zero, ..] => real(x, scale, Some(zero), node.int("axis", 1)),
            _ => Err("the scale is missing".to_owned()),
        }
    }

    /// Codes of constant numbers.
    pub(super) fn quantised_constant(
        &self,
        node: &onnx::Node,
        operands: &[Rc<Numbers>],
    ) -> Result<Numbers, String> {
        let [x, scale, rest @ ..] = operands else { return Err("the scale is missing".to_owned()) };
        let (low, high) = self.code_range(node)?;
        let zero = rest.first().map(|z| &**z);
        let codes = each(x, (scale, zero), node.int("axis", 1), |x, s, z| {
            ((x / s).round_ties_even() + z).clamp(low, high)
        })?;
        Ok(Numbers { element: self.code_element(node)?, ..codes })
    }

    /// Codes of a `QuantizeLinear`.
    fn code_range(&self, node: &onnx::Node) -> Result<(f64, f64), String> {
        let range = self.code_element(node)?.range();
        range.ok_or_else(|| "codes that are no integers are not supported".to_owned())
    }

    /// Type of the codes of a `QuantizeLinear`: that of its zero point.
    pub(super) fn code_element(&self, node: &onnx::Node) -> Result<Element, String> {
        match (node.operand(2), node.int("output_dtype", 0)) {
            (Some(name), _) => Ok(self.element(name)),
            (None, 0) => Ok(Element::UINT8),
            (None, given) => {
                let element = i32::try_from(given).ok().and_then(Element::of);
                element.ok_or_else(|| format!("codes of data type {given} are not supported"))
            }
        }
    }

    fn required(&self, node: &onnx::Node, at: usize) -> Result<Rc<Numbers>, String> {
        let name = node.operand(at).ok_or_else(|| format!("operand {at} is missing"))?;
        self.numbers(name)?.ok_or_else(|| format!("{name:?} is not a constant"))
    }

    fn zero_point(&self, node: &onnx::Node, at: usize) -> Result<Option<Rc<Numbers>>, String> {
        node.operand(at).map(|name| self.numbers(name)).transpose().map(Option::flatten)
    }

    pub(super) fn quantize(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let scale = self.required(node, 1)?;
        let zero = self.zero_point(node, 2)?;
        let along = (node.int("axis", 1), view.dims.len());
        let coding = Coding::of(&scale, zero.as_deref(), along)?;
        self.quantised.extend(node.results().map(|name| (name.to_owned(), coding.clone())));
        let [scale] = &scale.values[..] else { return Ok(view) };
        let zero = zero.map_or(0.0, |z| z.values.first().copied().unwrap_or(0.0));
        let (low, high) = self.code_range(node)?;
        let bound = |code: f64| ((code - zero) * scale) as f32;
        self.function(&view, &[Scalar::Clip(bound(low), bound(high))])
    }

    pub(super) fn dequantize(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let (scale, zero) = (self.required(node, 1)?, self.zero_point(node, 2)?);
        let name = node.operand(0).unwrap_or_default();
        let along = (node.int("axis", 1), view.dims.len());
        self.decoded(name, &view, &Coding::of(&scale, zero.as_deref(), along)?)
    }

    /// The numbers that the codes of a tensor stand for under `coding`, which may be another one than
    /// that under which they were made.
    fn decoded(&mut self, name: &str, view: &View, coding: &Coding) -> Result<View, String> {
        // Codes that come from outside are numbers as they are.
        let made = self.quantised.get(name).cloned().unwrap_or_else(Coding::plain);
        if made == (Coding { is_dynamic: made.is_dynamic, ..coding.clone() }) {
            return Ok(view.clone());
        }
        let (Some((old, old_zero)), Some((new, zero))) = (made.single(), coding.single()) else {
            return Err(
                "codes are read with other scales than they were made with, or with one per channel"
                    .to_owned(),
            );
        };
        if old == 0.0 {
            return Err("a scale is zero".to_owned());
        }
        // x / old + old_zero is the code.
        let (factor, offset) = (new / old, new * (old_zero - zero));
        self.function(view, &[Scalar::Affine(factor as f32, offset as f32)])
    }

    /// What the results of a node on codes stand for: the same as its operands, if these agree.
    pub(super) fn coding(&self, node: &onnx::Node) -> Result<Option<Coding>, String> {
        if matches!(node.op_type.as_str(), "DequantizeLinear" | "QuantizeLinear") {
            return Ok(None);
        }
        let mut codings = node.operands().filter_map(|name| self.quantised.get(name));
        let Some(first) = codings.next() else { return Ok(None) };
        if codings.any(|other| other != first) {
            return Err("its operands are codes of different scales".to_owned());
        }
        Ok(Some(first.clone()))
    }

    /// The operand itself; its scale and zero point are 1 and 0.
    pub(super) fn dynamic_quantize(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let coding = Coding { is_dynamic: true, ..Coding::plain() };
        self.quantised.extend(node.output.first().cloned().map(|name| (name, coding)));
        for (at, value) in [(1, 1.0), (2, 0.0)] {
            if let Some(name) = node.output.get(at) {
                let element = if at == 2 { Element::UINT8 } else { Element::FLOAT };
                let number = Numbers { dims: Vec::new(), values: vec![value], element };
                self.own_scales.insert(name.clone());
                self.constants.insert(name.clone(), Rc::new(number));
            }
        }
        Ok(view)
    }

    /// A layer on codes as the layer on the numbers that they stand for.
    pub(super) fn quantised_layer(
        &mut self,
        node: &onnx::Node,
    ) -> Result<Option<Vec<Node>>, String> {
        let result = node.output.first().cloned().unwrap_or_default();
        let inner = format!("{result}@real");
        let single = matches!(
            node.op_type.as_str(),
            "QLinearGlobalAveragePool" | "QLinearSigmoid" | "QLinearLeakyRelu"
        );
        let x = if single { self.real_operand(node, 0)? } else { String::new() };
        let x = x.as_str();
        // The nodes for the numbers, and the operand that is their scale.
        let (nodes, scale) = match node.op_type.as_str() {
            "MatMulInteger" | "ConvInteger" => return self.integer_layer(node).map(Some),
            "QLinearConv" | "QLinearMatMul" => (self.weighted_layer(node, &inner)?, 6),
            "QGemm" => (self.weighted_layer(node, &inner)?, 7),
            "QLinearAdd" => {
                let [a, b] = [0, 3].map(|at| self.real_operand(node, at));
                (vec![make("Add", &[&a?, &b?], &inner)], 6)
            }
            "QLinearGlobalAveragePool" if node.int("channels_last", 0) == 0 => {
                (vec![make("GlobalAveragePool", &[x], &inner)], 3)
            }
            "QLinearSigmoid" => (vec![make("Sigmoid", &[x], &inner)], 3),
            "QLinearLeakyRelu" => {
                let function = make("LeakyRelu", &[x], &inner);
                (vec![with_float(function, "alpha", node.float("alpha", 0.01))], 3)
            }
            "QLinearConcat" => {
                let parts = (2..node.input.len()).step_by(3);
                let names: Vec<String> =
                    parts.map(|at| self.real_operand(node, at)).collect::<Result<_, _>>()?;
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let join = make("Concat", &names, &inner);
                (vec![with_int(join, "axis", node.int("axis", 1))], 0)
            }
            _ => return Ok(None),
        };
        let name = |at: usize| node.operand(at).unwrap_or_default();
        let quantize = make("QuantizeLinear", &[&inner, name(scale), name(scale + 1)], &result);
        Ok(Some(nodes.into_iter().chain([quantize]).collect()))
    }

    /// `MatMulInteger`, `ConvInteger`: operand and weights without their zero points.
    fn integer_layer(&mut self, node: &onnx::Node) -> Result<Vec<Node>, String> {
        let result = node.output.first().cloned().unwrap_or_default();
        let (weights, zero) = (self.required(node, 1)?, self.zero_point(node, 3)?);
        let weights = shifted(&weights, zero.as_deref(), weight_axis(node))?;
        let weights = self.store(&result, weights.dims, weights.values);
        let zero = self.zero_point(node, 2)?;
        let zero = match zero.as_ref().map(|z| &z.values[..]) {
            None => 0.0,
            Some([zero]) => *zero,
            Some(_) => return Err("its operand has several zero points".to_owned()),
        };
        let x = node.operand(0).unwrap_or_default();
        if self.quantised.get(x).is_some_and(|coding| coding.is_dynamic) {
            // Their own zero point, which is 0 here.
            if !node.operand(2).is_some_and(|name| self.own_scales.contains(name)) {
                return Err("codes are read without their zero point".to_owned());
            }
            self.unscaled.insert(result.clone());
        }
        let inner = format!("{result}@numbers");
        let one = self.store(&inner, Vec::new(), vec![1.0]);
        let shift = self.store(&inner, Vec::new(), vec![zero]);
        let layer = Node {
            op_type: node.op_type.trim_end_matches("Integer").to_owned(),
            input: vec![inner.clone(), weights],
            output: vec![result],
            ..node.clone()
        };
        self.elements.insert(layer.output[0].clone(), Element::INT32);
        Ok(vec![make("DequantizeLinear", &[x, &one, &shift], &inner), layer])
    }

    /// `QLinearConv`, `QLinearMatMul`, `QGemm`: operand, weights and bias as real numbers.
    fn weighted_layer(&mut self, node: &onnx::Node, result: &str) -> Result<Vec<Node>, String> {
        let (op, bias_at) = match node.op_type.as_str() {
            "QLinearConv" => ("Conv", 8),
            "QGemm" => ("Gemm", 6),
            _ => ("MatMul", usize::MAX),
        };
        let (codes, scales) = (self.required(node, 3)?, self.required(node, 4)?);
        let zero = self.zero_point(node, 5)?;
        let weights = real(&codes, &scales, zero.as_deref(), weight_axis(node))?;
        let weights = self.store(result, weights.dims, weights.values);
        let x = format!("{result}@x");
        let of = |at: usize| node.operand(at).unwrap_or_default();
        let first = make("DequantizeLinear", &[of(0), of(1), of(2)], &x);
        let mut input = vec![x, weights];
        if node.operand(bias_at).is_some() {
            let bias = self.required(node, bias_at)?;
            let scale = self.required(node, 1)?.values.first().copied().unwrap_or(1.0);
            let count = scales.values.len().max(1);
            // The bias has the scale of the products.
            let alpha = f64::from(if op == "Gemm" { node.float("alpha", 1.0) } else { 1.0 });
            let value = |(i, b): (usize, &f64)| b * alpha * scale * scales.values[i % count];
            let values = bias.values.iter().enumerate().map(value).collect();
            input.push(self.store(result, bias.dims.clone(), values));
        }
        let layer = Node {
            op_type: op.to_owned(),
            domain: String::new(),
            input,
            output: vec![result.to_owned()],
            ..node.clone()
        };
        Ok(vec![first, layer])
    }

    /// The name of an operand in codes, or of the numbers that constant codes stand for.
    fn real_operand(&mut self, node: &onnx::Node, at: usize) -> Result<String, String> {
        let name = node.operand(at).ok_or_else(|| format!("operand {at} is missing"))?.to_owned();
        let (scale, zero) = (self.required(node, at + 1)?, self.zero_point(node, at + 2)?);
        let Some(codes) = self.numbers(&name)? else {
            let view = self.view(&name)?;
            let coding = Coding::of(&scale, zero.as_deref(), (-1, view.dims.len()))?;
            let view = self.decoded(&name, &view, &coding)?;
            let real = format!("{name}@real{}", self.views.len());
            self.views.insert(real.clone(), view);
            self.same_batch(&name, &real);
            return Ok(real);
        };
        let numbers = real(&codes, &scale, zero.as_deref(), -1)?;
        Ok(self.store(&name, numbers.dims, numbers.values))
    }
}

/// The axis of outputs of a layer's weights.
fn weight_axis(node: &onnx::Node) -> i64 {
    let is_first = node.op_type.contains("Conv") || node.int("transB", 0) != 0;
    if is_first {
        0
    } else {
        -1
    }
}

/// Codes without their zero points, one for all or one per entry of an axis.
fn shifted(w: &Numbers, zero: Option<&Numbers>, at: i64) -> Result<Numbers, String> {
    let Some(zero) = zero else { return Ok(w.clone()) };
    let ones = Numbers::floats(zero.dims.clone(), vec![1.0; zero.values.len()]);
    each(w, (&ones, Some(zero)), at, |x, _, z| x - z)
}
