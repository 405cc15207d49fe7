//! A batch as rules see it: read from its row once.

use dn_core::api::{Address, BatchState, BatchView, Bytes32, HeaderView};
use sqlx::FromRow;

use super::columns::{address, b32, maybe_address, maybe_b32, maybe_unsigned, unsigned};
use super::StoreError;
use crate::chain::Domain;

/// The number and the terms under which a batch is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The chain's number.
    pub(crate) number: u64,
    /// Is asked for the proof first.
    pub(crate) prover: Address,
    /// The second that orders' deadlines are held against.
    pub(crate) opened_s: u64,
    /// Last second at which it can be proven.
    pub(crate) deadline_s: u64,
}

/// A prover's hold on a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProverLease {
    pub(crate) node: Address,
    pub(crate) ends_ms: u64,
}

/// A batch. Lists leave out `instances` and `proof`.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) id: u64,
    pub(crate) model_id: Bytes32,
    pub(crate) state: BatchState,
    pub(crate) terms: Option<Terms>,
    pub(crate) header_hash: Option<Bytes32>,
    pub(crate) slots_hash: Bytes32,
    pub(crate) count: u32,
    pub(crate) orders_end_s: u64,
    pub(crate) fence: u64,
    pub(crate) lease: Option<ProverLease>,
    pub(crate) instances: Option<Vec<Bytes32>>,
    pub(crate) proof: Option<Vec<u8>>,
    pub(crate) proven_by: Option<Address>,
    /// Slots of the model's batches.
    pub(crate) batch_slots: usize,
    /// Chunks that have tasks, and those of them that are settled.
    pub(crate) chunks: u32,
    pub(crate) settled: u32,
    pub(crate) refusals: u64,
    pub(crate) refused_at_ms: u64,
    pub(crate) reason: Option<String>,
    pub(crate) commit_tx: Option<Bytes32>,
    pub(crate) commit_block: Option<u64>,
    pub(crate) end_tx: Option<Bytes32>,
    pub(crate) end_block: Option<u64>,
    pub(crate) prove_gas: Option<u64>,
    pub(crate) created_at_ms: u64,
    pub(crate) updated_at_ms: u64,
    pub(crate) proof_at_ms: Option<u64>,
    committed_at_ms: Option<u64>,
    settle_gas: u64,
    prove_cpu_ms: Option<u64>,
}

impl Batch {
    /// The slots of a chunk, of which the first `count` have tasks.
    pub(crate) fn chunk(&self, chunk: u32) -> std::ops::Range<usize> {
        let slots = dn_core::chunks::slots(self.batch_slots, chunk as usize);
        let count = self.count as usize;
        slots.start.min(count)..slots.end.min(count)
    }

    /// The header, while there is a commitment.
    pub(crate) fn header(&self, domain: Domain) -> Option<HeaderView> {
        let Terms { number, opened_s, deadline_s, .. } = self.terms?;
        Some(HeaderView {
            chain_id: domain.chain_id,
            rollup: domain.rollup,
            batch_id: number,
            model_id: self.model_id,
            slots_hash: self.slots_hash,
            opened_at: opened_s,
            deadline: deadline_s,
        })
    }

    /// The batch under these terms.
    pub(crate) fn under(&self, terms: Terms) -> Self {
        Self { terms: Some(terms), ..self.clone() }
    }

    /// The batch as everybody sees it, without its slots and its score.
    pub(crate) fn view(&self, domain: Domain) -> BatchView {
        let proving = self.proof_at_ms.zip(self.committed_at_ms);
        BatchView {
            id: self.id,
            state: self.state,
            model_id: self.model_id,
            header: self.header(domain),
            slots: Vec::new(),
            count: self.count,
            score: None,
            prover: self.proven_by,
            chunks: self.chunks,
            settled: self.settled,
            commit_tx: self.commit_tx,
            prove_tx: self.end_tx.filter(|_| self.state == BatchState::Proven),
            prove_gas: self.prove_gas.map(|gas| gas + self.settle_gas),
            prove_cpu_ms: self.prove_cpu_ms,
            proving_ms: proving.and_then(|(end, start)| end.checked_sub(start)),
            reason: self.reason.clone(),
            created_at_ms: self.created_at_ms,
        }
    }
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct BatchRow {
    id: i64,
    model_id: Vec<u8>,
    state: String,
    number: Option<i64>,
    header_hash: Option<Vec<u8>>,
    slots_hash: Vec<u8>,
    prover: Option<Vec<u8>>,
    opened_s: Option<i64>,
    deadline_s: Option<i64>,
    task_count: i64,
    orders_end_s: i64,
    fence: i64,
    lease_node: Option<Vec<u8>>,
    lease_expires_ms: Option<i64>,
    instances: Option<Vec<u8>>,
    proof: Option<Vec<u8>>,
    proven_by: Option<Vec<u8>>,
    batch_slots: i64,
    chunks: i64,
    settled: i64,
    settle_gas: i64,
    refusals: i64,
    refused_at_ms: Option<i64>,
    reason: Option<String>,
    commit_tx: Option<Vec<u8>>,
    commit_block: Option<i64>,
    end_tx: Option<Vec<u8>>,
    end_block: Option<i64>,
    prove_gas: Option<i64>,
    created_at_ms: i64,
    updated_at_ms: i64,
    committed_at_ms: Option<i64>,
    proof_at_ms: Option<i64>,
    prove_cpu_ms: Option<i64>,
}

impl TryFrom<BatchRow> for Batch {
    type Error = StoreError;

