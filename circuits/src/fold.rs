//! Phase 2: lookup helpers and accumulators at the transcript's challenges.
//!
//! Each accumulator follows the recurrence of its gate, row by row; the equations stand in
//! [`crate::gates`].

use ff::{BatchInverter, Field};
use halo2_proofs::halo2curves::bn256::Fr;

use crate::cells::Cells;
use crate::columns::{weight_lanes, Acc, Ch, Fx, ACCUMULATORS, CHALLENGES};
use crate::gates::{classes, label_scale_inverse, per_label, real_mark};
use crate::layout::SPILL_OFFSET;
use crate::plan::Plan;
use crate::poseidon::WIDTH;
use crate::witness::Witness;
use dn_core::digest::ARITY;
use dn_core::quant::ZERO_POINT;
use dn_core::Width;

/// Cells of the second phase, by row.
pub(crate) struct Folded {
    /// The two inverses of each lane, side by side; a helper is their sum.
    pub(crate) inverses: Cells,
    pub(crate) accumulators: Vec<[Fr; ACCUMULATORS]>,
}

/// Powers of the challenges that rows need.
struct Powers {
    c: [Fr; CHALLENGES],
    gamma2: Fr,
    tau_chunk: Fr,
    tau_chunk2: Fr,
    tau_chunk3: Fr,
    /// What every cell of a spilled row is too large by, folded.
    spill_offset: Fr,
    e_weights: Fr,
    e_words: Fr,
    e_classes: Fr,
    ones: Fr,
    rho: [Fr; ARITY + 1],
    zero_point: Fr,
    /// Zero points of all lanes, folded.
    zero_points: Fr,
    /// One label per slack offset.
    per_label: Fr,
    /// One label in a message's tag.
    per_label_scale: Fr,
}

impl Powers {
    fn new(c: [Fr; CHALLENGES], width: Width) -> Self {
        let lanes = width.lanes();
        let (gamma, tau, e, rho) =
            (c[Ch::Gamma as usize], c[Ch::Tau as usize], c[Ch::E as usize], c[Ch::Rho as usize]);
        let tau_chunk = tau.pow_vartime([lanes as u64]);
        let (tau_chunk2, tau_chunk3) = (tau_chunk.square(), tau_chunk.square() * tau_chunk);
        let ones = (0..lanes).fold(Fr::ZERO, |a, _| a * tau + Fr::ONE);
        let three = Fr::ONE + tau_chunk + tau_chunk2;
        let zero_point = Fr::from(u64::from(ZERO_POINT.unsigned_abs()));
        Self {
            c,
            gamma2: gamma.square(),
            tau_chunk,
            tau_chunk2,
            tau_chunk3,
            spill_offset: three * ones * Fr::from(SPILL_OFFSET),
            e_weights: e.pow_vartime([weight_lanes(width) as u64]),
            e_words: e.pow_vartime([dn_core::commitment::NEXT_RATE as u64]),
            e_classes: e.pow_vartime([classes(width) as u64]),
            ones,
            rho: std::array::from_fn(|i| rho.pow_vartime([i as u64])),
            zero_point,
            zero_points: zero_point * ones,
            per_label: per_label(),
            per_label_scale: label_scale_inverse(),
        }
    }

    fn at(&self, ch: Ch) -> Fr {
        self.c[ch as usize]
    }
}

fn horner<'a>(xs: impl IntoIterator<Item = &'a Fr>, base: Fr) -> Fr {
    xs.into_iter().fold(Fr::ZERO, |acc, x| acc * base + x)
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
        let lanes = plan.width.lanes();
        let r = Row { plan, p: &p, row, lanes, cells: &witness.cells[row], before: &previous };
        let mut next = [Fr::ZERO; ACCUMULATORS];
        let looked_up = if r.is(Fx::Lookup) { pairs.iter().sum::<Fr>() } else { Fr::ZERO };
        let used = table.get(row).copied().unwrap_or(Fr::ZERO);
        next[Acc::Sum as usize] = r.before(Acc::Sum) + looked_up - used;
        r.items(&mut next);
        r.positions(&mut next);
        r.kernels(&mut next);
        r.tasks(&mut next);
        r.published(&mut next, instances.get(row).copied().unwrap_or(Fr::ZERO));
        r.claims(&mut next);
        accumulators.push(next);
        previous = next;
    }
    Folded { inverses, accumulators }
}

