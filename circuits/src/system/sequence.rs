//! The table of a sequence model and its sections. Layers that differ in their weights alone share one.

use dn_core::quant::sequence::{Function, Layer, Quantity, Sequence, MAX_BITS};
use dn_core::quant::ZERO_POINT;

use super::attention::{self, Attentive};
use super::table::{half, Builder, Division, Table};

/// What the rows of a layer look up.
#[derive(Clone, Debug)]
pub(crate) enum Looked {
    /// The value of an id, by channel.
    Embedding {
        /// Tags of the channels' sections.
        tags: Vec<u64>,
    },
    /// Functions of quotients, and what is stored for 0.
    Values {
        /// Of the accumulators.
        division: Division,
        /// What is stored for 0.
        zero: u64,
    },
    /// Roots of tokens; functions of quotients.
    Norm {
        /// Tag of (divided sum of squares, root).
        tag: u64,
        /// What squares are scaled by.
        squares: u64,
        /// Of the products with roots.
        division: Division,
    },
    /// What stands between queries and outputs.
    Attention(Attentive),
}

impl Looked {
    /// How the layer's accumulators are divided; an embedding has none.
    pub(crate) fn division(&self) -> Option<&Division> {
        match self {
            Self::Embedding { .. } => None,
            Self::Values { division, .. } | Self::Norm { division, .. } => Some(division),
            Self::Attention(a) => Some(&a.outputs),
        }
    }
}

/// What is stored for an embedding's 0.
pub(crate) const EMBEDDING_ZERO: u64 = 1 << (MAX_BITS - 1);

/// What layers with one section have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Function(Function),
    Bits(u32),
}

impl Kind {
    fn of(layer: &Layer) -> Option<Self> {
        match layer {
            Layer::Linear(l) => Some(Self::Function(l.function.clone())),
            Layer::Residual(r) => Some(Self::Bits(r.bits)),
            Layer::Norm(_) | Layer::Attention(_) => Some(Self::Function(Function::saturate())),
            Layer::Embedding(_) | Layer::ArgMax { .. } => None,
        }
    }

    /// What is stored for 0.
    fn zero(&self) -> i64 {
        match self {
            Self::Function(_) => ZERO_POINT.into(),
            Self::Bits(bits) => 1 << (bits - 1),
        }
    }

    fn stored(&self, quotient: i64) -> u64 {
        let value = match self {
            Self::Function(f) => f.apply(quotient).into(),
            Self::Bits(bits) => {
                let end = 1i64 << (bits - 1);
                quotient.clamp(-end, end - 1)
            }
        };
        (value + self.zero()).unsigned_abs()
    }
}

/// Right shifts of a layer's channels.
fn shifts(sequence: &Sequence, layer: usize) -> Vec<u32> {
    let channels = sequence.channels(layer + 1);
    match &sequence.layers[layer] {
        Layer::Linear(l) => l.shift.clone(),
        Layer::Residual(r) => vec![r.shift; channels],
        Layer::Norm(n) => vec![n.shift; channels],
        Layer::Attention(a) => vec![a.shift; channels],
        Layer::Embedding(_) | Layer::ArgMax { .. } => Vec::new(),
    }
}

/// Smallest and largest quotient of a layer.
fn quotients(sequence: &Sequence, layer: usize) -> (i64, i64) {
    let ends = sequence.accumulators(layer).into_iter().zip(shifts(sequence, layer));
    ends.fold((i64::MAX, i64::MIN), |(low, high), ((a, b), shift)| {
        let quotient = |acc: i64| (acc + half(shift)) >> shift;
        (low.min(quotient(a)), high.max(quotient(b)))
    })
}

fn root_count(sequence: &Sequence, layer: usize, square_shift: u32) -> usize {
    let squares = sequence.largest(layer, Quantity::Squares);
    (squares >> square_shift).unsigned_abs() as usize + 1
}

/// Kinds of a model's layers with all quotients of each.
fn kinds(sequence: &Sequence) -> Vec<(Kind, (i64, i64))> {
    let mut all: Vec<(Kind, (i64, i64))> = Vec::new();
    for (layer, kind) in sequence.layers.iter().map(Kind::of).enumerate() {
        let Some(kind) = kind else { continue };
        let (low, high) = quotients(sequence, layer);
        match all.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, ends)) => *ends = (ends.0.min(low), ends.1.max(high)),
            None => all.push((kind, (low, high))),
        }
    }
    all
}

