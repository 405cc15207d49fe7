//! Who takes part: users, workers and provers of every kind.

use alloy::primitives::U256;
use alloy::sol_types::SolCall as _;
use dn_core::api::{Address, Bytes, Bytes32, LeasedTask, OrderView, ReceiptView, SubmitTask};
use dn_core::api::{Amount, TaskResult};
use dn_core::statement;
use dn_sdk::contracts::IInferenceRollup::{BatchHeader, BatchProof};
use dn_sdk::contracts::InferenceRollup::proveBatchCall;
use dn_sdk::settlement::{self, Slot};
use dn_sdk::wire;

use super::contract::PRICE;

/// The only model.
pub(super) const MODEL: Bytes32 = Bytes32([5; 32]);
/// Slots of a batch.
pub(super) const SLOTS: u32 = 4;
/// Slots of a batch whose chunks do not all fit the transaction of its proof.
pub(super) const MANY_SLOTS: u32 = 250;

/// How a worker behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worker {
    Honest,
    /// Signs wrong answers.
    Liar,
    /// Beats for what it holds and never answers.
    Hoarder,
    /// Leases and is never heard of again.
    Silent,
    /// Answers late, twice, and under old fences.
    Confused,
}

/// How a prover behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prover {
    Honest,
    /// Leases and never proves.
    Idle,
    /// Sends its proofs to the chain and not to the sequencer.
    Direct,
}

pub(super) fn user(i: u8) -> Address {
    Address([i + 1; 20])
}

pub(super) fn worker(i: u8) -> Address {
    Address([i + 50; 20])
}

pub(super) fn prover(i: u8) -> Address {
    Address([i + 90; 20])
}

/// The `i`-th task of all.
pub(super) fn task(i: u32, user: Address, deadline_s: u64) -> (Bytes32, SubmitTask) {
    let mut id = [0xab; 32];
    id[..4].copy_from_slice(&i.to_be_bytes());
    let id = Bytes32(id);
    let order = OrderView {
        user,
        model_id: MODEL,
        input_hash: id,
        max_fee: Amount(PRICE),
        deadline: deadline_s,
        nonce: u64::from(i),
        tag: id,
    };
    // In the form that contracts accept.
    let signature = Bytes([&[1; 64][..], &[27]].concat());
    let salt = Bytes32([2; 32]);
    (id, SubmitTask { input: vec![1, 2], salt, order, signature, bundle: None, label: None })
}

/// A call that proves a batch and settles nothing of it.
pub(super) fn proof_call(
    header: BatchHeader,
    slots: &[Slot],
    prover: Address,
    instances: &[Bytes32],
) -> Vec<u8> {
    let instances: Vec<U256> = instances.iter().map(|w| U256::from_be_bytes(w.0)).collect();
    let batch_slots = statement::slots(instances.len()).unwrap();
    let proof = BatchProof { prover: wire::address(prover), instances, proof: vec![1; 8].into() };
    let slot_hashes = settlement::slot_hashes(batch_slots, slots);
    proveBatchCall { header, proof, slotHashes: slot_hashes, chunks: Vec::new() }.abi_encode()
}

/// The only right answer to a task.
pub(super) fn truth(task: Bytes32) -> Bytes32 {
    let mut output = task.0;
    output[0] = 0;
    output[31] = 7;
    Bytes32(output)
}

/// A worker's answer to a leased task.
pub(super) fn answer(task: &LeasedTask, worker: Address, is_right: bool) -> TaskResult {
    let mut output_hash = truth(task.task_id);
    if !is_right {
        output_hash.0[31] = 8;
    }
    let receipt = ReceiptView {
        task_id: task.task_id,
        model_id: task.model_id,
        input_hash: task.input_hash,
        output_hash,
        started_at_ms: 1,
        finished_at_ms: 2,
        worker,
        signature: Bytes(vec![1; 65]),
    };
    TaskResult { fence: task.fence, output: vec![1], receipt }
}
