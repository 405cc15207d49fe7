//! Phase 2: lookup helpers and accumulators at the transcript's challenges.
//!
//! Each accumulator follows its recurrence in [`crate::system::accumulators`], row by row.

use dn_core::Width;
use ff::{BatchInverter, Field};
use halo2_proofs::halo2curves::bn256::Fr;

use crate::cells::Cells;
use crate::plan::Plan;
use crate::system::accumulators::each;
use crate::system::columns::{Acc, Ch, ACCUMULATORS, CHALLENGES, MAX_LANES};
use crate::system::fixed::Fixed;
use crate::system::poseidon::Constants;
use crate::system::row::{Kept, Mark, Row};
use crate::system::steering::{weight_lanes, Fx};
use crate::witness::Witness;

/// Cells of the second phase, by row.
pub(crate) struct Folded {
    /// The two inverses of each lane, side by side; a helper is their sum.
    pub(crate) inverses: Cells,
    pub(crate) accumulators: Vec<[Fr; ACCUMULATORS]>,
}

/// Largest power of a challenge that a recurrence names: a chunk of the widest layout.
const MAX_POWER: usize = MAX_LANES;
/// Largest number of chunks that a recurrence folds at once.
const MAX_CHUNKS: usize = 3;

/// Powers of the challenges that rows need.
struct Powers {
    of: [[Fr; MAX_POWER + 1]; CHALLENGES],
    /// Of tau to the power of the lanes.
    chunks: [Fr; MAX_CHUNKS + 1],
    /// Ones in all lanes, folded.
    ones: Fr,
}

/// `1, x, x^2, ..`
fn powers<const N: usize>(x: Fr) -> [Fr; N] {
    let mut all = [Fr::ONE; N];
    (1..N).for_each(|i| all[i] = all[i - 1] * x);
    all
}

impl Powers {
    fn new(challenges: [Fr; CHALLENGES], width: Width) -> Self {
        let of = challenges.map(powers);
        let tau: [Fr; MAX_POWER + 1] = of[Ch::Tau as usize];
        let lanes = width.lanes();
        Self { of, chunks: powers(tau[lanes]), ones: tau[..lanes].iter().sum() }
    }

    fn at(&self, ch: Ch) -> Fr {
        self.of[ch as usize][1]
    }
}

/// Computes the second phase.
pub(crate) fn fold(
    plan: &Plan,
    witness: &Witness,
    instances: &[Fr],
    challenges: [Fr; CHALLENGES],
) -> Folded {
    let p = Powers::new(challenges, plan.width);
    let inverses = inverses(plan, witness, &p);
    let table = table_terms(plan, witness, &p);
    let mut accumulators = Vec::with_capacity(plan.rows);
    let mut previous = [Fr::ZERO; ACCUMULATORS];
    for (row, pairs) in inverses.iter().enumerate() {
        let mut r = FieldRow {
            poseidon: &plan.poseidon,
            fixed: &plan.fixed,
            p: &p,
            row,
            marks: plan.fixed.marks(row),
            cells: &witness.cells[row],
            instance: instances.get(row).copied().unwrap_or(Fr::ZERO),
            before: &previous,
            here: [Fr::ZERO; ACCUMULATORS],
        };
        let looked_up = r.when(Fx::Lookup, |_| pairs.iter().sum()).unwrap_or(Fr::ZERO);
        let used = table.get(row).copied().unwrap_or(Fr::ZERO);
        r.here[Acc::Sum as usize] = previous[Acc::Sum as usize] + looked_up - used;
        each(&mut r, |r, acc, x| r.here[acc as usize] = x.unwrap_or(Fr::ZERO));
        previous = r.here;
        accumulators.push(previous);
    }
    Folded { inverses, accumulators }
}

/// `1/A` and `1/B` of every lane of every lookup row.
fn inverses(plan: &Plan, witness: &Witness, p: &Powers) -> Cells {
    let lanes = plan.width.lanes();
    let (beta, gamma) = (p.at(Ch::Beta), p.at(Ch::Gamma));
    let gamma2 = p.of[Ch::Gamma as usize][2];
    let rows: Vec<usize> = (0..plan.rows).filter(|r| plan.is(Fx::Lookup, *r)).collect();
    let mut keys = Vec::with_capacity(rows.len() * 2 * lanes);
    for &row in &rows {
        let c = &witness.cells[row];
        let (a, b) = (beta + plan.fx(Fx::TagA, row), beta + plan.fx(Fx::TagB, row));
        for lane in 0..lanes {
            keys.push(a + gamma * c[lane] + gamma2 * c[2 * lanes + lane]);
            keys.push(b + gamma * c[lanes + lane]);
        }
    }
    invert(&mut keys);
    let mut all = Cells::zeros(plan.rows, 2 * lanes);
    for (row, inverses) in rows.into_iter().zip(keys.chunks_exact(2 * lanes)) {
        all[row].copy_from_slice(inverses);
    }
    all
}

