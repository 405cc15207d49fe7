//! The desk at which workers ask for tasks and bring answers.
//!
//! Whoever asks waits in line; when tasks are queued, one of those who wait is chosen by trust
//! (`rules::lease`) and given a share of them. A worker that has gone meanwhile loses nothing: what
//! it was given goes back at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use dn_core::api::{Address, Beat, Bytes32, LeasedTask, Role, TaskResult};
use dn_core::task::{Reason, TaskEvent};
use dn_core::units::Fraction;
use rand::RngCore as _;
use tokio::sync::{oneshot, Notify};
use tokio::time::Instant;

use crate::app::App;
use crate::clock::millis;
use crate::rules::lease::{self, Asking};
use crate::rules::observe::Seen;
use crate::store::task::{Life, Secret, Task};
use crate::store::tasks::{self, Wanted};
use crate::store::{batches, nodes, StoreError, Write};

/// Pause between two looks at the queue when nothing says that it has changed.
const LOOK: Duration = Duration::from_millis(500);
/// Queued tasks that are counted to make shares.
const MAX_COUNTED: u32 = 1_024;
/// Batches that one heartbeat can name.
const MAX_NAMED: usize = 256;
/// A lease that a heartbeat does not name was lost on its way, if it is older than this.
const UNNAMED_MS: u64 = 5_000;

/// A worker that waits for tasks.
#[derive(Debug)]
struct Ask {
    ticket: u64,
    worker: Address,
    limit: u32,
    weight: Fraction,
    free: u32,
    deadline: Instant,
    reply: oneshot::Sender<Vec<LeasedTask>>,
}

/// Who waits for tasks. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk {
    asks: Arc<Mutex<Vec<Ask>>>,
    tickets: Arc<AtomicU64>,
    asked: Arc<Notify>,
}

impl Desk {
    fn asks(&self) -> MutexGuard<'_, Vec<Ask>> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next look at the queue come at once.
    pub(crate) fn wake(&self) {
        self.asked.notify_one();
    }
}

/// Waits in line for up to `limit` tasks.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn ask(
    app: &App,
    worker: Address,
    limit: u32,
    wait: Duration,
) -> Result<Vec<LeasedTask>, StoreError> {
    let deadline = Instant::now() + wait;
    let Some(node) = nodes::get(&app.store, worker, Role::Worker).await? else {
        return Ok(Vec::new());
    };
    let (weight, allowance) = (node.trust.weight(), lease::task_allowance(&node.trust));
    let held = tasks::held_by(&app.store, worker).await?;
    let (reply, mut replied) = oneshot::channel();
    let ticket = app.desk.tickets.fetch_add(1, Ordering::Relaxed);
    let free = allowance.saturating_sub(held).min(limit);
    app.desk.asks().push(Ask { ticket, worker, limit, weight, free, deadline, reply });
    app.desk.wake();
    if let Ok(leased) = tokio::time::timeout_at(deadline, &mut replied).await {
        return Ok(leased.unwrap_or_default());
    }
    app.desk.asks().retain(|ask| ask.ticket != ticket);
    // It was taken out of the line a moment ago: what it is given is on its way.
    Ok(replied.await.unwrap_or_default())
}

/// Deals out what is queued to those who wait; waits for either.
pub(crate) async fn deal(app: &App) -> Result<bool> {
    if deal_once(app).await? {
        return Ok(true);
    }
    tokio::select! {
        () = app.store.writer.queued() => {}
        () = app.desk.asked.notified() => {}
        () = tokio::time::sleep(LOOK) => {}
    }
    Ok(true)
}

/// Gives one worker tasks. False when nobody waits, nothing is queued, or nothing fits.
pub(crate) async fn deal_once(app: &App) -> Result<bool> {
    app.desk.asks().retain(|ask| !ask.reply.is_closed());
    if app.desk.asks().is_empty() {
        return Ok(false);
    }
    let queued = tasks::queued_count(&app.store, MAX_COUNTED).await?;
    if queued == 0 {
        return Ok(false);
    }
    let mut passed = Vec::new();
    loop {
        let Some((ask, waiting)) = choose(&app.desk) else { break };
        let limit = lease::share(queued, waiting, ask.free).min(ask.limit);
        let leased = give(app, ask.worker, limit).await;
        match leased {
            Ok(leased) if leased.is_empty() => passed.push(ask),
            Ok(leased) => {
                put_back(&app.desk, &mut passed);
                send(app, ask, leased).await?;
                return Ok(true);
            }
            Err(error) => {
                passed.push(ask);
                put_back(&app.desk, &mut passed);
                return Err(error.into());
            }
        }
    }
    put_back(&app.desk, &mut passed);
    Ok(false)
}

