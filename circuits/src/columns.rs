//! The columns of the one constraint system that every model shares.
//!
//! A model is a program in the fixed columns. Seven kinds of rows use the same advice cells:
//!
//! | rows | lookup | `hi[l]` | `lo[l]` | `out[l]` |
//! |---|---|---|---|---|
//! | input | on | 0 | stored byte of a value, `q + 128`, or 0 | stored byte of the one before it, or 128 |
//! | activation | on | quotient of item l | remainder | stored byte |
//! | window | on | largest quotient of the window - quotient | remainder | 127 + the window's size on one largest, 127 elsewhere |
//! | pooled | on | largest quotient of the window | 0 | stored byte |
//! | spill | off | coefficients that no output takes, of three chunks of items | | |
//! | quality | on | output bytes, one-hot bits | slacks, sums | score |
//! | hash | off | S-box cells of Poseidon, at most 24 full-size values | | |

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Fixed, Instance,
    SecondPhase, VirtualCells,
};
use halo2_proofs::poly::Rotation;

pub use crate::steering::{fixed_columns, Fx};
pub use dn_core::Width;

/// Most batch items side by side in one row.
pub(crate) const MAX_LANES: usize = 16;

/// Weights side by side in one row.
#[must_use]
pub const fn weight_lanes(width: Width) -> usize {
    match width {
        Width::Narrow => 2,
        Width::Default => 8,
        Width::Wide => 16,
    }
}

/// Small witness cells in one row: `hi`, `lo`, `out` of each lane.
#[must_use]
pub const fn cells(width: Width) -> usize {
    3 * width.lanes()
}

/// Advice columns: cells, multiplicities, lookup helpers, accumulators.
#[must_use]
pub const fn advice_columns(width: Width) -> usize {
    cells(width) + 1 + width.lanes() + ACCUMULATORS
}

/// The accumulators, advice columns of the second phase behind the lookup helpers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acc {
    /// Running sum of the lookup argument.
    Sum,
    /// Activations of one position, folded over items.
    X,
    /// Accumulators of one position, folded over items; on inputs, every second value.
    Y,
    /// Activations of one channel, folded over positions; beside tasks, their words or output bytes,
    /// folded over tasks.
    Image,
    /// Accumulators of one channel, folded over positions; on inputs, every second value; beside a
    /// task, its words or output bytes, folded.
    Outputs,
    /// Accumulators of a tensor, folded over channels.
    Tensor,
    /// Weights of one tap, folded over outputs.
    W,
    /// Weights of one input channel, folded over taps; beside output hashes, their salts, folded over
    /// tasks.
    Kernel,
    /// Running sum of all claims.
    Claims,
    /// Labels and salts of the inputs, folded over tasks.
    Labels,
    /// Values that the witness publishes.
    Published,
    /// Values read from the instance.
    Read,
    /// One-hot sums of one task; on inputs, their words, folded.
    Classes,
}

/// Number of accumulators.
pub const ACCUMULATORS: usize = Acc::Classes as usize + 1;

/// Challenges, all drawn after the first phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ch {
    /// Shift of the lookup keys.
    Beta,
    /// Separates the parts of a lookup key.
    Gamma,
    /// Separates batch items.
    Tau,
    /// Separates the output channels of a layer.
    E,
    /// Separates the positions of an image.
    Z,
    /// Separates the claims.
    Lambda,
    /// Separates words from the outputs of a layer.
    Omega,
    /// Separates published values.
    Rho,
}

/// Number of challenges.
pub const CHALLENGES: usize = Ch::Rho as usize + 1;

/// The columns as the constraint system allocated them.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The layout.
    pub width: Width,
    /// `hi`, then `lo`, then `out` of each lane.
    pub cells: Vec<Column<Advice>>,
    /// How often each table row is used.
    pub multiplicity: Column<Advice>,
    /// One lookup helper per lane.
    pub helpers: Vec<Column<Advice>>,
    /// By [`Acc`].
    pub accumulators: Vec<Column<Advice>>,
    /// By [`Fx::index`], weights in between.
    pub fixed: Vec<Column<Fixed>>,
    /// The public inputs.
    pub instance: Column<Instance>,
    /// By [`Ch`].
    pub challenges: Vec<Challenge>,
}

impl Columns {
    /// Allocates every column. Helpers are the first columns of the second phase: their blinding
    /// ([`crate::assignment`], [`crate::blinding`]) relies on it.
    pub fn allocate(cs: &mut ConstraintSystem<Fr>, width: Width) -> Self {
        let cells = (0..cells(width)).map(|_| cs.advice_column()).collect();
        let multiplicity = cs.advice_column();
        let challenges = (0..CHALLENGES).map(|_| cs.challenge_usable_after(FirstPhase)).collect();
        let helpers = (0..width.lanes()).map(|_| cs.advice_column_in(SecondPhase)).collect();
        let accumulators = (0..ACCUMULATORS).map(|_| cs.advice_column_in(SecondPhase)).collect();
        let fixed = (0..fixed_columns(width)).map(|_| cs.fixed_column()).collect();
        let instance = cs.instance_column();
        Self { width, cells, multiplicity, helpers, accumulators, fixed, instance, challenges }
    }
}

