//! The rollup's rules, as far as batches and payments go.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{keccak256, B256, U256};
use alloy::sol_types::SolCall as _;
use dn_core::api::{Address, Bytes32};
use dn_core::statement;
use dn_sdk::contracts::IInferenceRollup::{BatchHeader, Chunk};
use dn_sdk::contracts::InferenceRollup::{
    commitBatchCall, expireBatchCall, proveBatchCall, settleChunksCall,
};
use dn_sdk::settlement::{self, Outcome};
use dn_sdk::wire;

use crate::chain::{BatchRecord, BatchStatus, RollupEvent};

/// Fee of a task.
pub(super) const PRICE: u128 = 10;

/// What the rollup holds.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) next: u64,
    pub(super) batches: BTreeMap<u64, BatchRecord>,
    /// Prover and leaves of what is proven.
    pub(super) statements: BTreeMap<u64, (alloy::primitives::Address, Vec<B256>)>,
    /// What became of each task that was settled, by its tag; the last word counts.
    pub(super) tasks: BTreeMap<Bytes32, Outcome>,
    /// Nonces that were charged.
    pub(super) used: BTreeSet<(Address, u64)>,
    pub(super) balances: BTreeMap<Address, u128>,
    pub(super) nonce: u64,
    pub(super) is_model_off: bool,
}

fn refuse<T>(reason: &str) -> Result<T, String> {
    Err(reason.to_owned())
}

/// Executes a call of the rollup.
pub(super) fn execute(
    state: &mut State,
    calldata: &[u8],
    tx_hash: Bytes32,
    time_s: u64,
) -> Result<Vec<RollupEvent>, String> {
    if let Ok(call) = commitBatchCall::abi_decode(calldata) {
        let header = call.header;
        if header.batchId != state.next {
            return refuse("WrongBatchId");
        }
        if header.deadline <= time_s || header.openedAt > time_s || state.is_model_off {
            return refuse("DeadlineOutOfRange, OpeningOutOfRange or ModelNotActive");
        }
        state.next += 1;
        let (number, header_hash) = (header.batchId, settlement::header_hash(&header));
        let record = BatchRecord { header_hash, status: BatchStatus::Committed, settled: 0 };
        state.batches.insert(number, record);
        return Ok(vec![RollupEvent::BatchCommitted { number, header_hash, tx_hash }]);
    }
    if let Ok(call) = expireBatchCall::abi_decode(calldata) {
        let record = state.known(&call.header, BatchStatus::Committed)?;
        if time_s <= call.header.deadline {
            return refuse("BatchDeadlineNotPassed");
        }
        record.status = BatchStatus::Expired;
        return Ok(vec![RollupEvent::BatchExpired { number: call.header.batchId, tx_hash }]);
    }
    if let Ok(call) = settleChunksCall::abi_decode(calldata) {
        state.known(&call.header, BatchStatus::Proven)?;
        return settle_some(state, &call, tx_hash);
    }
    let Ok(call) = proveBatchCall::abi_decode(calldata) else { return refuse("unknown call") };
    prove(state, &call, tx_hash, time_s)
}

impl State {
    /// The batch with this header, if it is where it should be.
    fn known(
        &mut self,
        header: &BatchHeader,
        status: BatchStatus,
    ) -> Result<&mut BatchRecord, String> {
        let hash = settlement::header_hash(header);
        let known = self.batches.get_mut(&header.batchId);
        let known = known.filter(|record| record.header_hash == hash && record.status == status);
        known.ok_or_else(|| "WrongHeader, BatchNotOpen or BatchNotProven".to_owned())
    }
}

