//! A transformer as the layers that integers have, still in float.
//!
//! Gains and shifts of norms go into what reads them, the values' bias into what reads the attention, and where norms
//! take a mean away all that is added to the residual tensors is centred instead, so that their mean is 0.

use super::model::{Dense, Kind, Norm, Op, TokenModel};
use crate::error::ImportError;
use crate::float::{Origin, Scalar};

/// One layer. Tensor 0 is the ids, tensor `i + 1` the result of layer `i`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// `[vocabulary, channels]`
    Embedding(Vec<f64>),
    /// Functions of a dense layer.
    Linear(Dense, Vec<Scalar>),
    Residual(Residual),
    /// Without gain and shift; of residual tensors whose mean is 0 if the file takes it away.
    Norm {
        of: usize,
        epsilon: f64,
    },
    Attention(super::model::Attention),
    ArgMax(usize),
}

/// A sum with a tensor before it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Residual {
    pub(super) shortcut: usize,
    /// Its bias is the sum's.
    pub(super) branch: Option<Dense>,
    pub(super) bias: Vec<f64>,
    /// `[tokens, channels]`, or empty.
    pub(super) positions: Vec<f64>,
}

/// Layers in order of evaluation.
#[derive(Clone, Debug, Default)]
pub(super) struct Lowered {
    pub(super) tokens: usize,
    pub(super) vocabulary: usize,
    pub(super) steps: Vec<(Origin, usize, Step)>,
}

/// A tensor, and what its reader does to each channel of it first.
struct Read {
    tensor: usize,
    gain: Vec<f64>,
    shift: Vec<f64>,
}

struct Lowering<'a> {
    model: &'a TokenModel,
    /// Tensor of each value that has one.
    tensors: Vec<Option<usize>>,
    out: Lowered,
}

/// Lowers a model.
///
/// # Errors
/// [`ImportError::Node`] with the operation that the layers cannot express.
pub(super) fn lower(model: &TokenModel) -> Result<Lowered, ImportError> {
    let Some(last) = model.ops.last() else {
        return Err(ImportError::Graph { reason: "there is no operation".to_owned() });
    };
    let out = Lowered { tokens: model.tokens, vocabulary: model.vocabulary, steps: Vec::new() };
    let tensors = vec![None; model.ops.len() + 1];
    let mut lowering = Lowering { model, tensors, out };
    lowering.output(last, model.ops.len())?;
    let mut lowered = lowering.out;
    if is_centred(model)? {
        lowered.centre();
    }
    Ok(lowered)
}

/// Whether norms take the mean away: all do, or none.
fn is_centred(model: &TokenModel) -> Result<bool, ImportError> {
    let norms = || model.ops.iter().filter_map(|op| Some((op, norm(op)?)));
    let Some((_, first)) = norms().next() else { return Ok(false) };
    match norms().find(|(_, norm)| norm.is_centred != first.is_centred) {
        Some((op, _)) => Err(op
            .origin
            .error("some norms take the mean away and some do not; all of a model do, or none")),
        None => Ok(first.is_centred),
    }
}

fn norm(op: &Op) -> Option<&Norm> {
    match &op.kind {
        Kind::Norm(norm) => Some(norm),
        _ => None,
    }
}

