//! Batches. A batch has a key of its own; the chain's number comes with its commitment and can be
//! lost again.

use dn_core::api::{Address, BatchState, BatchView, Bytes32, HeaderView, ProofResult};
use sqlx::{AssertSqlSafe, FromRow};

use super::columns::{address, b32, maybe_address, maybe_b32, maybe_unsigned, signed, unsigned};
use super::{Store, StoreError, Write};
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
struct BatchRow {
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

const LIGHT: &str = "id, model_id, state, number, header_hash, slots_hash, prover, opened_s,
    deadline_s, task_count, orders_end_s, fence, lease_node, lease_expires_ms, null as instances,
    null as proof, proven_by, batch_slots, chunks, refusals, refused_at_ms, reason, commit_tx, commit_block, end_tx, end_block,
    prove_gas, created_at_ms, updated_at_ms, committed_at_ms, proof_at_ms, prove_cpu_ms";

/// What has been settled of a batch.
const SETTLED: &str = "(select count(*) from settled where settled.batch_id = batch.id) as settled,
    (select cast(coalesce(sum(gas), 0) as bigint) from settled where settled.batch_id = batch.id)
        as settle_gas";

type Query<'q> =
    sqlx::query::QueryAs<'q, sqlx::Any, BatchRow, <sqlx::Any as sqlx::Database>::Arguments>;

fn select(columns: &str, condition: &str) -> Query<'static> {
    sqlx::query_as(AssertSqlSafe(format!(
        "select {columns}, {SETTLED} from batch where {condition}"
    )))
}

fn read(rows: Vec<BatchRow>) -> Result<Vec<Batch>, StoreError> {
    rows.into_iter().map(Batch::try_from).collect()
}

/// What is fixed when a batch is formed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewBatch {
    pub(crate) slots_hash: Bytes32,
    pub(crate) tasks: usize,
    /// Slots of the model's batches.
    pub(crate) batch_slots: usize,
    /// Chunks that have tasks.
    pub(crate) chunks: usize,
    /// When the first of its orders ends.
    pub(crate) orders_end_s: u64,
}

/// Stores a new batch and returns its key.
pub(crate) async fn insert(
    tx: &mut Write,
    model_id: Bytes32,
    new: NewBatch,
    now_ms: u64,
) -> Result<u64, StoreError> {
    let (id,): (i64,) = sqlx::query_as(
        "insert into batch (model_id, state, slots_hash, task_count, batch_slots, chunks,
             orders_end_s, created_at_ms, updated_at_ms)
         values ($1, 'formed', $2, $3, $4, $5, $6, $7, $7) returning id",
    )
    .bind(model_id.0.to_vec())
    .bind(new.slots_hash.0.to_vec())
    .bind(signed(new.tasks as u64))
    .bind(signed(new.batch_slots as u64))
    .bind(signed(new.chunks as u64))
    .bind(signed(new.orders_end_s))
    .bind(signed(now_ms))
    .fetch_one(&mut tx.db)
    .await?;
    unsigned("id", id)
}

pub(crate) async fn get(store: &Store, id: u64) -> Result<Option<Batch>, StoreError> {
    let row = select("*", "id = $1").bind(signed(id)).fetch_optional(&store.pool).await?;
    row.map(Batch::try_from).transpose()
}

/// A batch that is about to change.
pub(crate) async fn get_for_write(tx: &mut Write, id: u64) -> Result<Batch, StoreError> {
    let query = select("*", &format!("id = $1{}", tx.dialect.for_update())).bind(signed(id));
    query.fetch_optional(&mut tx.db).await?.ok_or(StoreError::Missing("batch"))?.try_into()
}

/// The batch with a number of the chain, about to change.
pub(crate) async fn by_number(tx: &mut Write, number: u64) -> Result<Option<Batch>, StoreError> {
    let query = select("*", &format!("number = $1{}", tx.dialect.for_update()));
    let row = query.bind(signed(number)).fetch_optional(&mut tx.db).await?;
    row.map(Batch::try_from).transpose()
}