fn prove(
    state: &mut State,
    call: &proveBatchCall,
    tx_hash: Bytes32,
    time_s: u64,
) -> Result<Vec<RollupEvent>, String> {
    let (header, number) = (&call.header, call.header.batchId);
    let record = state.known(header, BatchStatus::Committed)?;
    if time_s > header.deadline {
        return refuse("BatchDeadlinePassed");
    }
    record.status = BatchStatus::Proven;
    statement::slots(call.proof.instances.len()).ok_or("WrongLength")?;
    if keccak256(call.slotHashes.concat()) != header.slotsHash {
        return refuse("WrongSlots");
    }
    let instances: Vec<Bytes32> =
        call.proof.instances.iter().map(|word| Bytes32(word.to_be_bytes())).collect();
    let opening =
        settlement::opening(&instances, &[], call.proof.prover, &[0]).ok_or("WrongLength")?;
    state.statements.insert(number, (call.proof.prover, opening.leaves));
    let prover = wire::api_address(call.proof.prover);
    let mut events = vec![RollupEvent::BatchProven { number, prover, tx_hash, gas_used: 1 }];
    for chunk in &call.chunks {
        events.extend(settle(state, header, chunk, &call.slotHashes, tx_hash)?);
    }
    Ok(events)
}

fn settle_some(
    state: &mut State,
    call: &settleChunksCall,
    tx_hash: Bytes32,
) -> Result<Vec<RollupEvent>, String> {
    let mut events = Vec::new();
    for chunk in &call.chunks {
        events.extend(settle(state, &call.header, chunk, &call.opening.slotHashes, tx_hash)?);
    }
    if events.is_empty() {
        return refuse("NothingToSettle");
    }
    Ok(events)
}

/// Settles a chunk, if it is not settled.
fn settle(
    state: &mut State,
    header: &BatchHeader,
    chunk: &Chunk,
    slot_hashes: &[B256],
    tx_hash: Bytes32,
) -> Result<Option<RollupEvent>, String> {
    let number = header.batchId;
    let record = state.batches.get_mut(&number).ok_or("BatchNotProven")?;
    let index: u32 = chunk.index.to();
    if record.settled >> index & 1 == 1 {
        return Ok(None);
    }
    record.settled |= 1 << index;
    let numbers = [chunk.orders.len() / 93, chunk.executors.len()];
    let mut packed: Vec<u8> = numbers.map(|number| u8::try_from(number).unwrap()).to_vec();
    packed.extend(chunk.orders.iter().chain(chunk.executors.iter()));
    chunk.workers.iter().for_each(|worker| packed.extend(worker.into_word()));
    if keccak256(slot_hashes.concat()) != header.slotsHash
        || keccak256(packed) != slot_hashes[index as usize]
    {
        return refuse("WrongSlots");
    }
    let mut outcomes = U256::ZERO;
    for (i, (order, worker)) in chunk.orders.chunks(93).zip(&chunk.executors).enumerate() {
        let invoice = &chunk.invoices[64 * usize::from(*worker)..][..64];
        let outcome = charge(state, header, order, invoice != [0; 64]);
        state.tasks.insert(Bytes32(order[61..].try_into().unwrap()), outcome);
        outcomes |= U256::from(outcome as u8) << (4 * i);
    }
    Ok(Some(RollupEvent::ChunkSettled { number, chunk: index, outcomes, tx_hash, gas_used: 1 }))
}

/// Charges the user of an order for one task: user 20, size 1, members 8, maxFee 16, deadline 8, nonce 8, tag 32.
fn charge(state: &mut State, header: &BatchHeader, order: &[u8], is_signed: bool) -> Outcome {
    let number = |at: usize| u64::from_be_bytes(order[at..at + 8].try_into().unwrap());
    let (user, nonce) = (Address(order[..20].try_into().unwrap()), number(53));
    let fee = if is_signed { PRICE } else { PRICE - PRICE * 65 / 100 };
    let balance = state.balances.entry(user).or_default();
    if number(45) < header.openedAt {
        Outcome::Late
    } else if state.used.contains(&(user, nonce)) {
        Outcome::Used
    } else if *balance < fee {
        Outcome::Short
    } else {
        *balance -= fee;
        state.used.insert((user, nonce));
        if is_signed {
            Outcome::Paid
        } else {
            Outcome::Unsigned
        }
    }
}
