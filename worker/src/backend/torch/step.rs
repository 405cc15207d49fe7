//! One node of a graph in libtorch's memory.

use dn_core::quant::{Activation, Graph, Node, Part, ZERO_POINT};
use tch::{Device, Kind, TchError, Tensor};

use super::exact::{exact_kind, rounding_term};
use super::patches::Patches;

/// A node, ready to run on tensors of `[channels, height, width, batch]`.
#[derive(Debug)]
pub(super) struct Step {
    /// Extents of the accumulators.
    shape: [i64; 3],
    /// Type of the arithmetic.
    kind: Kind,
    terms: Vec<Term>,
    /// Terms of both factors, unless there is no product; the left ones have the scale.
    factors: Option<[Vec<Term>; 2]>,
    /// `[channels]`: `(bias + 2^(shift−1)) · 2^−shift`.
    bias: Tensor,
    pool: i64,
    /// The ends of int8, or those of an activation that only saturates.
    ends: [f64; 2],
    /// `[256]`, unless the activation only saturates.
    table: Option<Tensor>,
    /// Type of the output.
    output: Kind,
}

/// A source of a node.
#[derive(Debug)]
struct Term {
    tensor: usize,
    patches: Patches,
    /// `[groups, channels / groups, inputs / groups · taps]`: `w · 2^−shift`.
    weights: Tensor,
}

impl Step {
    /// Loads node `index` of a valid `graph`; its output gets the type `output`.
    pub(super) fn load(
        graph: &Graph,
        index: usize,
        output: Kind,
        device: Device,
    ) -> Result<Self, TchError> {
        let node = &graph.nodes[index];
        let kind = exact_kind(node);
        let scales: Vec<f64> = node.shift.iter().map(|s| f64::from(*s).exp2().recip()).collect();
        let bias: Vec<f64> = (node.bias.iter().zip(&node.shift).zip(&scales))
            .map(|((b, shift), scale)| (i64::from(*b) + rounding_term(*shift)) as f64 * scale)
            .collect();
        let place =
            |values: &[f64]| Tensor::f_from_slice(values)?.f_to_device(device)?.f_to_kind(kind);
        let scales = place(&scales)?.f_view([-1, 1])?;
        let ones = scales.f_ones_like()?;
        let terms = |part: Part| -> Result<Vec<Term>, TchError> {
            let scales = if part == Part::Right { &ones } else { &scales };
            let of_part = (0..node.sources.len()).filter(|s| node.sources[*s].part == part);
            of_part.map(|s| Term::load(graph, node, s, scales)).collect()
        };
        let factors = match node.is_product() {
            true => Some([terms(Part::Left)?, terms(Part::Right)?]),
            false => None,
        };
        let ends = saturation(&node.activation);
        let table = match ends {
            Some(_) => None,
            None => Some(
                Tensor::f_from_slice(&node.activation.0)?.f_to_device(device)?.f_to_kind(output)?,
            ),
        };
        Ok(Self {
            shape: [node.shape.channels, node.shape.height, node.shape.width].map(|x| x as i64),
            kind,
            terms: terms(Part::Sum)?,
            factors,
            bias: place(&bias)?,
            pool: node.pool as i64,
            ends: ends.unwrap_or([i8::MIN, i8::MAX]).map(f64::from),
            table,
            output,
        })
    }

    /// Runs the node; `tensors` holds those that it reads.
    pub(super) fn forward(&self, tensors: &[Tensor], batch: i64) -> Result<Tensor, TchError> {
        let [channels, height, width] = self.shape;
        let mut y = self.pooled(self.accumulate(tensors, batch)?, batch)?;
        let _ = y.f_floor_()?;
        let [least, most] = self.ends;
        let _ = y.f_clamp_(least, most)?;
        let y = match &self.table {
            None => y.f_to_kind(self.output)?,
            Some(table) => {
                let _ = y.f_add_scalar_(f64::from(ZERO_POINT))?;
                table.f_index_select(0, &y.f_to_kind(Kind::Int)?.f_view(-1)?)?
            }
        };
        y.f_view([channels, height / self.pool, width / self.pool, batch])
    }