/// Column of constant `k` of a hash row: weights where there are enough, else what else is idle there.
pub(crate) fn round_constant(width: Width, k: usize) -> usize {
    let weights = weight_lanes(width);
    let idle = [Fx::Offset, Fx::TagA, Fx::TagB, Fx::Scale];
    if k < weights {
        Fx::Weight0.index(width) + k
    } else {
        idle[k - weights].index(width)
    }
}

type Ex = Expression<Fr>;

/// Queries of one gate, by name.
pub(crate) struct View<'a, 'b> {
    meta: &'a mut VirtualCells<'b, Fr>,
    columns: &'a Columns,
}

impl std::fmt::Debug for View<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("View")
    }
}

impl<'a, 'b> View<'a, 'b> {
    pub(crate) fn new(meta: &'a mut VirtualCells<'b, Fr>, columns: &'a Columns) -> Self {
        Self { meta, columns }
    }

    pub(crate) fn fx(&mut self, fx: Fx) -> Ex {
        let column = self.columns.fixed[fx.index(self.columns.width)];
        let cell = self.meta.query_fixed(column, Rotation::cur());
        fx.share().read(cell)
    }

    /// A whole column on the previous row.
    pub(crate) fn fx_prev(&mut self, fx: Fx) -> Ex {
        let column = self.columns.fixed[fx.index(self.columns.width)];
        let cell = self.meta.query_fixed(column, Rotation::prev());
        fx.share().read(cell)
    }

    /// 1 where the previous row is used; 0 on the first row.
    pub(crate) fn active_prev(&mut self) -> Ex {
        self.fx_prev(Fx::Active)
    }

    pub(crate) fn width(&self) -> Width {
        self.columns.width
    }

    pub(crate) fn lanes(&self) -> usize {
        self.columns.width.lanes()
    }

    /// Constant `k` of a hash row.
    pub(crate) fn round_constant(&mut self, k: usize) -> Ex {
        self.fixed(round_constant(self.columns.width, k))
    }

    /// 1 where this row and the previous one are used: an accumulator may carry over.
    pub(crate) fn carried(&mut self) -> Ex {
        self.fx(Fx::Active) * self.active_prev()
    }

    /// A whole column by its index.
    pub(crate) fn fixed(&mut self, column: usize) -> Ex {
        self.meta.query_fixed(self.columns.fixed[column], Rotation::cur())
    }

    pub(crate) fn weight(&mut self, i: usize) -> Ex {
        self.meta.query_fixed(
            self.columns.fixed[Fx::Weight0.index(self.columns.width) + i],
            Rotation::cur(),
        )
    }

    pub(crate) fn weights(&mut self) -> Vec<Ex> {
        (0..weight_lanes(self.columns.width)).map(|i| self.weight(i)).collect()
    }

    pub(crate) fn cell(&mut self, i: usize) -> Ex {
        self.meta.query_advice(self.columns.cells[i], Rotation::cur())
    }

    pub(crate) fn cell_prev(&mut self, i: usize) -> Ex {
        self.meta.query_advice(self.columns.cells[i], Rotation::prev())
    }

    pub(crate) fn hi(&mut self, lane: usize) -> Ex {
        self.cell(lane)
    }

    pub(crate) fn lo(&mut self, lane: usize) -> Ex {
        self.cell(self.lanes() + lane)
    }

    pub(crate) fn out(&mut self, lane: usize) -> Ex {
        self.cell(2 * self.lanes() + lane)
    }

    pub(crate) fn helper(&mut self, lane: usize) -> Ex {
        self.meta.query_advice(self.columns.helpers[lane], Rotation::cur())
    }

    pub(crate) fn multiplicity(&mut self) -> Ex {
        self.meta.query_advice(self.columns.multiplicity, Rotation::cur())
    }

    pub(crate) fn acc(&mut self, acc: Acc) -> Ex {
        self.meta.query_advice(self.columns.accumulators[acc as usize], Rotation::cur())
    }

    pub(crate) fn acc_prev(&mut self, acc: Acc) -> Ex {
        self.meta.query_advice(self.columns.accumulators[acc as usize], Rotation::prev())
    }

    pub(crate) fn instance(&mut self) -> Ex {
        self.meta.query_instance(self.columns.instance, Rotation::cur())
    }

    pub(crate) fn challenge(&mut self, ch: Ch) -> Ex {
        self.meta.query_challenge(self.columns.challenges[ch as usize])
    }
}

/// A constant expression.
pub(crate) fn constant(x: u64) -> Ex {
    Expression::Constant(Fr::from(x))
}

/// `base^n` by squaring, so that the expression stays small.
pub(crate) fn power(base: &Ex, n: usize) -> Ex {
    match n {
        0 => constant(1),
        1 => base.clone(),
        _ if n.is_multiple_of(2) => {
            let half = power(base, n / 2);
            half.clone() * half
        }
        _ => power(base, n - 1) * base.clone(),
    }
}

/// Horner's rule: the first of `xs` gets the highest power of `base`.
pub(crate) fn horner(xs: &[Ex], base: &Ex) -> Ex {
    let mut xs = xs.iter().cloned();
    let first = xs.next().expect("at least one term");
    xs.fold(first, |acc, x| acc * base.clone() + x)
}
