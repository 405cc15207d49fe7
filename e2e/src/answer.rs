//! What a worker delivers, for tests that play one.

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context as _, Result};
use dn_core::api::{LeasedTask, TaskResult};
use dn_core::commitment::{self, from_bytes, to_bytes};
use dn_sdk::{domain, signed_receipt, wire, Node, Receipt};

/// Signs a receipt for `output`, right or wrong, as the answer to a leased task.
///
/// # Errors
/// When the salt is no field element or the key cannot sign.
pub fn answer(
    node: &Node,
    signer: &PrivateKeySigner,
    task: &LeasedTask,
    output: Vec<i8>,
) -> Result<TaskResult> {
    let salt = from_bytes(&task.salt.0).context("the salt is no field element")?;
    let receipt = Receipt {
        taskId: B256::from(task.task_id.0),
        modelId: B256::from(task.model_id.0),
        inputHash: B256::from(task.input_hash.0),
        outputHash: B256::from(to_bytes(commitment::output(&output, salt))),
        startedAtMs: 1,
        finishedAtMs: 2,
    };
    let domain = domain(node.session.chain_id, wire::address(node.session.rollup));
    let receipt = signed_receipt(&domain, signer, &receipt)?;
    Ok(TaskResult { fence: task.fence, output, receipt })
}
