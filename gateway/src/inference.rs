//! Inputs to answers: signed, sent in, waited for.

use std::time::Duration;

use dn_core::api::{Bytes32, TaskView};
use dn_core::commitment::to_bytes;
use dn_core::task::TaskState;
use dn_sdk::{random_salt, Asked, User};
use futures_util::future::try_join_all;
use serde_json::{json, Value};

use crate::catalog::Model;
use crate::refusal::Refusal;

/// The answer to one row.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) task: TaskView,
    /// Opens the commitments to input and output.
    pub(crate) salt: Bytes32,
    /// The model's output, which is what is proven.
    pub(crate) codes: Vec<i8>,
}

impl Answer {
    /// What a client needs to hold the answer to its proof.
    /// `url` is where tasks are served.
    pub(crate) fn reference(&self, url: &str) -> Value {
        let id = self.task.task_id;
        json!({
            "task_id": id,
            "state": self.task.state,
            "salt": self.salt,
            "receipt": self.task.receipt,
            "task": format!("{url}/v1/tasks/{id}"),
            "proof": format!("{url}/v1/tasks/{id}/proof"),
        })
    }
}

/// For how long orders are good, and answers waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) order_life: Duration,
    pub(crate) answer_limit: Duration,
}

/// Has the model answer every row, at the expense of the user. The orders are signed together.
pub(crate) async fn infer(
    user: &User,
    model: &Model,
    rows: &[Vec<f32>],
    terms: Terms,
) -> Result<Vec<Answer>, Refusal> {
    let ask = |row: &Vec<f32>| {
        let input = model.package.quantize_input(row);
        Asked { input, salt: random_salt(), label: None }
    };
    let asked: Vec<Asked> = rows.iter().map(ask).collect();
    let salts: Vec<Bytes32> = asked.iter().map(|a| Bytes32(to_bytes(a.salt))).collect();
    let orders = user.orders(&model.view, asked, terms.order_life)?;
    let (mut ids, mut refused) = (Vec::new(), None);
    let mut is_lost = false;
    for (order, taken) in orders.iter().zip(user.submit(&orders).await) {
        // The id that was signed: a sequencer might name another task.
        match taken {
            Ok(_) => ids.push(user.task_id(order)),
            Err(error) => {
                if error.is_lost() {
                    // It may be ordered, and is paid for then.
                    ids.push(user.task_id(order));
                    is_lost = true;
                }
                refused = refused.or(Some(Refusal::from(error)));
            }
        }
    }
    match refused {
        Some(source) if ids.is_empty() => return Err(source),
        Some(source) if is_lost => {
            return Err(Refusal::Unfetched { tasks: ids, source: Box::new(source) })
        }
        Some(source) => return Err(Refusal::Partly { tasks: ids, source: Box::new(source) }),
        None => {}
    }
    let limit = terms.answer_limit;
    let tasks = try_join_all(ids.iter().map(|id| user.answered(*id, limit))).await;
    let tasks = tasks.map_err(|error| {
        let source = Box::new(Refusal::from(error));
        Refusal::Unfetched { tasks: ids.clone(), source }
    })?;
    if tasks.iter().zip(&ids).any(|(task, id)| task.task_id != *id) {
        return Err(Refusal::Internal(anyhow::anyhow!("the sequencer tells of another task")));
    }
    let late = |task: &&TaskView| !task.state.is_answered();
    if tasks.iter().any(|task| late(&task)) {
        return Err(Refusal::Late { limit_s: limit.as_secs(), tasks: ids });
    }
    let answer = |(task, salt): (TaskView, Bytes32)| match task.output.clone() {
        Some(codes) => Ok(Answer { task, salt, codes }),
        None => Err(ended(&task, &ids)),
    };
    tasks.into_iter().zip(salts).map(answer).collect()
}

/// Why a task that has ended has no answer.
fn ended(task: &TaskView, ids: &[Bytes32]) -> Refusal {
    if matches!(task.state, TaskState::Refunded | TaskState::Failed) {
        return Refusal::Ended { state: task.state, reason: task.reason, tasks: ids.to_vec() };
    }
    Refusal::Internal(anyhow::anyhow!("task {} has no output for its user", task.task_id))
}