impl Lowering<'_> {
    fn op(&self, value: usize) -> Result<&Op, ImportError> {
        let ids =
            || ImportError::Graph { reason: "the ids are read by embeddings only".to_owned() };
        self.model.op(value).ok_or_else(ids)
    }

    fn push(&mut self, op: &Op, channels: usize, step: Step) -> usize {
        self.out.steps.push((op.origin.clone(), channels, step));
        self.out.steps.len()
    }

    fn output(&mut self, last: &Op, value: usize) -> Result<(), ImportError> {
        match &last.kind {
            Kind::Embedding { .. } | Kind::Sum { .. } => {
                let what = last.kind.name();
                Err(last.origin.error(format!(
                    "the output is {what}, whose values have more than 8 bits; put a norm or a dense layer behind it"
                )))
            }
            Kind::ArgMax { .. } => self.tensor(value).map(|_| ()),
            Kind::Norm(_) | Kind::Attention(_) | Kind::Dense(_) | Kind::Function { .. } => {
                self.plain(value).map(|_| ())
            }
        }
    }

    /// The tensor of a value.
    fn tensor(&mut self, value: usize) -> Result<usize, ImportError> {
        if let Some(tensor) = self.tensors[value] {
            return Ok(tensor);
        }
        let op = self.op(value)?.clone();
        let step = match &op.kind {
            Kind::Embedding { table } => Step::Embedding(table.clone()),
            Kind::Dense(dense) => Step::Linear(self.dense(dense)?, Vec::new()),
            Kind::Function { of, chain } => Step::Linear(self.argument(&op, *of)?, chain.clone()),
            Kind::Sum { of, table } => Step::Residual(self.sum(&op, of, table)?),
            Kind::Norm(norm) => {
                let of = self.residual(&op, norm.of)?;
                let step = Step::Norm { of, epsilon: norm.epsilon };
                // Norms of one sum differ in gain and shift, which their readers have.
                if let Some(at) = self.out.steps.iter().position(|(.., known)| *known == step) {
                    self.tensors[value] = Some(at + 1);
                    return Ok(at + 1);
                }
                step
            }
            Kind::Attention(attention) => {
                let [query, key, value] = attention.reads;
                let reads = [self.plain(query)?, self.plain(key)?, self.values(value)?];
                Step::Attention(super::model::Attention { reads, ..attention.clone() })
            }
            Kind::ArgMax { of } => Step::ArgMax(self.plain(*of)?),
        };
        let tensor = self.push(&op, op.channels, step);
        self.tensors[value] = Some(tensor);
        Ok(tensor)
    }

    /// A value as it is read: a norm without gain and shift, an attention without its values' bias.
    fn read(&mut self, value: usize) -> Result<Read, ImportError> {
        let op = self.op(value)?.clone();
        let tensor = self.tensor(value)?;
        let (gain, shift) = match &op.kind {
            Kind::Norm(norm) => (norm.gain.clone(), norm.shift.clone()),
            Kind::Attention(attention) => (vec![1.0; op.channels], self.bias(attention.reads[2])?),
            Kind::Embedding { .. } | Kind::Sum { .. } => {
                let what = op.kind.name();
                return Err(op.origin.error(format!(
                    "a layer reads {what} itself; put a norm between them, as transformers that are trained today do"
                )));
            }
            _ => (vec![1.0; op.channels], vec![0.0; op.channels]),
        };
        Ok(Read { tensor, gain, shift })
    }

    /// The bias of an attention's values. Their weights add up to 1, so it may be added behind them.
    fn bias(&mut self, value: usize) -> Result<Vec<f64>, ImportError> {
        match &self.op(value)?.kind {
            Kind::Dense(dense) => {
                let dense = dense.clone();
                Ok(self.dense(&dense)?.bias)
            }
            _ => Ok(vec![0.0; self.model.channels(value)]),
        }
    }

    /// The tensor of an attention's values, without their bias.
    fn values(&mut self, value: usize) -> Result<usize, ImportError> {
        let op = self.op(value)?.clone();
        let Kind::Dense(dense) = &op.kind else { return self.plain(value) };
        let mut dense = self.dense(dense)?;
        dense.bias.fill(0.0);
        Ok(self.push(&op, op.channels, Step::Linear(dense, Vec::new())))
    }

    /// The tensor of a value with all that belongs to it.
    fn plain(&mut self, value: usize) -> Result<usize, ImportError> {
        let op = self.op(value)?.clone();
        if matches!(op.kind, Kind::Dense(_) | Kind::Function { .. }) {
            return self.tensor(value);
        }
        let dense = self.copied(value)?;
        Ok(self.push(&op, op.channels, Step::Linear(dense, Vec::new())))
    }

    /// A dense layer with gains and shifts of what it reads in its weights.
    fn dense(&mut self, dense: &Dense) -> Result<Dense, ImportError> {
        let Read { tensor, gain, shift } = self.read(dense.of)?;
        let rows = dense.weights.chunks_exact(gain.len());
        let moved = |(row, bias): (&[f64], &f64)| {
            bias + row.iter().zip(&shift).map(|(w, s)| w * s).sum::<f64>()
        };
        let bias = rows.clone().zip(&dense.bias).map(moved).collect();
        let weights = rows.flat_map(|row| row.iter().zip(&gain).map(|(w, g)| w * g)).collect();
        Ok(Dense { of: tensor, weights, bias })
    }

    /// A dense layer that gives a value as it is.
    fn copied(&mut self, value: usize) -> Result<Dense, ImportError> {
        let Read { tensor, gain, shift } = self.read(value)?;
        Ok(Dense::diagonal(tensor, &gain, shift))
    }

    /// The dense layer whose result a function is of.
    fn argument(&mut self, op: &Op, of: usize) -> Result<Dense, ImportError> {
        match &self.op(of)?.kind {
            Kind::Dense(dense) => {
                let dense = dense.clone();
                self.dense(&dense)
            }
            Kind::Embedding { .. } | Kind::Sum { .. } => Err(op.origin.error(
                "it is a function of a residual sum; functions of dense layers, of norms and of attentions are read",
            )),
            _ => self.copied(of),
        }
    }

    /// The residual tensor that a norm reads.
    fn residual(&mut self, op: &Op, of: usize) -> Result<usize, ImportError> {
        let channels = self.model.channels(of);
        match &self.op(of)?.kind {
            Kind::Sum { .. } => self.tensor(of),
            Kind::Embedding { .. } => {
                let shortcut = self.tensor(of)?;
                let (branch, positions) = (None, Vec::new());
                let bias = vec![0.0; channels];
                let sum = Residual { shortcut, branch, bias, positions };
                Ok(self.push(op, channels, Step::Residual(sum)))
            }
            other => {
                let what = other.name();
                Err(op.origin.error(format!(
                    "it normalises {what}; norms of residual sums are read, as in blocks that start with their norm"
                )))
            }
        }
    }

    fn sum(&mut self, op: &Op, of: &[usize], table: &[f64]) -> Result<Residual, ImportError> {
        let is_residual = |v: &&usize| {
            let kind = self.model.op(**v).map(|op| &op.kind);
            matches!(kind, Some(Kind::Embedding { .. } | Kind::Sum { .. }))
        };
        let (residual, others): (Vec<&usize>, Vec<&usize>) = of.iter().partition(is_residual);
        let (shortcut, branch) = match (&residual[..], &others[..]) {
            ([shortcut], []) => (**shortcut, None),
            ([shortcut], [branch]) => (**shortcut, Some(**branch)),
            ([], _) => {
                return Err(op.origin.error(
                    "it adds what is no residual sum; a block's branch is added to the embedding or to a sum before",
                ))
            }
            _ => return Err(op.origin.error("it adds residual sums to each other")),
        };
        let shortcut = self.tensor(shortcut)?;
        let branch = match branch {
            None => None,
            Some(value) => Some(match &self.op(value)?.kind {
                Kind::Dense(dense) => {
                    let dense = dense.clone();
                    self.dense(&dense)?
                }
                _ => self.copied(value)?,
            }),
        };
        let bias = branch.as_ref().map_or_else(|| vec![0.0; op.channels], |b| b.bias.clone());
        Ok(Residual { shortcut, branch, bias, positions: table.to_vec() })
    }
}

impl Lowered {
    /// Takes the mean over channels from all that is added to residual tensors.
    fn centre(&mut self) {
        for (_, channels, step) in &mut self.steps {
            let n = *channels;
            match step {
                Step::Embedding(table) => table.chunks_exact_mut(n).for_each(centred),
                Step::Residual(sum) => {
                    centred(&mut sum.bias);
                    sum.positions.chunks_exact_mut(n).for_each(centred);
                    if let Some(branch) = &mut sum.branch {
                        branch.bias.clone_from(&sum.bias);
                        let inputs = branch.weights.len() / n;
                        for input in 0..inputs {
                            let column = branch.weights.iter().skip(input).step_by(inputs);
                            let mean = column.sum::<f64>() / n as f64;
                            let column = branch.weights.iter_mut().skip(input).step_by(inputs);
                            column.for_each(|w| *w -= mean);
                        }
                    }
                }
                Step::Linear(..) | Step::Norm { .. } | Step::Attention(_) | Step::ArgMax(_) => {}
            }
        }
    }
}

fn centred(row: &mut [f64]) {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    row.iter_mut().for_each(|v| *v -= mean);
}
