//! Sequence models on libtorch, exact to the bit.
//!
//! Tensors are `[batch, tokens, channels]`. Sums are products of matrices in the type in which their bound is exact
//! ([`dn_core::quant::sequence::Bound`]): f32 up to `2^24`, else f64. What is looked up is selected by index, divisions
//! are floors of multiples of powers of two, so no operation rounds.

use dn_core::quant::sequence::{
    Attention, Bound, Embedding, Layer, Linear, Norm, Quantity, Residual, Sequence,
};
use tch::{Device, Kind, TchError, Tensor};

use super::device;
use super::exact::rounding_term;
use crate::backend::{check_lengths, BackendError};

/// Integers up to this absolute value are exact in f32.
const F32_EXACT: i64 = 1 << f32::MANTISSA_DIGITS;

/// A sequence model in libtorch's memory, on the GPU if there is one.
#[derive(Debug)]
pub struct TorchSequence {
    device: Device,
    model: Sequence,
    steps: Vec<Step>,
}

/// A layer, ready to run.
#[derive(Debug)]
enum Step {
    /// `[vocabulary, channels]`.
    Embedding(Tensor),
    Sums(Sums),
    Norm {
        tensor: usize,
        kind: Kind,
        roots: Tensor,
        square_shift: u32,
        shift: u32,
    },
    Attention(Box<Heads>),
    ArgMax(usize),
}

/// A linear or residual layer.
#[derive(Debug)]
struct Sums {
    kind: Kind,
    /// Tensors with `[inputs, outputs]` of weights.
    branch: Option<(usize, Tensor)>,
    shortcut: Option<(usize, f64)>,
    /// Everything constant, half a divisor included; `[outputs]` or `[tokens, outputs]`.
    constant: Tensor,
    /// `2^-shift`, `[outputs]`.
    scales: Tensor,
    /// The ends of the quotients that stay.
    ends: [f64; 2],
    /// Values from the first of the ends on.
    table: Option<Tensor>,
}

/// An attention layer with its tables and the types of its sums.
#[derive(Debug)]
struct Heads {
    layer: Attention,
    exponentials: Tensor,
    inverses: Tensor,
    /// 0 where a token does not see a key, `[tokens, tokens]`.
    seen: Tensor,
    scores: Kind,
    contexts: Kind,
    products: Kind,
}

/// The cheapest type in which a sum of one layer is exact.
fn kind(bounds: &[Bound], quantity: Quantity) -> Kind {
    let bound = bounds.iter().find(|b| b.quantity == quantity);
    match bound {
        Some(b) if b.largest <= F32_EXACT => Kind::Float,
        _ => Kind::Double,
    }
}

/// `floor(x 2^-shift)`, halves up, of integers that are exact in its type.
fn rounded(x: &Tensor, shift: u32) -> Result<Tensor, TchError> {
    let scale = f64::from(shift).exp2().recip();
    x.f_add_scalar(rounding_term(shift) as f64)?.f_mul_scalar(scale)?.f_floor()
}

fn select(table: &Tensor, index: &Tensor) -> Result<Tensor, TchError> {
    let flat = index.f_to_kind(Kind::Int64)?.f_reshape([-1])?;
    table.f_index_select(0, &flat)?.f_view(index.size().as_slice())
}

impl TorchSequence {
    /// Copies a valid `model` to the GPU, or to libtorch's own memory where there is none.
    ///
    /// # Errors
    /// [`BackendError::Sequence`] when the model is invalid, [`BackendError::Torch`] when libtorch fails.
    pub fn load(model: &Sequence) -> Result<Self, BackendError> {
        model.validate()?;
        let device = device::device();
        let steps: Result<Vec<Step>, TchError> =
            (0..model.layers.len()).map(|i| Step::load(model, i, device)).collect();
        let steps =
            steps.map_err(|source| BackendError::Torch { operation: "load the model", source })?;
        Ok(Self { device, model: model.clone(), steps })
    }

