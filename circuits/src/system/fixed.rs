//! The fixed cells of a model. Most cells repeat, so they are indices of distinct values.

use std::collections::HashMap;

use dn_core::Width;
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;

use super::kind::Kind;
use super::steering::{fixed_columns, round_constant, weight_lanes, Fx, Share, MARKS};

/// Indices of the first values.
const ZERO: u32 = 0;
const ONE: u32 = 1;
const TWO: u32 = 2;

/// Fixed columns, by [`Fx::index`].
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    values: Vec<Fr>,
    columns: Vec<Vec<u32>>,
    /// Column of each mark.
    index: [usize; MARKS],
    /// By row: marks that are set, and whole columns that are not zero.
    marks: Vec<u128>,
    /// By row.
    kinds: Vec<Kind>,
}

impl Fixed {
    /// A cell.
    #[inline(always)]
    pub(crate) fn at(&self, column: usize, row: usize) -> Fr {
        self.values[self.columns[column][row] as usize]
    }

    /// A whole column's cell, or that of the pair that a mark belongs to.
    #[inline(always)]
    pub(crate) fn fx(&self, fx: Fx, row: usize) -> Fr {
        self.at(self.index[fx as usize], row)
    }

    /// Column of a mark.
    #[inline(always)]
    pub(crate) fn index(&self, fx: Fx) -> usize {
        self.index[fx as usize]
    }

    /// Whether a whole column's cell is 1.
    #[inline(always)]
    pub(crate) fn is_one(&self, fx: Fx, row: usize) -> bool {
        self.columns[self.index[fx as usize]][row] == ONE
    }

    /// Marks of a row, by [`Fx::bit`]; whole columns are among them where they are not zero.
    #[inline(always)]
    pub(crate) fn marks(&self, row: usize) -> u128 {
        self.marks[row]
    }

    /// Whether a mark is set, or a whole column not zero.
    pub(crate) fn is_set(&self, fx: Fx, row: usize) -> bool {
        self.marks[row] & fx.bit() != 0
    }

    /// What a row holds.
    pub(crate) fn kind(&self, row: usize) -> Kind {
        self.kinds[row]
    }

    /// Values of a column.
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = Fr> + '_ {
        self.columns[column].iter().map(|i| self.values[*i as usize])
    }

    fn read(&self, fx: Fx, row: usize) -> bool {
        let index = self.columns[self.index[fx as usize]][row];
        match fx.share() {
            Share::Whole | Share::Outer => index != ZERO,
            Share::First => index == ONE,
            Share::Second => index == TWO,
        }
    }

    /// Reads the marks of all rows.
    fn read_marks(&mut self, width: Width, rows: usize) {
        self.marks = vec![0; rows];
        for fx in Fx::ALL.into_iter().filter(|fx| fx.is_in(width)) {
            for row in 0..rows {
                if self.read(fx, row) {
                    self.marks[row] |= fx.bit();
                }
            }
        }
        let first = self.index[Fx::Weight0 as usize];
        for column in &self.columns[first..first + weight_lanes(width)] {
            for (marks, _) in self.marks.iter_mut().zip(column).filter(|(_, i)| **i != ZERO) {
                *marks |= Fx::Weight0.bit();
            }
        }
    }
}

/// Fixed cells in the making. A dry one takes none.
#[derive(Debug)]
pub(crate) struct Draft {
    width: Width,
    is_dry: bool,
    fixed: Fixed,
    known: HashMap<[u8; 32], u32>,
}

impl Draft {
    pub(crate) fn new(width: Width, is_dry: bool) -> Self {
        let mut fixed = Fixed {
            values: [0, 1, 2].map(Fr::from).to_vec(),
            columns: vec![Vec::new(); fixed_columns(width)],
            index: [0; MARKS],
            marks: Vec::new(),
            kinds: Vec::new(),
        };
        Fx::ALL.iter().for_each(|fx| fixed.index[*fx as usize] = fx.index(width));
        Self { width, is_dry, fixed, known: HashMap::new() }
    }

