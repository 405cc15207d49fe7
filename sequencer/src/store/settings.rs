//! Values that there is one of.

use dn_core::api::Bytes32;
use rand::RngCore as _;
use sqlx::AnyPool;

use super::seal::Column;
use super::{Seal, SealError, Store, StoreError};

/// What every storage key must open: a sealed word.
const SEALED: &str = "sealed";
/// What challenges of nodes are made with.
const CHALLENGE: &str = "challenge_secret";

async fn get(pool: &AnyPool, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let query = sqlx::query_as("select value from setting where name = $1");
    let row: Option<(Vec<u8>,)> = query.bind(name).fetch_optional(pool).await?;
    Ok(row.map(|(value,)| value))
}

/// The value of a setting; `first` if it has none yet. Two processes that ask get the same.
async fn get_or_set(pool: &AnyPool, name: &str, first: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    if let Some(value) = get(pool, name).await? {
        return Ok(value);
    }
    sqlx::query("insert into setting (name, value) values ($1, $2) on conflict (name) do nothing")
        .bind(name)
        .bind(first)
        .execute(pool)
        .await?;
    get(pool, name).await?.ok_or(StoreError::Missing("setting"))
}

/// Refuses a storage key that is not the data's.
pub(super) async fn check_seal(pool: &AnyPool, seal: &Seal) -> Result<(), StoreError> {
    let place = Bytes32([0; 32]);
    let first = seal.close(place, Column::Check, SEALED.as_bytes());
    let known = get_or_set(pool, SEALED, first).await?;
    seal.open(place, Column::Check, &known).map(drop).map_err(|_| SealError::Foreign.into())
}

/// The secret of challenges: drawn once for a database.
pub(crate) async fn challenge_secret(store: &Store) -> Result<[u8; 32], StoreError> {
    let mut first = [0; 32];
    rand::thread_rng().fill_bytes(&mut first);
    let secret = get_or_set(&store.pool, CHALLENGE, first.to_vec()).await?;
    secret.try_into().map_err(|_| StoreError::Corrupt("challenge_secret"))
}
