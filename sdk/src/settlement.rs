//! What settles the tasks of a batch, as the rollup takes it: slots, chunks, invoices, openings.

use alloy::primitives::{keccak256, Address, B256, U256};
use alloy::sol_types::SolValue as _;
use dn_core::api::{self, Bytes32, OrderView};
use dn_core::{chunks, statement};

use crate::contracts::IInferenceRollup::{BatchHeader, Chunk, Opening};
use crate::wire;

/// Bits of one slot among a chunk's outcomes.
const OUTCOME_BITS: usize = 4;

/// A task of a batch: its order, and the worker that is paid for it.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The user's order.
    pub order: OrderView,
    /// Its executor.
    pub worker: Address,
}

/// What became of a task at settlement: `IInferenceRollup.Outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// No task, or not settled.
    None,
    /// Paid in full.
    Paid,
    /// Paid without the worker's share, which nobody has claimed.
    Unsigned,
    /// The balance was below the price.
    Short,
    /// The nonce was used by another order.
    Used,
    /// The batch was opened after the order's deadline.
    Late,
    /// The price was above the order's maximum.
    Dear,
    /// It was not the user who signed.
    Forged,
}

impl Outcome {
    /// The outcome of a chunk's slot.
    #[must_use]
    pub fn of(outcomes: U256, slot: usize) -> Self {
        match outcomes.wrapping_shr(OUTCOME_BITS * slot).as_limbs()[0] & 15 {
            1 => Self::Paid,
            2 => Self::Unsigned,
            3 => Self::Short,
            4 => Self::Used,
            5 => Self::Late,
            6 => Self::Dear,
            7 => Self::Forged,
            _ => Self::None,
        }
    }

    /// Whether the user has paid.
    #[must_use]
    pub fn is_paid(self) -> bool {
        matches!(self, Self::Paid | Self::Unsigned)
    }
}

/// Hash of a batch's header: what the chain holds, and what workers sign for.
#[must_use]
pub fn header_hash(header: &BatchHeader) -> Bytes32 {
    wire::api_bytes32(keccak256(header.abi_encode()))
}

/// The public input that binds a proof to a batch and to its prover: a hash without its top three bits.
#[must_use]
pub fn header_instance(batch_hash: Bytes32, prover: api::Address) -> Bytes32 {
    let pair = (B256::from(batch_hash.0), wire::address(prover));
    let mut instance = keccak256(pair.abi_encode()).0;
    instance[0] &= 0x1f;
    Bytes32(instance)
}

/// The workers of a chunk, each once, in the order of their first slots.
fn workers(slots: &[Slot]) -> Vec<Address> {
    let mut workers = Vec::new();
    for slot in slots {
        if !workers.contains(&slot.worker) {
            workers.push(slot.worker);
        }
    }
    workers
}

/// The slots of a chunk, packed.
fn packed(slots: &[Slot], workers: &[Address]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(slots.len() * 85);
    for slot in slots {
        let order = &slot.order;
        let worker = workers.iter().position(|w| *w == slot.worker).unwrap_or_default();
        bytes.extend(order.user.0);
        // A chunk has at most 64 slots.
        bytes.push(u8::try_from(worker).unwrap_or(u8::MAX));
        bytes.extend(order.max_fee.0.to_be_bytes());
        bytes.extend(order.deadline.to_be_bytes());
        bytes.extend(order.nonce.to_be_bytes());
        bytes.extend(order.tag.0);
    }
    bytes
}

/// A chunk with its slots and workers alone: what is committed to, and what a report needs.
#[must_use]
pub fn chunk(batch_slots: usize, index: usize, slots: &[Slot]) -> Chunk {
    let range = chunks::slots(batch_slots, index);
    let slots = &slots[range.start.min(slots.len())..range.end.min(slots.len())];
    let workers = workers(slots);
    Chunk {
        index: U256::from(index),
        slots: packed(slots, &workers).into(),
        invoices: vec![alloy::primitives::Bytes::new(); workers.len()],
        workers,
        signatures: alloy::primitives::Bytes::new(),
        salts: Vec::new(),
    }
}

/// Hash of each chunk's slots and workers; zero where no slot is in use.
#[must_use]
pub fn slot_hashes(batch_slots: usize, slots: &[Slot]) -> Vec<B256> {
    let hash = |index| {
        let chunk = chunk(batch_slots, index, slots);
        if chunk.slots.is_empty() {
            return B256::ZERO;
        }
        let mut bytes = chunk.slots.to_vec();
        chunk.workers.iter().for_each(|worker| bytes.extend(worker.into_word()));
        keccak256(bytes)
    };
    (0..chunks::count(batch_slots)).map(hash).collect()
}

