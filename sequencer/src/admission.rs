//! Takes tasks: what the rule needs is looked up, what it allows is made durable, many at a time.
//!
//! What is known of a user (open tasks, turn, refusals) is remembered for a moment and counted on in
//! memory, so that taking a task changes no row that others want. Several processes may so let a
//! user's open tasks exceed its escrow for that moment; batches take only what is covered.

use std::collections::BTreeMap;
use std::sync::Arc;

use dn_core::api::{Address, Bytes32, SubmitTask, TaskView};
use dn_core::task::TaskState;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, Mutex};

use crate::app::App;
use crate::chain::ChainError;
use crate::rules::admit::{admit as allow, Facts, Refusal};
use crate::rules::fair;
use crate::store::intake::{self, New};
use crate::store::{StoreError, Write};

/// Tasks that may wait to be taken.
const MAX_WAITING: usize = 4_096;
/// Most tasks that are taken at once.
const MAX_GROUP: usize = 256;

/// What became of a submitted task.
#[derive(Clone, Debug)]
pub(crate) enum Admission {
    /// It is durable.
    Taken(Box<TaskView>),
    /// It was there before.
    Known,
    /// Its key stands for another task.
    KeyConflict,
    /// Its nonce stands for another order of the user.
    NonceUsed,
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
    /// Its place in the queue, or why it gets none.
    place: Result<u64, Refused>,
    now_ms: u64,
}

impl Candidate {
    /// What is charged once.
    fn nonce(&self) -> (Address, u64) {
        (self.task.order.user, self.task.order.nonce)
    }
}

type Waiting = (Candidate, oneshot::Sender<Result<Admission, ()>>);

/// The door at which tasks wait to be taken. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    enter: mpsc::Sender<Waiting>,
    inside: Arc<Mutex<mpsc::Receiver<Waiting>>>,
}

impl Default for Door {
    fn default() -> Self {
        let (enter, inside) = mpsc::channel(MAX_WAITING);
        Self { enter, inside: Arc::new(Mutex::new(inside)) }
    }
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
    let (user, model, now_ms) = (task.order.user, task.order.model_id, app.now_ms());
    let escrow = app.world.escrow(&*app.chain, user, now_ms).await?;
    app.world.payers.know(&app.store, user, now_ms).await?;
    let price_of = |id| app.models.get(id).map_or(0, |m| m.view.price.0);
    let entered = app.world.payers.enter(user, model, |payer| {
        let owed = payer.open.iter().map(|(id, n)| price_of(*id).saturating_mul(u128::from(*n)));
        let facts = Facts {
            open: app.world.open(),
            open_of_user: payer.open.iter().map(|(_, n)| n).sum(),
            owed: owed.fold(0, u128::saturating_add),
            price: price_of(model),
            escrow,
            refused_until_ms: payer.refused_until_ms,
            now_ms,
        };
        allow(facts, app.limits.open).map_err(|refusal| Refused { refusal, escrow })?;
        Ok(fair::turn(payer.last_turn, app.world.served_turn()))
    });
    let (place, entry) = match entered {
        Ok((turn, entry)) => (Ok(turn), Some(entry)),
        Err(refused) => (Err(refused), None),
    };
    let (reply, replied) = oneshot::channel();
    let candidate = Candidate { id, task, key, place, now_ms };
    app.door.enter.try_send((candidate, reply)).map_err(|_| StoreError::Busy)?;
    let admission = replied.await.map_err(|_| StoreError::Busy)?.map_err(|()| StoreError::Busy)?;
    if let Admission::Taken(_) = admission {
        drop(entry);
        app.world.count_open();
        tracing::debug!(task_id = %id, %user, "task queued");
    } else if let Some(entry) = entry {
        entry.cancel();
    }
    Ok(admission)
}

/// Takes all that wait at the door; waits for a first one.
///
/// # Errors
/// When the database does not answer: whoever waited is told, too.
pub(crate) async fn take(app: &App) -> anyhow::Result<bool> {
    let mut group = Vec::with_capacity(MAX_GROUP);
    app.door.inside.lock().await.recv_many(&mut group, MAX_GROUP).await;
    take_group(app, group).await?;
    Ok(true)
}

async fn take_group(app: &App, group: Vec<Waiting>) -> anyhow::Result<()> {
    if group.is_empty() {
        return Ok(());
    }
    let (candidates, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    let candidates = Arc::new(candidates);
    let own = candidates.clone();
    let decided = app.write(move |tx| {
        let candidates = own.clone();
        Box::pin(async move { decide(tx, &candidates).await })
    });
    match decided.await {
        Ok(admissions) => {
            for (reply, admission) in replies.into_iter().zip(admissions) {
                // Whoever asked may have gone; the task is taken all the same.
                let _ = reply.send(Ok(admission));
            }
            Ok(())
        }
        Err(error) => {
            for reply in replies {
                let _ = reply.send(Err(()));
            }
            Err(error.into())
        }
    }
}

/// Decides about candidates in their order, and stores those that are taken.
async fn decide(tx: &mut Write, candidates: &[Candidate]) -> Result<Vec<Admission>, StoreError> {
    let ids: Vec<Bytes32> = candidates.iter().map(|c| c.id).collect();
    let keyed = candidates.iter().filter_map(|c| Some((c.task.order.user, c.key.as_deref()?)));
    let keyed: Vec<(Address, &str)> = keyed.collect();
    let nonces: Vec<(Address, u64)> = candidates.iter().map(Candidate::nonce).collect();
    let mut known = intake::known(tx, &ids).await?;
    let mut nonces = intake::nonces(tx, &nonces).await?;
    let keys = intake::keys(tx, &keyed).await?;
    let mut used: BTreeMap<(Address, &str), Bytes32> =
        keys.iter().map(|((payer, key), id)| ((*payer, key.as_str()), *id)).collect();
    let (mut taken, mut more_keys, mut admissions) = (Vec::new(), Vec::new(), Vec::new());
    for c in candidates {
        let user = c.task.order.user;
        let stands_for = c.key.as_deref().and_then(|key| used.get(&(user, key))).copied();
        let admission = match (stands_for, known.contains(&c.id), c.place) {
            (Some(other), ..) if other != c.id => Admission::KeyConflict,
            (Some(_), ..) => Admission::Known,
            (None, true, _) => {
                more_keys.extend(c.key.as_deref().map(|key| (user, key, c.id)));
                Admission::Known
            }
            (None, false, _) if nonces.contains(&c.nonce()) => Admission::NonceUsed,
            (None, false, Err(refused)) => Admission::Refused(refused),
            (None, false, Ok(turn)) => {
                let (task, key) = (&c.task, c.key.as_deref());
                taken.push(New { id: c.id, task, key, turn, now_ms: c.now_ms });
                known.insert(c.id);
                nonces.insert(c.nonce());
                Admission::Taken(Box::new(view(c)))
            }
        };
        if matches!(admission, Admission::Taken(_) | Admission::Known) {
            used.extend(c.key.as_deref().map(|key| ((user, key), c.id)));
        }
        admissions.push(admission);
    }
    intake::insert(tx, &taken).await?;
    intake::remember_keys(tx, &more_keys).await?;
    Ok(admissions)
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
