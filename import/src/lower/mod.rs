//! From the float model to units: one unit per node of the integer graph.
//!
//! ```text
//! unit  y = chain(largest v of each pool x pool window),   v = bias + sum of convolutions + product
//! ```
//!
//! Linear operations that follow each other are composed where that is exact and not dearer;
//! functions and pools join the unit in front of them; tensors whose readers the circuit could not
//! serve together are copied.

mod compose;
mod readers;
mod term;
mod window;

use dn_core::quant::Shape;

use crate::error::ImportError;
use crate::float::{
    linear, pointwise, product, FloatModel, Kind, Linear, Op, Origin, Scalar, Term, Window,
};

pub(crate) use term::is_dense;

/// What becomes one node of the integer graph.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    pub(crate) origin: Origin,
    /// Extents in front of the pool.
    pub(crate) shape: Shape,
    /// Terms read tensors: 0 is the input, `i + 1` the output of unit `i`.
    pub(crate) linear: Linear,
    /// Two terms whose values are multiplied; the right one has the weight 1 throughout.
    pub(crate) factors: Option<[Term; 2]>,
    pub(crate) pool: usize,
    pub(crate) chain: Vec<Scalar>,
    /// For units on the codes of a tensor, whose weights are integers and whose scale is that of
    /// the tensor: the bias, in codes. The float bias is not used for the integer graph.
    pub(crate) exact: Option<i32>,
}

impl Unit {
    /// Extents behind the pool.
    pub(crate) fn output(&self) -> Shape {
        let Shape { channels, height, width } = self.shape;
        Shape { channels, height: height / self.pool, width: width / self.pool }
    }

    /// Everything that it reads.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &Term> {
        self.linear.terms.iter().chain(self.factors.iter().flatten())
    }

    /// The same, to be changed.
    pub(crate) fn terms_mut(&mut self) -> impl Iterator<Item = &mut Term> {
        self.linear.terms.iter_mut().chain(self.factors.iter_mut().flatten())
    }

    /// Whether it takes the mean over each window of each channel and nothing else: all of its
    /// weights are one number.
    pub(crate) fn is_mean(&self) -> bool {
        let [term] = &self.linear.terms[..] else { return false };
        self.exact.is_none()
            && self.factors.is_none()
            && self.chain.is_empty()
            && term.geometry.groups == self.shape.channels
            && term.weights.len() == self.shape.channels * term.geometry.taps()
            && term.weights.iter().all(|w| *w == term.weights[0] && *w > 0.0)
    }

    /// Where its functions begin with a step: the threshold, and whether it belongs to the upper side.
    pub(crate) fn step(&self) -> Option<(f32, bool)> {
        // `factor x + offset` is compared.
        let (mut factor, mut offset) = (1.0, 0.0);
        for function in &self.chain {
            match function {
                Scalar::Affine(a, b) if *a > 0.0 => (factor, offset) = (a * factor, a * offset + b),
                Scalar::AtLeast(threshold) => return Some(((threshold - offset) / factor, true)),
                Scalar::Above(threshold) => return Some(((threshold - offset) / factor, false)),
                _ => return None,
            }
        }
        None
    }

    /// The same values as those of `tensor`.
    fn copy(origin: Origin, tensor: usize, shape: Shape) -> Self {
        let terms = vec![pointwise(tensor, vec![1.0; shape.channels])];
        let linear = Linear { terms, bias: vec![0.0; shape.channels] };
        let chain = Vec::new();
        Self { origin, shape, linear, factors: None, pool: 1, chain, exact: Some(0) }
    }
}

/// A model as units. The last one is the output.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub(crate) input: Shape,
    pub(crate) units: Vec<Unit>,
}

/// What one unit computes for one example.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    /// Behind the pool, in front of the functions.
    pub(crate) pooled: Vec<f32>,
    /// Behind the functions.
    pub(crate) output: Vec<f32>,
}

impl Lowered {
    /// Extents of a tensor.
    pub(crate) fn shape(&self, tensor: usize) -> Shape {
        tensor.checked_sub(1).map_or(self.input, |i| self.units[i].output())
    }

    /// Multiply-accumulates of one inference.
    pub(crate) fn macs(&self) -> usize {
        let of = |u: &Unit| {
            let weights: usize = u.terms().map(|t| t.weights.len()).sum();
            weights.saturating_mul(u.shape.positions())
        };
        self.units.iter().map(of).fold(0, usize::saturating_add)
    }