    /// Runs a batch: one row of as many values as the model has tokens in, one of its outputs out.
    ///
    /// # Errors
    /// As [`crate::backend::Backend::run`].
    pub fn run(&self, inputs: &[Vec<i8>]) -> Result<Vec<Vec<i8>>, BackendError> {
        check_lengths(inputs, self.model.tokens)?;
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        self.pass(inputs).map_err(|source| BackendError::Torch { operation: "run a batch", source })
    }

    fn pass(&self, rows: &[Vec<i8>]) -> Result<Vec<Vec<i8>>, TchError> {
        let (batch, tokens) = (rows.len() as i64, self.model.tokens as i64);
        let ids = Tensor::f_from_slice(&rows.concat())?.f_view([batch, tokens, 1])?;
        let ids = ids.f_to_device(self.device)?.f_to_kind(Kind::Int64)?;
        let mut tensors = vec![ids.f_clamp(0, self.model.vocabulary as i64 - 1)?];
        for step in &self.steps {
            tensors.push(step.forward(&tensors)?);
        }
        let len = self.model.output_len();
        let mut flat = vec![0i8; rows.len() * len];
        let count = flat.len();
        let y = tensors
            .pop()
            .unwrap_or_default()
            .f_to_kind(Kind::Int8)?
            .f_transpose(1, 2)?
            .f_contiguous()?;
        y.f_to_device(Device::Cpu)?.f_copy_data(&mut flat, count)?;
        Ok(flat.chunks_exact(len).map(<[i8]>::to_vec).collect())
    }
}

impl Step {
    fn load(model: &Sequence, index: usize, device: Device) -> Result<Self, TchError> {
        let bounds = model.bounds(index);
        let place = |x: Tensor| x.f_to_device(device)?.f_to_kind(Kind::Double);
        Ok(match &model.layers[index] {
            Layer::Embedding(Embedding { channels, table }) => {
                let table = Tensor::f_from_slice(table)?.f_view([-1, *channels as i64])?;
                Self::Embedding(place(table)?)
            }
            Layer::Linear(l) => Self::Sums(Sums::linear(l, &bounds, device)?),
            Layer::Residual(r) => Self::Sums(Sums::residual(r, model.tokens, &bounds, device)?),
            Layer::Norm(Norm { tensor, square_shift, roots, shift }) => {
                let roots: Vec<i32> = roots.iter().map(|r| i32::from(*r)).collect();
                Self::Norm {
                    tensor: *tensor,
                    kind: kind(&bounds, Quantity::Squares),
                    roots: place(Tensor::f_from_slice(&roots)?)?,
                    square_shift: *square_shift,
                    shift: *shift,
                }
            }
            Layer::Attention(a) => {
                Self::Attention(Box::new(Heads::load(a, model.tokens, &bounds, device)?))
            }
            Layer::ArgMax { tensor } => Self::ArgMax(*tensor),
        })
    }

    fn forward(&self, tensors: &[Tensor]) -> Result<Tensor, TchError> {
        match self {
            Self::Embedding(table) => {
                let ids = &tensors[0];
                let size = ids.size();
                let rows = table.f_index_select(0, &ids.f_view([-1])?)?;
                rows.f_view([size[0], size[1], -1])
            }
            Self::Sums(sums) => sums.forward(tensors),
            Self::Norm { tensor, kind, roots, square_shift, shift } => {
                let x = &tensors[*tensor];
                let typed = x.f_to_kind(*kind)?;
                let squares =
                    typed.f_mul(&typed)?.f_sum_dim_intlist([-1i64].as_slice(), true, None)?;
                let scale = f64::from(*square_shift).exp2().recip();
                let root = select(roots, &squares.f_mul_scalar(scale)?.f_floor()?)?;
                rounded(&x.f_mul(&root)?, *shift)?.f_clamp(-128.0, 127.0)
            }
            Self::Attention(heads) => heads.forward(tensors),
            // The lowest of several largest values: libtorch's own arg-max promises none of them.
            Self::ArgMax(tensor) => {
                let x = &tensors[*tensor];
                let channels = *x.size().last().unwrap_or(&1);
                let rest = Tensor::f_arange(channels, (Kind::Double, x.device()))?;
                let is_less = x.f_lt_tensor(&x.f_amax([-1], true)?)?.f_to_kind(Kind::Double)?;
                is_less.f_mul_scalar(channels as f64)?.f_add(&rest)?.f_amin([-1], true)
            }
        }
    }
}

