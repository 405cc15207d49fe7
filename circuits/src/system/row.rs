//! One row, read as expressions by a gate or as field elements by a prover.
//!
//! A recurrence is written once over [`Row`]. [`Row::when`] lets one text serve both readers: a gate multiplies by
//! the mark, a prover skips what is not marked. Terms are therefore optional: `None` is 0.

use std::ops::{Add, Mul, Neg, Range, Sub};

use dn_core::Width;
use halo2_proofs::halo2curves::bn256::Fr;

use super::columns::{Acc, Cell, Ch};
use super::poseidon::{partial_places, Constants, WIDTH};
use super::steering::Fx;
use super::table::zero_point;

/// Where something happens: 0 or 1 on every row, but for whole columns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// A column.
    Is(Fx),
    /// A product of columns, less products of which at most one is 1, and only where the first is.
    But(&'static [Fx], &'static [&'static [Fx]]),
}

impl From<Fx> for Mark {
    #[inline(always)]
    fn from(fx: Fx) -> Self {
        Self::Is(fx)
    }
}

/// What a reader computes with.
pub(crate) trait Number:
    Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Neg<Output = Self>
    + Mul<Output = Self>
    + Mul<Fr, Output = Self>
{
}

impl<X> Number for X where
    X: Clone
        + Add<Output = X>
        + Sub<Output = X>
        + Neg<Output = X>
        + Mul<Output = X>
        + Mul<Fr, Output = X>
{
}

/// What becomes of a register's value where no mark says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is forgotten.
    Never,
    /// It stays as long as rows are used.
    Here,
    /// The same, and behind the used rows it must be 0.
    ToZero,
}

/// A row and the one before it.
pub(crate) trait Row: Sized {
    /// What is computed with.
    type X: Number;

    /// Poseidon's constants, and the layout.
    fn poseidon(&self) -> &Constants;
    /// A constant.
    fn number(&self, x: Fr) -> Self::X;
    /// A cell of the first phase.
    fn cell(&mut self, index: usize) -> Self::X;
    /// A fixed column by its index.
    fn fixed(&mut self, column: usize) -> Self::X;
    /// The public input.
    fn instance(&mut self) -> Self::X;
    /// A register on this row.
    fn here(&mut self, acc: Acc) -> Self::X;
    /// A register on the row before.
    fn before(&mut self, acc: Acc) -> Self::X;
    /// A challenge to the power of `n`.
    fn power(&mut self, ch: Ch, n: usize) -> Self::X;
    /// The mark, where it is not 0.
    fn mark(&mut self, mark: impl Into<Mark>) -> Option<Self::X>;
    /// `x` times the mark; a prover does not compute `x` where that is 0.
    fn when(
        &mut self,
        mark: impl Into<Mark>,
        x: impl FnOnce(&mut Self) -> Self::X,
    ) -> Option<Self::X>;
    /// The register before times what `kept` and `turns` say.
    fn kept(&mut self, acc: Acc, kept: Kept, turns: Option<Self::X>) -> Option<Self::X>;
    /// The weights, folded by `e`.
    fn weights(&mut self) -> Option<Self::X>;

    /// The layout.
    #[inline(always)]
    fn layout(&self) -> Width {
        self.poseidon().width
    }

    /// A named cell.
    #[inline(always)]
    fn at(&mut self, cell: Cell) -> Self::X {
        let index = cell.index(self.layout());
        self.cell(index)
    }

    /// Forgets the value before.
    #[inline(always)]
    fn forget(&mut self, mark: impl Into<Mark>) -> Option<Self::X> {
        self.mark(mark).map(Neg::neg)
    }

    /// Multiplies a value that stays.
    #[inline(always)]
    fn times(
        &mut self,
        mark: impl Into<Mark>,
        x: impl FnOnce(&mut Self) -> Self::X,
    ) -> Option<Self::X> {
        self.when(mark, |r| x(r) - r.number(Fr::one()))
    }

    /// Horner's rule: the first of `xs` gets the highest power.
    #[inline(always)]
    fn horner(
        &mut self,
        ch: Ch,
        xs: Range<usize>,
        mut x: impl FnMut(&mut Self, usize) -> Self::X,
    ) -> Self::X {
        let base = self.power(ch, 1);
        let mut sum = x(self, xs.start);
        for i in xs.start + 1..xs.end {
            sum = sum * base.clone() + x(self, i);
        }
        sum
    }

    /// One cell of each lane, folded by tau.
    #[inline(always)]
    fn lanes(&mut self, cell: fn(usize) -> Cell) -> Self::X {
        self.lanes_by(Ch::Tau, cell)
    }

    /// One cell of each lane, folded.
    #[inline(always)]
    fn lanes_by(&mut self, ch: Ch, cell: fn(usize) -> Cell) -> Self::X {
        let lanes = self.layout().lanes();
        self.horner(ch, 0..lanes, |r, lane| r.at(cell(lane)))
    }

    /// The values of `out`, folded by tau. In rows of graphs all have the same zero.
    #[inline(always)]
    fn values(&mut self) -> Self::X {
        let out = self.lanes(Cell::Out);
        let zeros = match self.layout() {
            Width::Narrow | Width::Default | Width::Wide => Some(self.all_lanes(zero_point())),
            Width::Sequence => self.when(Fx::Zero, Self::ones),
        };
        match zeros {
            Some(zeros) => out - zeros,
            None => out,
        }
    }

    /// `x` in all lanes, folded by tau.
    #[inline(always)]
    fn all_lanes(&mut self, x: Fr) -> Self::X {
        self.ones() * x
    }

    /// Ones in all lanes, folded by tau.
    #[inline(always)]
    fn ones(&mut self) -> Self::X {
        self.ones_by(Ch::Tau)
    }

    /// Ones in all lanes, folded.
    #[inline(always)]
    fn ones_by(&mut self, ch: Ch) -> Self::X {
        let lanes = self.layout().lanes();
        self.horner(ch, 0..lanes, |r, _| r.number(Fr::one()))
    }

    /// `t^n`, with `t` the step from one chunk of lanes to the next.
    #[inline(always)]
    fn chunks(&mut self, n: usize) -> Self::X {
        let t = self.power(Ch::Tau, self.layout().lanes());
        (1..n).fold(t.clone(), |power, _| power * t.clone())
    }

    /// Word `i` of a message, on a row that takes one.
    #[inline(always)]
    fn message(&mut self, i: usize) -> Self::X {
        match self.layout() {
            Width::Narrow => self.cell(i) - self.number(self.poseidon().round[0][i]),
            layout @ (Width::Default | Width::Wide | Width::Sequence) => {
                self.cell(partial_places(layout).st + i)
            }
        }
    }

    /// `(M z)_0`, the hash behind a last row.
    #[inline(always)]
    fn hash(&mut self) -> Self::X {
        let form = self.poseidon().m[0];
        let first = self.cell(0) * form[0];
        (1..WIDTH).fold(first, |sum, k| sum + self.cell(k) * form[k])
    }
}

/// The sum of terms, of which those that are not there are 0.
#[inline(always)]
pub(crate) fn total<X: Add<Output = X>, const N: usize>(terms: [Option<X>; N]) -> Option<X> {
    let mut sum: Option<X> = None;
    for term in terms {
        sum = match (sum, term) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }
    sum
}