/// Lets those wait on for whom there was nothing, as long as they want to.
fn put_back(desk: &Desk, passed: &mut Vec<Ask>) {
    let now = Instant::now();
    passed.retain(|ask| ask.deadline > now);
    desk.asks().append(passed);
}

/// Takes one of those who wait out of the line.
fn choose(desk: &Desk) -> Option<(Ask, usize)> {
    let mut asks = desk.asks();
    let asking: Vec<Asking> =
        asks.iter().map(|a| Asking { weight: a.weight, free: a.free }).collect();
    let chosen = lease::choose(&asking, rand::thread_rng().next_u64())?;
    let waiting = asks.len();
    Some((asks.swap_remove(chosen), waiting))
}

async fn send(app: &App, ask: Ask, leased: Vec<LeasedTask>) -> Result<(), StoreError> {
    let worker = ask.worker;
    let Err(unsent) = ask.reply.send(leased) else { return Ok(()) };
    let ids: Vec<Bytes32> = unsent.iter().map(|t| t.task_id).collect();
    let now_ms = app.now_ms();
    app.write(move |tx| {
        let ids = ids.clone();
        Box::pin(async move {
            for id in ids {
                let Some(task) = tasks::find(tx, id).await? else { continue };
                if matches!(task.life, Life::Assigned(l) if l.worker == worker) {
                    let reason = Some(Reason::LeaseExpired);
                    tasks::transition(tx, &task, TaskEvent::ExpireLease, reason, now_ms).await?;
                }
            }
            Ok(())
        })
    })
    .await
}

/// Leases up to `limit` tasks to a worker, as far as it may hold them.
pub(crate) async fn give(
    app: &App,
    worker: Address,
    limit: u32,
) -> Result<Vec<LeasedTask>, StoreError> {
    let (now_ms, after_s) = (app.now_ms(), app.chain_time_s());
    let (terms, alive_since_ms) = (app.limits.lease, app.alive_since_ms());
    let node = nodes::get(&app.store, worker, Role::Worker).await?;
    let Some(node) = node.filter(|n| !n.is_barred) else { return Ok(Vec::new()) };
    let allowance = lease::task_allowance(&node.trust);
    let leased = app.write(move |tx| {
        Box::pin(async move {
            let held = tasks::held_count(tx, worker).await?;
            let limit = limit.min(allowance.saturating_sub(held));
            if limit == 0 {
                return Ok(Vec::new());
            }
            let others = nodes::is_other_alive(tx, worker, Role::Worker, alive_since_ms).await?;
            let failed_before_ms = lease::failed_before_ms(now_ms, others);
            let want = Wanted { worker, limit, after_s, failed_before_ms };
            let mut leased = Vec::new();
            for task in tasks::next_queued(tx, want).await? {
                let Ok(secret) = task.secret(&tx.seal) else {
                    lose(tx, &task, now_ms).await?;
                    continue;
                };
                let ends_ms = terms.end_ms(now_ms, now_ms);
                let fence = tasks::lease(tx, &task, worker, ends_ms, now_ms).await?;
                leased.push((leased_task(&task, secret, fence, ends_ms), task.turn));
            }
            Ok(leased)
        })
    });
    let leased = leased.await?;
    if let Some(turn) = leased.iter().map(|(_, turn)| *turn).max() {
        app.world.serve_turn(turn);
    }
    Ok(leased.into_iter().map(|(task, _)| task).collect())
}

fn leased_task(task: &Task, secret: Secret, fence: u64, ends_ms: u64) -> LeasedTask {
    LeasedTask {
        task_id: task.id,
        fence,
        expires_at_ms: ends_ms,
        model_id: task.order.model_id,
        input: secret.input,
        salt: secret.salt,
        input_hash: task.order.input_hash,
    }
}

/// Ends a task whose input cannot be read: nobody can answer or prove it, and nobody waits for it.
pub(crate) async fn lose(tx: &mut Write, task: &Task, now_ms: u64) -> Result<(), StoreError> {
    tracing::error!(task_id = %task.id, "the stored input cannot be read");
    let reason = Some(Reason::InputLost);
    tasks::transition(tx, task, TaskEvent::ExpireOrder, reason, now_ms).await
}

