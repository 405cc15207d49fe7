//! From HTTP types to the types that are signed and sent to contracts, and back.

use alloy::primitives::{self, B256, U256};
use dn_core::api::{Address, Amount, Bytes32, HeaderView, OrderView, ReceiptView, Role};

use crate::contracts::IInferenceRollup;
use crate::{Order, Receipt, Register};

/// An account as the contracts' types have it.
#[must_use]
pub fn address(a: Address) -> primitives::Address {
    primitives::Address::from(a.0)
}

/// An account as the interface has it.
#[must_use]
pub fn api_address(a: primitives::Address) -> Address {
    Address(a.into_array())
}

/// A 32-byte value as the interface has it.
#[must_use]
pub fn api_bytes32(x: B256) -> Bytes32 {
    Bytes32(x.0)
}

/// The order that is signed.
#[must_use]
pub fn order(o: &OrderView) -> Order {
    Order {
        user: address(o.user),
        modelId: B256::from(o.model_id.0),
        inputHash: B256::from(o.input_hash.0),
        maxFee: o.max_fee.0,
        deadline: o.deadline,
        nonce: o.nonce,
        tag: B256::from(o.tag.0),
    }
}

/// The order as the interface has it.
#[must_use]
pub fn order_view(o: &Order) -> OrderView {
    OrderView {
        user: api_address(o.user),
        model_id: api_bytes32(o.modelId),
        input_hash: api_bytes32(o.inputHash),
        max_fee: Amount(o.maxFee),
        deadline: o.deadline,
        nonce: o.nonce,
        tag: api_bytes32(o.tag),
    }
}

/// The receipt that is signed.
#[must_use]
pub fn receipt(r: &ReceiptView) -> Receipt {
    Receipt {
        taskId: B256::from(r.task_id.0),
        modelId: B256::from(r.model_id.0),
        inputHash: B256::from(r.input_hash.0),
        outputHash: B256::from(r.output_hash.0),
        startedAtMs: r.started_at_ms,
        finishedAtMs: r.finished_at_ms,
    }
}

/// The receipt as the rollup takes it.
#[must_use]
pub fn rollup_receipt(r: &ReceiptView) -> IInferenceRollup::Receipt {
    let Receipt { taskId, modelId, inputHash, outputHash, startedAtMs, finishedAtMs } = receipt(r);
    IInferenceRollup::Receipt { taskId, modelId, inputHash, outputHash, startedAtMs, finishedAtMs }
}

/// The header as the rollup takes it.
#[must_use]
pub fn rollup_header(h: &HeaderView) -> IInferenceRollup::BatchHeader {
    IInferenceRollup::BatchHeader {
        chainId: U256::from(h.chain_id),
        rollup: address(h.rollup),
        batchId: h.batch_id,
        modelId: B256::from(h.model_id.0),
        slotsHash: B256::from(h.slots_hash.0),
        openedAt: h.opened_at,
        deadline: h.deadline,
    }
}

/// The statement that a registering node signs.
#[must_use]
pub fn register(node: Address, role: Role, challenge: Bytes32) -> Register {
    let role = match role {
        Role::Worker => 0,
        Role::Prover => 1,
    };
    Register { node: address(node), role, challenge: B256::from(challenge.0) }
}
