//! Batches whose statement is one digest: accepted as they are, and with any branch or leaf forged refused.

use dn_core::digest::{branches, Tree};
use dn_core::statement::Form;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::Checker;
use super::nets::Net;
use super::soundness::{objections, only};
use super::weakening::challenges;
use super::{batch, chain, dense, failures, Stream};
use crate::field::{from_core, CoreFr};
use crate::plan::Frame;
use crate::system::columns::Acc;
use crate::system::poseidon::WIDTH;
use crate::system::steering::Fx;
use crate::witness::Witness;
use dn_core::Width;

/// Six tasks whose inputs take two blocks.
pub(super) fn digested(width: Width) -> Net {
    let mut s = Stream(71);
    let graph = chain(100, vec![dense(&mut s, 100, 3, 9, true)]);
    let tasks = batch(&mut s, &graph, 6);
    Net::new(graph, Frame::of(6, width).with(Form::Digest), tasks)
}

#[test]
fn accepts_a_batch_with_a_digest() {
    for width in Width::ALL {
        let net = digested(width);
        assert_eq!(net.witness.statement.instances().len(), net.plan.instances());
        let failures = failures(&net.plan, net.witness.clone());
        assert!(failures.is_empty(), "{failures:?}");
        let estimate = crate::estimate::estimate(&net.graph, net.plan.frame()).unwrap();
        assert_eq!(estimate.rows, net.plan.rows);
    }
}

/// The branches of another tree with its digest.
fn with_tree(net: &Net, tree: &Tree) -> Witness {
    let mut w = net.witness.clone();
    let poseidon = &net.plan.poseidon;
    let mut at = net.plan.sections.digest;
    for branch in 0..branches(net.plan.slots) {
        let mut state = [Fr::ZERO; WIDTH];
        let children = &tree.elements()[5 * branch + 1..];
        state[1..].iter_mut().zip(children).for_each(|(to, x)| *to = from_core(*x));
        let (rows, _) = poseidon.permute(state);
        w.cells[at..at + rows.len()].copy_from_slice(&rows[0..rows.len()]);
        at += rows.len();
    }
    w.statement.digest = Some(tree.root());
    w
}

#[test]
fn rejects_the_digest_of_other_leaves() {
    for width in Width::ALL {
        let net = digested(width);
        let c = Checker::new(&net.plan, challenges());
        let leaves = net.witness.statement.leaves();
        assert!(c
            .failures(&c.grid(&with_tree(&net, &net.witness.statement.tree().unwrap())))
            .is_empty());
        for leaf in 0..leaves.len() {
            let mut other = leaves.clone();
            other[leaf] += CoreFr::from(1u8);
            let w = with_tree(&net, &Tree::new(&other).unwrap());
            assert_eq!(objections(&c, &c.grid(&w)), only("public inputs/equal"), "leaf {leaf}");
        }
        // The same leaves in another order.
        for (a, b) in [(0, 1), (1, net.plan.slots), (0, net.plan.slots + 1)] {
            let mut other = leaves.clone();
            other.swap(a, b);
            let w = with_tree(&net, &Tree::new(&other).unwrap());
            assert_eq!(objections(&c, &c.grid(&w)), only("public inputs/equal"), "{a} and {b}");
        }
    }
}

#[test]
fn rejects_another_digest_and_another_score() {
    for width in Width::ALL {
        let net = digested(width);
        let c = Checker::new(&net.plan, challenges());
        let mut w = net.witness.clone();
        w.statement.digest = w.statement.digest.map(|d| d + CoreFr::from(1u8));
        assert_eq!(objections(&c, &c.grid(&w)), only("public inputs/equal"));
        let mut better = net.witness.statement.clone();
        better.score.probe_correct += 1;
        let w = with_tree(&net, &better.tree().unwrap());
        assert_eq!(objections(&c, &c.grid(&w)), only("public inputs/equal"));
    }
}

/// A branch that is not the hash of its children, and a fold that does not take them.
#[test]
fn rejects_a_branch_that_is_no_hash_and_children_that_are_not_read() {
    for width in Width::ALL {
        let net = digested(width);
        let c = Checker::new(&net.plan, challenges());
        let first = net.plan.sections.digest + crate::system::poseidon::rows(width);
        let mut w = net.witness.clone();
        w.cells[first][0] += Fr::ONE;
        assert!(!c.failures(&c.grid(&w)).is_empty());
        let mut grid = c.grid(&net.witness);
        let row = c.row_with(&[Fx::Absorb, Fx::TagA]);
        grid.rows[row][c.at.acc(Acc::Read)] += Fr::ONE;
        assert!(objections(&c, &grid).contains("public inputs/read"));
    }
}

/// Two branches change places, with their parents made to follow; and a parent reads a leaf in the place of a branch.
#[test]
fn rejects_branches_in_each_others_places() {
    for width in Width::ALL {
        let net = digested(width);
        let c = Checker::new(&net.plan, challenges());
        let tree = net.witness.statement.tree().unwrap();
        let count = branches(net.plan.slots);
        assert!(count > 2, "{} has {count} branches", width.name());
        let rows = crate::system::poseidon::rows(width);
        let at = |branch: usize| {
            let first = net.plan.sections.digest + branch * rows;
            first..first + rows
        };
        // The root's rows above children of which some are others.
        let forged = |changed: &[(usize, usize)]| {
            let mut w = net.witness.clone();
            let mut children = tree.elements()[1..6].to_vec();
            for (to, from) in changed {
                children[to - 1] = tree.elements()[*from];
                if *from < count {
                    let rows = net.witness.cells[at(*from)].to_vec();
                    w.cells[at(*to)].copy_from_slice(&rows);
                }
            }
            let mut state = [Fr::ZERO; WIDTH];
            state[1..].iter_mut().zip(&children).for_each(|(to, x)| *to = from_core(*x));
            let (cells, root) = net.plan.poseidon.permute(state);
            w.cells[at(0)].copy_from_slice(&cells[0..rows]);
            w.statement.digest = Some(crate::field::to_core(root));
            w
        };
        assert!(c.failures(&c.grid(&forged(&[]))).is_empty());
        for changed in [&[(1, 2), (2, 1)][..], &[(1, 1), (2, count)]] {
            let found = objections(&c, &c.grid(&forged(changed)));
            assert_eq!(found, only("public inputs/equal"), "{changed:?}");
        }
    }
}