/// Rows of a validated model's table, those of fixed size apart, before it is built. Sections that layers share with
/// others of their kind are counted for each.
pub(crate) fn table_rows(sequence: &Sequence) -> usize {
    let of_quotients =
        kinds(sequence).into_iter().map(|(_, (low, high))| high.abs_diff(low) as usize + 1);
    let of_layers = sequence.layers.iter().enumerate().map(|(i, layer)| match layer {
        Layer::Embedding(e) => e.table.len(),
        Layer::Norm(n) => root_count(sequence, i, n.square_shift),
        Layer::Attention(a) => attention::table_rows(sequence, i, a),
        Layer::Linear(_) | Layer::Residual(_) | Layer::ArgMax { .. } => 0,
    });
    of_quotients.sum::<usize>() + of_layers.sum::<usize>()
}

/// log2 of the range of remainders.
fn remainder_bits(sequence: &Sequence) -> u32 {
    let of = |(i, layer): (usize, &Layer)| {
        let inner = match layer {
            Layer::Norm(n) => n.square_shift,
            Layer::Attention(a) => a.score_shift.max(a.context_shift),
            Layer::Embedding(_) | Layer::Linear(_) | Layer::Residual(_) | Layer::ArgMax { .. } => 0,
        };
        shifts(sequence, i).into_iter().fold(inner, u32::max)
    };
    sequence.layers.iter().enumerate().map(of).max().unwrap_or(0)
}

impl Table {
    /// Builds the table of a validated sequence model, and says what each layer looks up. Layers that no rows are
    /// known for look nothing up.
    #[must_use]
    pub(crate) fn of_sequence(sequence: &Sequence) -> (Self, Vec<Looked>) {
        let mut b = Builder::new();
        let last = sequence.vocabulary as i64 - 1;
        let id = |byte: u64| (byte as i64 - i64::from(ZERO_POINT)).clamp(0, last).unsigned_abs();
        let tag_input = b.section((0..256).map(|byte| (id(byte), byte)));
        let lo_bits = remainder_bits(sequence);
        let tag_lo = b.section((0..1u64 << lo_bits).map(|v| (v, 0)));
        let sections: Vec<(Kind, i64, u64)> = kinds(sequence)
            .into_iter()
            .map(|(kind, (low, high))| {
                let pairs = (low..=high).map(|q| (q.abs_diff(low), kind.stored(q)));
                let tag = b.section(pairs);
                (kind, low, tag)
            })
            .collect();
        let division = |layer: usize| {
            let kind = Kind::of(&sequence.layers[layer])?;
            let (kind, quotient_min, tag_hi) = sections.iter().find(|s| s.0 == kind)?;
            let shift = shifts(sequence, layer);
            let (quotient_min, tag_hi) = (*quotient_min, *tag_hi);
            let division =
                Division { tag_hi, tag_window: None, quotient_min, shift, bits: lo_bits };
            Some((division, kind.zero().unsigned_abs()))
        };
        let mut looked = Vec::with_capacity(sequence.layers.len());
        for (i, layer) in sequence.layers.iter().enumerate() {
            looked.push(match (layer, division(i)) {
                (Layer::Norm(n), Some((division, _))) => {
                    let count = root_count(sequence, i, n.square_shift);
                    let roots = n.roots.iter().take(count).map(|root| u64::from(*root));
                    let tag = b.shared((0..).zip(roots).collect());
                    let squares = 1 << (lo_bits - n.square_shift);
                    Looked::Norm { tag, squares, division }
                }
                (Layer::Attention(a), Some((outputs, _))) => {
                    Looked::Attention(Attentive::new(&mut b, (sequence, i, a), outputs))
                }
                (_, Some((division, zero))) => Looked::Values { division, zero },
                (Layer::Embedding(e), None) => {
                    let channel = |channel: usize| {
                        let values = e.table.iter().skip(channel).step_by(e.channels);
                        let stored =
                            |v: &i16| (i64::from(*v) + EMBEDDING_ZERO as i64).unsigned_abs();
                        b.section((0..).zip(values.map(stored)))
                    };
                    Looked::Embedding { tags: (0..e.channels).map(channel).collect() }
                }
                (_, None) => Looked::Embedding { tags: Vec::new() },
            });
        }
        let table = Self {
            rows: b.rows,
            sections: b.sections,
            tag_input,
            tag_byte: 0,
            tag_absent: 0,
            divisions: Vec::new(),
            tag_lo,
            lo_bits,
            tag_score: 0,
        };
        (table, looked)
    }
}