    fn try_from(row: BatchRow) -> Result<Self, StoreError> {
        let number = maybe_unsigned("number", row.number)?;
        let prover = maybe_address("prover", row.prover.as_ref())?;
        let deadline_s = maybe_unsigned("deadline_s", row.deadline_s)?;
        let opened_s = maybe_unsigned("opened_s", row.opened_s)?;
        let terms = match (number, prover, opened_s, deadline_s) {
            (Some(number), Some(prover), Some(opened_s), Some(deadline_s)) => {
                Some(Terms { number, prover, opened_s, deadline_s })
            }
            _ => None,
        };
        let node = row.lease_node.as_ref().map(|n| address("lease_node", n)).transpose()?;
        let ends_ms = maybe_unsigned("lease_expires_ms", row.lease_expires_ms)?;
        let words = |bytes: Vec<u8>| bytes.chunks(32).map(|w| b32("instances", w)).collect();
        Ok(Self {
            id: unsigned("id", row.id)?,
            model_id: b32("model_id", &row.model_id)?,
            state: BatchState::parse(&row.state).ok_or(StoreError::Corrupt("state"))?,
            terms,
            header_hash: maybe_b32("header_hash", row.header_hash.as_ref())?,
            slots_hash: b32("slots_hash", &row.slots_hash)?,
            count: u32::try_from(row.task_count).map_err(|_| StoreError::Corrupt("task_count"))?,
            orders_end_s: unsigned("orders_end_s", row.orders_end_s)?,
            fence: unsigned("fence", row.fence)?,
            lease: node.zip(ends_ms).map(|(node, ends_ms)| ProverLease { node, ends_ms }),
            instances: row.instances.map(words).transpose()?,
            proof: row.proof,
            proven_by: maybe_address("proven_by", row.proven_by.as_ref())?,
            batch_slots: usize::try_from(row.batch_slots)
                .map_err(|_| StoreError::Corrupt("batch_slots"))?,
            chunks: u32::try_from(row.chunks).map_err(|_| StoreError::Corrupt("chunks"))?,
            settled: u32::try_from(row.settled).map_err(|_| StoreError::Corrupt("settled"))?,
            settle_gas: unsigned("settle_gas", row.settle_gas)?,
            refusals: unsigned("refusals", row.refusals)?,
            refused_at_ms: maybe_unsigned("refused_at_ms", row.refused_at_ms)?.unwrap_or(0),
            reason: row.reason,
            commit_tx: maybe_b32("commit_tx", row.commit_tx.as_ref())?,
            commit_block: maybe_unsigned("commit_block", row.commit_block)?,
            end_tx: maybe_b32("end_tx", row.end_tx.as_ref())?,
            end_block: maybe_unsigned("end_block", row.end_block)?,
            prove_gas: maybe_unsigned("prove_gas", row.prove_gas)?,
            created_at_ms: unsigned("created_at_ms", row.created_at_ms)?,
            updated_at_ms: unsigned("updated_at_ms", row.updated_at_ms)?,
            committed_at_ms: maybe_unsigned("committed_at_ms", row.committed_at_ms)?,
            proof_at_ms: maybe_unsigned("proof_at_ms", row.proof_at_ms)?,
            prove_cpu_ms: maybe_unsigned("prove_cpu_ms", row.prove_cpu_ms)?,
        })
    }
}
