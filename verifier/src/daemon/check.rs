//! What must hold about a proven batch.

use std::time::Instant;

use alloy::primitives::{keccak256, B256};
use alloy::providers::Provider as _;
use alloy::sol_types::SolValue as _;
use anyhow::{Context as _, Result};
use dn_core::api::{BatchView, Bytes32, ChainView, ProofView};
use dn_core::protocol::Protocol;
use dn_core::statement::{self, INPUTS_AT};
use dn_core::vk_data::vk_data;
use dn_sdk::contracts::IInferenceRollup::Slot;
use dn_sdk::contracts::{InferenceRollup, ModelRegistry};
use dn_sdk::{header_instance, wire, Account, Client};

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub(super) struct Checked {
    /// The first thing that is wrong with the batch, if anything.
    pub(super) flaw: Option<String>,
    /// Slots whose receipt has another output than the proof.
    pub(super) contradicted: Vec<usize>,
    /// Wall time of the native verification.
    pub(super) verify_ms: u64,
}

/// Checks a proven batch. An error means that it could not be checked; a flaw, that it is wrong.
pub(super) async fn batch(
    account: &Account,
    client: &Client,
    chain: &ChainView,
    batch: &BatchView,
    proof: ProofView,
) -> Result<Checked> {
    let rollup = InferenceRollup::new(wire::address(chain.rollup), &account.provider);
    let header = wire::rollup_header(&batch.header);
    let on_chain = rollup.batch(batch.header.batch_id).call().await.context("ask for the batch")?;
    if on_chain.headerHash != keccak256(header.abi_encode()) {
        return Ok(flaw("the header is not the committed one"));
    }
    if keccak256(slots(batch).abi_encode()) != header.slotsHash {
        return Ok(flaw("the slots are not the committed ones"));
    }
    let registry = ModelRegistry::new(wire::address(chain.registry), &account.provider);
    let spec = registry.model(header.modelId).call().await.context("ask for the model")?;
    let bytes = client.protocol(batch.header.model_id).await.context("fetch the verifying key")?;
    let Ok(protocol) = Protocol::from_bytes(&bytes) else {
        return Ok(flaw("the verifying key is malformed"));
    };
    let code = account.provider.get_code_at(spec.vk).await.context("fetch the data contract")?;
    if vk_data(&protocol).ok().as_deref() != Some(code.as_ref()) {
        return Ok(flaw("the verifying key is not the registered one"));
    }
    let header_word = Bytes32(header_instance(&header).to_be_bytes());
    if let Some(what) = statement_flaw(batch, header_word, &proof.instances) {
        return Ok(flaw(&what));
    }
    verify(batch, protocol, proof).await
}

/// Verifies the proof and compares the proven outputs with the receipts.
async fn verify(batch: &BatchView, protocol: Protocol, proof: ProofView) -> Result<Checked> {
    let words: Vec<[u8; 32]> = proof.instances.iter().map(|w| w.0).collect();
    let timed = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let verdict = crate::verify(&protocol, &words, &proof.proof.0);
        (verdict, start.elapsed())
    });
    let (verdict, time) = timed.await?;
    let verify_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    if let Err(error) = verdict {
        return Ok(Checked { verify_ms, ..flaw(&format!("the proof is rejected: {error}")) });
    }
    let slots = statement::slots(proof.instances.len()).unwrap_or(0);
    let outputs = proof.instances.iter().skip(statement::outputs_at(slots));
    let contradicted = batch
        .slots
        .iter()
        .zip(outputs)
        .enumerate()
        .filter_map(|(i, (slot, output))| (slot.receipt.output_hash != *output).then_some(i))
        .collect();
    Ok(Checked { flaw: None, contradicted, verify_ms })
}

fn flaw(what: &str) -> Checked {
    Checked { flaw: Some(what.to_owned()), ..Checked::default() }
}

fn slots(batch: &BatchView) -> Vec<Slot> {
    let slot = |s: &dn_core::api::BatchSlot| Slot {
        taskId: B256::from(s.task_id.0),
        worker: wire::address(s.worker),
    };
    batch.slots.iter().map(slot).collect()
}

/// Where the public inputs differ from header and orders.
fn statement_flaw(batch: &BatchView, header: Bytes32, instances: &[Bytes32]) -> Option<String> {
    let slots = statement::slots(instances.len())?;
    if batch.slots.len() > slots {
        return Some("more tasks than slots".into());
    }
    let mut expected = vec![number(statement::VERSION), header, number(batch.slots.len() as u128)];
    expected.extend(batch.slots.iter().map(|s| s.order.input_hash));
    let differs = expected.iter().zip(instances).position(|(a, b)| a != b)?;
    let what = if differs < INPUTS_AT { "public input" } else { "input commitment at" };
    Some(format!("{what} {differs} is another one"))
}

fn number(x: u128) -> Bytes32 {
    let mut bytes = [0; 32];
    bytes[16..].copy_from_slice(&x.to_be_bytes());
    Bytes32(bytes)
}