    /// Runs all units on one input.
    pub(crate) fn run(&self, input: &[f32]) -> Vec<Values> {
        let mut values: Vec<Values> = Vec::new();
        for unit in &self.units {
            let read = |t: usize| {
                (self.shape(t), t.checked_sub(1).map_or(input, |i| &values[i].output[..]))
            };
            let mut v = linear(&unit.linear, unit.shape, read);
            if let Some(factors) = &unit.factors {
                let products = product(factors, unit.shape, read);
                v.iter_mut().zip(products).for_each(|(v, p)| *v += p);
            }
            let pooled = pool(unit, v);
            let apply = |v: &f32| unit.chain.iter().fold(*v, |x, f| f.apply(x));
            let output = pooled.iter().map(apply).collect();
            values.push(Values { pooled, output });
        }
        values
    }
}

fn pool(unit: &Unit, v: Vec<f32>) -> Vec<f32> {
    if unit.pool == 1 {
        return v;
    }
    let (from, to, side) = (unit.shape, unit.output(), unit.pool);
    let mut y = vec![f32::NEG_INFINITY; to.len()];
    for (n, v) in v.into_iter().enumerate() {
        let (row, column) = (n / from.width, n % from.width);
        let largest = &mut y[row / side * to.width + column / side];
        *largest = largest.max(v);
    }
    y
}

/// Turns a model into units.
///
/// # Errors
/// [`ImportError::Node`] for a pool that has no form in the integer graph.
pub(crate) fn lower(model: &FloatModel) -> Result<Lowered, ImportError> {
    let mut model = model.clone();
    model.ops.iter_mut().for_each(scale_is_linear);
    compose::compose(&mut model);
    let readers = model.readers();
    let input = model.input;
    let mut builder = Builder { model, readers, units: Vec::new(), tensor: vec![0] };
    for i in 0..builder.model.ops.len() {
        let op = builder.model.ops[i].clone();
        let tensor = builder.add(op)?;
        builder.tensor.push(tensor);
    }
    let mut units = builder.units;
    term::normalise(input, &mut units);
    Ok(readers::separate(input, units))
}

/// A chain that only scales and shifts becomes a linear operation.
fn scale_is_linear(op: &mut Op) {
    let Kind::Scalar { of, chain } = &op.kind else { return };
    let fold = |acc: Option<(f32, f32)>, f: &Scalar| match (acc, f) {
        (Some((a, b)), Scalar::Affine(c, d)) => Some((a * c, b * c + d)),
        _ => None,
    };
    if let Some((scale, offset)) = chain.iter().fold(Some((1.0, 0.0)), fold) {
        let channels = op.shape.channels;
        let terms = vec![pointwise(*of, vec![scale; channels])];
        op.kind = Kind::Linear(Linear { terms, bias: vec![offset; channels] });
    }
}

struct Builder {
    model: FloatModel,
    readers: Vec<usize>,
    units: Vec<Unit>,
    /// Tensor that holds each value.
    tensor: Vec<usize>,
}

impl Builder {
    /// Adds an operation, as a unit or as a part of one; gives the tensor of its value.
    fn add(&mut self, op: Op) -> Result<usize, ImportError> {
        let Op { origin, shape, kind } = op;
        match kind {
            Kind::Linear(mut linear) => {
                if let Some(tensor) = self.beside_product(&linear, shape) {
                    return Ok(tensor);
                }
                linear.terms.iter_mut().for_each(|t| t.value = self.tensor[t.value]);
                let chain = Vec::new();
                let exact = term::only_moves(&linear, shape).then_some(0);
                Ok(self.push(Unit { origin, shape, linear, factors: None, pool: 1, chain, exact }))
            }
            Kind::Product(mut factors) => {
                factors.iter_mut().for_each(|t| t.value = self.tensor[t.value]);
                let linear = Linear { terms: Vec::new(), bias: vec![0.0; shape.channels] };
                let (factors, chain) = (Some(factors), Vec::new());
                Ok(self.push(Unit { origin, shape, linear, factors, pool: 1, chain, exact: None }))
            }
            Kind::Scalar { of, chain } => {
                let tensor = self.owned(of).unwrap_or_else(|| self.copy(&origin, of));
                self.units[tensor - 1].chain.extend(chain);
                Ok(tensor)
            }
            Kind::MaxPool { of, window } => self.max_pool(origin, of, &window, shape),
        }
    }

