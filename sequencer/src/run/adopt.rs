//! Takes over what a batch was proven with, where somebody else brought the proof.
//!
//! Who has a proof may send it to the rollup himself, alone or within a call of another contract. Its
//! public inputs stand in that transaction's data and nowhere else, and chunks are settled by them.
//! Whatever is found there counts only if it is what the rollup holds a hash of.

use std::collections::BTreeMap;

use alloy::sol_types::SolCall as _;
use anyhow::Result;
use dn_core::api::Bytes32;
use dn_core::statement;
use dn_sdk::contracts::InferenceRollup::proveBatchCall;
use dn_sdk::{settlement, wire};

use crate::app::App;
use crate::calls;
use crate::chain::{Located, RollupEvent};
use crate::store::batches::{self, Batch, Statement};
use crate::store::{outbox, tasks};

/// Most calls that are looked at in one transaction.
const MAX_CALLS: usize = 8;

/// What the chain holds of a batch as proven.
#[derive(Clone, Debug)]
pub(super) enum Proven {
    /// The statement that is stored here.
    Ours,
    /// Another one; `None` while it cannot be read.
    Theirs(Option<Statement>),
}

/// Statements of others behind the events, by the number of their batch. One that cannot be read now holds up no other
/// batch: it is looked for again when the contract is compared with.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn read(
    app: &App,
    events: &[Located],
) -> Result<BTreeMap<u64, Option<Statement>>> {
    let mut found = BTreeMap::new();
    for located in events {
        let RollupEvent::BatchProven { number, tx_hash, .. } = located.event else { continue };
        if outbox::is_ours(&app.store, tx_hash).await? {
            continue;
        }
        let Some(batch) = batches::numbered(&app.store, number).await? else { continue };
        let statement = match find(app, &batch, number, Some(tx_hash)).await {
            Ok(Proven::Ours) => continue,
            Ok(Proven::Theirs(statement)) => statement,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(batch_id = batch.id, error, "a proof of somebody else is not read");
                None
            }
        };
        tracing::info!(batch_id = batch.id, %tx_hash, is_read = statement.is_some(), "proven by somebody else");
        found.insert(number, statement);
    }
    Ok(found)
}

/// What the chain holds of a batch that it says is proven, in this transaction if it is known.
///
/// # Errors
/// When database or chain do not answer.
pub(super) async fn find(
    app: &App,
    batch: &Batch,
    number: u64,
    tx_hash: Option<Bytes32>,
) -> Result<Proven> {
    let slots = calls::slots(&tasks::of_batch(&app.store, batch.id).await?);
    let stored = batch.proven_by.zip(batch.instances.clone()).map(|(prover, instances)| {
        Statement { prover, instances, proof: batch.proof.clone().unwrap_or_default() }
    });
    if let Some(stored) = stored {
        if is_held(app, number, &stored, &slots).await? {
            return Ok(Proven::Ours);
        }
    }
    let from = batch.commit_block.unwrap_or(app.limits.first_block);
    let tx_hash = match tx_hash {
        Some(hash) => Some(hash),
        None => app.chain.proof_tx(number, from).await?,
    };
    let Some(tx_hash) = tx_hash else { return Ok(Proven::Theirs(None)) };
    let calldata = app.chain.calldata(tx_hash).await?.unwrap_or_default();
    for statement in statements(&calldata, number) {
        let is_of_batch = statement::slots(statement.instances.len()) == Some(batch.batch_slots);
        if is_of_batch && is_held(app, number, &statement, &slots).await? {
            return Ok(Proven::Theirs(Some(statement)));
        }
    }
    Ok(Proven::Theirs(None))
}

async fn is_held(
    app: &App,
    number: u64,
    statement: &Statement,
    slots: &[settlement::Slot],
) -> Result<bool> {
    let prover = wire::address(statement.prover);
    let opening = settlement::opening(&statement.instances, slots, prover, &[0]);
    match opening {
        Some(opening) => Ok(app.chain.is_proven(number, &opening).await?),
        None => Ok(false),
    }
}

/// What the calls in a transaction say of a batch, wherever they stand in its data.
fn statements(calldata: &[u8], number: u64) -> Vec<Statement> {
    let selector = proveBatchCall::SELECTOR;
    let places = calldata.windows(selector.len()).enumerate();
    let calls = places.filter(|(_, bytes)| *bytes == selector).take(MAX_CALLS);
    let read = |(at, _)| {
        let call = proveBatchCall::abi_decode(&calldata[at..]).ok()?;
        let word = |word: &alloy::primitives::U256| Bytes32(word.to_be_bytes());
        (call.header.batchId == number).then(|| Statement {
            prover: wire::api_address(call.proof.prover),
            instances: call.proof.instances.iter().map(word).collect(),
            proof: call.proof.proof.to_vec(),
        })
    };
    calls.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, U256};
    use dn_sdk::contracts::IInferenceRollup::{BatchHeader, BatchProof};

    use super::*;

    fn call(number: u64) -> Vec<u8> {
        let header = BatchHeader {
            chainId: U256::ZERO,
            rollup: Address::ZERO,
            batchId: number,
            modelId: B256::ZERO,
            slotsHash: B256::ZERO,
            openedAt: 0,
            deadline: 0,
        };
        let instances = vec![U256::from(number); 3];
        let proof = BatchProof { prover: Address::ZERO, instances, proof: vec![7; 40].into() };
        proveBatchCall { header, proof, slotHashes: Vec::new(), chunks: Vec::new() }.abi_encode()
    }

    #[test]
    fn a_call_is_found_wherever_it_stands() {
        let inner = [vec![1; 77], call(5), vec![0; 31], call(6), vec![9; 3]].concat();
        for (data, number) in [(&call(6), 6), (&inner, 5), (&inner, 6)] {
            let found = statements(data, number);
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].instances.len(), found[0].proof.len()), (3, 40));
        }
        assert!(statements(&inner, 7).is_empty());
    }

    #[test]
    fn what_is_no_call_is_nothing() {
        let cut = &call(5)[..200];
        let many = proveBatchCall::SELECTOR.repeat(100_000);
        for data in [&[][..], &[0; 3], cut, &many] {
            assert!(statements(data, 5).is_empty());
        }
    }
}
