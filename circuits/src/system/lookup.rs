//! The lookup argument (logUp) in ordinary gates.
//!
//! Each lane looks up two pairs in one fixed table of triples `(t0, t1, t2)`:
//!
//! ```text
//! A = q beta + tag_a + gamma hi + gamma^2 out        (tag_a, hi, out)
//! B = q beta + tag_b + gamma lo                      (tag_b, lo, 0)
//! K =   beta + t0    + gamma t1 + gamma^2 t2
//!
//! helper   h A B - q (A + B) = 0                     degree 3, so h = 1/A + 1/B where q = 1
//! sum      (act S - q sum(h) - act' S') K + act m = 0    degree 3
//! ```
//!
//! `q` is [`Fx::Lookup`], `act` [`Fx::Active`], a prime marks the previous row. On the first
//! unused row the sum gate reads `S' K = 0`, hence the total is zero. The identity
//! `sum(1/A + 1/B) = sum(m/K)` at a random `beta`, drawn after all cells and multiplicities, makes
//! every looked-up triple a row of the table; the number of look-ups is far below the field's
//! characteristic, so multiplicities cannot wrap. Where `q = 0`, `h` does not enter the sum.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};

use super::columns::{Acc, Cell, Ch, Columns};
use super::poseidon::Constants;
use super::row::Row as _;
use super::steering::Fx;
use super::view::View;

/// Name of the helper gate. MockProver poisons its blinding rows, where real proofs hold zero.
pub(crate) const HELPER_GATE: &str = "lookup helper";

pub(super) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns, constants: &Constants) {
    cs.create_gate(HELPER_GATE, |meta| {
        let mut v = View::new(meta, columns, constants);
        let (q, beta, gamma) = (v.fx(Fx::Lookup), v.challenge(Ch::Beta), v.challenge(Ch::Gamma));
        let gamma2 = gamma.clone() * gamma.clone();
        let key_a = q.clone() * beta.clone() + v.fx(Fx::TagA);
        let key_b = q.clone() * beta + v.fx(Fx::TagB);
        (0..v.lane_count())
            .map(|l| {
                let a = key_a.clone()
                    + gamma.clone() * v.at(Cell::Hi(l))
                    + gamma2.clone() * v.at(Cell::Out(l));
                let b = key_b.clone() + gamma.clone() * v.at(Cell::Lo(l));
                v.helper(l) * (a.clone() * b.clone()) - q.clone() * (a + b)
            })
            .collect::<Vec<_>>()
    });
    cs.create_gate("lookup sum", |meta| {
        let mut v = View::new(meta, columns, constants);
        let (beta, gamma) = (v.challenge(Ch::Beta), v.challenge(Ch::Gamma));
        let gamma2 = gamma.clone() * gamma.clone();
        let key = beta + v.fx(Fx::Table0) + gamma * v.fx(Fx::Table1) + gamma2 * v.fx(Fx::Table2);
        let helpers = (1..v.lane_count()).fold(v.helper(0), |sum, l| sum + v.helper(l));
        let (active, before) = (v.fx(Fx::Active), v.active_prev());
        let step: Expression<Fr> = active.clone() * v.here(Acc::Sum)
            - v.fx(Fx::Lookup) * helpers
            - before * v.before(Acc::Sum);
        vec![step * key + active * v.multiplicity()]
    });
}
