//! Many new tasks at once: a few statements however many there are.

use std::collections::{BTreeMap, BTreeSet};

use dn_core::api::{Address, Bytes32, SubmitTask};
use sqlx::AssertSqlSafe;

use super::columns::{address, b32, signed};
use super::task::Secret;
use super::{labels, StoreError, Write};

/// Rows of one statement: a few sizes, so that statements stay prepared, and so many that any
/// number up to the largest takes three at most.
const SIZES: [usize; 12] = [64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1];
/// Sizes of a question, which may name the same thing twice.
const ASKED: [usize; 3] = [4, 16, 64];

/// A task to store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct New<'a> {
    pub(crate) id: Bytes32,
    pub(crate) task: &'a SubmitTask,
    pub(crate) key: Option<&'a str>,
    pub(crate) turn: u64,
    pub(crate) now_ms: u64,
}

/// Parts of a list that have one of the sizes.
fn parts<T>(mut rows: &[T]) -> Vec<&[T]> {
    let mut parts = Vec::new();
    for size in SIZES {
        while rows.len() >= size {
            let (part, rest) = rows.split_at(size);
            parts.push(part);
            rows = rest;
        }
    }
    parts
}

/// Parts of a list of questions: the last one is asked again until a size is full.
fn questions<T: Copy>(rows: &[T]) -> impl Iterator<Item = Vec<T>> + '_ {
    rows.chunks(ASKED[ASKED.len() - 1]).map(|part| {
        let mut part = part.to_vec();
        let size = ASKED.into_iter().find(|size| *size >= part.len()).unwrap_or(part.len());
        part.resize(size, part[part.len() - 1]);
        part
    })
}