/// `1/A` and `1/B` of every lane of every lookup row.
fn inverses(plan: &Plan, witness: &Witness, p: &Powers) -> Cells {
    let lanes = plan.width.lanes();
    let (beta, gamma) = (p.at(Ch::Beta), p.at(Ch::Gamma));
    let rows: Vec<usize> = (0..plan.rows).filter(|r| plan.is(Fx::Lookup, *r)).collect();
    let mut keys = Vec::with_capacity(rows.len() * 2 * lanes);
    for &row in &rows {
        let c = &witness.cells[row];
        let (a, b) = (beta + plan.fx(Fx::TagA, row), beta + plan.fx(Fx::TagB, row));
        for lane in 0..lanes {
            keys.push(a + gamma * c[lane] + p.gamma2 * c[2 * lanes + lane]);
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
    let mut keys: Vec<Fr> = plan
        .table
        .rows
        .iter()
        .map(|(t, a, b)| beta + Fr::from(*t) + gamma * Fr::from(*a) + p.gamma2 * Fr::from(*b))
        .collect();
    invert(&mut keys);
    keys.iter().zip(&witness.multiplicities).map(|(k, m)| *k * Fr::from(*m)).collect()
}

fn invert(keys: &mut [Fr]) {
    let mut scratch = vec![Fr::ZERO; keys.len()];
    BatchInverter::invert_with_external_scratch(keys, &mut scratch);
}

/// One row and the accumulators before it.
struct Row<'a> {
    plan: &'a Plan,
    p: &'a Powers,
    row: usize,
    lanes: usize,
    cells: &'a [Fr],
    before: &'a [Fr; ACCUMULATORS],
}

impl Row<'_> {
    fn is(&self, fx: Fx) -> bool {
        self.plan.is(fx, self.row)
    }

    fn fx(&self, fx: Fx) -> Fr {
        self.plan.fx(fx, self.row)
    }

    fn weight(&self, i: usize) -> Fr {
        self.plan.fixed.at(Fx::Weight0.index(self.plan.width) + i, self.row)
    }

    fn before(&self, acc: Acc) -> Fr {
        self.before[acc as usize]
    }

    /// `x` where the selector is set.
    fn when(&self, fx: Fx, x: Fr) -> Fr {
        if self.is(fx) {
            x
        } else {
            Fr::ZERO
        }
    }

    /// The hash behind a last row.
    fn hash(&self) -> Fr {
        let m = &self.plan.poseidon.m[0];
        (0..WIDTH).map(|k| m[k] * self.cells[k]).sum()
    }

    /// Whether the row takes the children of a node.
    fn is_node(&self) -> bool {
        self.is(Fx::Absorb) && self.fx(Fx::TagA) != Fr::ZERO
    }

    /// The message of a block.
    fn message(&self, i: usize) -> Fr {
        self.plan.poseidon.message(self.cells, i)
    }

    /// `before` times what the marks say: forgotten, or multiplied by `challenge`.
    fn moved(&self, acc: Acc, reset: Fx, steps: &[(Fx, Fr)]) -> Fr {
        let before = if self.is(reset) { Fr::ZERO } else { self.before(acc) };
        let step = steps.iter().find(|(fx, _)| self.is(*fx));
        step.map_or(before, |(_, factor)| *factor * self.before(acc))
    }

    fn items(&self, next: &mut [Fr; ACCUMULATORS]) {
        let (p, tau) = (self.p, self.p.at(Ch::Tau));
        let lanes = |i: usize| horner(&self.cells[i * self.lanes..(i + 1) * self.lanes], tau);
        let chunk = self.when(Fx::Chunk, p.tau_chunk);
        if self.is(Fx::Lookup) || self.is(Fx::Scale) || self.is(Fx::Offset) {
            next[Acc::X as usize] =
                chunk * self.before(Acc::X) + self.when(Fx::Lookup, lanes(2) - p.zero_points);
            next[Acc::Y as usize] = chunk * self.before(Acc::Y)
                + self.fx(Fx::Scale) * lanes(0)
                + self.when(Fx::Lookup, lanes(1))
                + self.fx(Fx::Offset) * p.ones;
        }
        if self.is(Fx::Spill) {
            let fold = self.when(Fx::SpillFold, p.tau_chunk3);
            let spilled = p.tau_chunk2 * lanes(0) + p.tau_chunk * lanes(1) + lanes(2);
            next[Acc::Y as usize] +=
                fold * self.before(Acc::Y) + self.fx(Fx::Spill) * (spilled - p.spill_offset);
        }
    }

    fn positions(&self, next: &mut [Fr; ACCUMULATORS]) {
        let (z, e, lambda) = (self.p.at(Ch::Z), self.p.at(Ch::E), self.p.at(Ch::Lambda));
        next[Acc::Image as usize] = self.moved(Acc::Image, Fx::ImageReset, &[(Fx::ImageStep, z)])
            + self.when(Fx::Position, next[Acc::X as usize]);
        next[Acc::Outputs as usize] =
            self.moved(Acc::Outputs, Fx::OutputsReset, &[(Fx::OutputsStep, z)])
                + self.when(Fx::Position, next[Acc::Y as usize]);
        let steps = [(Fx::ChannelFold, e), (Fx::TensorStep, z), (Fx::TensorClaim, lambda)];
        next[Acc::Tensor as usize] = self.moved(Acc::Tensor, Fx::Channel, &steps)
            + self.when(Fx::Channel, next[Acc::Outputs as usize]);
    }

    fn kernels(&self, next: &mut [Fr; ACCUMULATORS]) {
        let (p, e) = (self.p, self.p.at(Ch::E));
        let mut weighed = self.when(Fx::WeightFold, p.e_weights * self.before(Acc::W));
        let columns = weight_lanes(self.plan.width);
        let first = Fx::Weight0.index(self.plan.width);
        if (first..first + columns).any(|i| !self.plan.fixed.is_zero(i, self.row)) {
            let weights: Vec<Fr> = (0..columns).map(|i| self.weight(i)).collect();
            let omega = if self.is(Fx::Word) { p.at(Ch::Omega) } else { Fr::ONE };
            weighed += omega * horner(&weights, e);
        }
        next[Acc::W as usize] = weighed;
        let steps = [(Fx::KernelStep, p.at(Ch::Z)), (Fx::KernelClaim, p.at(Ch::Lambda))];
        next[Acc::Kernel as usize] = self.moved(Acc::Kernel, Fx::KernelReset, &steps)
            + self.when(Fx::Tap, next[Acc::W as usize]);
        let keep = self.fx(Fx::Scale) + self.fx(Fx::WordStep) * e;
        next[Acc::Classes as usize] = keep * self.before(Acc::Classes)
            + self.when(Fx::Pack, next[Acc::X as usize] + next[Acc::Y as usize] * Fr::from(256));
    }

    /// What the accumulators of claims hold beside tasks.
    fn tasks(&self, next: &mut [Fr; ACCUMULATORS]) {
        let (p, tau, e) = (self.p, self.p.at(Ch::Tau), self.p.at(Ch::E));
        let words = self.before(Acc::Outputs);
        let is_first = self.is(Fx::Absorb) && !self.is(Fx::AbsorbNext) && !self.is_node();
        if self.is(Fx::Absorb) {
            let m: Vec<Fr> = (2..WIDTH).map(|i| self.message(i)).collect();
            let is_next = self.is(Fx::AbsorbNext);
            next[Acc::Outputs as usize] =
                if is_next { p.e_words * words + horner(&m, e) } else { horner(&m[1..], e) };
        }
        if self.is(Fx::Classes) {
            let bytes: Vec<Fr> = (0..classes(self.plan.width))
                .map(|i| self.cells[2 * i] - self.real(i) * p.zero_point)
                .collect();
            next[Acc::Outputs as usize] =
                self.when(Fx::ClassesNext, p.e_classes * words) + horner(&bytes, e);
            next[Acc::Classes as usize] =
                self.when(Fx::ClassesNext, self.before(Acc::Classes)) + self.votes();
        }
        if self.is(Fx::Item) {
            next[Acc::Image as usize] = self.when(Fx::ItemFold, tau * self.before(Acc::Image))
                + next[Acc::Outputs as usize]
                + self.when(Fx::Score, p.rho[1] * self.cells[self.lanes + 3]);
        }
        next[Acc::Labels as usize] = self.before(Acc::Labels);
        if is_first {
            let salt = self.message(2);
            if self.is(Fx::Scale) {
                let label = (self.message(1) - self.fx(Fx::Offset)) * p.per_label_scale;
                next[Acc::Labels as usize] =
                    tau * self.before(Acc::Labels) + label + p.rho[1] * salt;
            } else {
                next[Acc::Kernel as usize] = tau * self.before(Acc::Kernel) + salt;
            }
        }
    }

    /// Whether class `i` of a row is one.
    fn real(&self, i: usize) -> Fr {
        let column = real_mark(self.plan.width, i);
        column.map_or(Fr::ONE, |column| self.plan.fixed.at(column, self.row))
    }

    /// One-hot sums of a row of classes.
    fn votes(&self) -> Fr {
        let p = self.p;
        (0..classes(self.plan.width))
            .map(|i| {
                let (o, s2) = (self.cells[2 * i], self.cells[2 * i + 1]);
                let slack = self.cells[self.lanes + 2 * i];
                let s1 = (slack - self.cells[self.lanes + 1] + o) * p.per_label;
                s1 * (o + p.rho[2] + p.rho[4] * self.weight(i)) + s2 * (p.rho[1] * o + p.rho[3])
            })
            .sum()
    }

    fn published(&self, next: &mut [Fr; ACCUMULATORS], instance: Fr) {
        let rho = self.p.rho[1];
        let o = self.before(Acc::Published);
        let mut published = if self.is(Fx::Publish) { rho * o } else { o };
        if self.is(Fx::PublishHash) {
            published += self.hash();
        }
        published += self.when(Fx::Score, self.cells[2 * self.lanes]);
        next[Acc::Published as usize] = published;
        let r = self.before(Acc::Read);
        next[Acc::Read as usize] = if self.is_node() {
            let children: Vec<Fr> = (1..WIDTH).map(|i| self.message(i)).collect();
            self.p.rho[ARITY] * r + horner(&children, rho)
        } else {
            let kept = if self.is(Fx::Read) { rho * r } else { r };
            kept + self.fx(Fx::ReadScale) * instance
        };
    }

    fn claims(&self, next: &mut [Fr; ACCUMULATORS]) {
        let (lambda, omega) = (self.p.at(Ch::Lambda), self.p.at(Ch::Omega));
        let kept = self.before(Acc::Claims);
        let mut claims = if self.is(Fx::Claim) { lambda * kept } else { kept };
        let kernel = next[Acc::Kernel as usize];
        claims += self.when(Fx::Product, next[Acc::Image as usize] * kernel);
        claims += self.when(Fx::ProductHeld, next[Acc::Outputs as usize] * kernel);
        claims += self.when(Fx::WordsDone, omega * next[Acc::Classes as usize]);
        claims -= self.when(Fx::Close, lambda * next[Acc::Tensor as usize]);
        let items = next[Acc::Image as usize];
        let salts = self.p.rho[2] * next[Acc::Kernel as usize];
        claims -= self.when(Fx::CloseWords, omega * items + salts);
        let labels = self.p.rho[1] * next[Acc::Labels as usize];
        claims -= self.when(Fx::CloseCopies, items - labels);
        next[Acc::Claims as usize] = claims;
    }
}
