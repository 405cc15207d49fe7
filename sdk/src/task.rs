//! A user's side of a task.

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::Eip712Domain;
use dn_core::api::{
    Bytes, Bytes32, ChainView, LabelOpening, ModelView, OrderView, ReceiptView, SubmitTask,
};
use dn_core::commitment::{self, from_bytes, to_bytes, Fr};
use dn_core::labels;
use rand::Rng as _;

use crate::wire;
use crate::{domain, sign, Receipt};

/// Draws a salt: 31 random bytes, which are below the field's order.
#[must_use]
pub fn random_salt() -> Fr {
    let mut salt = [0; 32];
    rand::thread_rng().fill(&mut salt[1..]);
    from_bytes(&salt).expect("31 bytes are below the field's order")
}

/// What makes a user's order differ from their others.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Last unix second at which a batch with the task may be committed.
    pub deadline: u64,
    /// Makes equal orders different.
    pub nonce: u64,
    /// The class that the answer should have, for the user's own statistics. It is told when the task is proven.
    pub label: Option<u16>,
}

/// An input to be answered.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The quantised input.
    pub input: Vec<i8>,
    /// Salt of the commitments.
    pub salt: Fr,
    /// The class that the answer should have: [`Terms::label`].
    pub label: Option<u16>,
}

/// An order for an input at the model's price, with everything but a signature.
pub(crate) fn unsigned_task(
    model: &ModelView,
    user: Address,
    asked: Asked,
    terms: Terms,
) -> SubmitTask {
    let Asked { input, salt, label } = asked;
    // Random where there is no label: nobody sees which tags can be opened.
    let salt_of_tag: [u8; 32] = rand::thread_rng().gen();
    let opening = label.map(|class| LabelOpening { class, salt: Bytes32(salt_of_tag) });
    let tag = label.map_or(salt_of_tag, |class| labels::tag(class, &salt_of_tag));
    let order = OrderView {
        user: wire::api_address(user),
        model_id: model.model_id,
        input_hash: Bytes32(to_bytes(commitment::input(&input, salt))),
        max_fee: model.price,
        deadline: terms.deadline,
        nonce: terms.nonce,
        tag: Bytes32(tag),
    };
    let salt = Bytes32(to_bytes(salt));
    let signature = Bytes(Vec::new());
    SubmitTask { input, salt, order, signature, bundle: None, label: opening }
}

/// Signs an order for `model` to answer a quantised input, at the model's price.
///
/// # Errors
/// When the key cannot sign.
pub fn signed_task(
    chain: &ChainView,
    model: &ModelView,
    signer: &PrivateKeySigner,
    input: Vec<i8>,
    salt: Fr,
    terms: Terms,
) -> Result<SubmitTask, alloy::signers::Error> {
    let asked = Asked { input, salt, label: terms.label };
    let mut task = unsigned_task(model, signer.address(), asked, terms);
    let domain = domain(chain.chain_id, wire::address(chain.rollup));
    task.signature = Bytes(sign(&wire::order(&task.order), &domain, signer)?);
    Ok(task)
}

/// Signs a worker's receipt for an output.
///
/// # Errors
/// When the key cannot sign.
pub fn signed_receipt(
    domain: &Eip712Domain,
    signer: &PrivateKeySigner,
    receipt: &Receipt,
) -> Result<ReceiptView, alloy::signers::Error> {
    Ok(ReceiptView {
        task_id: wire::api_bytes32(receipt.taskId),
        model_id: wire::api_bytes32(receipt.modelId),
        input_hash: wire::api_bytes32(receipt.inputHash),
        output_hash: wire::api_bytes32(receipt.outputHash),
        started_at_ms: receipt.startedAtMs,
        finished_at_ms: receipt.finishedAtMs,
        worker: wire::api_address(signer.address()),
        signature: Bytes(sign(receipt, domain, signer)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{recover, task_id};

    /// The vectors were made with ethers.js and `poseidon-lite` by `sdk/js/vectors.js`.
    #[test]
    fn a_signed_task_is_that_of_javascript() {
        let text = include_str!("../../core/testdata/commitment.json");
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let body: SubmitTask = serde_json::from_value(file["order"]["body"].clone()).unwrap();
        let rollup: dn_core::api::Address =
            serde_json::from_value(file["order"]["chain"]["rollup"].clone()).unwrap();
        let order = wire::order(&body.order);
        let domain = domain(31337, wire::address(rollup));
        let id = wire::api_bytes32(task_id(&order, &domain)).to_string();
        assert_eq!(file["order"]["task_id"], id);
        assert_eq!(recover(&order, &domain, &body.signature.0), Some(order.user));
        let salt = from_bytes(&body.salt.0).unwrap();
        let hash = to_bytes(commitment::input(&body.input, salt));
        assert_eq!(body.order.input_hash, Bytes32(hash));
        let label = body.label.unwrap();
        assert!(label.opens(body.order.tag));
    }
}
