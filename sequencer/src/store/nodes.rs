//! Workers and provers: sessions, and what was seen of them.

use std::collections::BTreeMap;

use dn_core::api::{Address, Role};
use dn_core::trust::Trust;
use dn_core::units::Fraction;
use sqlx::{AssertSqlSafe, FromRow};

use super::columns::{address, signed, unsigned};
use super::{Store, StoreError, Write};
use crate::rules::observe::Seen;

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

/// A worker or prover.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) address: Address,
    pub(crate) role: Role,
    pub(crate) last_seen_ms: u64,
    pub(crate) completed: u64,
    pub(crate) is_barred: bool,
    pub(crate) trust: Trust,
    /// What the open window of observation has counted.
    pub(crate) seen: Seen,
}

#[derive(FromRow)]
struct NodeRow {
    node: Vec<u8>,
    role: String,
    last_seen_ms: i64,
    completed: i64,
    is_barred: i64,
    completion: i64,
    accuracy: i64,
    uptime: i64,
    speed: i64,
    history: String,
    seen_finished: i64,
    seen_missed: i64,
    seen_right: i64,
    seen_wrong: i64,
    seen_latency_ms: i64,
    seen_units: i64,
}

impl TryFrom<NodeRow> for Node {
    type Error = StoreError;

    fn try_from(row: NodeRow) -> Result<Self, StoreError> {
        let fraction = |column, value| {
            u32::try_from(value).map(Fraction).map_err(|_| StoreError::Corrupt(column))
        };
        Ok(Self {
            address: address("node", &row.node)?,
            role: parse(&row.role)?,
            last_seen_ms: unsigned("last_seen_ms", row.last_seen_ms)?,
            completed: unsigned("completed", row.completed)?,
            is_barred: row.is_barred != 0,
            trust: Trust {
                completion: fraction("completion", row.completion)?,
                accuracy: fraction("accuracy", row.accuracy)?,
                uptime: fraction("uptime", row.uptime)?,
                speed: fraction("speed", row.speed)?,
                history: row.history.parse().map_err(|_| StoreError::Corrupt("history"))?,
            },
            seen: Seen {
                finished: unsigned("seen_finished", row.seen_finished)?,
                missed: unsigned("seen_missed", row.seen_missed)?,
                right: unsigned("seen_right", row.seen_right)?,
                wrong: unsigned("seen_wrong", row.seen_wrong)?,
                latency_ms: unsigned("seen_latency_ms", row.seen_latency_ms)?,
                units: unsigned("seen_units", row.seen_units)?,
                is_alive: false,
            },
        })
    }
}

const COLUMNS: &str = "node, role, last_seen_ms, completed, is_barred, completion, accuracy, uptime,
    speed, history, seen_finished, seen_missed, seen_right, seen_wrong, seen_latency_ms, seen_units";

/// A node's session: who it is, and the hash of its token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) node: Address,
    pub(crate) role: Role,
    pub(crate) token_hash: [u8; 32],
    pub(crate) ends_ms: u64,
}

/// Number of registrations of a node so far.
pub(crate) async fn session(store: &Store, node: Address, role: Role) -> Result<u64, StoreError> {
    let row: Option<(i64,)> =
        sqlx::query_as("select session from node where node = $1 and role = $2")
            .bind(node.0.to_vec())
            .bind(name(role))
            .fetch_optional(&store.pool)
            .await?;
    row.map_or(Ok(0), |(n,)| unsigned("session", n))
}

/// Opens a session, if `number` is the node's next one: of two who use the same challenge, one is
/// first.
pub(crate) async fn register(
    tx: &mut Write,
    session: Session,
    number: u64,
    now_ms: u64,
) -> Result<bool, StoreError> {
    let trust = Trust::default();
    let parts = [trust.completion, trust.accuracy, trust.uptime, trust.speed];
    let mut query = sqlx::query(
        "insert into node (node, role, token_hash, session, session_ends_ms, last_seen_ms,
             completion, accuracy, uptime, speed, history)
         values ($1, $2, $3, $4 + 1, $5, $6, $7, $8, $9, $10, '0')
         on conflict (node, role) do update set token_hash = excluded.token_hash,
             session = excluded.session, session_ends_ms = excluded.session_ends_ms,
             last_seen_ms = excluded.last_seen_ms
          where node.session = $4",
    )
    .bind(session.node.0.to_vec())
    .bind(name(session.role))
    .bind(session.token_hash.to_vec())
    .bind(signed(number))
    .bind(signed(session.ends_ms))
    .bind(signed(now_ms));
    for part in parts {
        query = query.bind(i64::from(part.0));
    }
    Ok(query.execute(&mut tx.db).await?.rows_affected() == 1)
}

/// The node that holds a token which has not ended.
pub(crate) async fn by_token(
    store: &Store,
    token_hash: [u8; 32],
    now_ms: u64,
) -> Result<Option<(Address, Role)>, StoreError> {
    let row: Option<(Vec<u8>, String)> = sqlx::query_as(
        "select node, role from node where token_hash = $1 and session_ends_ms > $2",
    )
    .bind(token_hash.to_vec())
    .bind(signed(now_ms))
    .fetch_optional(&store.pool)
    .await?;
    row.map(|(node, role)| Ok((address("node", &node)?, parse(&role)?))).transpose()
}

