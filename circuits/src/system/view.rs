//! A row as expressions: the queries of one gate, by name.

use dn_core::Width;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Expression, VirtualCells};
use halo2_proofs::poly::Rotation;

use super::columns::{Acc, Ch, Columns};
use super::poseidon::Constants;
use super::row::{Kept, Mark, Row};
use super::steering::{round_constant, weight_lanes, Fx};

/// What gates are made of.
pub(crate) type Ex = Expression<Fr>;

/// Queries of one gate.
pub(crate) struct View<'a, 'b> {
    meta: &'a mut VirtualCells<'b, Fr>,
    columns: &'a Columns,
    constants: &'a Constants,
}

impl std::fmt::Debug for View<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("View")
    }
}

impl<'a, 'b> View<'a, 'b> {
    pub(crate) fn new(
        meta: &'a mut VirtualCells<'b, Fr>,
        columns: &'a Columns,
        constants: &'a Constants,
    ) -> Self {
        Self { meta, columns, constants }
    }

    /// A mark, or a whole column.
    pub(crate) fn fx(&mut self, fx: Fx) -> Ex {
        self.fx_at(fx, Rotation::cur())
    }

    /// The same on the previous row.
    pub(crate) fn fx_prev(&mut self, fx: Fx) -> Ex {
        self.fx_at(fx, Rotation::prev())
    }

    fn fx_at(&mut self, fx: Fx, at: Rotation) -> Ex {
        let column = self.columns.fixed[fx.index(self.columns.width)];
        let cell = self.meta.query_fixed(column, at);
        fx.share().read(cell)
    }

    /// 1 where the previous row is used; 0 on the first row.
    pub(crate) fn active_prev(&mut self) -> Ex {
        self.fx_prev(Fx::Active)
    }

    pub(crate) fn width(&self) -> Width {
        self.columns.width
    }

    pub(crate) fn lane_count(&self) -> usize {
        self.columns.width.lanes()
    }

    /// Constant `k` of a hash row.
    pub(crate) fn round_constant(&mut self, k: usize) -> Ex {
        self.fixed(round_constant(self.columns.width, k))
    }

    pub(crate) fn cell_prev(&mut self, i: usize) -> Ex {
        self.meta.query_advice(self.columns.cells[i], Rotation::prev())
    }

    pub(crate) fn helper(&mut self, lane: usize) -> Ex {
        self.meta.query_advice(self.columns.helpers[lane], Rotation::cur())
    }

    pub(crate) fn multiplicity(&mut self) -> Ex {
        self.meta.query_advice(self.columns.multiplicity, Rotation::cur())
    }

    pub(crate) fn challenge(&mut self, ch: Ch) -> Ex {
        self.meta.query_challenge(self.columns.challenges[ch as usize])
    }

    /// A mark; `None` where the layout does not have it.
    pub(crate) fn of(&mut self, mark: impl Into<Mark>) -> Option<Ex> {
        let (all, but) = match mark.into() {
            Mark::Is(fx) => return fx.is_in(self.width()).then(|| self.fx(fx)),
            Mark::But(all, but) => (all, but),
        };
        let mut product = |columns: &[Fx]| {
            let is_here = columns.iter().all(|fx| fx.is_in(self.width()));
            let all = columns.iter().map(|fx| self.fx(*fx));
            is_here.then(|| all.reduce(|a, b| a * b).expect("a mark has a column"))
        };
        let all = product(all)?;
        Some(but.iter().filter_map(|columns| product(columns)).fold(all, |sum, x| sum - x))
    }
}

impl Row for View<'_, '_> {
    type X = Ex;

    fn poseidon(&self) -> &Constants {
        self.constants
    }

    fn number(&self, x: Fr) -> Ex {
        Expression::Constant(x)
    }

    fn cell(&mut self, index: usize) -> Ex {
        self.meta.query_advice(self.columns.cells[index], Rotation::cur())
    }

    fn fixed(&mut self, column: usize) -> Ex {
        self.meta.query_fixed(self.columns.fixed[column], Rotation::cur())
    }

    fn instance(&mut self) -> Ex {
        self.meta.query_instance(self.columns.instance, Rotation::cur())
    }

    fn here(&mut self, acc: Acc) -> Ex {
        self.meta.query_advice(self.columns.accumulators[acc as usize], Rotation::cur())
    }

    fn before(&mut self, acc: Acc) -> Ex {
        self.meta.query_advice(self.columns.accumulators[acc as usize], Rotation::prev())
    }

    fn power(&mut self, ch: Ch, n: usize) -> Ex {
        power(&self.challenge(ch), n)
    }

    fn mark(&mut self, mark: impl Into<Mark>) -> Option<Ex> {
        self.of(mark)
    }

    fn when(&mut self, mark: impl Into<Mark>, x: impl FnOnce(&mut Self) -> Ex) -> Option<Ex> {
        Some(self.of(mark)? * x(self))
    }

    fn kept(&mut self, acc: Acc, kept: Kept, turns: Option<Ex>) -> Option<Ex> {
        let stays = match kept {
            Kept::Never => None,
            Kept::Here => Some(self.fx(Fx::Active) * self.active_prev()),
            Kept::ToZero => Some(self.active_prev()),
        };
        let factor = super::row::total([stays, turns])?;
        Some(factor * self.before(acc))
    }

    fn weights(&mut self) -> Option<Ex> {
        let (first, lanes) = (Fx::Weight0.index(self.width()), weight_lanes(self.width()));
        Some(self.horner(Ch::E, 0..lanes, |v, i| v.fixed(first + i)))
    }
}

/// A constant expression.
pub(crate) fn constant(x: u64) -> Ex {
    Expression::Constant(Fr::from(x))
}

/// `base^n` by squaring, so that the expression stays small.
fn power(base: &Ex, n: usize) -> Ex {
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
