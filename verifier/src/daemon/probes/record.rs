//! From answered probes to what `Probes.record` takes.

use std::collections::BTreeMap;

use alloy::primitives::{Bytes, U256};
use anyhow::{ensure, Context as _, Result};
use dn_core::api::{BatchView, Bytes32, TaskView};
use dn_core::commitment::{self, to_bytes};
use dn_core::task::TaskState;
use dn_core::{chunks, statement};
use dn_sdk::contracts::probes::IInferenceRollup::{BatchHeader, Opening};
use dn_sdk::contracts::probes::IProbes::{Answer, Answers};
use dn_sdk::{settlement, wire, Client};

use super::draw::{Draw, Probe};

/// A probe whose answer is proven.
pub(super) struct Found<'a> {
    pub(super) probe: &'a Probe,
    task: TaskView,
}

impl<'a> Found<'a> {
    /// `None` unless the answer is proven, and is what the worker said: the proof has no other output than its hash.
    pub(super) fn new(probe: &'a Probe, task: TaskView) -> Option<Self> {
        let is_proven =
            task.state == TaskState::Proven && task.proven_output_hash == task.output_hash;
        (is_proven && task.output.is_some() && task.batch_id.is_some())
            .then_some(Self { probe, task })
    }
}

/// The calls' answers, in the order in which the contract reads them. What the sequencer does not show, or shows as
/// something else than what is proven, is left out, and told.
pub(super) async fn answers(client: &Client, draw: &Draw, found: Vec<Found<'_>>) -> Vec<Answers> {
    let mut batches: BTreeMap<u64, Vec<Found<'_>>> = BTreeMap::new();
    for one in found {
        batches.entry(one.task.batch_id.unwrap_or_default()).or_default().push(one);
    }
    let mut all = Vec::new();
    for (id, found) in batches {
        match read(client, draw, id, &found).await {
            Ok(of_batch) => all.extend(of_batch),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(batch_id = id, error, "probes of a batch are left out");
            }
        }
    }
    all.sort_by_key(|answers| (answers.header.batchId, answers.chunk));
    all
}

async fn read(client: &Client, draw: &Draw, id: u64, found: &[Found<'_>]) -> Result<Vec<Answers>> {
    let batch = client.batch(id).await.context("fetch the batch")?;
    let proof = client.proof(id).await.context("fetch the proof")?;
    of_batch(draw, &batch, &proof.instances, found)
}

fn of_batch(
    draw: &Draw,
    batch: &BatchView,
    instances: &[Bytes32],
    found: &[Found<'_>],
) -> Result<Vec<Answers>> {
    let (header, prover) = batch.header.as_ref().zip(batch.prover).context("not proven")?;
    let size = statement::slots(instances.len()).context("a statement of no batch")?;
    let mut chunked: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
    for Found { probe, task } in found {
        let place = batch.slots.iter().position(|slot| slot.task_id == task.task_id);
        let proven = place.and_then(|place| instances.get(statement::outputs_at(size) + place));
        let (Some(place), true) = (place, is_proven(probe, task, proven)) else {
            tracing::warn!(task_id = %task.task_id, "a probe's answer is another one than is proven");
            continue;
        };
        let is_in = |chunk: &usize| chunks::slots(size, *chunk).contains(&place);
        let chunk = (0..chunks::count(size)).find(is_in).context("no chunk")?;
        let slot = place - chunks::slots(size, chunk).start;
        chunked.entry(chunk).or_default().push(answer(draw, probe, task, slot));
    }
    let header = wire::rollup_header(header);
    let of_chunk = |(chunk, mut answers): (usize, Vec<Answer>)| {
        answers.sort_by_key(|answer| answer.slot);
        let opening = settlement::opening(instances, &[], wire::address(prover), &[chunk]);
        let opening = opening.context("a statement of no batch")?;
        ensure!(!answers.is_empty(), "a chunk without probes");
        Ok(Answers {
            header: BatchHeader {
                chainId: header.chainId,
                rollup: header.rollup,
                batchId: header.batchId,
                modelId: header.modelId,
                slotsHash: header.slotsHash,
                openedAt: header.openedAt,
                deadline: header.deadline,
            },
            chunk: U256::from(chunk),
            opening: Opening {
                prover: opening.prover,
                slotHashes: Vec::new(),
                leaves: opening.leaves,
                statement: opening.statement,
            },
            answers,
        })
    };
    chunked.into_iter().map(of_chunk).collect()
}

/// Whether the answer that was shown is the proven one.
fn is_proven(probe: &Probe, task: &TaskView, proven: Option<&Bytes32>) -> bool {
    let output = task.output.as_deref().unwrap_or_default();
    let shown = to_bytes(commitment::output(output, probe.salt));
    proven.is_some_and(|proven| proven.0 == shown)
}

fn answer(draw: &Draw, probe: &Probe, task: &TaskView, slot: usize) -> Answer {
    let output = task.output.iter().flatten().map(|value| value.to_le_bytes()[0]);
    Answer {
        slot: U256::from(slot),
        index: U256::from(probe.index),
        label: U256::from(probe.label),
        labelSalt: probe.label_salt,
        output: Bytes::from(output.collect::<Vec<u8>>()),
        salt: U256::from_be_bytes(to_bytes(probe.salt)),
        path: draw.path(probe.index),
    }
}
