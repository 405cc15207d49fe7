//! What must hold after every step.

use std::collections::BTreeMap;

use dn_core::api::{BatchState, Bytes32};
use dn_core::task::TaskState;
use sqlx::Row as _;

use super::contract::State;
use crate::store::Store;

/// Compares the database with itself, with what was acknowledged, and with what was seen before.
#[derive(Debug, Default)]
pub(super) struct Checker {
    /// Every task that was acknowledged, with the end that was seen.
    pub(super) acknowledged: BTreeMap<Bytes32, Option<TaskState>>,
}

impl Checker {
    /// Every invariant of the database.
    pub(super) async fn check(&mut self, store: &Store) -> Result<(), String> {
        let rows = sqlx::query(
            "select task_id, state, batch_id, worker,
                 (select e.state from event e where e.task_id = task.task_id
                   order by e.seq desc limit 1) as told from task",
        )
        .fetch_all(&store.pool)
        .await
        .map_err(|e| e.to_string())?;
        let mut found = 0;
        for row in rows {
            let id: Vec<u8> = row.get("task_id");
            let id = Bytes32::try_from(&id[..]).map_err(|e| e.to_string())?;
            let (state, told): (String, String) = (row.get("state"), row.get("told"));
            let state = TaskState::parse(&state).ok_or("a state")?;
            expect(told == state.as_str(), || {
                format!("{id}: the log says {told}, the row {state:?}")
            })?;
            let batch: Option<i64> = row.get("batch_id");
            let has_batch = state == TaskState::Committed;
            expect(!has_batch || batch.is_some(), || format!("{id} is committed without a batch"))?;
            let Some(seen) = self.acknowledged.get_mut(&id) else { continue };
            found += 1;
            if let Some(end @ (TaskState::Refunded | TaskState::Failed)) = *seen {
                expect(end == state, || format!("{id} ended as {end:?} and is {state:?}"))?;
            }
            *seen = state.is_final().then_some(state);
        }
        expect(found == self.acknowledged.len(), || "an acknowledged task is gone".into())?;
        self.rules(store).await
    }

    async fn rules(&self, store: &Store) -> Result<(), String> {
        for (sql, what) in [
            (
                "select count(*) from task t join node n on n.node = t.worker and n.role = 'worker'
                  where t.state = 'assigned' and n.is_barred = 1",
                "a barred worker holds a task",
            ),
            (
                "select count(*) from (select worker from task where state = 'assigned'
                   group by worker having count(*) > 256) as many",
                "a worker holds more than anybody may",
            ),
            (
                "select count(*) from task t join batch b on b.id = t.batch_id
                  where t.state = 'committed' and (b.state = 'expired' or b.state = 'proven' and b.chunks =
                      (select count(*) from settled s where s.batch_id = b.id))",
                "a task is held by a batch that has ended",
            ),
            (
                "select count(*) from batch b where b.state in ('formed', 'committed', 'proof_ready')
                   and (select count(*) from task t where t.batch_id = b.id) <> b.task_count",
                "an open batch has lost a task",
            ),
            (
                "select count(*) from task where state = 'failed' and
                   (select count(*) from missed m where m.task_id = task.task_id) < 3",
                "a task failed before three workers did",
            ),
        ] {
            let count: i64 = sqlx::query(sql)
                .fetch_one(&store.pool)
                .await
                .map_err(|e| e.to_string())?
                .get(0);
            expect(count == 0, || format!("{what} ({count} times)"))?;
        }
        Ok(())
    }

    /// At the end, with nothing on its way: every task has ended, and as the chain says.
    pub(super) async fn check_end(&self, store: &Store, chain: &State) -> Result<(), String> {
        for (id, end) in &self.acknowledged {
            let end = end.ok_or_else(|| format!("{id} never ended"))?;
            let is_proven = chain.tasks.contains_key(id);
            let agrees = is_proven == (end == TaskState::Proven);
            expect(agrees, || format!("{id} ended as {end:?}, proven on chain: {is_proven}"))?;
        }
        let open = crate::store::batches::open(store).await.map_err(|e| e.to_string())?;
        let stuck = open.iter().find(|b| b.state != BatchState::Formed);
        expect(stuck.is_none(), || format!("batch {stuck:?} never ended"))
    }
}

fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(what())
    }
}