impl Sums {
    fn linear(l: &Linear, bounds: &[Bound], device: Device) -> Result<Self, TchError> {
        let kind = kind(bounds, Quantity::Accumulator);
        let place = |x: Tensor| x.f_to_device(device)?.f_to_kind(kind);
        let outputs = l.bias.len() as i64;
        let weights = Tensor::f_from_slice(&l.weights)?.f_view([outputs, -1])?.f_tr()?;
        let constant: Vec<f64> = l
            .bias
            .iter()
            .zip(&l.shift)
            .map(|(b, s)| (i64::from(*b) + rounding_term(*s)) as f64)
            .collect();
        let scales: Vec<f64> = l.shift.iter().map(|s| f64::from(*s).exp2().recip()).collect();
        let first = f64::from(l.function.first);
        Ok(Self {
            kind,
            branch: Some((l.tensor, place(weights)?)),
            shortcut: None,
            constant: place(Tensor::f_from_slice(&constant)?)?,
            scales: place(Tensor::f_from_slice(&scales)?)?,
            ends: [first, first + (l.function.values.len() - 1) as f64],
            table: Some(
                Tensor::f_from_slice(&l.function.values)?
                    .f_to_device(device)?
                    .f_to_kind(Kind::Double)?,
            ),
        })
    }

    fn residual(
        r: &Residual,
        tokens: usize,
        bounds: &[Bound],
        device: Device,
    ) -> Result<Self, TchError> {
        let kind = kind(bounds, Quantity::Accumulator);
        let place = |x: Tensor| x.f_to_device(device)?.f_to_kind(kind);
        let channels = r.bias.len();
        let branch = match &r.branch {
            None => None,
            Some((tensor, weights)) => {
                let weights = Tensor::f_from_slice(weights)?.f_view([channels as i64, -1])?;
                Some((*tensor, place(weights.f_tr()?)?))
            }
        };
        let constant: Vec<f64> = (0..tokens * channels)
            .map(|at| {
                let position = r.positions.get(at).map_or(0, |p| i64::from(*p));
                (i64::from(r.bias[at % channels]) + position + rounding_term(r.shift)) as f64
            })
            .collect();
        let end = f64::from(r.bits - 1).exp2();
        Ok(Self {
            kind,
            branch,
            shortcut: Some((r.shortcut.0, f64::from(r.shortcut.1))),
            constant: place(Tensor::f_from_slice(&constant)?.f_view([-1, channels as i64])?)?,
            scales: place(Tensor::f_from_slice(&vec![
                f64::from(r.shift).exp2().recip();
                channels
            ])?)?,
            ends: [-end, end - 1.0],
            table: None,
        })
    }

    fn forward(&self, tensors: &[Tensor]) -> Result<Tensor, TchError> {
        let mut sum = match &self.branch {
            None => self.constant.shallow_clone(),
            Some((tensor, weights)) => {
                tensors[*tensor].f_to_kind(self.kind)?.f_matmul(weights)?.f_add(&self.constant)?
            }
        };
        if let Some((tensor, weight)) = self.shortcut {
            sum = tensors[tensor].f_to_kind(self.kind)?.f_mul_scalar(weight)?.f_add(&sum)?;
        }
        let [least, most] = self.ends;
        let quotient = sum.f_mul(&self.scales)?.f_floor()?.f_clamp(least, most)?;
        let quotient = quotient.f_to_kind(Kind::Double)?;
        match &self.table {
            None => Ok(quotient),
            Some(table) => select(table, &quotient.f_sub_scalar(least)?),
        }
    }
}

