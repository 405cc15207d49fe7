//! Chain transactions, recorded before they are sent, with everything that was signed under their
//! nonce.

use dn_core::api::Bytes32;
use sqlx::FromRow;

use super::columns::{b32, signed, unsigned};
use super::{Store, StoreError, Write};
use crate::chain::SignedTx;
use crate::rules::outbox::{Fee, Outcome};

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Prove,
    Settle,
    Expire,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Prove => "prove",
            Self::Settle => "settle",
            Self::Expire => "expire",
        }
    }
}

/// One signed form of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) hash: Bytes32,
    pub(crate) raw: Vec<u8>,
    pub(crate) fee: Fee,
}

/// A transaction whose outcome is unknown.
#[derive(Clone, Debug)]
pub(crate) struct OpenTx {
    pub(crate) id: i64,
    pub(crate) kind: Kind,
    pub(crate) batch_id: u64,
    pub(crate) nonce: u64,
    pub(crate) gas_limit: u64,
    pub(crate) calldata: Vec<u8>,
    pub(crate) sent_at_ms: u64,
    pub(crate) priced_at_ms: u64,
    /// Cheapest first; there is at least one.
    pub(crate) variants: Vec<Variant>,
}

#[derive(FromRow)]
struct TxRow {
    id: i64,
    kind: String,
    batch_id: i64,
    nonce: i64,
    gas_limit: i64,
    calldata: Vec<u8>,
    sent_at_ms: i64,
    priced_at_ms: i64,
}

#[derive(FromRow)]
struct VariantRow {
    outbox_id: i64,
    tx_hash: Vec<u8>,
    raw: Vec<u8>,
    max_fee: String,
    tip: String,
}

impl VariantRow {
    fn read(&self) -> Result<Variant, StoreError> {
        let amount = |text: &str| text.parse().map_err(|_| StoreError::Corrupt("fee"));
        let fee = Fee { max: amount(&self.max_fee)?, tip: amount(&self.tip)? };
        Ok(Variant { hash: b32("tx_hash", &self.tx_hash)?, raw: self.raw.clone(), fee })
    }
}

/// Every transaction whose outcome is unknown, by nonce.
pub(crate) async fn open(store: &Store) -> Result<Vec<OpenTx>, StoreError> {
    let rows: Vec<TxRow> = sqlx::query_as(
        "select id, kind, batch_id, nonce, gas_limit, calldata, sent_at_ms, priced_at_ms
           from outbox where state = 'open' order by nonce",
    )
    .fetch_all(&store.pool)
    .await?;
    let variants: Vec<VariantRow> = sqlx::query_as(
        "select outbox_id, tx_hash, raw, max_fee, tip from outbox_variant
          where outbox_id in (select id from outbox where state = 'open')",
    )
    .fetch_all(&store.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let kinds = [Kind::Commit, Kind::Prove, Kind::Settle, Kind::Expire];
            let kind = kinds.into_iter().find(|k| k.as_str() == row.kind);
            let own = variants.iter().filter(|v| v.outbox_id == row.id);
            let mut own: Vec<Variant> = own.map(VariantRow::read).collect::<Result<_, _>>()?;
            own.sort_by_key(|v| v.fee.max);
            Ok(OpenTx {
                id: row.id,
                kind: kind.ok_or(StoreError::Corrupt("kind"))?,
                batch_id: unsigned("batch_id", row.batch_id)?,
                nonce: unsigned("nonce", row.nonce)?,
                gas_limit: unsigned("gas_limit", row.gas_limit)?,
                calldata: row.calldata,
                sent_at_ms: unsigned("sent_at_ms", row.sent_at_ms)?,
                priced_at_ms: unsigned("priced_at_ms", row.priced_at_ms)?,
                variants: own,
            })
        })
        .collect()
}

/// The nonces of transactions on their way.
pub(crate) async fn open_nonces(store: &Store) -> Result<Vec<u64>, StoreError> {
    let query = sqlx::query_as("select nonce from outbox where state = 'open' order by nonce");
    let rows: Vec<(i64,)> = query.fetch_all(&store.pool).await?;
    rows.into_iter().map(|(nonce,)| unsigned("nonce", nonce)).collect()
}

