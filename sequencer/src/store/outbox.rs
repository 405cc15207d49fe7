//! Chain transactions, recorded before they are sent. At most one is open.

use sqlx::AnyPool;
use sqlx::FromRow;

use super::{b32, signed, unsigned, StoreError};
use dn_core::api::Bytes32;

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Prove,
    Refund,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Prove => "prove",
            Self::Refund => "refund",
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In a block, and it did what it should.
    Mined,
    /// In a block, without effect.
    Reverted,
    /// Another transaction took its nonce.
    Replaced,
}

/// A transaction whose outcome is unknown.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct OpenTx {
    pub(crate) id: i64,
    kind: String,
    batch_id: i64,
    nonce: i64,
    tx_hash: Vec<u8>,
    pub(crate) raw: Vec<u8>,
}

impl OpenTx {
    pub(crate) fn kind(&self) -> Result<Kind, StoreError> {
        let all = [Kind::Commit, Kind::Prove, Kind::Refund];
        all.into_iter().find(|k| k.as_str() == self.kind).ok_or(StoreError::Corrupt("kind"))
    }

    pub(crate) fn batch_id(&self) -> Result<u64, StoreError> {
        unsigned("batch_id", self.batch_id)
    }

    pub(crate) fn nonce(&self) -> Result<u64, StoreError> {
        unsigned("nonce", self.nonce)
    }

    pub(crate) fn hash(&self) -> Result<Bytes32, StoreError> {
        b32("tx_hash", &self.tx_hash)
    }
}

pub(crate) async fn open(db: &AnyPool) -> Result<Option<OpenTx>, StoreError> {
    let query = "select id, kind, batch_id, nonce, tx_hash, raw from outbox where state = 'open'";
    Ok(sqlx::query_as(query).fetch_optional(db).await?)
}

pub(crate) async fn record(
    db: &AnyPool,
    kind: Kind,
    batch_id: u64,
    tx: &crate::chain::SignedTx,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into outbox (kind, batch_id, nonce, tx_hash, raw, state, created_at_ms)
         values ($1, $2, $3, $4, $5, 'open', $6)",
    )
    .bind(kind.as_str())
    .bind(signed(batch_id))
    .bind(signed(tx.nonce))
    .bind(tx.hash.as_slice())
    .bind(tx.raw.as_slice())
    .bind(signed(now_ms))
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn close(
    db: &AnyPool,
    id: i64,
    outcome: Outcome,
    gas_used: Option<u64>,
) -> Result<(), StoreError> {
    let state = match outcome {
        Outcome::Mined => "mined",
        Outcome::Reverted => "reverted",
        Outcome::Replaced => "replaced",
    };
    sqlx::query("update outbox set state = $1, gas_used = $2 where id = $3")
        .bind(state)
        .bind(gas_used.map(signed))
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}
