//! Batches. A batch has a key of its own; the chain's number comes with its commitment and can be
//! lost again.

use dn_core::api::{Address, Bytes32, ProofResult};
use sqlx::AssertSqlSafe;

use super::batch::BatchRow;
pub(crate) use super::batch::{Batch, Terms};
use super::columns::{signed, unsigned};
use super::{Store, StoreError, Write};

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

/// The batch with a number of the chain.
pub(crate) async fn numbered(store: &Store, number: u64) -> Result<Option<Batch>, StoreError> {
    let row = select("*", "number = $1").bind(signed(number)).fetch_optional(&store.pool).await?;
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

/// What the chain holds as a batch's proof, where somebody else brought it.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) prover: Address,
    pub(crate) instances: Vec<Bytes32>,
    pub(crate) proof: Vec<u8>,
}

/// Puts the chain's statement in the place of ours; `None` while it could not be read.
pub(crate) async fn set_statement(
    tx: &mut Write,
    id: u64,
    statement: Option<&Statement>,
    now_ms: u64,
) -> Result<(), StoreError> {
    let instances = statement.map(|s| s.instances.iter().flat_map(|w| w.0).collect::<Vec<u8>>());
    sqlx::query(
        "update batch set instances = $1, proof = $2, proven_by = $3, updated_at_ms = $4,
             prove_cpu_ms = null where id = $5",
    )
    .bind(instances)
    .bind(statement.map(|s| s.proof.clone()))
    .bind(statement.map(|s| s.prover.0.to_vec()))
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
