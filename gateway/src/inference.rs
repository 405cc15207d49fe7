//! Inputs to answers: signed, sent in, waited for.

use dn_core::api::{Bytes32, ReceiptView, TaskView};
use dn_core::commitment::to_bytes;
use dn_core::task::TaskState;
use dn_sdk::{random_salt, Asked, User};
use futures_util::future::try_join_all;
use serde_json::{json, Value};

use crate::app::App;
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
    pub(crate) fn reference(&self, app: &App) -> Value {
        let (id, receipt): (_, &Option<ReceiptView>) = (self.task.task_id, &self.task.receipt);
        json!({
            "task_id": id,
            "state": self.task.state,
            "salt": self.salt,
            "receipt": receipt,
            "task": task_url(app, id),
            "proof": format!("{}/proof", task_url(app, id)),
        })
    }
}

/// Where a task is.
pub(crate) fn task_url(app: &App, id: Bytes32) -> String {
    format!("{}/v1/tasks/{id}", app.facts().public_url)
}

/// Has the model answer every row, at the expense of the user. The orders are signed together.
pub(crate) async fn infer(
    app: &App,
    user: &User,
    model: &Model,
    rows: &[Vec<f32>],
) -> Result<Vec<Answer>, Refusal> {
    let ask = |row: &Vec<f32>| {
        let input = model.package.quantize_input(row);
        Asked { input, salt: random_salt(), label: None }
    };
    let asked: Vec<Asked> = rows.iter().map(ask).collect();
    let salts: Vec<Bytes32> = asked.iter().map(|a| Bytes32(to_bytes(a.salt))).collect();
    let orders = user.orders(&model.view, asked, app.facts().order_life)?;
    let (mut ids, mut refused) = (Vec::new(), None);
    for taken in user.submit(&orders).await {
        match taken {
            Ok(task) => ids.push(task.task_id),
            Err(error) => refused = refused.or(Some(Refusal::from(error))),
        }
    }
    match refused {
        Some(source) if ids.is_empty() => return Err(source),
        Some(source) => return Err(Refusal::Partly { tasks: ids, source: Box::new(source) }),
        None => {}
    }
    let limit = app.facts().answer_limit;
    let tasks = try_join_all(ids.iter().map(|id| user.answered(*id, limit))).await?;
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
