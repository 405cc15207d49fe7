//! Transactions on their way to a block.

use std::sync::atomic::Ordering;

use anyhow::Result;
use dn_core::api::BatchState;

use crate::app::App;
use crate::chain::{ChainError, Included};
use crate::clock::millis;
use crate::rules::outbox::{next, Facts, Fee, Outcome, Step};
use crate::store::outbox::{self, Kind, NewTx, OpenTx};
use crate::store::{batches, blocks};

/// Sends a transaction for the first time. Whether it arrives is seen later.
pub(crate) async fn first(app: &App, new: &NewTx) {
    let (batch_id, kind, nonce) = (new.batch_id, new.kind, new.signed.nonce);
    match app.chain.send(&new.signed.raw).await {
        Ok(()) | Err(ChainError::Known) => {
            tracing::info!(batch_id, ?kind, nonce, tx = %new.signed.hash, "transaction sent");
        }
        Err(error) => {
            tracing::warn!(batch_id, ?kind, nonce, %error, "the transaction's outcome is unknown");
        }
    }
}

/// Does the next step of every open transaction.
pub(crate) async fn step(app: &App) -> Result<bool> {
    let open = outbox::open(&app.store).await?;
    if open.is_empty() {
        app.world.at_cap.store(0, Ordering::Relaxed);
        return Ok(false);
    }
    let (nonce, market) = (app.chain.nonce().await?, app.chain.market().await?);
    let followed = blocks::last(&app.store).await?.map_or(0, |(number, _)| number);
    let mut at_cap = 0;
    for tx in &open {
        match one(app, tx, World { nonce, market, followed }).await {
            Ok(is_at_cap) => at_cap += usize::from(is_at_cap),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(batch_id = tx.batch_id, kind = ?tx.kind, error, "its outcome stays unknown");
            }
        }
    }
    app.world.at_cap.store(at_cap, Ordering::Relaxed);
    Ok(false)
}

/// What holds for all transactions.
#[derive(Clone, Copy, Debug)]
struct World {
    nonce: u64,
    market: Fee,
    /// The last block that was read.
    followed: u64,
}

/// Does one transaction's next step. True when it waits at the highest fee.
async fn one(app: &App, tx: &OpenTx, world: World) -> Result<bool> {
    let mut included = None;
    for variant in tx.variants.iter().rev() {
        included = app.chain.included(variant.hash).await?;
        if included.is_some() {
            break;
        }
    }
    if let Some(found) = included {
        // A receipt of a block that the chain has forgotten says nothing.
        let block = app.chain.block(found.block).await?;
        included = included.filter(|i| block.is_some_and(|b| b.hash == i.block_hash));
    }
    let Some(dearest) = tx.variants.last() else { return Ok(false) };
    let (now_ms, is_consumed) = (app.now_ms(), world.nonce > tx.nonce && included.is_none());
    let facts = Facts {
        mined: included.map(|i| i.is_success),
        is_followed: included.is_some_and(|i| i.block <= world.followed),
        consumed_ms: app.world.consumed_ms(tx.id, is_consumed, now_ms),
        since_sent_ms: now_ms.saturating_sub(tx.sent_at_ms),
        since_priced_ms: now_ms.saturating_sub(tx.priced_at_ms),
        fee: dearest.fee,
        market: world.market,
        cap: app.limits.max_fee,
        bump_after_ms: millis(app.limits.bump_after),
    };
    match next(&facts) {
        Step::Wait => Ok(false),
        Step::Close(outcome) => close(app, tx, outcome, included).await.map(|()| false),
        Step::Resend => resend(app, tx).await.map(|()| false),
        Step::Reprice(fee) => {
            let signed = app.chain.sign(tx.nonce, tx.gas_limit, fee, &tx.calldata)?;
            let (id, new) = (tx.id, signed.clone());
            let added = app.write(move |w| {
                let new = new.clone();
                Box::pin(async move { outbox::add_variant(w, id, &new, fee, now_ms).await })
            });
            added.await?;
            tracing::warn!(batch_id = tx.batch_id, kind = ?tx.kind, nonce = tx.nonce, max = fee.max, "fee raised");
            if let Err(error) = app.chain.send(&signed.raw).await {
                tracing::info!(batch_id = tx.batch_id, %error, "the raised fee was not taken yet");
            }
            Ok(false)
        }
        Step::AtCap => {
            tracing::error!(batch_id = tx.batch_id, kind = ?tx.kind, "the fee may not be raised further");
            resend(app, tx).await.map(|()| true)
        }
    }
}

async fn resend(app: &App, tx: &OpenTx) -> Result<()> {
    let (id, now_ms) = (tx.id, app.now_ms());
    app.write(move |w| Box::pin(outbox::set_sent(w, id, now_ms))).await?;
    let Some(dearest) = tx.variants.last() else { return Ok(()) };
    match app.chain.send(&dearest.raw).await {
        Ok(()) | Err(ChainError::Known | ChainError::NonceUsed | ChainError::Underpriced) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends a transaction. A commitment without effect leaves its batch to be committed again.
async fn close(app: &App, tx: &OpenTx, outcome: Outcome, included: Option<Included>) -> Result<()> {
    let (id, batch_id, kind, now_ms) = (tx.id, tx.batch_id, tx.kind, app.now_ms());
    let (block, gas) = (included.map(|i| i.block), included.map(|i| i.gas_used));
    tracing::info!(batch_id, ?kind, nonce = tx.nonce, ?outcome, gas, "transaction ended");
    if outcome == Outcome::Replaced {
        tracing::error!(batch_id, nonce = tx.nonce, "another program uses the sequencer's key");
    }
    let closed = app.write(move |w| {
        Box::pin(async move {
            if let Some(block) = block {
                // Taken back since: it is looked at again.
                if !blocks::has_reached(w, block).await? {
                    return Ok(());
                }
            }
            outbox::close(w, id, outcome, block, gas).await?;
            let batch = batches::get_for_write(w, batch_id).await?;
            match (outcome, kind, batch.state) {
                (Outcome::Mined, ..) => Ok(()),
                (_, Kind::Commit, BatchState::Formed) => {
                    let why = "the commitment had no effect";
                    batches::clear_terms(w, batch_id, why, now_ms).await
                }
                (_, Kind::Commit, _) => batches::forget_number(w, batch_id).await,
                (Outcome::Reverted, ..) => {
                    batches::count_refusal(w, batch_id, "the transaction reverted", now_ms).await
                }
                (Outcome::Replaced, ..) => Ok(()),
            }
        })
    });
    Ok(closed.await?)
}