/// Whether a transaction of a batch is on its way.
pub(crate) async fn is_sending(tx: &mut Write, batch_id: u64) -> Result<bool, StoreError> {
    let sql = "select 1 from outbox where batch_id = $1 and state = 'open' limit 1";
    let query = sqlx::query(sql).bind(signed(batch_id));
    Ok(query.fetch_optional(&mut tx.db).await?.is_some())
}

/// A transaction to record.
#[derive(Clone, Debug)]
pub(crate) struct NewTx {
    pub(crate) kind: Kind,
    pub(crate) batch_id: u64,
    pub(crate) gas_limit: u64,
    pub(crate) calldata: Vec<u8>,
    pub(crate) fee: Fee,
    pub(crate) signed: SignedTx,
}

/// Records a transaction that is about to be sent.
pub(crate) async fn record(tx: &mut Write, new: &NewTx, now_ms: u64) -> Result<(), StoreError> {
    let (id,): (i64,) = sqlx::query_as(
        "insert into outbox (kind, batch_id, nonce, state, gas_limit, calldata, created_at_ms,
             sent_at_ms, priced_at_ms)
         values ($1, $2, $3, 'open', $4, $5, $6, $6, $6) returning id",
    )
    .bind(new.kind.as_str())
    .bind(signed(new.batch_id))
    .bind(signed(new.signed.nonce))
    .bind(signed(new.gas_limit))
    .bind(new.calldata.clone())
    .bind(signed(now_ms))
    .fetch_one(&mut tx.db)
    .await?;
    add_variant(tx, id, &new.signed, new.fee, now_ms).await
}

/// Records one more signed form of a transaction.
pub(crate) async fn add_variant(
    tx: &mut Write,
    id: i64,
    signed_tx: &SignedTx,
    fee: Fee,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into outbox_variant (tx_hash, outbox_id, raw, max_fee, tip)
         values ($1, $2, $3, $4, $5) on conflict (tx_hash) do nothing",
    )
    .bind(signed_tx.hash.0.to_vec())
    .bind(id)
    .bind(signed_tx.raw.clone())
    .bind(fee.max.to_string())
    .bind(fee.tip.to_string())
    .execute(&mut tx.db)
    .await?;
    sqlx::query("update outbox set priced_at_ms = $1, sent_at_ms = $1 where id = $2")
        .bind(signed(now_ms))
        .bind(id)
        .execute(&mut tx.db)
        .await?;
    Ok(())
}

/// Whether a transaction is one of ours.
pub(crate) async fn is_ours(store: &Store, hash: Bytes32) -> Result<bool, StoreError> {
    let query = sqlx::query("select 1 from outbox_variant where tx_hash = $1");
    Ok(query.bind(hash.0.to_vec()).fetch_optional(&store.pool).await?.is_some())
}

/// Notes that a transaction was sent once more.
pub(crate) async fn set_sent(tx: &mut Write, id: i64, now_ms: u64) -> Result<(), StoreError> {
    let query = sqlx::query("update outbox set sent_at_ms = $1 where id = $2");
    query.bind(signed(now_ms)).bind(id).execute(&mut tx.db).await?;
    Ok(())
}

/// Ends a transaction.
pub(crate) async fn close(
    tx: &mut Write,
    id: i64,
    outcome: Outcome,
    block: Option<u64>,
    gas_used: Option<u64>,
) -> Result<(), StoreError> {
    let state = match outcome {
        Outcome::Mined => "mined",
        Outcome::Reverted => "reverted",
        Outcome::Replaced => "replaced",
    };
    sqlx::query("update outbox set state = $1, gas_used = $2, block = $3 where id = $4")
        .bind(state)
        .bind(gas_used.map(signed))
        .bind(block.map(signed))
        .bind(id)
        .execute(&mut tx.db)
        .await?;
    Ok(())
}

/// Opens again what ended in a block behind `block`: the chain has forgotten it.
pub(crate) async fn reopen_behind(
    tx: &mut Write,
    block: i64,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set state = 'open', block = null, gas_used = null, sent_at_ms = 0,
             priced_at_ms = $1
          where state in ('mined', 'reverted') and block > $2",
    )
    .bind(signed(now_ms))
    .bind(block)
    .execute(&mut tx.db)
    .await?;
    Ok(())
}
