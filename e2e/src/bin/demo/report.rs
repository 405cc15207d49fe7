//! What the demonstration prints.
#![expect(clippy::print_stdout, reason = "the output of a command")]

use std::time::Duration;

use alloy::primitives::utils::format_ether;
use alloy::primitives::U256;
use dn_circuits::estimate::estimate;
use dn_circuits::Frame;
use dn_core::powr;
use dn_core::quant::Node;
use dn_core::statement::Score;
use dn_devnet::{Devnet, Options};
use dn_e2e::{Digits, BATCH};

use crate::quality::Quality;
use crate::Outcome;

pub(crate) fn model(digits: &Digits) {
    println!(
        "digits MLP 64-32-10 on {} held-out images: float {:.2} %, int8 {:.2} %",
        digits.inputs.len(),
        digits.accuracy.float * 100.0,
        digits.accuracy.int8 * 100.0
    );
    let graph = &digits.package.graph;
    let shifts =
        |n: &Node| n.shift.iter().min().zip(n.shift.iter().max()).map(|(a, b)| format!("{a}..{b}"));
    let shifts: Vec<String> = graph.nodes.iter().filter_map(shifts).collect();
    let scheme = digits.package.scheme;
    let frame = Frame::new(BATCH as usize, digits.package.width).opened(scheme);
    let cost = estimate(graph, frame).expect("the demonstration's model has a plan");
    println!(
        "package: shifts {}; {} openings; a batch of {BATCH}: {} rows, k = {}, about {:.1} CPU s and {:.0} MiB to prove",
        shifts.join(", "), scheme.name(), cost.rows, cost.k, cost.cpu_s, cost.memory_mb
    );
}

pub(crate) fn network(devnet: &Devnet, options: &Options) {
    let state = &options.state;
    println!("sequencer {}   chain {}   state {}", devnet.url, devnet.rpc_url(), state.display());
    if options.web.is_some() {
        println!("explorer  {}/", devnet.url);
    }
    let processes = devnet.processes();
    let names: Vec<String> = processes.iter().map(|(name, pid)| format!("{name} {pid}")).collect();
    println!("processes: {}", names.join(", "));
}

pub(crate) fn outcome(outcome: &Outcome) {
    let tasks = outcome.answers.len();
    let percent = 100.0 * outcome.right as f64 / tasks as f64;
    let mut latencies = outcome.latencies.clone();
    latencies.sort_unstable();
    println!("\n{tasks} tasks answered, {} right ({percent:.2} %)", outcome.right);
    println!("answer after {} (median), {} (slowest)", middle(&latencies), last(&latencies));
    batches(outcome);
    balances(outcome);
    let is_balanced = outcome.after.balance_since(&outcome.before);
    println!("sum of DN unchanged: {}", if is_balanced { "yes" } else { "no" });
}

pub(crate) fn quality(found: &Quality) {
    println!("\nepoch  probes  right  accuracy  quality of the sample");
    for sample in &found.samples {
        let (count, correct) = (sample.count, sample.correct);
        let score =
            Score { probe_count: count, probe_correct: correct, margin_sum: sample.margin_sum };
        let quality = powr::quality(score).map_or(0.0, |quality| part(quality.0));
        let accuracy = 100.0 * f64::from(correct) / f64::from(count.max(1));
        println!("{:5}  {count:6}  {correct:5}  {accuracy:6.2} %  {quality:.4}", sample.epoch);
    }
    for version in &found.smoothed {
        println!("quality of the model, from a quarter on: {:.4}", part(version.quality));
    }
}

/// A fraction of the protocol's one.
fn part(fraction: u32) -> f64 {
    f64::from(fraction) / f64::from(u32::MAX)
}

fn middle(sorted: &[Duration]) -> String {
    sorted.get(sorted.len() / 2).map_or_else(String::new, |d| format!("{} ms", d.as_millis()))
}

fn last(sorted: &[Duration]) -> String {
    sorted.last().map_or_else(String::new, |d| format!("{} ms", d.as_millis()))
}

fn batches(outcome: &Outcome) {
    println!(
        "\nbatch  tasks  right of labelled  prove CPU s  ms/inference  proof bytes  verified   gas        transaction"
    );
    let proofs = outcome.proof_bytes.iter().zip(&outcome.scores);
    for ((batch, (bytes, score)), verdict) in
        outcome.batches.iter().zip(proofs).zip(&outcome.verdicts)
    {
        let right = format!("{} of {}", score.correct, score.labelled);
        let cpu_ms = batch.prove_cpu_ms.unwrap_or(0) as f64;
        let verified =
            if verdict.is_valid { format!("{} ms", verdict.verify_ms) } else { "NO".into() };
        println!(
            "{:5}  {:5}  {right:>17}  {:11.2}  {:12.1}  {bytes:11}  {verified:9}  {:9}  {}",
            batch.id,
            batch.count,
            cpu_ms / 1e3,
            cpu_ms / f64::from(batch.count),
            batch.prove_gas.unwrap_or(0),
            batch.prove_tx.map_or_else(String::new, |tx| tx.to_string()),
        );
    }
}

fn balances(outcome: &Outcome) {
    let (before, after) = (&outcome.before, &outcome.after);
    println!("\n{:12}  {:>10}  {:>10}  {:>10}", "DN", "before", "after", "change");
    for ((name, old), (_, new)) in before.members.iter().zip(&after.members) {
        line(name, *old, *new);
    }
    line("stakes", before.staked_tokens, after.staked_tokens);
    line("pool", before.to_pool + before.pool_tokens, after.to_pool + after.pool_tokens);
    let burned = before.supply.saturating_sub(after.supply);
    line("burned", before.to_burn, burned + after.to_burn);
}

fn line(name: &str, old: U256, new: U256) {
    let change =
        if new < old { format!("-{}", dn(old - new)) } else { format!("+{}", dn(new - old)) };
    println!("{name:12}  {:>10}  {:>10}  {change:>10}", dn(old), dn(new));
}

/// Whole DN with four digits behind the point.
fn dn(wei: U256) -> String {
    let text = format_ether(wei);
    let end = text.find('.').map_or(text.len(), |point| (point + 5).min(text.len()));
    text[..end].to_owned()
}