/// What was seen of nodes in a transaction, and when they were heard from last.
pub(crate) type SeenNodes = BTreeMap<(Address, &'static str), (Seen, u64)>;

/// Notes that a node was heard from.
pub(crate) fn touch(tx: &mut Write, node: Address, role: Role, now_ms: u64) {
    let (_, last_ms) = tx.seen.entry((node, name(role))).or_default();
    *last_ms = now_ms.max(*last_ms);
}

/// Adds to what the open window counts.
pub(crate) fn observe(tx: &mut Write, node: Address, role: Role, seen: Seen) {
    let (sum, _) = tx.seen.entry((node, name(role))).or_default();
    sum.add(seen);
}

/// Stores what was seen, in the order of the nodes.
pub(super) async fn store_seen(tx: &mut Write) -> Result<(), StoreError> {
    for ((node, role), (seen, last_ms)) in std::mem::take(&mut tx.seen) {
        sqlx::query(
            "update node set seen_finished = seen_finished + $1, seen_missed = seen_missed + $2,
                 seen_right = seen_right + $3, seen_wrong = seen_wrong + $4,
                 seen_latency_ms = seen_latency_ms + $5, seen_units = seen_units + $6,
                 completed = completed + $1,
                 last_seen_ms = case when last_seen_ms < $7 then $7 else last_seen_ms end
              where node = $8 and role = $9",
        )
        .bind(signed(seen.finished))
        .bind(signed(seen.missed))
        .bind(signed(seen.right))
        .bind(signed(seen.wrong))
        .bind(signed(seen.latency_ms))
        .bind(signed(seen.units))
        .bind(signed(last_ms))
        .bind(node.0.to_vec())
        .bind(role)
        .execute(&mut tx.db)
        .await?;
    }
    Ok(())
}

/// A node.
pub(crate) async fn get(
    store: &Store,
    node: Address,
    role: Role,
) -> Result<Option<Node>, StoreError> {
    let sql = format!("select {COLUMNS} from node where node = $1 and role = $2");
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(node.0.to_vec()).bind(name(role));
    let row: Option<NodeRow> = query.fetch_optional(&store.pool).await?;
    row.map(Node::try_from).transpose()
}

/// Every node, latest heard from first.
pub(crate) async fn all(store: &Store) -> Result<Vec<Node>, StoreError> {
    let sql = format!("select {COLUMNS} from node order by last_seen_ms desc limit 10000");
    let rows: Vec<NodeRow> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&store.pool).await?;
    rows.into_iter().map(Node::try_from).collect()
}

/// Whether another node of a role that is given work has been heard from since `since_ms`.
pub(crate) async fn is_other_alive(
    tx: &mut Write,
    node: Address,
    role: Role,
    since_ms: u64,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "select 1 from node where node <> $1 and role = $2 and is_barred = 0
            and last_seen_ms >= $3 limit 1",
    )
    .bind(node.0.to_vec())
    .bind(name(role))
    .bind(signed(since_ms))
    .fetch_optional(&mut tx.db)
    .await?;
    Ok(row.is_some())
}

/// The provers that were heard from since `since_ms`, those with the fewest open batches first.
pub(crate) async fn idlest_provers(
    store: &Store,
    since_ms: u64,
) -> Result<Vec<Address>, StoreError> {
    let rows: Vec<(Vec<u8>,)> = sqlx::query_as(
        "select node from node where role = 'prover' and last_seen_ms >= $1 and is_barred = 0
          order by (select count(*) from batch where prover = node
                     and batch.state in ('formed', 'committed')) + seen_missed * 4,
             completion desc, node limit 100",
    )
    .bind(signed(since_ms))
    .fetch_all(&store.pool)
    .await?;
    rows.iter().map(|(node,)| address("node", node)).collect()
}

/// Closes a node's window: stores its new trust and takes away what was counted for it.
pub(crate) async fn set_trust(tx: &mut Write, node: &Node, trust: Trust) -> Result<(), StoreError> {
    let mut query = sqlx::query(
        "update node set completion = $1, accuracy = $2, uptime = $3, speed = $4, history = $5,
             seen_finished = seen_finished - $6, seen_missed = seen_missed - $7,
             seen_right = seen_right - $8, seen_wrong = seen_wrong - $9,
             seen_latency_ms = seen_latency_ms - $10, seen_units = seen_units - $11
          where node = $12 and role = $13",
    );
    for part in [trust.completion, trust.accuracy, trust.uptime, trust.speed] {
        query = query.bind(i64::from(part.0));
    }
    query = query.bind(trust.history.to_string());
    let Seen { finished, missed, right, wrong, latency_ms, units, .. } = node.seen;
    for count in [finished, missed, right, wrong, latency_ms, units] {
        query = query.bind(signed(count));
    }
    query.bind(node.address.0.to_vec()).bind(name(node.role)).execute(&mut tx.db).await?;
    Ok(())
}

/// Gives a node no more work. False when it had none before.
pub(crate) async fn bar(tx: &mut Write, node: Address, role: Role) -> Result<bool, StoreError> {
    let sql = "update node set is_barred = 1 where node = $1 and role = $2 and is_barred = 0";
    let query = sqlx::query(sql).bind(node.0.to_vec()).bind(name(role));
    Ok(query.execute(&mut tx.db).await?.rows_affected() == 1)
}