/// `($1, $2), ($3, $4)` and so on.
fn places(rows: usize, columns: usize) -> String {
    let row = |i: usize| {
        let cells: Vec<String> = (1..=columns).map(|c| format!("${}", i * columns + c)).collect();
        format!("({})", cells.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// `$1, $2` and so on.
fn list(count: usize) -> String {
    (1..=count).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ")
}

/// Those of these tasks that were taken.
pub(crate) async fn known(
    tx: &mut Write,
    ids: &[Bytes32],
) -> Result<BTreeSet<Bytes32>, StoreError> {
    let mut known = BTreeSet::new();
    for part in questions(ids) {
        let sql = format!("select task_id from task where task_id in ({})", list(part.len()));
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for id in part {
            query = query.bind(id.0.to_vec());
        }
        let rows: Vec<(Vec<u8>,)> = query.fetch_all(&mut tx.db).await?;
        for (id,) in rows {
            known.insert(b32("task_id", &id)?);
        }
    }
    Ok(known)
}

/// Those of these nonces that stand for a task.
pub(crate) async fn nonces(
    tx: &mut Write,
    wanted: &[(Address, u64)],
) -> Result<BTreeSet<(Address, u64)>, StoreError> {
    let mut used = BTreeSet::new();
    for part in questions(wanted) {
        let sql = format!(
            "select payer, nonce_bits from task where (payer, nonce_bits) in (values {})",
            places(part.len(), 2)
        );
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for (payer, nonce) in part {
            query = query.bind(payer.0.to_vec()).bind(nonce.cast_signed());
        }
        let rows: Vec<(Vec<u8>, i64)> = query.fetch_all(&mut tx.db).await?;
        for (payer, nonce) in rows {
            used.insert((address("payer", &payer)?, nonce.cast_unsigned()));
        }
    }
    Ok(used)
}

/// Keys by who used them.
pub(crate) type Keys = BTreeMap<(Address, String), Bytes32>;

/// What these keys stand for, as far as they are known.
pub(crate) async fn keys(tx: &mut Write, wanted: &[(Address, &str)]) -> Result<Keys, StoreError> {
    let mut found = Keys::new();
    for part in questions(wanted) {
        let sql = format!(
            "select payer, key, task_id from idempotency where (payer, key) in (values {})",
            places(part.len(), 2)
        );
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for (payer, key) in part {
            query = query.bind(payer.0.to_vec()).bind(key.to_owned());
        }
        let rows: Vec<(Vec<u8>, String, Vec<u8>)> = query.fetch_all(&mut tx.db).await?;
        for (payer, key, id) in rows {
            found.insert((address("payer", &payer)?, key), b32("task_id", &id)?);
        }
    }
    Ok(found)
}

/// Stores new tasks with their events and keys.
///
/// # Errors
/// Also when another process has stored one of them or used a key meanwhile: then nothing is
/// stored, and the change can be made again.
pub(crate) async fn insert(tx: &mut Write, new: &[New<'_>]) -> Result<(), StoreError> {
    for part in parts(new) {
        insert_tasks(tx, part).await?;
        insert_events(tx, part).await?;
    }
    for new in new {
        if let Some(label) = &new.task.label {
            labels::insert(tx, new.id, label).await?;
        }
    }
    let keyed: Vec<&New<'_>> = new.iter().filter(|n| n.key.is_some()).collect();
    for part in parts(&keyed) {
        let sql = format!(
            "insert into idempotency (payer, key, task_id) values {}",
            places(part.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for new in part {
            query = query
                .bind(new.task.order.user.0.to_vec())
                .bind(new.key.unwrap_or_default().to_owned())
                .bind(new.id.0.to_vec());
        }
        query.execute(&mut tx.db).await?;
    }
    tx.has_queued |= !new.is_empty();
    Ok(())
}

/// Gives keys to tasks that are there.
pub(crate) async fn remember_keys(
    tx: &mut Write,
    keys: &[(Address, &str, Bytes32)],
) -> Result<(), StoreError> {
    for (payer, key, id) in keys {
        sqlx::query(
            "insert into idempotency (payer, key, task_id) values ($1, $2, $3)
             on conflict (payer, key) do nothing",
        )
        .bind(payer.0.to_vec())
        .bind((*key).to_owned())
        .bind(id.0.to_vec())
        .execute(&mut tx.db)
        .await?;
    }
    Ok(())
}

async fn insert_tasks(tx: &mut Write, part: &[New<'_>]) -> Result<(), StoreError> {
    let sql = format!(
        "insert into task (task_id, model_id, payer, input, input_hash, max_fee, deadline_bits,
             nonce_bits, tag, signature, bundle, expires_at_s, state, turn, created_at_ms, updated_at_ms)
         values {}",
        places(part.len(), 16)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for new in part {
        let order = &new.task.order;
        let secret = Secret { input: new.task.input.clone(), salt: new.task.salt };
        query = query
            .bind(new.id.0.to_vec())
            .bind(order.model_id.0.to_vec())
            .bind(order.user.0.to_vec())
            .bind(secret.sealed(&tx.seal, new.id))
            .bind(order.input_hash.0.to_vec())
            .bind(order.max_fee.to_string())
            .bind(i64::from_le_bytes(order.deadline.to_le_bytes()))
            .bind(i64::from_le_bytes(order.nonce.to_le_bytes()))
            .bind(order.tag.0.to_vec())
            .bind(new.task.signature.0.clone())
            .bind(super::task::bundle_text(new.task.bundle.as_ref())?)
            .bind(signed(order.deadline))
            .bind("queued")
            .bind(signed(new.turn))
            .bind(signed(new.now_ms))
            .bind(signed(new.now_ms));
    }
    query.execute(&mut tx.db).await?;
    Ok(())
}

async fn insert_events(tx: &mut Write, part: &[New<'_>]) -> Result<(), StoreError> {
    let sql = format!("insert into event (task_id, state, at_ms) values {}", places(part.len(), 3));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for new in part {
        query = query.bind(new.id.0.to_vec()).bind("queued").bind(signed(new.now_ms));
    }
    query.execute(&mut tx.db).await?;
    tx.has_event = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_few_sizes_and_cover_every_row() {
        for count in 0..=256 {
            let rows: Vec<usize> = (0..count).collect();
            let parts = parts(&rows);
            assert!(parts.iter().all(|p| SIZES.contains(&p.len())));
            assert_eq!(parts.concat(), rows);
            assert!(parts.len() <= 3 + count / 64, "{count}");
            let asked: Vec<Vec<usize>> = questions(&rows).collect();
            assert!(asked.iter().all(|part| ASKED.contains(&part.len())));
            assert_eq!(asked.concat().into_iter().collect::<BTreeSet<_>>().len(), count);
        }
        assert_eq!(places(2, 2), "($1, $2), ($3, $4)");
        assert_eq!(list(3), "$1, $2, $3");
    }
}
