//! For each challenge that folds something a forgery that fits where the prover knows it, and only there.

use dn_core::Width;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::Checker;
use super::messages::another_word;
use super::nets::{set_lo, small, Net};
use super::soundness::objections;
use super::weakening::challenges;
use crate::field::CoreFr;
use crate::system::columns::Ch;
use crate::system::rows::classes::class_rows;
use crate::witness::Witness;

/// Remainders of two rows, moved by amounts that cancel where the first row's power is twice the second one's.
fn cancelling(net: &Net, rows: &[(usize, usize)]) -> Witness {
    let lanes = net.plan.width.lanes();
    let mut w = net.witness.clone();
    let lo = |row: usize| small(net.witness.cells[row][lanes]);
    let fits = |row: usize, by: i64| {
        lo(row).checked_add_signed(by).filter(|x| *x < 1 << net.plan.table.lo_bits)
    };
    let ways = rows.iter().flat_map(|(a, b)| [1, -1].map(|up| [(*a, up), (*b, -2 * up)]));
    let is_possible =
        |way: &[(usize, i64); 2]| way.iter().all(|(row, by)| fits(*row, *by).is_some());
    for (row, by) in ways.into_iter().find(is_possible).expect("remainders that may move") {
        set_lo(&net.plan, &mut w, row, 0, fits(row, by).expect("it is possible"));
    }
    w
}

#[test]
fn soundness_row_13_forgeries_that_fit_a_known_challenge_are_wrong() {
    for width in Width::ALL {
        let net = Net::long_of(width);
        let plan = &net.plan;
        let nodes = &plan.sections.nodes;
        let check = |challenge: Ch, value: u64, w: &Witness| {
            let mut known = challenges();
            known[challenge as usize] = Fr::from(value);
            let c = Checker::new(plan, known);
            let found = objections(&c, &c.grid(w));
            assert!(found.is_empty(), "{} {value} is not fitted: {found:?}", width.name());
            let c = Checker::new(plan, challenges());
            assert!(!objections(&c, &c.grid(w)).is_empty(), "{} {value}", width.name());
        };
        // Output `o` of `O` has `e^(O-1-o)`.
        let rows = &nodes[1].accumulators;
        let neighbours: Vec<_> = rows.windows(2).map(|pair| (pair[0], pair[1])).collect();
        check(Ch::E, 2, &cancelling(&net, &neighbours));
        // The last outputs of two layers have one power of `e`, and neighbouring ones of lambda.
        let last = |node: usize| *nodes[node].accumulators.last().expect("a layer has outputs");
        check(Ch::Lambda, 2, &cancelling(&net, &[(last(0), last(1))]));
        // Commitments are read one behind the other.
        let mut w = net.witness.clone();
        w.statement.inputs[0] += CoreFr::from(1u8);
        w.statement.inputs[1] -= CoreFr::from(7u8);
        check(Ch::Rho, 7, &w);
        check(Ch::Omega, 0, &another_word(&net));
        // What a score's look-up yields.
        let mut w = net.witness.clone();
        let score = plan.sections.quality + class_rows(net.graph.output_len(), width);
        w.cells[score][2 * width.lanes()] += Fr::ONE;
        w.statement.score.probe_count += 1;
        check(Ch::Gamma, 0, &w);
    }
}
