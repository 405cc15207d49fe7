//! What a worker answers for: the input that was ordered, and a signed receipt.

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::Eip712Domain;
use anyhow::{ensure, Context as _, Result};
use dn_core::api::{LeasedTask, TaskResult};
use dn_core::commitment::{self, from_bytes, to_bytes};
use dn_sdk::{signed_receipt, Receipt};

/// Checks a task's input. A worker that signs for another input than the ordered one would be
/// slashed for it.
pub(super) fn check_input(task: &LeasedTask) -> Result<()> {
    let salt = from_bytes(&task.salt.0).context("the salt is no field element")?;
    let hash = to_bytes(commitment::input(&task.input, salt));
    ensure!(hash == task.input_hash.0, "the input is another one than its hash says");
    Ok(())
}

/// The answer to a task, signed. `times` are start and end of the execution in milliseconds.
pub(super) fn result(
    domain: &Eip712Domain,
    key: &PrivateKeySigner,
    task: &LeasedTask,
    output: &[i8],
    times: (u64, u64),
) -> Result<TaskResult> {
    let salt = from_bytes(&task.salt.0).context("the salt is no field element")?;
    let receipt = Receipt {
        taskId: B256::from(task.task_id.0),
        modelId: B256::from(task.model_id.0),
        inputHash: B256::from(task.input_hash.0),
        outputHash: B256::from(to_bytes(commitment::output(output, salt))),
        startedAtMs: times.0,
        finishedAtMs: times.1,
    };
    let receipt = signed_receipt(domain, key, &receipt)?;
    Ok(TaskResult { fence: task.fence, output: output.to_vec(), receipt })
}

#[cfg(test)]
mod tests {
    use dn_core::api::Bytes32;

    use super::*;

    #[test]
    fn only_the_input_that_was_committed_to_is_sound() {
        let salt = [1; 32].map(|b: u8| b & 0x0f);
        let hash = to_bytes(commitment::input(&[1, -2, 3], from_bytes(&salt).unwrap()));
        let id = Bytes32([7; 32]);
        let good = LeasedTask {
            task_id: id,
            fence: 1,
            expires_at_ms: 0,
            model_id: id,
            input: vec![1, -2, 3],
            salt: Bytes32(salt),
            input_hash: Bytes32(hash),
        };
        assert!(check_input(&good).is_ok());
        let other = LeasedTask { input: vec![1, -2, 4], ..good.clone() };
        let no_salt = LeasedTask { salt: Bytes32([0xff; 32]), ..good.clone() };
        assert!(check_input(&other).is_err() && check_input(&no_salt).is_err());
        let of_other_model = LeasedTask { model_id: Bytes32([8; 32]), ..good.clone() };
        let kept = super::super::sound(vec![good.clone(), other, no_salt, of_other_model], id);
        assert_eq!(kept, [good]);
    }
}
