//! `deepnode model prove`

use dn_circuits::columns::fixed_columns;
use dn_circuits::field::CoreFr;
use dn_circuits::{Frame, Slot};
use dn_core::commitment::from_bytes;
use dn_core::proof_file::ProofFile;
use dn_core::statement::{Form, Score};
use dn_import::{npz, Package, Stored};
use dn_prover::{cpu_seconds, peak_rss_mb, Phase, Proof, Prover};
use dn_service::Report;
use rand_core::{OsRng, RngCore};
use serde_json::{json, Value};

use super::provable::Provable;
use super::{auto_batch, frame_of, id_text, labels, saturation, tokens, write};
use crate::args::{Batch, Global, Prove};
use crate::error::Failure;
use crate::output::{spinner, thousandths};

/// Proves the first inputs as one batch.
pub(crate) fn prove(args: &Prove, global: &Global) -> Result<Report, Failure> {
    let provable = Provable::read(&args.package)?;
    match &provable.stored {
        Stored::Graph(package) => prove_graph(args, global, &provable, package),
        Stored::Sequence(package) => tokens::prove(args, global, &provable, package),
    }
}

fn prove_graph(
    args: &Prove,
    global: &Global,
    provable: &Provable,
    package: &Package,
) -> Result<Report, Failure> {
    let examples = npz::read_for(&args.inputs, package)?;
    let form = form(args);
    let batch = match args.batch {
        Batch::Auto => auto_batch(package, examples.x.len(), form)?,
        Batch::Exactly(batch) => enough(batch, examples.x.len())?,
    };
    let labels = args.labels.then(|| labels(&examples)).transpose()?;
    let task = |(i, x): (usize, &Vec<f32>)| Slot {
        input: package.quantize_input(x),
        salt: random_salt(),
        label: labels.as_ref().map(|labels| labels[i]),
    };
    let tasks: Vec<Slot> = examples.x[..batch].iter().enumerate().map(task).collect();
    let frame = frame_of(package, batch).with(form);
    let (mut report, score) = prove_tasks(args, global, provable, (frame, &tasks))?;
    report
        .set("labelled", score.probe_count)
        .set("correct", score.probe_correct)
        .set("margin_sum", score.margin_sum);
    saturation(&mut report, package, &examples.x[..batch]);
    Ok(report)
}

/// How commitments are stated.
pub(super) fn form(args: &Prove) -> Form {
    if args.digest {
        Form::Digest
    } else {
        Form::Listed
    }
}

/// A batch of so many, if there are as many inputs.
pub(super) fn enough(batch: usize, inputs: usize) -> Result<usize, Failure> {
    if batch <= inputs {
        return Ok(batch);
    }
    Err(Failure::new(
        "batch",
        format!("a batch of {batch} needs {batch} inputs, the file has {inputs}"),
        "give more inputs or a smaller --batch",
    ))
}

/// Proves tasks, writes the proof and tells what it took.
pub(super) fn prove_tasks(
    args: &Prove,
    global: &Global,
    provable: &Provable,
    (frame, tasks): (Frame, &[Slot]),
) -> Result<(Report, Score), Failure> {
    let progress = spinner("loading or generating keys");
    let prover = provable.prover(frame, global)?;
    let mut begun: Vec<(Phase, f64)> = Vec::new();
    let mut observe = |phase: Phase| {
        progress.set_message(phase.to_string());
        begun.push((phase, cpu_seconds()));
        true
    };
    // A proof outside the rollup belongs to no batch header.
    let proof = prover.prove_observed(tasks, CoreFr::from(0u8), &mut observe)?;
    let end = cpu_seconds();
    progress.finish_and_clear();

    let file = ProofFile::new(provable.id, &proof.statement, proof.bytes.clone());
    write(&args.output, &file.to_bytes())?;
    let mut report = report(provable, &prover, &proof, tasks.len());
    report.set("phases", phases(&begun, end));
    Ok((report, proof.statement.score))
}

/// CPU seconds of each phase.
fn phases(begun: &[(Phase, f64)], end: f64) -> Vec<Value> {
    let ends = begun.iter().skip(1).map(|(_, at)| *at).chain([end]);
    let spent = begun.iter().zip(ends).map(|((phase, from), to)| {
        json!({ "phase": phase.to_string(), "cpu_s": thousandths(to - from) })
    });
    spent.collect()
}

/// A random salt of commitments.
pub(super) fn random_salt() -> CoreFr {
    loop {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        bytes[0] &= 0x3f;
        if let Some(salt) = from_bytes(&bytes) {
            return salt;
        }
    }
}

fn report(provable: &Provable, prover: &Prover, proof: &Proof, batch: usize) -> Report {
    let keys = prover.keys();
    let per_inference = proof.usage.cpu_s * 1000.0 / batch as f64;
    // The plan has been made for these slots, so they have an estimate.
    let estimate = provable.estimate(keys.plan.frame()).ok();
    let mut report = Report::default();
    report
        .set("model_id", id_text(&provable.id))
        .set("batch", batch)
        .set("slots", keys.plan.slots)
        .set("cpu_s", thousandths(proof.usage.cpu_s))
        .set("cpu_ms_per_inference", thousandths(per_inference))
        .set("wall_s", thousandths(proof.usage.wall_s))
        .set("peak_rss_mb", peak_rss_mb().round())
        .set("k", keys.plan.k)
        .set("rows", keys.plan.rows)
        .set("estimated_rows", estimate.map(|e| e.rows))
        .set("estimated_cpu_s", estimate.map(|e| thousandths(e.cpu_s)))
        .set("estimated_memory_mb", estimate.map(|e| e.memory_mb.round()))
        .set("fixed_columns", fixed_columns(keys.plan.width))
        .set("lanes", keys.plan.width.lanes())
        .set("opening", keys.plan.scheme.name())
        .set("advice_columns", keys.protocol().advice_columns())
        .set("proof_bytes", proof.bytes.len())
        .set("vk_bytes", keys.stats.vk_bytes)
        .set("pk_bytes", keys.stats.pk_bytes)
        .set("resident_bytes", keys.stats.resident_bytes)
        .set("bases_bytes", keys.stats.bases_bytes)
        .set("bases_cpu_s", thousandths(keys.stats.bases.cpu_s))
        .set("arithmetic", keys.stats.arithmetic)
        .set("keygen_cpu_s", thousandths(keys.stats.keygen.cpu_s))
        .set("keys_cached", keys.stats.cached);
    report
}