/// Batches from the key `from` on, without proofs.
pub(crate) async fn list(store: &Store, from: u64, limit: u32) -> Result<Vec<Batch>, StoreError> {
    let query = select(LIGHT, "id >= $1 order by id limit $2");
    read(query.bind(signed(from)).bind(i64::from(limit)).fetch_all(&store.pool).await?)
}

/// Every batch that has not ended or is not settled, without proofs, oldest first.
pub(crate) async fn open(store: &Store) -> Result<Vec<Batch>, StoreError> {
    let query = select(
        LIGHT,
        "state in ('formed', 'committed', 'proof_ready') or (state = 'proven' and chunks >
             (select count(*) from settled where settled.batch_id = batch.id)) order by id",
    );
    read(query.fetch_all(&store.pool).await?)
}

/// Batches that something happened to in a block behind `block`, newest first.
pub(crate) async fn touched_behind(tx: &mut Write, block: i64) -> Result<Vec<Batch>, StoreError> {
    let condition = format!(
        "commit_block > $1 or end_block > $1 or exists
             (select 1 from settled where settled.batch_id = batch.id and block > $1)
          order by id desc{}",
        tx.dialect.for_update()
    );
    read(select(LIGHT, &condition).bind(block).fetch_all(&mut tx.db).await?)
}

/// The numbers whose commitments are not known to be on the chain, in order.
pub(crate) async fn pending_numbers(store: &Store) -> Result<Vec<u64>, StoreError> {
    let rows: Vec<(i64,)> = sqlx::query_as(
        "select number from batch
          where number is not null and (state = 'formed'
             or id in (select batch_id from outbox where kind = 'commit' and state = 'open'))
          order by number",
    )
    .fetch_all(&store.pool)
    .await?;
    rows.into_iter().map(|(number,)| unsigned("number", number)).collect()
}

/// Takes the number of an ended batch away: the chain has forgotten its commitment for good.
pub(crate) async fn forget_number(tx: &mut Write, id: u64) -> Result<(), StoreError> {
    let query = sqlx::query("update batch set number = null where id = $1 and state = 'expired'");
    query.bind(signed(id)).execute(&mut tx.db).await?;
    Ok(())
}

/// Gives a formed batch its number and terms.
pub(crate) async fn set_terms(
    tx: &mut Write,
    id: u64,
    terms: Terms,
    header_hash: Bytes32,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set number = $1, prover = $2, opened_s = $3, deadline_s = $4,
             header_hash = $5, updated_at_ms = $6 where id = $7 and state = 'formed'",
    )
    .bind(signed(terms.number))
    .bind(terms.prover.0.to_vec())
    .bind(signed(terms.opened_s))
    .bind(signed(terms.deadline_s))
    .bind(header_hash.0.to_vec())
    .bind(signed(now_ms))
    .bind(signed(id))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Takes number and terms away, with everything that was made for them: the batch is formed again.
pub(crate) async fn clear_terms(
    tx: &mut Write,
    id: u64,
    reason: &str,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set state = 'formed', number = null, prover = null, opened_s = null,
             deadline_s = null, proven_by = null, header_hash = null, commit_tx = null, commit_block = null, instances = null,
             proof = null, lease_node = null, lease_expires_ms = null, committed_at_ms = null,
             fence = fence + 1, reason = $1, updated_at_ms = $2
          where id = $3 and state in ('formed', 'committed', 'proof_ready')",
    )
    .bind(reason.to_owned())
    .bind(signed(now_ms))
    .bind(signed(id))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Since when a batch must have been left alone for a prover to take it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeftAlone {
    /// By the prover that its header names.
    pub(crate) by_others: u64,
    /// By this prover itself, which let its lease end.
    pub(crate) by_itself: u64,
}

