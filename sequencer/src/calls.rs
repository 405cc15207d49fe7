//! Calls of the rollup about a batch: what is signed by users, workers and prover, put together.

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolCall as _;
use anyhow::{Context as _, Result};
use dn_sdk::contracts::IInferenceRollup::{BatchHeader, BatchProof, Chunk};
use dn_sdk::contracts::InferenceRollup::{
    commitBatchCall, expireBatchCall, proveBatchCall, settleChunksCall,
};
use dn_sdk::settlement::{self, Slot};
use dn_sdk::wire;

use crate::app::App;
use crate::store::batches::{self, Batch};
use crate::store::invoices::{self, Invoices};
use crate::store::task::Task;
use crate::store::{labels, tasks};

/// Most chunks that are settled by the transaction of the proof: with more of them that of 1,024 tasks is above 80 KB.
const WITH_PROOF: usize = 4;

/// Most gas of a proof with its chunks, by `proof_gas` and `chunk_gas`: with commitment and base below three million.
const PROVING_GAS: u64 = 2_900_000;

/// Most gas that chunks are settled with which no proof comes with, by `chunk_gas`.
const SETTLING_GAS: u64 = 1_900_000;

/// Workers of a chunk that cost nothing beside it.
const FEW_WORKERS: usize = 4;

/// About the gas of a proof that settles nothing, its calldata included: as measured with merged openings.
fn proof_gas(slots: usize) -> u64 {
    330_000 + 1_530 * slots as u64
}

/// About the gas of settling a chunk beside others, its calldata included: as measured with bundles, and with an order
/// for each task. A few workers are in the first number; each further one is paid and has its work recorded, in slots
/// that may be empty.
fn chunk_gas(chunk: &Chunk) -> u64 {
    let (orders, tasks) = (chunk.orders.len() / settlement::ORDER_BYTES, chunk.executors.len());
    let further = chunk.workers.len().saturating_sub(FEW_WORKERS);
    70_000 + 2_500 * tasks as u64 + 11_500 * orders as u64 + 58_000 * further as u64
}

/// The slots of a batch as the rollup takes them.
pub(crate) fn slots(tasks: &[Task]) -> Vec<Slot> {
    let slot = |task: &Task| {
        let worker = wire::address(task.answer()?.receipt.worker);
        Some(Slot { order: task.order.clone(), worker, bundle: task.bundle.clone() })
    };
    tasks.iter().filter_map(slot).collect()
}

fn header(app: &App, batch: &Batch) -> Result<BatchHeader> {
    let header = batch.header(app.chain.domain()).context("a numbered batch has a header")?;
    Ok(wire::rollup_header(&header))
}

/// Commits to a numbered batch.
pub(crate) fn commit(app: &App, batch: &Batch) -> Result<Vec<u8>> {
    Ok(commitBatchCall { header: header(app, batch)? }.abi_encode())
}

/// Closes a batch whose time is over.
pub(crate) fn expire(app: &App, batch: &Batch) -> Result<Vec<u8>> {
    Ok(expireBatchCall { header: header(app, batch)? }.abi_encode())
}

/// What is stored of a batch, as it is needed to settle it.
struct Parts {
    batch: Batch,
    header: BatchHeader,
    tasks: Vec<Task>,
    slots: Vec<Slot>,
    salts: Vec<Option<B256>>,
    invoices: Invoices,
}

async fn parts(app: &App, id: u64) -> Result<Parts> {
    let batch = batches::get(&app.store, id).await?.context("the batch is gone")?;
    let tasks = tasks::of_batch(&app.store, id).await?;
    let labels = labels::of_batch(&app.store, id).await?;
    // A proof that somebody else brought can be without labels.
    let instances = batch.instances.as_deref().unwrap_or_default();
    let salt = |(slot, task): (usize, &Task)| {
        let label = labels.get(&task.id).filter(|_| settlement::is_labelled(instances, slot));
        label.map(|label| B256::from(label.salt.0))
    };
    let salts = tasks.iter().enumerate().map(salt).collect();
    let hash = batch.header_hash.context("a numbered batch has a header")?;
    let invoices = invoices::of_batch(&app.store, hash).await?;
    let (header, slots) = (header(app, &batch)?, slots(&tasks));
    Ok(Parts { batch, header, tasks, slots, salts, invoices })
}

