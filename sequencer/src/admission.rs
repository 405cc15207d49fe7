//! Takes tasks: what the rule needs is looked up, what it allows is made durable.

use std::sync::Arc;

use dn_core::api::{Bytes32, SubmitTask, TaskView};
use dn_core::task::TaskState;
use thiserror::Error;

use crate::app::App;
use crate::chain::ChainError;
use crate::rules::admit::{admit as allow, Facts, Limits, Refusal};
use crate::rules::fair;
use crate::store::{payers, tasks, StoreError, Write};

/// What became of a submitted task.
#[derive(Clone, Debug)]
pub(crate) enum Admission {
    /// It is durable.
    Taken(TaskView),
    /// It was there before.
    Known,
    /// Its key stands for another task.
    KeyConflict,
    /// The chain says that it is proven.
    Foreign,
    /// It is not taken.
    Refused(Refused),
}

/// Why it is not known whether a task can be taken.
#[derive(Debug, Error)]
pub(crate) enum AdmissionError {
    /// It is not known yet which tasks are proven.
    #[error("the sequencer has not read the chain yet")]
    CatchingUp,
    /// The escrow is not known.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A refusal, with the escrow that it was decided by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) escrow: u128,
}

/// A task that wants to be taken.
#[derive(Debug)]
struct Candidate {
    id: Bytes32,
    task: SubmitTask,
    key: Option<String>,
    escrow: u128,
    price: u128,
    open: u64,
    served_turn: u64,
    prices: Vec<(Bytes32, u128)>,
    limits: Limits,
    now_ms: u64,
}

/// Makes a task durable, if the queue has room and its user can pay.
///
/// # Errors
/// When the chain or the database does not answer.
pub(crate) async fn admit(
    app: &App,
    id: Bytes32,
    task: SubmitTask,
    key: Option<String>,
) -> Result<Admission, AdmissionError> {
    if !app.world.has_followed() {
        return Err(AdmissionError::CatchingUp);
    }
    let (user, now_ms) = (task.order.user, app.now_ms());
    let escrow = app.world.escrow(&*app.chain, user, now_ms).await?;
    let prices: Vec<_> = app.models.iter().map(|m| (m.view.model_id, m.view.price.0)).collect();
    let price = prices.iter().find(|(id, _)| *id == task.order.model_id).map_or(0, |(_, p)| *p);
    let (open, served_turn) = (app.world.open(), app.world.served_turn());
    let limits = app.limits.open;
    let candidate = Arc::new(Candidate {
        id,
        task,
        key,
        escrow,
        price,
        open,
        served_turn,
        prices,
        limits,
        now_ms,
    });
    let own = candidate.clone();
    let admitted = app.write(move |tx| {
        let candidate = own.clone();
        Box::pin(async move { take(tx, &candidate).await })
    });
    let admission = admitted.await?;
    if let Admission::Taken(_) = admission {
        app.world.count_open();
        tracing::debug!(task_id = %id, %user, "task queued");
    }
    Ok(admission)
}

async fn take(tx: &mut Write, new: &Candidate) -> Result<Admission, StoreError> {
    let user = new.task.order.user;
    if let Some(key) = &new.key {
        match tasks::by_idempotency_key(tx, user, key).await? {
            Some(other) if other != new.id => return Ok(Admission::KeyConflict),
            Some(_) => return Ok(Admission::Known),
            None => {}
        }
    }
    if tasks::find(tx, new.id).await?.is_some() {
        if let Some(key) = &new.key {
            tasks::remember_key(tx, user, key, new.id).await?;
        }
        return Ok(Admission::Known);
    }
    if tasks::is_foreign(tx, new.id).await? {
        return Ok(Admission::Foreign);
    }
    let payer = payers::get(tx, user).await?;
    let price_of = |id| new.prices.iter().find(|(known, _)| *known == id).map_or(0, |(_, p)| *p);
    let owed = payer.open.iter().map(|(id, n)| price_of(*id).saturating_mul(u128::from(*n)));
    let facts = Facts {
        open: new.open,
        open_of_user: payer.open.iter().map(|(_, n)| n).sum(),
        owed: owed.fold(0, u128::saturating_add),
        price: new.price,
        escrow: new.escrow,
        refused_until_ms: payer.refused_until_ms,
        now_ms: new.now_ms,
    };
    if let Err(refusal) = allow(facts, new.limits) {
        return Ok(Admission::Refused(Refused { refusal, escrow: new.escrow }));
    }
    let turn = fair::turn(payer.last_turn, new.served_turn);
    if !tasks::insert(tx, new.id, &new.task, turn, new.now_ms).await? {
        return Ok(Admission::Known);
    }
    payers::set_turn(tx, user, turn).await?;
    payers::count_open(tx, &new.task.order, 1).await?;
    if let Some(key) = &new.key {
        tasks::remember_key(tx, user, key, new.id).await?;
    }
    Ok(Admission::Taken(view(new)))
}

/// The task as it has just become durable.
fn view(new: &Candidate) -> TaskView {
    TaskView {
        task_id: new.id,
        model_id: new.task.order.model_id,
        user: new.task.order.user,
        state: TaskState::Queued,
        reason: None,
        output: None,
        output_hash: None,
        proven_output_hash: None,
        receipt: None,
        batch_id: None,
        tx_hash: None,
        created_at_ms: new.now_ms,
        updated_at_ms: new.now_ms,
    }
}