    /// Whether it takes no cells.
    pub(crate) fn is_dry(&self) -> bool {
        self.is_dry
    }

    pub(crate) fn width(&self) -> Width {
        self.width
    }

    /// Says what a row holds. Nothing has been said of it before.
    pub(crate) fn kind(&mut self, row: usize, kind: Kind) {
        if self.is_dry {
            return;
        }
        let kinds = &mut self.fixed.kinds;
        if kinds.len() <= row {
            kinds.resize(row + 1, Kind::Idle);
        }
        assert!(kinds[row] == Kind::Idle, "row {row} is {:?} and {kind:?}", kinds[row]);
        kinds[row] = kind;
    }

    /// Rows of which nothing has been said stand between those of layers.
    pub(crate) fn gaps(&mut self, rows: std::ops::Range<usize>) {
        for row in rows {
            if !self.is_dry && self.fixed.kinds.get(row).is_none_or(|kind| *kind == Kind::Idle) {
                self.kind(row, Kind::Gap);
            }
        }
    }

    /// Sets a whole column.
    pub(crate) fn set(&mut self, fx: Fx, row: usize, value: Fr) {
        assert!(fx.is_in(self.width), "the layout has no {fx:?}");
        self.set_at(self.fixed.index[fx as usize], row, value);
    }

    /// Sets a column by its index.
    pub(crate) fn set_at(&mut self, column: usize, row: usize, value: Fr) {
        if self.is_dry {
            return;
        }
        let index = if value == Fr::ZERO {
            ZERO
        } else if value == Fr::ONE {
            ONE
        } else if value == Fr::from(2) {
            TWO
        } else {
            let mut key = [0; 32];
            key.copy_from_slice(value.to_repr().as_ref());
            let values = &mut self.fixed.values;
            *self.known.entry(key).or_insert_with(|| {
                values.push(value);
                (values.len() - 1) as u32
            })
        };
        let column = &mut self.fixed.columns[column];
        if column.len() <= row {
            column.resize(row + 1, ZERO);
        }
        column[row] = index;
    }

    /// Sets a mark. Of a nested pair the first one is set before the second.
    pub(crate) fn mark(&mut self, fx: Fx, row: usize) {
        assert!(self.is_dry || self.is_free(fx, row), "{fx:?} shares row {row}");
        let is_second = fx.share() == Share::Second;
        self.set(fx, row, if is_second { Fr::from(2) } else { Fr::ONE });
    }

    /// Whether a mark can be set without clearing the one that it shares a column with.
    fn is_free(&self, fx: Fx, row: usize) -> bool {
        let column = &self.fixed.columns[self.fixed.index[fx as usize]];
        let index = column.get(row).copied().unwrap_or(ZERO);
        match fx.share() {
            Share::Whole | Share::Outer => true,
            Share::First => index != TWO,
            Share::Second => fx.is_nested() || index != ONE,
        }
    }

    pub(crate) fn weight(&mut self, row: usize, lane: usize, value: Fr) {
        self.set_at(self.fixed.index[Fx::Weight0 as usize] + lane, row, value);
    }

    /// Sets constant `k` of a hash row.
    pub(crate) fn round_constant(&mut self, row: usize, k: usize, value: Fr) {
        self.set_at(round_constant(self.width, k), row, value);
    }

    /// The fixed columns, `rows` long and active.
    pub(crate) fn finish(mut self, rows: usize) -> Fixed {
        for row in 0..rows {
            self.mark(Fx::Active, row);
        }
        let (columns, kinds) = (&mut self.fixed.columns, &mut self.fixed.kinds);
        assert!(columns.iter().all(|c| c.len() <= rows), "a cell behind the used rows");
        columns.iter_mut().for_each(|c| c.resize(rows, ZERO));
        kinds.resize(rows, Kind::Idle);
        self.fixed.read_marks(self.width, rows);
        self.fixed
    }
}