    /// A sum of a product that nothing else reads, times a number for each channel, and of what was
    /// computed before it: the product's unit takes the rest.
    fn beside_product(&mut self, linear: &Linear, shape: Shape) -> Option<usize> {
        let product = |t: &Term| {
            let tensor = self.owned(t.value)?;
            let unit = &self.units[tensor - 1];
            let is_plain = unit.factors.is_some()
                && unit.chain.is_empty()
                && unit.pool == 1
                && unit.shape == shape
                && t.geometry == pointwise(0, vec![1.0; shape.channels]).geometry;
            is_plain.then_some(tensor)
        };
        let found = linear.terms.iter().enumerate().filter_map(|(i, t)| Some((i, product(t)?)));
        let (at, tensor) = found.max_by_key(|(_, tensor)| *tensor)?;
        let rest = linear.terms.iter().enumerate().filter(|(i, _)| *i != at);
        if rest.clone().any(|(_, t)| self.tensor[t.value] >= tensor) {
            return None;
        }
        let terms = rest.map(|(_, t)| Term { value: self.tensor[t.value], ..t.clone() });
        let terms: Vec<Term> = terms.collect();
        let scales = &linear.terms[at].weights;
        let unit = &mut self.units[tensor - 1];
        for (o, scale) in scales.iter().enumerate() {
            unit.linear.bias[o] = unit.linear.bias[o] * scale + linear.bias[o];
            for term in &mut unit.linear.terms {
                let len = term.weights.len() / shape.channels;
                term.weights[o * len..][..len].iter_mut().for_each(|w| *w *= scale);
            }
            if let Some([left, _]) = &mut unit.factors {
                let len = left.weights.len() / shape.channels;
                left.weights[o * len..][..len].iter_mut().for_each(|w| *w *= scale);
            }
        }
        unit.linear.terms.extend(terms);
        Some(tensor)
    }

    fn push(&mut self, unit: Unit) -> usize {
        self.units.push(unit);
        self.units.len()
    }

    fn copy(&mut self, origin: &Origin, value: usize) -> usize {
        let unit = Unit::copy(origin.clone(), self.tensor[value], self.model.shape(value));
        self.push(unit)
    }

    /// The tensor of a value whose unit may still be changed: it has one reader.
    fn owned(&self, value: usize) -> Option<usize> {
        (self.readers[value] == 1).then(|| self.tensor[value]).filter(|t| *t > 0)
    }

    fn max_pool(
        &mut self,
        origin: Origin,
        of: usize,
        window: &Window,
        shape: Shape,
    ) -> Result<usize, ImportError> {
        let from = self.model.shape(of);
        let Some(side) = tiles(window, from, shape) else {
            let tensor = self.tensor[of];
            let non_negative = tensor > 0
                && self.units[tensor - 1].chain.last().is_some_and(Scalar::is_non_negative);
            return self.overlapping(&origin, (tensor, from), (window, shape), non_negative);
        };
        let monotone = |t: &usize| {
            let unit = &self.units[t - 1];
            unit.factors.is_none() && unit.chain.iter().all(Scalar::is_monotone)
        };
        let tensor = self.owned(of).filter(monotone).unwrap_or_else(|| self.copy(&origin, of));
        let unit = &mut self.units[tensor - 1];
        unit.pool *= side;
        let Shape { channels, height, width } = shape;
        unit.shape = Shape { channels, height: height * unit.pool, width: width * unit.pool };
        Ok(tensor)
    }
}

/// The side of the windows, if these are squares that tile the image from its corner.
fn tiles(window: &Window, from: Shape, to: Shape) -> Option<usize> {
    let side = window.kernel[0];
    let tile = |axis: usize, from: usize, to: usize| {
        window.kernel[axis] == side
            && (window.stride[axis] == side || to == 1)
            && (window.dilation[axis] == 1 || side == 1)
            && window.pad[axis] == 0
            && to * side <= from
    };
    (tile(0, from.height, to.height) && tile(1, from.width, to.width)).then_some(side)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lowering is exact: only rounding of floats separates units and operations.
    #[test]
    fn units_compute_what_the_operations_compute() {
        for name in ["lenet_avg", "lenet_max", "resnet_tiny", "mobilenet_tiny"] {
            let path = format!("{}/../models/nets/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
            let model = FloatModel::read(&std::fs::read(path).unwrap(), &crate::Reading::default())
                .unwrap()
                .0;
            let lowered = lower(&model).unwrap();
            let x: Vec<f32> = (0..model.input.len()).map(|i| (i * i % 241) as f32).collect();
            let (expected, values) = (model.run(&x), lowered.run(&x));
            for (a, b) in expected.iter().zip(&values[values.len() - 1].output) {
                assert!((a - b).abs() < 1e-3 * (1.0 + a.abs()), "{name}: {a} {b}");
            }
        }
    }
}