/// The oldest batch that `prover` may prove: its own, one that its prover has not taken since before
/// `before_ms.by_others`, or one whose lease has ended. Who let it end comes last, after as long a
/// wait: a prover that leases and does not prove cannot take the same batch again and again.
pub(crate) async fn next_to_prove(
    tx: &mut Write,
    prover: Address,
    before_ms: LeftAlone,
    now_ms: u64,
    chain_time_s: u64,
) -> Result<Option<Batch>, StoreError> {
    let condition = format!(
        "state = 'committed' and deadline_s > $1 and coalesce(lease_expires_ms, 0) < $2
            and (case when lease_node is null then prover = $3 or committed_at_ms < $4
                      else lease_node <> $3 or lease_expires_ms < $5 end)
          order by refusals, id limit 1{}",
        tx.dialect.skip_locked()
    );
    let row = select("*", &condition)
        .bind(signed(chain_time_s))
        .bind(signed(now_ms))
        .bind(prover.0.to_vec())
        .bind(signed(before_ms.by_others))
        .bind(signed(before_ms.by_itself))
        .fetch_optional(&mut tx.db)
        .await?;
    row.map(Batch::try_from).transpose()
}

/// Number of batches that a prover holds.
pub(crate) async fn held_count(
    tx: &mut Write,
    prover: Address,
    now_ms: u64,
) -> Result<u32, StoreError> {
    let (count,): (i64,) = sqlx::query_as(
        "select count(*) from batch
          where lease_node = $1 and state = 'committed' and lease_expires_ms >= $2",
    )
    .bind(prover.0.to_vec())
    .bind(signed(now_ms))
    .fetch_one(&mut tx.db)
    .await?;
    u32::try_from(count).map_err(|_| StoreError::Corrupt("count"))
}

/// As [`held_count`], outside a change.
pub(crate) async fn held_by(
    store: &Store,
    prover: Address,
    now_ms: u64,
) -> Result<u32, StoreError> {
    let (count,): (i64,) = sqlx::query_as(
        "select count(*) from batch
          where lease_node = $1 and state = 'committed' and lease_expires_ms >= $2",
    )
    .bind(prover.0.to_vec())
    .bind(signed(now_ms))
    .fetch_one(&store.pool)
    .await?;
    u32::try_from(count).map_err(|_| StoreError::Corrupt("count"))
}

/// Gives a batch to a prover under a new fence.
pub(crate) async fn lease(
    tx: &mut Write,
    id: u64,
    prover: Address,
    ends_ms: u64,
    now_ms: u64,
) -> Result<Batch, StoreError> {
    sqlx::query(
        "update batch set fence = fence + 1, lease_node = $1, lease_expires_ms = $2,
             leased_at_ms = $3 where id = $4",
    )
    .bind(prover.0.to_vec())
    .bind(signed(ends_ms))
    .bind(signed(now_ms))
    .bind(signed(id))
    .execute(&mut tx.db)
    .await?;
    get_for_write(tx, id).await
}

/// Extends a prover's lease of a batch, if it still has it, and since after `held_since_ms`.
pub(crate) async fn extend_lease(
    tx: &mut Write,
    id: u64,
    prover: Address,
    ends_ms: u64,
    held_since_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set lease_expires_ms = $1
          where id = $2 and lease_node = $3 and state = 'committed' and lease_expires_ms is not null
            and leased_at_ms > $4",
    )
    .bind(signed(ends_ms))
    .bind(signed(id))
    .bind(prover.0.to_vec())
    .bind(signed(held_since_ms))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Notes that the chain holds the header. With a proof from before a reorganisation, the batch is
