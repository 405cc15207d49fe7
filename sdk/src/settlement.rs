//! What settles the tasks of a batch, as the rollup takes it: slots, chunks, invoices, openings.

use alloy::primitives::{keccak256, Address, B256, U256};
use alloy::sol_types::SolValue as _;
use dn_core::api::{self, BundleView, Bytes32, OrderView};
use dn_core::{bundle, chunks, labels, statement};

use crate::contracts::IInferenceRollup::{BatchHeader, Chunk, Opening};
use crate::wire;

/// Bits of one slot among a chunk's outcomes.
const OUTCOME_BITS: usize = 4;
/// Bytes of a signed order, of one task or of several.
pub const ORDER_BYTES: usize = 93;

/// A task of a batch: its order, and the worker that is paid for it.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The user's order.
    pub order: OrderView,
    /// Its executor.
    pub worker: Address,
    /// Where the order is one of several that are signed together.
    pub bundle: Option<BundleView>,
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

/// Slots of a chunk that one signature stands for, in order.
struct Group<'s> {
    slots: &'s [Slot],
    size: u8,
    /// Nonce of the bundle's first order.
    nonce: u64,
    tags: Bytes32,
}

/// What orders of one bundle have in common; nothing of an order that is signed by itself.
type Common = (OrderView, u8, Bytes32, u64, Bytes32);

fn common(slot: &Slot) -> Option<Common> {
    let view = slot.bundle.as_ref()?;
    let (inputs, tags, nonce) = view.roots(&slot.order)?;
    let order = OrderView { input_hash: inputs, tag: tags, nonce, ..slot.order.clone() };
    Some((order, view.size, inputs, nonce, tags))
}

fn index(slot: &Slot) -> u8 {
    slot.bundle.as_ref().map_or(0, |view| view.index)
}

fn groups(slots: &[Slot]) -> Vec<Group<'_>> {
    let common: Vec<Option<Common>> = slots.iter().map(common).collect();
    let mut groups = Vec::new();
    let mut from = 0;
    for to in 1..=slots.len() {
        let goes_on = to < slots.len()
            && common[to].is_some()
            && common[to] == common[to - 1]
            && index(&slots[to]) > index(&slots[to - 1]);
        if goes_on {
            continue;
        }
        let (order, slots) = (&slots[from].order, &slots[from..to]);
        groups.push(match common[from] {
            Some((_, size, _, nonce, tags)) => Group { slots, size, nonce, tags },
            None => Group { slots, size: 1, nonce: order.nonce, tags: order.tag },
        });
        from = to;
    }
    groups
}

impl Group<'_> {
    fn mask(&self) -> u64 {
        self.slots.iter().fold(0, |mask, slot| mask | 1 << index(slot))
    }

    /// The bundle's order, packed.
    fn packed(&self) -> Vec<u8> {
        let order = &self.slots[0].order;
        let mut bytes = order.user.0.to_vec();
        bytes.push(self.size);
        bytes.extend(self.mask().to_be_bytes());
        bytes.extend(order.max_fee.0.to_be_bytes());
        bytes.extend(order.deadline.to_be_bytes());
        bytes.extend(self.nonce.to_be_bytes());
        bytes.extend(self.tags.0);
        bytes
    }

    /// What leads from some of its slots to a root of the bundle.
    fn siblings(&self, is_in: impl Fn(usize) -> bool, of_tags: bool) -> Vec<B256> {
        let path = |view: &BundleView| -> Vec<[u8; 32]> {
            let path = if of_tags { &view.tags } else { &view.inputs };
            path.iter().map(|node| node.0).collect()
        };
        let members: Vec<(usize, Vec<[u8; 32]>)> = (0..self.slots.len())
            .filter(|i| is_in(*i))
            .filter_map(|i| self.slots[i].bundle.as_ref())
            .map(|view| (usize::from(view.index), path(view)))
            .collect();
        let members: Vec<(usize, &[[u8; 32]])> =
            members.iter().map(|(index, path)| (*index, &path[..])).collect();
        if members.is_empty() {
            return Vec::new();
        }
        let found = bundle::siblings(self.size.into(), &members).unwrap_or_default();
        found.into_iter().map(B256::from).collect()
    }
}

