//! Batches.

use dn_core::api::{Address, BatchState, BatchView, Bytes32, HeaderView, ProofResult};
use sqlx::AnyPool;
use sqlx::FromRow;

use super::{address, b32, maybe_b32, signed, unsigned, StoreError, Write};
use crate::chain::Domain;

/// A batch as it is stored. Lists leave out `instances` and `proof`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct BatchRow {
    batch_id: i64,
    model_id: Vec<u8>,
    state: String,
    slots_hash: Vec<u8>,
    header_hash: Vec<u8>,
    prover: Vec<u8>,
    deadline_s: i64,
    task_count: i64,
    fence: i64,
    lease_node: Option<Vec<u8>>,
    lease_expires_ms: Option<i64>,
    instances: Option<Vec<u8>>,
    pub(crate) proof: Option<Vec<u8>>,
    pub(crate) attempts: i64,
    reason: Option<String>,
    commit_tx: Option<Vec<u8>>,
    prove_tx: Option<Vec<u8>>,
    prove_gas: Option<i64>,
    created_at_ms: i64,
    committed_at_ms: Option<i64>,
    proof_at_ms: Option<i64>,
    prove_cpu_ms: Option<i64>,
}

/// What is fixed when a batch is formed.
#[derive(Clone, Debug)]
pub(crate) struct NewBatch {
    pub(crate) header: HeaderView,
    pub(crate) header_hash: Bytes32,
    pub(crate) count: usize,
}

impl BatchRow {
    pub(crate) fn id(&self) -> Result<u64, StoreError> {
        unsigned("batch_id", self.batch_id)
    }

    pub(crate) fn state(&self) -> Result<BatchState, StoreError> {
        BatchState::parse(&self.state).ok_or(StoreError::Corrupt("state"))
    }

    pub(crate) fn model_id(&self) -> Result<Bytes32, StoreError> {
        b32("model_id", &self.model_id)
    }

    pub(crate) fn header_hash(&self) -> Result<Bytes32, StoreError> {
        b32("header_hash", &self.header_hash)
    }

    pub(crate) fn fence(&self) -> Result<u64, StoreError> {
        unsigned("fence", self.fence)
    }

    pub(crate) fn deadline_s(&self) -> Result<u64, StoreError> {
        unsigned("deadline_s", self.deadline_s)
    }

    pub(crate) fn lease_expires_ms(&self) -> Result<u64, StoreError> {
        unsigned("lease_expires_ms", self.lease_expires_ms.unwrap_or(0))
    }

    /// Number of tasks.
    pub(crate) fn count(&self) -> Result<usize, StoreError> {
        usize::try_from(self.task_count).map_err(|_| StoreError::Corrupt("task_count"))
    }

    /// The transaction that proved the batch.
    pub(crate) fn prove_tx(&self) -> Result<Option<Bytes32>, StoreError> {
        maybe_b32("prove_tx", self.prove_tx.as_ref())
    }

    pub(crate) fn is_leased_to(&self, node: Address) -> bool {
        self.lease_node.as_deref() == Some(node.0.as_slice())
    }

    /// The public inputs, once there is a proof.
    pub(crate) fn instances(&self) -> Result<Option<Vec<Bytes32>>, StoreError> {
        let read = |bytes: &Vec<u8>| bytes.chunks(32).map(|w| b32("instances", w)).collect();
        self.instances.as_ref().map(read).transpose()
    }

    pub(crate) fn header(&self, domain: Domain) -> Result<HeaderView, StoreError> {
        Ok(HeaderView {
            chain_id: domain.chain_id,
            rollup: domain.rollup,
            batch_id: self.id()?,
            model_id: self.model_id()?,
            slots_hash: b32("slots_hash", &self.slots_hash)?,
            prover: address("prover", &self.prover)?,
            deadline: self.deadline_s()?,
        })
    }