/// `m / K` of every table row.
fn table_terms(plan: &Plan, witness: &Witness, p: &Powers) -> Vec<Fr> {
    let (beta, gamma) = (p.at(Ch::Beta), p.at(Ch::Gamma));
    let gamma2 = p.of[Ch::Gamma as usize][2];
    let mut keys: Vec<Fr> = plan
        .table
        .rows
        .iter()
        .map(|(t, a, b)| beta + Fr::from(*t) + gamma * Fr::from(*a) + gamma2 * Fr::from(*b))
        .collect();
    invert(&mut keys);
    keys.iter().zip(&witness.multiplicities).map(|(k, m)| *k * Fr::from(*m)).collect()
}

fn invert(keys: &mut [Fr]) {
    let mut scratch = vec![Fr::ZERO; keys.len()];
    BatchInverter::invert_with_external_scratch(keys, &mut scratch);
}

/// One row as field elements.
struct FieldRow<'a> {
    poseidon: &'a Constants,
    fixed: &'a Fixed,
    p: &'a Powers,
    row: usize,
    marks: u128,
    cells: &'a [Fr],
    instance: Fr,
    before: &'a [Fr; ACCUMULATORS],
    here: [Fr; ACCUMULATORS],
}

impl FieldRow<'_> {
    #[inline(always)]
    fn is(&self, fx: Fx) -> bool {
        self.marks & fx.bit() != 0
    }

    fn product(&self, columns: &[Fx]) -> Option<Fr> {
        let factor = |fx: &Fx| if fx.is_whole() { self.fixed.fx(*fx, self.row) } else { Fr::ONE };
        let is_set = columns.iter().all(|fx| self.is(*fx));
        is_set.then(|| columns.iter().map(factor).product())
    }

    /// A mark of several columns, where it is not 0.
    fn but(&self, all: &[Fx], but: &[&[Fx]]) -> Option<Fr> {
        let value = self.product(all)?;
        let rest = but.iter().filter_map(|columns| self.product(columns)).sum::<Fr>();
        (value != rest).then(|| value - rest)
    }
}

impl Row for FieldRow<'_> {
    type X = Fr;

    #[inline(always)]
    fn poseidon(&self) -> &Constants {
        self.poseidon
    }

    #[inline(always)]
    fn number(&self, x: Fr) -> Fr {
        x
    }

    #[inline(always)]
    fn cell(&mut self, index: usize) -> Fr {
        self.cells[index]
    }

    #[inline(always)]
    fn fixed(&mut self, column: usize) -> Fr {
        self.fixed.at(column, self.row)
    }

    #[inline(always)]
    fn instance(&mut self) -> Fr {
        self.instance
    }

    #[inline(always)]
    fn here(&mut self, acc: Acc) -> Fr {
        self.here[acc as usize]
    }

    #[inline(always)]
    fn before(&mut self, acc: Acc) -> Fr {
        self.before[acc as usize]
    }

    #[inline(always)]
    fn power(&mut self, ch: Ch, n: usize) -> Fr {
        self.p.of[ch as usize][n]
    }

    #[inline(always)]
    fn chunks(&mut self, n: usize) -> Fr {
        self.p.chunks[n]
    }

    #[inline(always)]
    fn ones(&mut self) -> Fr {
        self.p.ones
    }

    #[inline(always)]
    fn mark(&mut self, mark: impl Into<Mark>) -> Option<Fr> {
        self.when(mark, |_| Fr::ONE)
    }

    #[inline(always)]
    fn when(&mut self, mark: impl Into<Mark>, x: impl FnOnce(&mut Self) -> Fr) -> Option<Fr> {
        match mark.into() {
            Mark::Is(fx) if !self.is(fx) => None,
            Mark::Is(fx) if !fx.is_whole() || self.fixed.is_one(fx, self.row) => Some(x(self)),
            Mark::Is(fx) => Some(self.fixed.fx(fx, self.row) * x(self)),
            Mark::But(all, but) => self.but(all, but).map(|mark| mark * x(self)),
        }
    }

    #[inline(always)]
    fn kept(&mut self, acc: Acc, kept: Kept, turns: Option<Fr>) -> Option<Fr> {
        let before = self.before[acc as usize];
        match (kept, turns) {
            (Kept::Never, None) => None,
            (Kept::Never, Some(factor)) => Some(factor * before),
            (Kept::Here | Kept::ToZero, None) => Some(before),
            (Kept::Here | Kept::ToZero, Some(turns)) => Some((Fr::ONE + turns) * before),
        }
    }

    #[inline(always)]
    fn weights(&mut self) -> Option<Fr> {
        if !self.is(Fx::Weight0) {
            return None;
        }
        let (first, lanes) = (self.fixed.index(Fx::Weight0), weight_lanes(self.poseidon.width));
        Some(self.horner(Ch::E, 0..lanes, |r, i| r.fixed(first + i)))
    }
}
