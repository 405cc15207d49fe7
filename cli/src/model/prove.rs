//! `deepnode model prove`

use dn_circuits::columns::fixed_columns;
use dn_circuits::estimate::estimate;
use dn_circuits::field::CoreFr;
use dn_circuits::{Frame, Slot};
use dn_core::commitment::from_bytes;
use dn_core::proof_file::ProofFile;
use dn_core::statement::Form;
use dn_import::npz;
use dn_prover::{cpu_seconds, peak_rss_mb, Phase, Proof, Prover};
use dn_service::Report;
use rand_core::{OsRng, RngCore};
use serde_json::{json, Value};

use super::{auto_batch, id_text, labels, load, saturation, write, Loaded};
use crate::args::{Batch, Global, Prove};
use crate::error::Failure;
use crate::output::{self, spinner, thousandths};

/// Proves the first inputs as one batch.
pub(crate) fn prove(args: &Prove, global: &Global) -> Result<Report, Failure> {
    let loaded = load(&args.package)?;
    let examples = npz::read_for(&args.inputs, &loaded.package)?;
    let form = if args.digest { Form::Digest } else { Form::Listed };
    let batch = match args.batch {
        Batch::Auto => auto_batch(&loaded.package, examples.x.len(), form)?,
        Batch::Exactly(n) if n <= examples.x.len() => n,
        Batch::Exactly(n) => {
            return Err(Failure::new(
                "batch",
                format!("a batch of {n} needs {n} inputs, the file has {}", examples.x.len()),
                "give more inputs or a smaller --batch",
            ));
        }
    };
    let labels = args.labels.then(|| labels(&examples)).transpose()?;
    let task = |(i, x): (usize, &Vec<f32>)| Slot {
        input: loaded.package.quantize_input(x),
        salt: random_salt(),
        label: labels.as_ref().map(|labels| labels[i]),
    };
    let tasks: Vec<Slot> = examples.x[..batch].iter().enumerate().map(task).collect();

    let progress = spinner("loading or generating keys");
    let package = &loaded.package;
    let frame = Frame::of(batch, package.width).with(form).scored(package.scoring);
    let prover = keys(&loaded, frame, global)?;
    let mut begun: Vec<(Phase, f64)> = Vec::new();
    let mut observe = |phase: Phase| {
        progress.set_message(phase.to_string());
        begun.push((phase, cpu_seconds()));
        true
    };
    // A proof outside the rollup belongs to no batch header.
    let proof = prover.prove_observed(&tasks, CoreFr::from(0u8), &mut observe)?;
    let end = cpu_seconds();
    progress.finish_and_clear();

    let file = ProofFile::new(loaded.id, &proof.statement, proof.bytes.clone());
    write(&args.output, &file.to_bytes())?;
    let mut report = report(&loaded, &prover, &proof, batch);
    let score = proof.statement.score;
    report
        .set("labelled", score.probe_count)
        .set("correct", score.probe_correct)
        .set("margin_sum", score.margin_sum);
    saturation(&mut report, &loaded.package, &examples.x[..batch]);
    report.set("phases", phases(&begun, end));
    Ok(report)
}

/// CPU seconds of each phase.
fn phases(begun: &[(Phase, f64)], end: f64) -> Vec<Value> {
    let ends = begun.iter().skip(1).map(|(_, at)| *at).chain([end]);
    let spent = begun.iter().zip(ends).map(|((phase, from), to)| {
        json!({ "phase": phase.to_string(), "cpu_s": thousandths(to - from) })
    });
    spent.collect()
}

/// A prover with the keys of a model at a batch size, in a layout.
pub(super) fn keys(loaded: &Loaded, frame: Frame, global: &Global) -> Result<Prover, Failure> {
    let name = hex::encode(loaded.id);
    let (graph, ptau) = (loaded.package.graph.clone(), global.srs.as_deref());
    if ptau.is_none() {
        output::warn("the reference string is the development one: its secret is public, so anyone can forge proofs");
    }
    Ok(Prover::new(graph, frame, &global.data_dir, &name, ptau)?)
}

fn random_salt() -> CoreFr {
    loop {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        bytes[0] &= 0x3f;
        if let Some(salt) = from_bytes(&bytes) {
            return salt;
        }
    }
}

fn report(loaded: &Loaded, prover: &Prover, proof: &Proof, batch: usize) -> Report {
    let keys = prover.keys();
    let per_inference = proof.usage.cpu_s * 1000.0 / batch as f64;
    // The plan has been made for these slots, so they have an estimate.
    let estimate = estimate(&loaded.package.graph, keys.plan.frame()).ok();
    let mut report = Report::default();
    report
        .set("model_id", id_text(&loaded.id))
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
        .set("advice_columns", keys.vk().cs().num_advice_columns())
        .set("proof_bytes", proof.bytes.len())
        .set("vk_bytes", keys.stats.vk_bytes)
        .set("pk_bytes", keys.stats.pk_bytes)
        .set("resident_bytes", keys.stats.resident_bytes)
        .set("arithmetic", keys.stats.arithmetic)
        .set("keygen_cpu_s", thousandths(keys.stats.keygen.cpu_s))
        .set("keys_cached", keys.stats.cached);
    report
}