    /// The batch as everybody sees it, without its slots.
    pub(crate) fn view(&self, domain: Domain) -> Result<BatchView, StoreError> {
        let proving = self.proof_at_ms.zip(self.committed_at_ms).map(|(end, start)| end - start);
        Ok(BatchView {
            state: self.state()?,
            header: self.header(domain)?,
            slots: Vec::new(),
            count: u32::try_from(self.task_count).map_err(|_| StoreError::Corrupt("task_count"))?,
            commit_tx: maybe_b32("commit_tx", self.commit_tx.as_ref())?,
            prove_tx: maybe_b32("prove_tx", self.prove_tx.as_ref())?,
            prove_gas: self.prove_gas.map(|g| unsigned("prove_gas", g)).transpose()?,
            prove_cpu_ms: self.prove_cpu_ms.map(|ms| unsigned("prove_cpu_ms", ms)).transpose()?,
            proving_ms: proving.and_then(|ms| u64::try_from(ms).ok()),
            reason: self.reason.clone(),
            created_at_ms: unsigned("created_at_ms", self.created_at_ms)?,
        })
    }
}

pub(crate) async fn insert(
    tx: &mut Write,
    batch: &NewBatch,
    now_ms: u64,
) -> Result<(), StoreError> {
    let header = &batch.header;
    sqlx::query(
        "insert into batch (batch_id, model_id, state, slots_hash, header_hash, prover, deadline_s,
             task_count, created_at_ms) values ($1, $2, 'formed', $3, $4, $5, $6, $7, $8)",
    )
    .bind(signed(header.batch_id))
    .bind(header.model_id.0.as_slice())
    .bind(header.slots_hash.0.as_slice())
    .bind(batch.header_hash.0.as_slice())
    .bind(header.prover.0.as_slice())
    .bind(signed(header.deadline))
    .bind(signed(batch.count as u64))
    .bind(signed(now_ms))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) async fn get(db: &AnyPool, id: u64) -> Result<Option<BatchRow>, StoreError> {
    let query = sqlx::query_as("select * from batch where batch_id = $1");
    Ok(query.bind(signed(id)).fetch_optional(db).await?)
}

pub(crate) async fn get_for_write(tx: &mut Write, id: u64) -> Result<BatchRow, StoreError> {
    let query = sqlx::query_as("select * from batch where batch_id = $1");
    let row = query.bind(signed(id)).fetch_optional(&mut **tx).await?;
    row.ok_or(StoreError::Missing("batch"))
}

/// Batches from `from` on, without proofs.
pub(crate) async fn list(db: &AnyPool, from: u64, limit: u32) -> Result<Vec<BatchRow>, StoreError> {
    Ok(sqlx::query_as(
        "select batch_id, model_id, state, slots_hash, header_hash, prover, deadline_s, task_count,
             fence, lease_node, lease_expires_ms, null as instances, null as proof, attempts,
             reason, commit_tx, prove_tx, prove_gas, created_at_ms, committed_at_ms, proof_at_ms, prove_cpu_ms
           from batch where batch_id >= $1 order by batch_id limit $2",
    )
    .bind(signed(from))
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?)
}

/// The oldest batch in a state.
pub(crate) async fn oldest_in(
    db: &AnyPool,
    state: BatchState,
) -> Result<Option<BatchRow>, StoreError> {
    let query = sqlx::query_as("select * from batch where state = $1 order by batch_id limit 1");
    Ok(query.bind(state.as_str()).fetch_optional(db).await?)
}

/// The oldest batch whose proof can be settled and was not refused `max_failures` times.
pub(crate) async fn next_to_settle(
    db: &AnyPool,
    max_failures: i64,
) -> Result<Option<BatchRow>, StoreError> {
    let query = sqlx::query_as(
        "select * from batch where state = 'proof_ready' and attempts < $1
          order by batch_id limit 1",
    );
    Ok(query.bind(max_failures).fetch_optional(db).await?)
}

/// A committed batch whose proving deadline has passed.
pub(crate) async fn overdue(db: &AnyPool, now_s: u64) -> Result<Option<BatchRow>, StoreError> {
    let query = sqlx::query_as(
        "select * from batch where state in ('committed', 'proof_ready') and deadline_s < $1
          order by batch_id limit 1",
    );
    Ok(query.bind(signed(now_s)).fetch_optional(db).await?)
}