/// What a batch's header says of its slots.
#[must_use]
pub fn slots_hash(batch_slots: usize, slots: &[Slot]) -> B256 {
    keccak256(slot_hashes(batch_slots, slots).concat())
}

/// What a worker signs for: its output commitments in a chunk, in the order of their slots.
#[must_use]
pub fn invoice_outputs(outputs: impl IntoIterator<Item = Bytes32>) -> B256 {
    let fold = |hash: B256, output: Bytes32| keccak256([hash.0, output.0].concat());
    outputs.into_iter().fold(B256::ZERO, fold)
}

/// Where a chunk stands in a proven batch. `None` where the public inputs are those of no batch.
#[must_use]
pub fn opening(
    instances: &[Bytes32],
    slots: &[Slot],
    prover: Address,
    index: usize,
) -> Option<Opening> {
    let batch_slots = statement::slots(instances.len())?;
    let words = |chunk| {
        let (slots, words) = (chunks::slots(batch_slots, chunk), chunks::words(batch_slots, chunk));
        let at = |at: usize, range: &std::ops::Range<usize>| {
            instances[at + range.start..at + range.end].iter().map(|word| word.0)
        };
        let inputs = at(statement::INPUTS_AT, &slots);
        let labels = at(statement::labels_at(batch_slots), &words);
        let outputs = at(statement::outputs_at(batch_slots), &slots);
        inputs.chain(labels).chain(outputs).collect::<Vec<_>>()
    };
    let leaf = |chunk| keccak256(words(chunk).concat());
    (index < chunks::count(batch_slots)).then(|| Opening {
        prover,
        slotHashes: slot_hashes(batch_slots, slots),
        leaves: (0..chunks::count(batch_slots)).map(leaf).collect(),
        statement: words(index).into_iter().map(U256::from_be_bytes).collect(),
    })
}

/// A signature of 65 bytes in the compact form of EIP-2098. `None` where it is none.
#[must_use]
pub fn compact(signature: &[u8]) -> Option<[u8; 64]> {
    let (parity, bytes) = signature.split_last()?;
    let mut compact: [u8; 64] = bytes.try_into().ok()?;
    if !matches!(parity, 27 | 28) || compact[32] >> 7 != 0 {
        return None;
    }
    compact[32] |= (parity - 27) << 7;
    Some(compact)
}

#[cfg(test)]
mod tests {
    use dn_core::api::Amount;

    use super::*;

    fn slot(i: u8) -> Slot {
        let order = OrderView {
            user: api::Address([i; 20]),
            model_id: Bytes32([1; 32]),
            input_hash: Bytes32([2; 32]),
            max_fee: Amount(7),
            deadline: 8,
            nonce: u64::from(i),
            tag: Bytes32([i; 32]),
        };
        Slot { order, worker: Address::repeat_byte(i % 3) }
    }

    #[test]
    fn a_chunk_names_each_worker_once() {
        let slots: Vec<Slot> = (0..130).map(slot).collect();
        let last = chunk(130, 2, &slots);
        assert_eq!((last.slots.len(), last.workers.len()), (10 * 85, 3));
        assert_eq!(last.slots[20], 0);
        assert_eq!(last.slots[85 + 20], 1);
        assert_eq!(chunk(130, 0, &slots).slots.len(), 60 * 85);
        let hashes = slot_hashes(130, &slots[..61]);
        assert_eq!(hashes.iter().filter(|hash| **hash == B256::ZERO).count(), 1);
        assert_ne!(hashes[0], hashes[1]);
    }

    #[test]
    fn outcomes_are_read_by_slot() {
        let outcomes = U256::from(0x0731_u64) | U256::from(2) << 252;
        let of = |slot| Outcome::of(outcomes, slot);
        assert_eq!(
            [0, 1, 2, 3].map(of),
            [Outcome::Paid, Outcome::Short, Outcome::Forged, Outcome::None]
        );
        assert_eq!(of(63), Outcome::Unsigned);
    }

    #[test]
    fn compact_signatures_carry_the_parity() {
        let mut signature = [1; 65];
        signature[64] = 28;
        assert_eq!(compact(&signature).unwrap()[32], 0x81);
        signature[64] = 27;
        assert_eq!(compact(&signature).unwrap(), [1; 64]);
        signature[64] = 1;
        assert_eq!(compact(&signature), None);
        assert_eq!(compact(&signature[..64]), None);
    }
}
