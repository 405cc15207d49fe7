//! The columns of the one constraint system that every model shares.
//!
//! A model is a program in the fixed columns (`steering`); rows of all kinds use the same advice cells (`rows`).

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, ConstraintSystem, FirstPhase, Fixed, Instance, SecondPhase,
};

pub use super::steering::fixed_columns;
use dn_core::Width;

/// Most batch items side by side in one row.
pub(crate) const MAX_LANES: usize = 16;

/// Small witness cells in one row: `hi`, `lo`, `out` of each lane.
#[must_use]
pub const fn cells(width: Width) -> usize {
    3 * width.lanes()
}

/// A small cell, by lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// First value of the pair that the lane looks up.
    Hi(usize),
    /// The value that the lane looks up alone.
    Lo(usize),
    /// Second value of the pair.
    Out(usize),
}

impl Cell {
    /// Its column among the cells.
    #[inline(always)]
    pub(crate) const fn index(self, width: Width) -> usize {
        match self {
            Self::Hi(lane) => lane,
            Self::Lo(lane) => width.lanes() + lane,
            Self::Out(lane) => 2 * width.lanes() + lane,
        }
    }

    /// The cell of a column.
    #[cfg(test)]
    pub(crate) const fn of(column: usize, width: Width) -> Self {
        let lane = column % width.lanes();
        match column / width.lanes() {
            0 => Self::Hi(lane),
            1 => Self::Lo(lane),
            _ => Self::Out(lane),
        }
    }
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
    /// Weights of one input channel, folded over taps; beside scores, their sum; beside output hashes, their
    /// salts, folded over tasks.
    Kernel,
    /// Running sum of all claims.
    Claims,
    /// Salts of the inputs, folded over tasks.
    Salts,
    /// Values that the witness publishes.
    Published,
    /// Values read from the instance.
    Read,
    /// One-hot sums of one task; on inputs, their words, folded.
    Classes,
}

impl Acc {
    /// Every one, in order.
    pub(crate) const ALL: [Self; ACCUMULATORS] = [
        Self::Sum,
        Self::X,
        Self::Y,
        Self::Image,
        Self::Outputs,
        Self::Tensor,
        Self::W,
        Self::Kernel,
        Self::Claims,
        Self::Salts,
        Self::Published,
        Self::Read,
        Self::Classes,
    ];

    /// Name of its constraint.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sum => "",
            Self::X => "x",
            Self::Y => "y",
            Self::Image => "image",
            Self::Outputs => "outputs",
            Self::Tensor => "tensor",
            Self::W => "w",
            Self::Kernel => "kernel",
            Self::Claims => "claims",
            Self::Salts => "salts",
            Self::Published => "published",
            Self::Read => "read",
            Self::Classes => "sums",
        }
    }
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
    /// By `Fx::index`, weights in between.
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