/// A node lives and names what it holds: these leases last longer.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn beat(
    app: &App,
    node: Address,
    role: Role,
    beat: Beat,
) -> Result<(), StoreError> {
    let (now_ms, terms, beat) = (app.now_ms(), app.limits.lease, Arc::new(beat));
    // A prover that beats and does not prove holds nothing to the end of its window.
    let held_since_ms = now_ms.saturating_sub(millis(app.limits.proving_window) / 4);
    app.write(move |tx| {
        let beat = beat.clone();
        Box::pin(async move {
            nodes::touch(tx, node, role, now_ms);
            match role {
                Role::Worker => beat_tasks(tx, terms, node, &beat.tasks, now_ms).await,
                Role::Prover => {
                    let end_ms = now_ms.saturating_add(terms.silence_ms);
                    for id in beat.batches.iter().take(MAX_NAMED) {
                        batches::extend_lease(tx, *id, node, end_ms, held_since_ms).await?;
                    }
                    Ok(())
                }
            }
        })
    })
    .await
}

/// What a worker does not name it has never heard of, or given up: it goes to others.
async fn beat_tasks(
    tx: &mut Write,
    terms: lease::Terms,
    worker: Address,
    named: &[Bytes32],
    now_ms: u64,
) -> Result<(), StoreError> {
    for task in tasks::held(tx, worker).await? {
        let Life::Assigned(held) = task.life else { continue };
        if named.contains(&task.id) {
            tasks::extend_lease(tx, task.id, terms.end_ms(held.leased_at_ms, now_ms)).await?;
        } else if now_ms.saturating_sub(held.leased_at_ms) > UNNAMED_MS {
            end_lease(tx, &task, worker, now_ms).await?;
        }
    }
    Ok(())
}

/// What became of a delivered answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Taken,
    /// It was there before.
    Known,
    /// The lease is another one by now.
    Lost,
    Unknown,
}

/// Takes an answer whose receipt has been checked. Delivered again, it changes nothing. `units` is
/// the work of the task.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn deliver(
    app: &App,
    worker: Address,
    result: TaskResult,
    units: u64,
) -> Result<Delivery, StoreError> {
    let (result, now_ms) = (Arc::new(result), app.now_ms());
    app.write(move |tx| {
        let result = result.clone();
        Box::pin(async move { take(tx, worker, &result, units, now_ms).await })
    })
    .await
}

async fn take(
    tx: &mut Write,
    worker: Address,
    result: &TaskResult,
    units: u64,
    now_ms: u64,
) -> Result<Delivery, StoreError> {
    let receipt = &result.receipt;
    let Some(task) = tasks::find(tx, receipt.task_id).await? else { return Ok(Delivery::Unknown) };
    let is_own = receipt.worker == worker;
    if is_own && task.answer().is_some_and(|a| a.receipt == *receipt) {
        return Ok(Delivery::Known);
    }
    let Life::Assigned(lease) = task.life else { return Ok(Delivery::Lost) };
    if lease.worker != worker || task.fence != result.fence {
        return Ok(Delivery::Lost);
    }
    tasks::set_result(tx, &task, &result.output, receipt, now_ms).await?;
    let latency_ms = now_ms.saturating_sub(lease.leased_at_ms);
    let seen = Seen { finished: 1, latency_ms, units, ..Seen::default() };
    nodes::observe(tx, worker, Role::Worker, seen);
    // The task can be answered: those who held it and did not have failed.
    for other in tasks::take_missed(tx, task.id).await? {
        let seen = Seen { missed: u64::from(other != worker), ..Seen::default() };
        nodes::observe(tx, other, Role::Worker, seen);
    }
    Ok(Delivery::Taken)
}

/// Ends a lease that brought no answer.
pub(crate) async fn end_lease(
    tx: &mut Write,
    task: &Task,
    worker: Address,
    now_ms: u64,
) -> Result<(), StoreError> {
    let failed = tasks::miss(tx, task.id, worker).await?;
    let (event, reason) = lease::after_lease(failed);
    tracing::warn!(task_id = %task.id, %worker, failed, ?event, "lease ended without an answer");
    tasks::transition(tx, task, event, Some(reason), now_ms).await
}
