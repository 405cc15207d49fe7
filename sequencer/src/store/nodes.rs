//! Workers and provers.

use dn_core::api::{Address, NodeView, Role};
use sqlx::AnyPool;

use super::{address, signed, unsigned, StoreError, Write};

fn name(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::Prover => "prover",
    }
}

fn parse(role: &str) -> Result<Role, StoreError> {
    match role {
        "worker" => Ok(Role::Worker),
        "prover" => Ok(Role::Prover),
        _ => Err(StoreError::Corrupt("role")),
    }
}

/// Adds a node or renews its token.
pub(crate) async fn register(
    db: &AnyPool,
    node: Address,
    role: Role,
    token_hash: [u8; 32],
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into node (node, role, token_hash, last_seen_ms) values ($1, $2, $3, $4)
         on conflict (node, role) do update set token_hash = excluded.token_hash,
             last_seen_ms = excluded.last_seen_ms",
    )
    .bind(node.0.as_slice())
    .bind(name(role))
    .bind(token_hash.as_slice())
    .bind(signed(now_ms))
    .execute(db)
    .await?;
    Ok(())
}

/// The node that holds a token; it counts as heard from.
pub(crate) async fn by_token(
    db: &AnyPool,
    token_hash: [u8; 32],
    now_ms: u64,
) -> Result<Option<(Address, Role)>, StoreError> {
    let row: Option<(Vec<u8>, String)> = sqlx::query_as(
        "update node set last_seen_ms = $1 where token_hash = $2 returning node, role",
    )
    .bind(signed(now_ms))
    .bind(token_hash.as_slice())
    .fetch_optional(db)
    .await?;
    row.map(|(node, role)| Ok((address("node", &node)?, parse(&role)?))).transpose()
}

/// Counts a finished piece of work.
pub(crate) async fn count_completed(
    tx: &mut Write,
    node: Address,
    role: Role,
) -> Result<(), StoreError> {
    sqlx::query("update node set completed = completed + 1 where node = $1 and role = $2")
        .bind(node.0.as_slice())
        .bind(name(role))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The living prover with the fewest open batches.
pub(crate) async fn idlest_prover(
    tx: &mut Write,
    alive_since_ms: u64,
) -> Result<Option<Address>, StoreError> {
    let row: Option<(Vec<u8>,)> = sqlx::query_as(
        "select node from node where role = 'prover' and last_seen_ms >= $1
          order by (select count(*) from batch where prover = node
                     and batch.state in ('formed', 'committed')), last_seen_ms desc limit 1",
    )
    .bind(signed(alive_since_ms))
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|(node,)| address("node", &node)).transpose()
}

/// Every node, latest heard from first.
pub(crate) async fn all(db: &AnyPool, alive_since_ms: u64) -> Result<Vec<NodeView>, StoreError> {
    let rows: Vec<(Vec<u8>, String, i64, i64)> = sqlx::query_as(
        "select node, role, last_seen_ms, completed from node order by last_seen_ms desc limit 1000",
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(node, role, last_seen_ms, completed)| {
            let last_seen_ms = unsigned("last_seen_ms", last_seen_ms)?;
            Ok(NodeView {
                node: address("node", &node)?,
                role: parse(&role)?,
                last_seen_ms,
                is_alive: last_seen_ms >= alive_since_ms,
                completed: unsigned("completed", completed)?,
            })
        })
        .collect()
}