/// The slots of a chunk.
fn of_chunk(batch_slots: usize, index: usize, slots: &[Slot]) -> &[Slot] {
    let range = chunks::slots(batch_slots, index);
    &slots[range.start.min(slots.len())..range.end.min(slots.len())]
}

/// A chunk with its slots and workers alone: what is committed to, and what a report needs.
#[must_use]
pub fn chunk(batch_slots: usize, index: usize, slots: &[Slot]) -> Chunk {
    let slots = of_chunk(batch_slots, index, slots);
    let workers = workers(slots);
    let executor = |slot: &Slot| {
        let worker = workers.iter().position(|w| *w == slot.worker).unwrap_or_default();
        // A chunk has at most 64 slots.
        u8::try_from(worker).unwrap_or(u8::MAX)
    };
    let groups = groups(slots);
    Chunk {
        index: U256::from(index),
        orders: groups.iter().flat_map(Group::packed).collect::<Vec<u8>>().into(),
        executors: slots.iter().map(executor).collect::<Vec<u8>>().into(),
        invoices: packed_invoices(workers.iter().map(|_| None)).into(),
        workers,
        signatures: alloy::primitives::Bytes::new(),
        siblings: groups.iter().flat_map(|group| group.siblings(|_| true, false)).collect(),
        salts: Vec::new(),
        tagSiblings: Vec::new(),
    }
}

/// The places in a chunk whose signatures settle it, in order: one of each bundle.
#[must_use]
pub fn signed_places(batch_slots: usize, index: usize, slots: &[Slot]) -> Vec<usize> {
    let groups = groups(of_chunk(batch_slots, index, slots));
    let ends = groups.iter().scan(0, |end, group| {
        *end += group.slots.len();
        Some(*end - group.slots.len())
    });
    ends.collect()
}

/// What leads from the tags of a chunk's labelled tasks to the tags of their bundles.
#[must_use]
pub fn tag_siblings(
    batch_slots: usize,
    index: usize,
    slots: &[Slot],
    is_labelled: impl Fn(usize) -> bool,
) -> Vec<B256> {
    let mut found = Vec::new();
    let mut at = 0;
    for group in groups(of_chunk(batch_slots, index, slots)) {
        found.extend(group.siblings(|i| is_labelled(at + i), true));
        at += group.slots.len();
    }
    found
}

/// Hash of each chunk's slots and workers, zero where no slot is in use, and behind them that of all tasks' inputs.
#[must_use]
pub fn slot_hashes(batch_slots: usize, slots: &[Slot]) -> Vec<B256> {
    let hash = |index| {
        let chunk = chunk(batch_slots, index, slots);
        if chunk.executors.is_empty() {
            return B256::ZERO;
        }
        // A chunk has at most 64 slots.
        let numbers = [chunk.orders.len() / ORDER_BYTES, chunk.executors.len()];
        let mut bytes = numbers.map(|number| u8::try_from(number).unwrap_or(u8::MAX)).to_vec();
        bytes.extend(chunk.orders.iter().chain(chunk.executors.iter()));
        chunk.workers.iter().for_each(|worker| bytes.extend(worker.into_word()));
        keccak256(bytes)
    };
    let inputs: Vec<[u8; 32]> = slots.iter().map(|slot| slot.order.input_hash.0).collect();
    (0..chunks::count(batch_slots)).map(hash).chain([keccak256(inputs.concat())]).collect()
}

/// What a batch's header says of its slots.
#[must_use]
pub fn slots_hash(batch_slots: usize, slots: &[Slot]) -> B256 {
    keccak256(slot_hashes(batch_slots, slots).concat())
}

/// What a worker signs for: its output commitments in a chunk, one behind the other in the order of their slots.
#[must_use]
pub fn invoice_outputs(outputs: impl IntoIterator<Item = Bytes32>) -> B256 {
    keccak256(outputs.into_iter().flat_map(|output| output.0).collect::<Vec<u8>>())
}

/// The workers' signatures of a chunk as the rollup takes them, 64 bytes each; zeros where there is none.
#[must_use]
pub fn packed_invoices<'a>(signatures: impl IntoIterator<Item = Option<&'a [u8]>>) -> Vec<u8> {
    let packed = |signature: Option<&[u8]>| signature.and_then(compact).unwrap_or([0; 64]);
    signatures.into_iter().flat_map(packed).collect()
}