    /// `(acc + 2^(shift−1)) · 2^−shift`.
    fn accumulate(&self, tensors: &[Tensor], batch: i64) -> Result<Tensor, TchError> {
        let Some([left, right]) = &self.factors else {
            return self.sum(&self.terms, (None, Some(&self.bias)), tensors, batch);
        };
        let [left, right] =
            [left, right].map(|terms| self.sum(terms, (None, None), tensors, batch));
        let mut product = left?.f_view([self.shape[0], -1])?;
        let _ = product.f_mul_(&right?.f_view([self.shape[0], -1])?)?;
        let _ = product.f_add_(&self.bias.f_view([-1, 1])?)?;
        self.sum(&self.terms, (Some(product), None), tensors, batch)
    }

    /// The sum of terms and of what it starts with, or of the bias of each channel.
    fn sum(
        &self,
        terms: &[Term],
        (mut sum, bias): (Option<Tensor>, Option<&Tensor>),
        tensors: &[Tensor],
        batch: i64,
    ) -> Result<Tensor, TchError> {
        for term in terms {
            let groups = term.patches.groups();
            let x = tensors[term.tensor].f_to_kind(self.kind)?;
            let x = term.patches.cut(&x, batch)?;
            sum = Some(match (sum, bias) {
                (None, None) => term.weights.f_bmm(&x)?,
                (None, Some(bias)) => {
                    let bias = bias.f_view([groups, -1, 1])?;
                    bias.f_baddbmm(&term.weights, &x, 1.0, 1.0)?
                }
                (Some(sum), _) => {
                    let mut sum = sum.f_view([groups, self.shape[0] / groups, -1])?;
                    sum.f_baddbmm_(&term.weights, &x)?
                }
            });
        }
        Ok(sum.unwrap_or_default())
    }

    /// The largest value of each window. It may precede the floor, which keeps the order.
    fn pooled(&self, y: Tensor, batch: i64) -> Result<Tensor, TchError> {
        if self.pool == 1 {
            return Ok(y);
        }
        let [channels, height, width] = self.shape;
        let side = self.pool;
        y.f_view([channels, height / side, side, width / side, side, batch])?.f_amax([2, 4], false)
    }
}

impl Term {
    /// Loads source `index` of `node` with its weights times `scales`, `[channels, 1]`.
    fn load(graph: &Graph, node: &Node, index: usize, scales: &Tensor) -> Result<Self, TchError> {
        let source = &node.sources[index];
        let (channels, groups) = (node.shape.channels as i64, source.geometry.groups as i64);
        let device = scales.device();
        let weights = Tensor::f_from_slice(&source.weights)?
            .f_view([channels, -1])?
            .f_to_device(device)?
            .f_to_kind(scales.f_kind()?)?
            .f_mul(scales)?
            .f_view([groups, channels / groups, -1])?;
        let from = graph.shape(source.tensor);
        let patches = Patches::load(&source.geometry, from, node.shape, device)?;
        Ok(Self { tensor: source.tensor, patches, weights })
    }
}

/// The ends of an activation that is `clamp(q, least, most)`.
fn saturation(activation: &Activation) -> Option<[i8; 2]> {
    let ends = [activation.apply(i8::MIN), activation.apply(i8::MAX)];
    let [least, most] = ends;
    let saturates = |q: i8| activation.apply(q) == q.clamp(least, most);
    (least <= most && (i8::MIN..=i8::MAX).all(saturates)).then_some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clamps_do_without_a_table() {
        assert_eq!(saturation(&Activation::identity()), Some([-128, 127]));
        assert_eq!(saturation(&Activation::relu()), Some([0, 127]));
        assert_eq!(saturation(&Activation(vec![5; 256])), Some([5, 5]));
        let falling = Activation((i8::MIN..=i8::MAX).rev().collect());
        assert_eq!(saturation(&falling), None);
        let mut odd = Activation::relu();
        odd.0[200] += 1;
        assert_eq!(saturation(&odd), None);
    }
}
