//! What opens the tags of tasks with a label. It stands apart from the tasks, so that nothing which workers or users
//! are shown can have it.

use std::collections::BTreeMap;

use dn_core::api::{Bytes32, LabelOpening};

use super::columns::{b32, signed};
use super::seal::Column;
use super::{Store, StoreError, Write};

/// Stores the label of a new task.
pub(crate) async fn insert(
    tx: &mut Write,
    task: Bytes32,
    label: &LabelOpening,
) -> Result<(), StoreError> {
    let plain = [&label.class.to_be_bytes()[..], &label.salt.0].concat();
    sqlx::query("insert into label (task_id, opening) values ($1, $2)")
        .bind(task.0.to_vec())
        .bind(tx.seal.close(task, Column::Label, &plain))
        .execute(&mut tx.db)
        .await?;
    Ok(())
}

/// Labels of a batch's tasks.
pub(crate) async fn of_batch(
    store: &Store,
    batch_id: u64,
) -> Result<BTreeMap<Bytes32, LabelOpening>, StoreError> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "select label.task_id, label.opening from label
           join task on task.task_id = label.task_id where task.batch_id = $1",
    )
    .bind(signed(batch_id))
    .fetch_all(&store.pool)
    .await?;
    let read = |(task, sealed): (Vec<u8>, Vec<u8>)| {
        let task = b32("task_id", &task)?;
        let plain = store.seal.open(task, Column::Label, &sealed)?;
        let (class, salt) = plain.split_first_chunk().ok_or(StoreError::Corrupt("opening"))?;
        let salt = b32("opening", salt)?;
        Ok((task, LabelOpening { class: u16::from_be_bytes(*class), salt }))
    };
    rows.into_iter().map(read).collect()
}

/// Forgets the labels of tasks whose input is forgotten.
pub(crate) async fn forget(tx: &mut Write) -> Result<(), StoreError> {
    let sql = "delete from label where task_id in (select task_id from task where input is null)";
    sqlx::query(sql).execute(&mut tx.db).await?;
    Ok(())
}