impl Heads {
    fn load(
        a: &Attention,
        tokens: usize,
        bounds: &[Bound],
        device: Device,
    ) -> Result<Self, TchError> {
        let modulus = tokens as f64 + 1.0;
        // Behind the last exponential stands a 0; in front of it, what is added where there is no difference.
        let exponentials: Vec<f64> = a
            .exponentials
            .iter()
            .enumerate()
            .map(|(h, e)| modulus * f64::from(*e) + f64::from(u8::from(h == 0)))
            .chain([0.0])
            .collect();
        let inverses: Vec<f64> = a.inverses.iter().map(|i| f64::from(*i)).collect();
        let seen: Vec<f64> = (0..tokens)
            .flat_map(|i| (0..tokens).map(move |j| f64::from(u8::from(j < a.seen(i, tokens)))))
            .collect();
        let place = |x: &[f64]| Tensor::f_from_slice(x)?.f_to_device(device);
        Ok(Self {
            layer: a.clone(),
            exponentials: place(&exponentials)?,
            inverses: place(&inverses)?,
            seen: place(&seen)?.f_view([tokens as i64, tokens as i64])?,
            scores: kind(bounds, Quantity::Score),
            contexts: kind(bounds, Quantity::Context),
            products: kind(bounds, Quantity::Normalised),
        })
    }

    /// `[batch, heads, tokens, channels of a head]`.
    fn split(&self, x: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let size = x.size();
        let heads = self.layer.heads as i64;
        x.f_view([size[0], size[1], heads, -1])?.f_transpose(1, 2)?.f_to_kind(kind)
    }

    fn forward(&self, tensors: &[Tensor]) -> Result<Tensor, TchError> {
        let a = &self.layer;
        let [q, k] = [a.query, a.key].map(|t| self.split(&tensors[t].f_contiguous()?, self.scores));
        let scores = q?.f_matmul(&k?.f_transpose(-1, -2)?)?;
        let quotients = rounded(&scores, a.score_shift)?.f_to_kind(Kind::Double)?;
        // Below every quotient: no key that is not seen is the largest.
        let hidden = self.seen.f_mul_scalar(-1.0)?.f_add_scalar(1.0)?;
        let visible = quotients.f_sub(&hidden.f_mul_scalar(2.0 * F32_EXACT as f64)?)?;
        let differences = visible.f_amax([-1], true)?.f_sub(&quotients)?;
        let last = a.exponentials.len() as f64;
        let exponentials = select(&self.exponentials, &differences.f_clamp(0.0, last)?)?;
        let exponentials = exponentials.f_mul(&self.seen)?;
        let sums = exponentials.f_sum_dim_intlist([-1i64].as_slice(), true, None)?;
        let modulus = self.seen.size()[0] as f64 + 1.0;
        let index = sums.f_sub_scalar(1.0)?.f_to_kind(Kind::Int64)?;
        let index = index.f_divide_scalar_mode(modulus as i64, "floor")?;
        let inverses = select(&self.inverses, &index)?.f_to_kind(self.products)?;
        let values = self.split(&tensors[a.value].f_contiguous()?, self.contexts)?;
        let contexts = exponentials.f_to_kind(self.contexts)?.f_matmul(&values)?;
        let quotients = rounded(&contexts, a.context_shift)?.f_to_kind(self.products)?;
        let out = rounded(&quotients.f_mul(&inverses)?, a.shift)?.f_clamp(-128.0, 127.0)?;
        let (size, heads) = (out.size(), a.heads as i64);
        let out = out.f_transpose(1, 2)?.f_contiguous()?.f_to_kind(Kind::Double)?;
        out.f_view([size[0], size[2], heads * size[3]])
    }
}
