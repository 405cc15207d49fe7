//! Forms batches of what is answered.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use dn_core::api::{Address, Bytes32, Role};
use dn_core::chunks;
use dn_core::task::{Reason, TaskEvent};
use dn_sdk::{settlement, wire};

use crate::app::App;
use crate::calls;
use crate::clock::millis;
use crate::models::Model;
use crate::rules::{admit, form};
use crate::store::batches::NewBatch;
use crate::store::columns::unsigned;
use crate::store::task::Task;
use crate::store::{batches, nodes, payers, tasks, Write};

/// Forms a batch of each model that has one due.
pub(crate) async fn step(app: &App) -> Result<bool> {
    if !app.world.has_followed() || idle_prover(app).await?.is_none() {
        return Ok(false);
    }
    let mut formed = false;
    for model in app.models.iter() {
        match form_for(app, model).await {
            Ok(one_more) => formed |= one_more,
            Err(error) => {
                let model_id = model.view.model_id;
                tracing::warn!(%model_id, error = format!("{error:#}"), "no batch of this model");
            }
        }
    }
    Ok(formed)
}

/// The staked prover, alive, that has the least to do.
pub(crate) async fn idle_prover(app: &App) -> Result<Option<Address>> {
    for prover in nodes::idlest_provers(&app.store, app.alive_since_ms()).await? {
        let staked = app.world.is_staked(&*app.chain, Role::Prover, prover, app.now_ms()).await;
        if staked.context("ask for a prover's stake")? {
            return Ok(Some(prover));
        }
    }
    Ok(None)
}

async fn form_for(app: &App, model: &Model) -> Result<bool> {
    let (now_ms, chain_s) = (app.now_ms(), app.chain_time_s());
    let (model_id, slots) = (model.view.model_id, model.view.batch_slots);
    let after_s = chain_s + form::COMMIT_MARGIN_S;
    let ready = tasks::ready(&app.store, model_id, after_s).await?;
    let (gas_price, usual_gas_price) = app.world.gas();
    let facts = form::Facts {
        ready: usize::try_from(ready.count).unwrap_or(0),
        slots: slots as usize,
        waited_ms: now_ms.saturating_sub(unsigned("oldest", ready.oldest_ms)?),
        shortest_s: unsigned("shortest", ready.shortest_s)?.saturating_sub(chain_s),
        gas_price,
        usual_gas_price,
        wait_ms: millis(app.limits.batch_wait),
    };
    let is_active = app.chain.is_model_active(model_id);
    if !form::is_due(&facts) || !is_active.await.context("ask for the model")? {
        return Ok(false);
    }
    let purses = purses(app, model_id, slots, after_s).await?;
    let price = model.view.price.0;
    let batch_slots = slots as usize;
    let formed = app.write(move |tx| {
        let mut purses = purses.clone();
        Box::pin(async move {
            let mut taken = Vec::new();
            for task in tasks::executed(tx, model_id, slots, after_s).await? {
                if task.secret(&tx.seal).is_err() {
                    crate::work::lose(tx, &task, now_ms).await?;
                    continue;
                }
                match purses.get_mut(&task.order.user) {
                    Some(purse) if *purse >= price => {
                        *purse -= price;
                        taken.push(task);
                    }
                    Some(_) => refuse(tx, &task, now_ms).await?,
                    None => {}
                }
            }
            close(tx, model_id, batch_slots, taken, now_ms).await
        })
    });
    let Some(batch_id) = formed.await? else { return Ok(false) };
    tracing::info!(batch_id, %model_id, "batch formed");
    Ok(true)
}

/// What the users of waiting tasks can pay with, less what their committed tasks will take. Users
/// whose balance is not known at the moment are left out.
async fn purses(
    app: &App,
    model_id: Bytes32,
    slots: u32,
    after_s: u64,
) -> Result<BTreeMap<Address, u128>> {
    let mut purses = BTreeMap::new();
    for user in tasks::waiting_users(&app.store, model_id, slots, after_s).await? {
        let mut owed: u128 = 0;
        for (model, count) in tasks::committed_by_model(&app.store, user).await? {
            let price = app.models.get(model).map_or(0, |m| m.view.price.0);
            owed = owed.saturating_add(price.saturating_mul(u128::from(count)));
        }
        match app.chain.balance(user).await {
            Ok(balance) => {
                purses.insert(user, balance.saturating_sub(owed));
            }
            Err(error) => tracing::warn!(%user, %error, "no balance is known"),
        }
    }
    Ok(purses)
}

/// Ends a task whose user has taken the escrow away. The answer is given; nothing more is spent
/// on it, and its user is refused for a while.
async fn refuse(tx: &mut Write, task: &Task, now_ms: u64) -> Result<(), crate::store::StoreError> {
    let user = task.order.user;
    let unpaid = payers::count_unpaid(tx, user).await?;
    let until_ms = now_ms.saturating_add(admit::refusal_ms(unpaid));
    payers::refuse_until(tx, user, until_ms).await?;
    tracing::warn!(task_id = %task.id, %user, unpaid, "the user's escrow is gone");
    tasks::transition(tx, task, TaskEvent::ExpireOrder, Some(Reason::Unpaid), now_ms).await
}

async fn close(
    tx: &mut Write,
    model_id: Bytes32,
    batch_slots: usize,
    mut taken: Vec<Task>,
    now_ms: u64,
) -> Result<Option<u64>, crate::store::StoreError> {
    let Some(orders_end_s) = taken.iter().map(|t| t.order.deadline).min() else { return Ok(None) };
    // What belongs to one account is settled together.
    taken.sort_by_key(|task| (task.order.user, task.order.nonce));
    let slots_hash = settlement::slots_hash(batch_slots, &calls::slots(&taken));
    let new = NewBatch {
        slots_hash: wire::api_bytes32(slots_hash),
        tasks: taken.len(),
        batch_slots,
        chunks: chunks::used(batch_slots, taken.len()),
        orders_end_s,
    };
    let id = batches::insert(tx, model_id, new, now_ms).await?;
    for (slot, task) in taken.iter().enumerate() {
        tasks::put_in_batch(tx, task, id, slot, now_ms).await?;
    }
    Ok(Some(id))
}
