//! Hashes that are right, of messages that no honest prover hashes.

use ark_ff::Field as _;
use dn_core::commitment::{self, DOMAIN_INPUT, DOMAIN_OUTPUT, WORD_BYTES};
use dn_core::Width;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::Checker;
use super::nets::Net;
use super::soundness::objections;
use super::weakening::challenges;
use crate::field::{from_core, to_core, CoreFr};
use crate::system::poseidon::{rows, WIDTH};
use crate::witness::Witness;

/// The elements of a message, block by block.
type Blocks = Vec<Vec<CoreFr>>;

/// Writes the rows of a message from `first` on; returns its hash.
fn write(net: &Net, w: &mut Witness, first: usize, blocks: &[Vec<CoreFr>]) -> CoreFr {
    let (mut at, mut hash) = (first, None);
    for block in blocks {
        let mut state = [Fr::ZERO; WIDTH];
        let elements = hash.into_iter().chain(block.iter().map(|x| from_core(*x)));
        state[1..].iter_mut().zip(elements).for_each(|(to, x)| *to = x);
        let (cells, end) = net.plan.poseidon.permute(state);
        w.cells[at..at + cells.len()].copy_from_slice(&cells[0..cells.len()]);
        at += cells.len();
        hash = Some(end);
    }
    to_core(hash.expect("a message has a block"))
}

/// What the input of a slot is hashed from, in two blocks.
fn input(net: &Net, slot: usize) -> Blocks {
    let task = &net.tasks[slot];
    commitment::blocks(commitment::tag(DOMAIN_INPUT, task.input.len()), task.salt, &task.input)
}

/// The same for its output under a salt, in one block.
fn output(net: &Net, slot: usize, salt: CoreFr) -> Blocks {
    let output = &net.witness.outputs[slot];
    commitment::blocks(commitment::tag(DOMAIN_OUTPUT, output.len()), salt, output)
}

/// The witness in which the inputs of some slots are other messages.
pub(super) fn with_inputs(net: &Net, messages: &[(usize, Blocks)]) -> Witness {
    let mut w = net.witness.clone();
    for (slot, blocks) in messages {
        let first = net.plan.sections.input_hashes + slot * 2 * rows(net.plan.width);
        w.statement.inputs[*slot] = write(net, &mut w, first, blocks);
    }
    w
}

fn with_outputs(net: &Net, messages: &[(usize, Blocks)]) -> Witness {
    let mut w = net.witness.clone();
    for (slot, blocks) in messages {
        let first = net.plan.sections.output_hashes + slot * rows(net.plan.width);
        w.statement.outputs[*slot] = write(net, &mut w, first, blocks);
    }
    w
}

/// The blocks with something added to an element.
fn off(mut blocks: Blocks, (block, at): (usize, usize), by: CoreFr) -> Blocks {
    blocks[block][at] += by;
    blocks
}

/// The input of slot 2 with something added to its second word, which is neither its first nor its last.
pub(super) fn another_word(net: &Net) -> Witness {
    with_inputs(net, &[(2, off(input(net, 2), (0, 3), CoreFr::from(5u8)))])
}

#[test]
fn rejects_messages_that_no_honest_prover_hashes() {
    let one = CoreFr::from(1u8);
    for width in Width::ALL {
        let net = Net::long_of(width);
        let c = Checker::new(&net.plan, challenges());
        let rejects = |what: &str, w: &Witness| {
            assert!(!objections(&c, &c.grid(w)).is_empty(), "{} {what}", width.name());
        };
        let salt = |slot: usize| net.tasks[slot].salt;
        let honest = with_inputs(&net, &[(1, input(&net, 1)), (2, input(&net, 2))]);
        assert_eq!(honest.cells, net.witness.cells);
        let honest = with_outputs(&net, &[(2, output(&net, 2, salt(2)))]);
        assert!(objections(&c, &c.grid(&honest)).is_empty());

        // An input of 100 values is four words: the second block has three places more. An output of 10 is one.
        for at in 1..4 {
            let w = with_inputs(&net, &[(2, off(input(&net, 2), (1, at), one))]);
            rejects("a word behind an input", &w);
        }
        for at in 3..5 {
            let w = with_outputs(&net, &[(2, off(output(&net, 2, salt(2)), (0, at), one))]);
            rejects("a word behind an output", &w);
        }
        let exchanged = [(1, output(&net, 1, salt(2))), (2, output(&net, 2, salt(1)))];
        rejects("salts of two outputs exchanged", &with_outputs(&net, &exchanged));
        let [mut a, mut b] = [1, 2].map(|slot| input(&net, slot));
        std::mem::swap(&mut a[1], &mut b[1]);
        rejects("second blocks of two inputs exchanged", &with_inputs(&net, &[(1, a), (2, b)]));
        let next = CoreFr::from(256u32).pow([WORD_BYTES as u64]).inverse().expect("not zero");
        let carried = off(off(input(&net, 1), (0, 2), one), (0, 3), -next);
        rejects("a carry from one word to the next", &with_inputs(&net, &[(1, carried)]));
        let domain = CoreFr::from(DOMAIN_INPUT) - CoreFr::from(DOMAIN_OUTPUT);
        for by in [domain, CoreFr::from(1u64 << 32), CoreFr::from(1u128 << 64)] {
            let w = with_outputs(&net, &[(1, off(output(&net, 1, salt(1)), (0, 0), by))]);
            rejects("an output under another tag", &w);
        }
    }
}