/// ready to be proven at once.
pub(crate) async fn set_committed(
    tx: &mut Write,
    id: u64,
    tx_hash: Option<Bytes32>,
    block: u64,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set state = case when proof is null then 'committed' else 'proof_ready' end,
             committed_at_ms = $1, updated_at_ms = $1, reason = null, refusals = 0,
             commit_tx = $2, commit_block = $3
          where id = $4 and state = 'formed'",
    )
    .bind(signed(now_ms))
    .bind(tx_hash.map(|h| h.0.to_vec()))
    .bind(signed(block))
    .bind(signed(id))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Notes that the chain has forgotten the commitment, which can come back as it was.
pub(crate) async fn set_uncommitted(
    tx: &mut Write,
    id: u64,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set state = 'formed', commit_tx = null, commit_block = null,
             lease_node = null, lease_expires_ms = null, updated_at_ms = $1
          where id = $2 and state in ('committed', 'proof_ready')",
    )
    .bind(signed(now_ms))
    .bind(signed(id))
    .execute(&mut tx.db)
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
             updated_at_ms = $3, prove_cpu_ms = $4, lease_expires_ms = null, refusals = 0,
             proven_by = lease_node
          where id = $5 and state = 'committed'",
    )
    .bind(instances)
    .bind(result.proof.0.clone())
    .bind(signed(now_ms))
    .bind(signed(result.cpu_ms))
    .bind(signed(result.batch_id))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Drops a proof that the contract rejects, so that the batch is proven again.
pub(crate) async fn drop_proof(tx: &mut Write, id: u64) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set state = 'committed', instances = null, proof = null, lease_node = null
          where id = $1 and state = 'proof_ready'",
    )
    .bind(signed(id))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// What ended a batch on chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) tx_hash: Option<Bytes32>,
    pub(crate) block: Option<u64>,
    pub(crate) gas: Option<u64>,
}

/// Ends a batch as proven.
pub(crate) async fn set_proven(
    tx: &mut Write,
    id: u64,
    end: End,
    now_ms: u64,
) -> Result<(), StoreError> {
    set_end(tx, id, "proven", None, end, now_ms).await
}

/// Ends a batch without a proof.
pub(crate) async fn set_expired(
    tx: &mut Write,
    id: u64,
    reason: &str,
    end: End,
    now_ms: u64,
) -> Result<(), StoreError> {
    set_end(tx, id, "expired", Some(reason), end, now_ms).await
}

async fn set_end(
    tx: &mut Write,
    id: u64,
    state: &'static str,
    reason: Option<&str>,
    end: End,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set state = $1, reason = $2, end_tx = $3, end_block = $4, prove_gas = $5,
             updated_at_ms = $6, lease_expires_ms = null where id = $7",
    )
    .bind(state)
    .bind(reason.map(str::to_owned))
    .bind(end.tx_hash.map(|h| h.0.to_vec()))
    .bind(end.block.map(signed))
    .bind(end.gas.map(signed))
    .bind(signed(now_ms))
    .bind(signed(id))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Takes a proven end back: the chain has forgotten it.
pub(crate) async fn set_unproven(tx: &mut Write, id: u64, now_ms: u64) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set state = case when proof is null then 'committed' else 'proof_ready' end,
             end_tx = null, end_block = null, prove_gas = null, updated_at_ms = $1
          where id = $2 and state = 'proven'",
    )
    .bind(signed(now_ms))
    .bind(signed(id))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Notes that the contract refused a step.
pub(crate) async fn count_refusal(
    tx: &mut Write,
    id: u64,
    reason: &str,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update batch set reason = $1, refusals = refusals + 1, refused_at_ms = $2 where id = $3",
    )
    .bind(reason.to_owned())
    .bind(signed(now_ms))
    .bind(signed(id))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Notes that something of a batch has moved.
pub(crate) async fn touch(tx: &mut Write, id: u64, now_ms: u64) -> Result<(), StoreError> {
    let query = sqlx::query("update batch set updated_at_ms = $1, refusals = 0 where id = $2");
    query.bind(signed(now_ms)).bind(signed(id)).execute(&mut tx.db).await?;
    Ok(())
}
