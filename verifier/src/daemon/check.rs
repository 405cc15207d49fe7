//! What must hold about a proven batch.

use std::time::Instant;

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use anyhow::{ensure, Context as _, Result};
use dn_core::api::{BatchView, Bytes32, ChainView, ProofView};
use dn_core::protocol::Protocol;
use dn_core::statement;
use dn_core::vk_data::vk_data;
use dn_core::{canonical, chunks};
use dn_sdk::contracts::{InferenceRollup, ModelRegistry};
use dn_sdk::settlement::{header_hash, header_instance, opening, slots_hash, Slot};
use dn_sdk::{domain, task_id, wire, Account, Client};

/// `IInferenceRollup.BatchStatus.Proven`.
const PROVEN: u8 = 2;

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub(super) struct Checked {
    /// The first thing that is wrong with the batch, if anything.
    pub(super) flaw: Option<String>,
    /// Slots whose receipt has another output than the proof.
    pub(super) contradicted: Vec<usize>,
    /// The public inputs.
    pub(super) instances: Vec<Bytes32>,
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
    let Some(view) = &batch.header else { return Ok(flaw("a proven batch has a header")) };
    let rollup = InferenceRollup::new(wire::address(chain.rollup), &account.provider);
    let header = wire::rollup_header(view);
    let on_chain = rollup.batch(view.batch_id).call().await.context("ask for the batch")?;
    // The chain may be asked before it has heard of the proof, or may have forgotten it again.
    ensure!(on_chain.status == PROVEN, "the chain has no proof of the batch");
    let batch_hash = header_hash(&header);
    if wire::api_bytes32(on_chain.headerHash) != batch_hash {
        return Ok(flaw("the header is not the committed one"));
    }
    if let Some(task) = wrong_order(chain, batch) {
        return Ok(flaw(&format!("task {task} has another order")));
    }
    let registry = ModelRegistry::new(wire::address(chain.registry), &account.provider);
    let spec = registry.model(header.modelId).call().await.context("ask for the model")?;
    let slots = slots(batch);
    if slots_hash(spec.batchSlots as usize, &slots) != header.slotsHash {
        return Ok(flaw("the slots are not the committed ones"));
    }
    let Some(prover) = batch.prover else { return Ok(flaw("a proven batch has a prover")) };
    for chunk in 0..chunks::count(spec.batchSlots as usize) {
        let opening = opening(&proof.instances, &slots, wire::address(prover), &[chunk]);
        let Some(opening) = opening else { return Ok(flaw("the statement is of no batch")) };
        let is_proven = rollup.isProven(view.batch_id, U256::from(chunk), opening);
        if !is_proven.call().await.context("ask for the statement")? {
            return Ok(flaw("the statement is not the proven one"));
        }
    }
    let bytes = client.protocol(view.model_id).await.context("fetch the verifying key")?;
    let Ok(protocol) = Protocol::from_bytes(&bytes) else {
        return Ok(flaw("the verifying key is malformed"));
    };
    let code = account.provider.get_code_at(spec.vk).await.context("fetch the data contract")?;
    if vk_data(&protocol).ok().as_deref() != Some(code.as_ref()) {
        return Ok(flaw("the verifying key is not the registered one"));
    }
    let words: Vec<[u8; 32]> = proof.instances.iter().map(|w| w.0).collect();
    let inputs: Vec<[u8; 32]> = batch.slots.iter().map(|s| s.order.input_hash.0).collect();
    let expected = canonical::Batch {
        slots: spec.batchSlots as usize,
        header: header_instance(batch_hash, prover).0,
        inputs: &inputs,
        // The statement is the proven one, and the rollup settles no chunk whose labels its orders do not bind.
        labels: None,
        null_input: spec.nullInputHash.0,
    };
    if let Err(what) = canonical::read(&words).and_then(|read| read.is_of(&expected)) {
        return Ok(flaw(&what.to_string()));
    }
    verify(batch, protocol, words, proof).await
}

/// Verifies the proof and compares the proven outputs with the receipts.
async fn verify(
    batch: &BatchView,
    protocol: Protocol,
    words: Vec<[u8; 32]>,
    proof: ProofView,
) -> Result<Checked> {
    let bytes = proof.proof.0;
    let timed = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let verdict = crate::verify(&protocol, &words, &bytes);
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
    Ok(Checked { flaw: None, contradicted, verify_ms, instances: proof.instances })
}

/// The first task whose order is another one than its id says.
fn wrong_order(chain: &ChainView, batch: &BatchView) -> Option<Bytes32> {
    let domain = domain(chain.chain_id, wire::address(chain.rollup));
    let is_wrong = |s: &&dn_core::api::BatchSlot| {
        wire::api_bytes32(task_id(&wire::order(&s.order), &domain)) != s.task_id
    };
    batch.slots.iter().find(is_wrong).map(|s| s.task_id)
}

fn flaw(what: &str) -> Checked {
    Checked { flaw: Some(what.to_owned()), ..Checked::default() }
}

/// The slots of a batch as the rollup has them.
pub(super) fn slots(batch: &BatchView) -> Vec<Slot> {
    let slot = |s: &dn_core::api::BatchSlot| Slot {
        order: s.order.clone(),
        worker: wire::address(s.worker),
        bundle: s.bundle.clone(),
    };
    batch.slots.iter().map(slot).collect()
}
