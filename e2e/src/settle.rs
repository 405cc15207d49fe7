//! One batch from orders to payment.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::primitives::{keccak256, B256, U256};
use alloy::sol_types::SolValue;
use anyhow::{ensure, Context, Result};
use dn_circuits::field::CoreFr;
use dn_circuits::Slot;
use dn_core::commitment::{self, from_bytes, to_bytes};
use dn_core::quant::execute;
use dn_prover::Proof;
use dn_sdk::contracts::IInferenceRollup;
use dn_sdk::contracts::InferenceRollup;
use dn_sdk::{domain, header_instance, sign, task_id, Order};

use crate::market::Market;

/// Seconds between commitment and the last moment to prove.
const PROVING_WINDOW_S: u64 = 3600;

/// A user's order with the input behind it.
#[derive(Clone, Debug)]
pub struct Task {
    /// What was signed.
    pub order: Order,
    /// The user's signature.
    pub signature: Vec<u8>,
    /// Input, salt and, for a probe, label.
    pub slot: Slot,
}

/// What a worker says at once.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The quantised output.
    pub output: Vec<i8>,
    /// Commitment to it.
    pub output_hash: B256,
}

/// A batch that the chain has accepted.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The proof, verified natively before it was sent.
    pub proof: Proof,
    /// Gas of the proving transaction, payment included.
    pub gas: u64,
    /// The proving transaction.
    pub transaction: B256,
    /// Ids of the tasks, in order.
    pub task_ids: Vec<B256>,
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl Task {
    /// Signs an order of `user` for one input.
    ///
    /// # Errors
    /// When the signer fails.
    pub fn order(market: &Market, user: usize, slot: Slot, nonce: u64) -> Result<Self> {
        let account = &market.members.users[user];
        let order = Order {
            user: account.address(),
            modelId: market.model_id,
            inputHash: B256::from(to_bytes(slot.input_commitment())),
            maxFee: market.price_wei,
            deadline: now_s() + 2 * PROVING_WINDOW_S,
            nonce,
        };
        let domain = domain(market.chain_id, market.contracts.rollup);
        let signature = sign(&order, &domain, &account.signer)?;
        Ok(Self { order, signature, slot })
    }

    /// The order as the contract's bindings know it.
    #[must_use]
    pub fn contract_order(&self) -> IInferenceRollup::Order {
        let o = &self.order;
        IInferenceRollup::Order {
            user: o.user,
            modelId: o.modelId,
            inputHash: o.inputHash,
            maxFee: o.maxFee,
            deadline: o.deadline,
            nonce: o.nonce,
        }
    }

    /// Runs the model on the task.
    #[must_use]
    pub fn answer(&self, market: &Market) -> Answer {
        let output = execute(&market.package.graph, &self.slot.input);
        let hash = commitment::output(&output, self.slot.salt);
        Answer { output, output_hash: B256::from(to_bytes(hash)) }
    }
}

/// Commits, proves, verifies natively and settles a batch. Task `i` goes to worker `i % 2`.
///
/// # Errors
/// Says which step failed.
pub async fn settle_batch(market: &Market, batch_id: u64, tasks: &[Task]) -> Result<Settled> {
    let domain = domain(market.chain_id, market.contracts.rollup);
    let task_ids: Vec<B256> = tasks.iter().map(|t| task_id(&t.order, &domain)).collect();
    let workers = &market.members.workers;
    let slots: Vec<IInferenceRollup::Slot> = task_ids
        .iter()
        .enumerate()
        .map(|(i, id)| IInferenceRollup::Slot { taskId: *id, worker: workers[i % 2].address() })
        .collect();
    let header = IInferenceRollup::BatchHeader {
        chainId: U256::from(market.chain_id),
        rollup: market.contracts.rollup,
        batchId: batch_id,
        modelId: market.model_id,
        slotsHash: keccak256(slots.abi_encode()),
        prover: market.members.prover.address(),
        deadline: now_s() + PROVING_WINDOW_S,
    };
    let sequencer = &market.members.sequencer;
    let rollup = InferenceRollup::new(market.contracts.rollup, &sequencer.provider);
    let commit = rollup.commitBatch(header.clone()).send().await.context("commit the batch")?;
    ensure!(commit.get_receipt().await?.status(), "the commitment reverted");

    let (proof, instances) = prove(market, &header, tasks)?;
    let rollup = InferenceRollup::new(market.contracts.rollup, &market.members.prover.provider);
    let call = rollup.proveBatch(
        header,
        slots,
        tasks.iter().map(Task::contract_order).collect(),
        tasks.iter().map(|t| t.signature.clone().into()).collect(),
        instances,
        proof.bytes.clone().into(),
    );
    let receipt = call.send().await.context("send the proof")?.get_receipt().await?;
    ensure!(receipt.status(), "the proof reverted");
    let transaction = receipt.transaction_hash;
    Ok(Settled { proof, gas: receipt.gas_used, transaction, task_ids })
}

/// Proves a committed batch and verifies the proof on ark-bn254.
fn prove(
    market: &Market,
    header: &IInferenceRollup::BatchHeader,
    tasks: &[Task],
) -> Result<(Proof, Vec<U256>)> {
    let public = header_instance(header).to_be_bytes::<32>();
    let public: CoreFr = from_bytes(&public).context("a masked hash is a field element")?;
    let slots: Vec<Slot> = tasks.iter().map(|t| t.slot.clone()).collect();
    let proof = market.prover.prove(&slots, public)?;
    let words: Vec<[u8; 32]> = proof.statement.instances().into_iter().map(to_bytes).collect();
    dn_verifier::verify(&market.protocol, &words, &proof.bytes).context("native verification")?;
    Ok((proof, words.into_iter().map(U256::from_be_bytes).collect()))
}
