//! Spilled coefficients and the bits of windows, changed so that some sum of them stays.

use dn_core::Width;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::Checker;
use super::nets::{set_lo, set_pair, small, Net};
use super::soundness::{objections, only};
use super::splices::pooled;
use super::weakening::challenges;
use crate::system::table::{chosen, NOT_CHOSEN};
use crate::witness::Witness;

/// Where the spilled cell of a slot stands, for the coefficient whose rows begin at `first`.
fn spilled(net: &Net, first: usize, slot: usize) -> (usize, usize) {
    let lanes = net.plan.width.lanes();
    let chunks = net.plan.slots / lanes;
    let place = chunks.next_multiple_of(3) - chunks + slot / lanes;
    (first + place / 3, place % 3 * lanes + slot % lanes)
}

#[test]
fn rejects_spilled_values_that_sum_to_the_same() {
    for width in Width::ALL {
        let net = pooled(width);
        let c = Checker::new(&net.plan, challenges());
        let rejects = |what: &str, w: &Witness| {
            assert_eq!(
                objections(&c, &c.grid(w)),
                only("claims/claims"),
                "{} {what}",
                width.name()
            );
        };
        let all = &net.plan.sections.nodes[0].spilled;
        let row_of = |channel: usize, index: usize| {
            all.iter().find(|(c, i, _)| (*c, *i) == (channel, index)).expect("a coefficient").2
        };
        let index = all[0].1;
        let next = all.iter().find(|(c, i, _)| (*c, *i != index) == (0, true)).expect("two").1;
        let own = spilled(&net, row_of(0, index), 0);
        let moved = |to: (usize, usize)| {
            let mut w = net.witness.clone();
            w.cells[own.0][own.1] += Fr::ONE;
            w.cells[to.0][to.1] -= Fr::ONE;
            w
        };
        rejects("two of one channel", &moved(spilled(&net, row_of(0, next), 0)));
        rejects("one of two channels", &moved(spilled(&net, row_of(1, index), 0)));
        rejects("one of two items", &moved(spilled(&net, row_of(0, index), 1)));

        let mut w = net.witness.clone();
        for (_, _, first) in all {
            let (row, column) = spilled(&net, *first, 0);
            w.cells[row].swap(column, column + 1);
        }
        rejects("all of two items exchanged", &w);

        // A remainder that is off moves into a spilled value.
        let (mut w, row) = (net.witness.clone(), net.plan.sections.nodes[0].accumulators[0]);
        let lo = small(w.cells[row][width.lanes()]);
        set_lo(&net.plan, &mut w, row, 0, lo ^ 1);
        let sign = if lo & 1 == 0 { -Fr::ONE } else { Fr::ONE };
        w.cells[own.0][own.1] += sign * net.plan.fx(crate::system::steering::Fx::Scale, row);
        assert_ne!(w.cells[own.0][own.1], net.witness.cells[own.0][own.1]);
        rejects("a remainder moved into one", &w);
    }
}

#[test]
fn soundness_row_17_rejects_bits_of_other_positions_windows_and_items() {
    for width in Width::ALL {
        let net = pooled(width);
        let (c, bit) = (Checker::new(&net.plan, challenges()), 2 * width.lanes());
        let rejects = |what: &str, w: &Witness| {
            assert!(!objections(&c, &c.grid(w)).is_empty(), "{} {what}", width.name());
        };
        let (rows, across) = (&net.plan.sections.nodes[1], net.graph.nodes[1].shape.width);
        let window =
            |first: usize| [0, 1, across, across + 1].map(|at| rows.accumulators[first + at]);
        let chosen_row = |first: usize, lane: usize| {
            let is_chosen = |row: &usize| small(net.witness.cells[*row][bit + lane]) == chosen(2);
            window(first).into_iter().find(is_chosen).expect("a largest value")
        };
        let own = chosen_row(0, 0);
        // Bits are the outputs of look-ups: those that are chosen have a slack of 0 beside them.
        let without = || {
            let mut w = net.witness.clone();
            set_pair(&net.plan, &mut w, own, 0, 0, NOT_CHOSEN);
            w
        };
        rejects("a window without a bit", &without());
        let twice = Fr::from(2 * chosen(2) - NOT_CHOSEN);
        let mut w = without();
        w.cells[chosen_row(2, 0)][bit] = twice;
        rejects("two bits in the next window", &w);
        let mut w = without();
        w.cells[chosen_row(0, 1)][bit + 1] = twice;
        rejects("two bits for the next item", &w);
        let low = window(0).into_iter().find(|row| small(net.witness.cells[*row][0]) > 0);
        let mut w = without();
        w.cells[low.expect("a smaller value")][bit] = Fr::from(chosen(2));
        rejects("the bit of a smaller value", &w);
    }
}