impl Parts {
    /// A chunk with everything that was signed for it.
    fn chunk(&self, index: u32) -> Result<Chunk> {
        let slots = self.batch.batch_slots;
        let mut chunk = settlement::chunk(slots, index as usize, &self.slots);
        let range = self.batch.chunk(index);
        let mut signatures = Vec::with_capacity(range.len() * 64);
        for place in settlement::signed_places(slots, index as usize, &self.slots) {
            let compact = settlement::compact(&self.tasks[range.start + place].signature.0);
            signatures.extend(compact.context("an order's signature was checked")?);
        }
        chunk.signatures = signatures.into();
        let salts = &self.salts[range];
        let is_labelled = |place: usize| salts[place].is_some();
        chunk.tagSiblings =
            settlement::tag_siblings(slots, index as usize, &self.slots, is_labelled);
        chunk.salts = salts.iter().flatten().copied().collect();
        let invoice = |worker: &_| self.invoices.get(&(index, wire::api_address(*worker)));
        let invoices = chunk.workers.iter().map(|worker| invoice(worker).map(|s| &s[..]));
        chunk.invoices = settlement::packed_invoices(invoices).into();
        Ok(chunk)
    }

    /// The first of these chunks, and of the others as many as so much gas settles.
    fn within(&self, indices: impl Iterator<Item = u32>, gas: u64) -> Result<Vec<Chunk>> {
        let (mut chunks, mut used) = (Vec::new(), 0);
        for index in indices {
            let chunk = self.chunk(index)?;
            used += chunk_gas(&chunk);
            if used > gas && !chunks.is_empty() {
                break;
            }
            chunks.push(chunk);
        }
        Ok(chunks)
    }
}

/// Proves a batch, and settles its first chunks.
pub(crate) async fn prove(app: &App, id: u64) -> Result<Vec<u8>> {
    let parts = parts(app, id).await?;
    let prover = parts.batch.proven_by.context("a proof has a prover")?;
    let (instances, proof) = (&parts.batch.instances, &parts.batch.proof);
    let instances = instances.iter().flatten().map(|w| U256::from_be_bytes(w.0)).collect();
    let room = PROVING_GAS.saturating_sub(proof_gas(parts.batch.batch_slots));
    let mut chunks = parts.within(0..parts.batch.chunks, room)?;
    chunks.truncate(WITH_PROOF);
    let call = proveBatchCall {
        proof: BatchProof {
            prover: wire::address(prover),
            instances,
            proof: proof.clone().unwrap_or_default().into(),
        },
        slotHashes: settlement::slot_hashes(parts.batch.batch_slots, &parts.slots),
        chunks,
        header: parts.header,
    };
    Ok(call.abi_encode())
}

/// Settles chunks of a proven batch: the first one of `unsettled` (bit `i` for chunk `i`), and as many of the others as one
/// transaction has room for.
pub(crate) async fn settle(app: &App, id: u64, unsettled: u32) -> Result<Vec<u8>> {
    let parts = parts(app, id).await?;
    let prover = wire::address(parts.batch.proven_by.context("a proof has a prover")?);
    let instances = parts.batch.instances.as_ref().context("the batch has no proof")?;
    let wanted = (0..u32::BITS).filter(|index| unsettled >> index & 1 == 1);
    let chunks = parts.within(wanted, SETTLING_GAS)?;
    let opened: Vec<usize> = chunks.iter().map(|chunk| chunk.index.to()).collect();
    let opening = settlement::opening(instances, &parts.slots, prover, &opened);
    let call = settleChunksCall {
        chunks,
        opening: opening.context("a proof's inputs were checked")?,
        header: parts.header,
    };
    Ok(call.abi_encode())
}
