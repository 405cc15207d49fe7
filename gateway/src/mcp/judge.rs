//! Whether a task's proof holds: checked here, against the chain, by the native verifier.

use dn_core::api::{BatchSlot, Bytes32, ChainView, TaskView};
use dn_core::commitment::{self, to_bytes};
use dn_core::statement;
use dn_core::task::TaskState;
use dn_sdk::{domain, task_id, wire, Account, User};
use dn_verifier::daemon::check;
use serde_json::{json, Value};

use crate::refusal::Refusal;

/// An answer that is to be held to its proof.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    pub(super) codes: Vec<i8>,
    pub(super) salt: Bytes32,
}

/// Checks the batch of a task, and that the proven output is the one that is claimed, if one is. An error means that it
/// could not be checked.
pub(super) async fn judge(
    account: &Account,
    user: &User,
    chain: &ChainView,
    task: &TaskView,
    claimed: Option<&Claimed>,
) -> Result<Value, Refusal> {
    let (TaskState::Proven, Some(batch_id)) = (task.state, task.batch_id) else {
        return Err(Refusal::NoProof(task.state));
    };
    let (batch, proof) =
        (user.client().batch(batch_id).await?, user.client().proof(batch_id).await?);
    let checked = check::batch(account, user.client(), chain, &batch, proof).await;
    let checked = checked.map_err(Refusal::Internal)?;
    let verdict = |proof: bool, flaw: Option<String>, answer: Option<bool>| {
        json!({
            // Of an answer that was not told nobody knows whether it is the proven one.
            "verified": proof && answer == Some(true),
            "proof_holds": proof,
            "flaw": flaw,
            "answer_is_the_proven_one": answer,
            "task_id": task.task_id,
            "batch_id": batch_id,
            "tasks_in_the_proof": batch.slots.len(),
            "proof_transaction": task.tx_hash,
            "verify_ms": checked.verify_ms,
            "checked": "batch header, orders, statement and verifying key against the chain; the proof natively",
        })
    };
    if let Some(flaw) = &checked.flaw {
        return Ok(verdict(false, Some(flaw.clone()), None));
    }
    let domain = domain(chain.chain_id, wire::address(chain.rollup));
    // A slot is of the task whose order it has, whatever id stands beside it.
    let is_own = |slot: &BatchSlot| {
        let order = wire::order(&slot.order);
        wire::api_bytes32(task_id(&order, &domain)) == task.task_id
            && slot.order.user == user.address()
    };
    let Some(slot) = batch.slots.iter().position(is_own) else {
        return Ok(verdict(false, Some("the batch does not hold the task".into()), None));
    };
    let slots = statement::slots(checked.instances.len()).unwrap_or(0);
    let proven = checked.instances.get(statement::outputs_at(slots) + slot);
    let Some(claimed) = claimed else {
        let flaw = "no answer was held to the proof: give its codes and salt";
        return Ok(verdict(true, Some(flaw.into()), None));
    };
    let opened = commitment::from_bytes(&claimed.salt.0)
        .map(|salt| Bytes32(to_bytes(commitment::output(&claimed.codes, salt))));
    if opened.is_some() && opened.as_ref() == proven {
        return Ok(verdict(true, None, Some(true)));
    }
    Ok(verdict(true, Some("the proven output is another one".into()), Some(false)))
}