/// The oldest batch that `prover` may prove: its own, or one that its prover has left alone since
/// before `orphaned_before_ms`.
pub(crate) async fn next_to_prove(
    tx: &mut Write,
    prover: Address,
    orphaned_before_ms: u64,
    now_ms: u64,
) -> Result<Option<BatchRow>, StoreError> {
    Ok(sqlx::query_as(
        "select * from batch
          where state = 'committed' and deadline_s > $1 / 1000
            and coalesce(lease_expires_ms, 0) < $1
            and (prover = $2 or coalesce(lease_expires_ms, committed_at_ms) < $3)
          order by attempts, batch_id limit 1",
    )
    .bind(signed(now_ms))
    .bind(prover.0.as_slice())
    .bind(signed(orphaned_before_ms))
    .fetch_optional(&mut **tx)
    .await?)
}

/// Gives a batch to a prover under a new fence.
pub(crate) async fn lease(
    tx: &mut Write,
    id: u64,
    prover: Address,
    expires_ms: u64,
) -> Result<BatchRow, StoreError> {
    sqlx::query(
        "update batch set fence = fence + 1, lease_node = $1, lease_expires_ms = $2
          where batch_id = $3",
    )
    .bind(prover.0.as_slice())
    .bind(signed(expires_ms))
    .bind(signed(id))
    .execute(&mut **tx)
    .await?;
    get_for_write(tx, id).await
}

/// Extends a prover's lease of a batch, if it still has it.
pub(crate) async fn extend_lease(
    tx: &mut Write,
    id: u64,
    prover: Address,
    expires_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set lease_expires_ms = $1
          where batch_id = $2 and lease_node = $3 and state = 'committed'
            and lease_expires_ms is not null",
    )
    .bind(signed(expires_ms))
    .bind(signed(id))
    .bind(prover.0.as_slice())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) async fn set_committed(tx: &mut Write, id: u64, now_ms: u64) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set state = 'committed', committed_at_ms = $1, reason = null,
             commit_tx = (select tx_hash from outbox where outbox.batch_id = batch.batch_id
                           and kind = 'commit' and outbox.state = 'mined' order by id desc limit 1)
          where batch_id = $2 and state = 'formed'",
    )
    .bind(signed(now_ms))
    .bind(signed(id))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores a proof that has been verified.
pub(crate) async fn set_proof(
    tx: &mut Write,
    result: &ProofResult,
    now_ms: u64,
) -> Result<(), StoreError> {
    let instances: Vec<u8> = result.instances.iter().flat_map(|w| w.0).collect();
    sqlx::query(
        "update batch set state = 'proof_ready', instances = $1, proof = $2, proof_at_ms = $3,
             prove_cpu_ms = $4, lease_expires_ms = null where batch_id = $5 and state = 'committed'",
    )
    .bind(instances)
    .bind(result.proof.0.as_slice())
    .bind(signed(now_ms))
    .bind(signed(result.cpu_ms))
    .bind(signed(result.batch_id))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends a batch as proven. False when it had ended before.
pub(crate) async fn set_proven(
    tx: &mut Write,
    id: u64,
    tx_hash: Bytes32,
    gas_used: u64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update batch set state = 'proven', reason = null, prove_tx = $1, prove_gas = $2
          where batch_id = $3 and state <> 'proven'",
    )
    .bind(tx_hash.0.as_slice())
    .bind(signed(gas_used))
    .bind(signed(id))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a batch without a proof. False when it had ended before.
pub(crate) async fn set_expired(tx: &mut Write, id: u64, reason: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update batch set state = 'expired', reason = $1
          where batch_id = $2 and state not in ('proven', 'expired')",
    )
    .bind(reason)
    .bind(signed(id))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes a failed step. A refused proof is dropped, so that the batch is proven again.
pub(crate) async fn set_failure(
    db: &AnyPool,
    id: u64,
    reason: &str,
    drop_proof: bool,
) -> Result<(), StoreError> {
    sqlx::query("update batch set reason = $1, attempts = attempts + 1 where batch_id = $2")
        .bind(reason)
        .bind(signed(id))
        .execute(db)
        .await?;
    if drop_proof {
        sqlx::query(
            "update batch set state = 'committed', instances = null, proof = null,
                 lease_node = null where batch_id = $1 and state = 'proof_ready'",
        )
        .bind(signed(id))
        .execute(db)
        .await?;
    }
    Ok(())
}