/// Where chunks stand in a proven batch; their statements one behind the other. `None` where the public inputs are
/// those of no batch, or a chunk is none of it.
#[must_use]
pub fn opening(
    instances: &[Bytes32],
    slots: &[Slot],
    prover: Address,
    opened: &[usize],
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
    let count = chunks::count(batch_slots);
    let are_chunks = opened.iter().all(|index| *index < count);
    are_chunks.then(|| Opening {
        prover,
        slotHashes: slot_hashes(batch_slots, slots),
        leaves: (0..count).map(leaf).collect(),
        statement: opened.iter().flat_map(|index| words(*index)).map(U256::from_be_bytes).collect(),
    })
}

/// Whether the public inputs of a batch have a label for a slot.
#[must_use]
pub fn is_labelled(instances: &[Bytes32], slot: usize) -> bool {
    let Some(batch_slots) = statement::slots(instances.len()) else { return false };
    let word = instances.get(statement::labels_at(batch_slots) + slot / labels::LABELS_PER_WORD);
    let entries = word.filter(|_| slot < batch_slots).and_then(|word| labels::unpack(&word.0));
    entries.is_some_and(|entries| entries[slot % labels::LABELS_PER_WORD] != 0)
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
        Slot { order, worker: Address::repeat_byte(i % 3), bundle: None }
    }

    #[test]
    fn a_chunk_names_each_worker_once() {
        let slots: Vec<Slot> = (0..130).map(slot).collect();
        let last = chunk(130, 2, &slots);
        assert_eq!((last.orders.len(), last.workers.len()), (10 * ORDER_BYTES, 3));
        assert_eq!(last.executors[..4], [0, 1, 2, 0]);
        assert_eq!(chunk(130, 0, &slots).orders.len(), 60 * ORDER_BYTES);
        assert_eq!(signed_places(130, 2, &slots), (0..10).collect::<Vec<usize>>());
        let hashes = slot_hashes(130, &slots[..61]);
        assert_eq!(hashes.iter().filter(|hash| **hash == B256::ZERO).count(), 1);
        assert_ne!(hashes[0], hashes[1]);
    }

    /// Orders of one bundle, as its members stand in a batch.
    fn bundled(size: u8, members: &[u8]) -> Vec<Slot> {
        let leaf = |i: u8, of_tags: bool| [if of_tags { 100 + i } else { i + 1 }; 32];
        let path = |i: u8, of_tags: bool| -> Vec<Bytes32> {
            let leaves: Vec<[u8; 32]> = (0..size).map(|i| leaf(i, of_tags)).collect();
            bundle::path(&leaves, i.into()).into_iter().map(Bytes32).collect()
        };
        let slot = |i: &u8| {
            let mut slot = slot(0);
            slot.order.nonce = 128 + u64::from(*i);
            (slot.order.input_hash, slot.order.tag) =
                (Bytes32(leaf(*i, false)), Bytes32(leaf(*i, true)));
            let (inputs, tags) = (path(*i, false), path(*i, true));
            Slot { bundle: Some(BundleView { size, index: *i, inputs, tags }), ..slot }
        };
        members.iter().map(slot).collect()
    }

    #[test]
    fn a_bundle_is_one_group_in_each_chunk() {
        let mut slots = bundled(5, &[0, 3]);
        slots.push(slot(9));
        slots.extend(bundled(6, &[1]));
        let chunk = chunk(64, 0, &slots);
        assert_eq!((chunk.orders.len(), chunk.executors.len()), (3 * ORDER_BYTES, 4));
        assert_eq!(chunk.orders[20..29], [5, 0, 0, 0, 0, 0, 0, 0, 0b1001]);
        assert_eq!(signed_places(64, 0, &slots), [0, 2, 3]);
        assert_eq!(chunk.siblings.len(), 3 + 3);
        assert_eq!(tag_siblings(64, 0, &slots, |i| i == 1 || i == 2).len(), 3);
        let hash = slots_hash(64, &slots).to_string();
        assert_eq!(
            hash, "0x5136c089052e2d1476e7808a4492541463ae3dd03a62d5cb5433f1463f541b19",
            "that of javascript"
        );
        slots.swap(0, 1);
        assert_eq!(signed_places(64, 0, &slots).len(), 4, "members stand in order");
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
