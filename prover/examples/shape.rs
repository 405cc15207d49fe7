//! Proves nets of a given shape with random weights: `shape lenet-max 64`, `shape 784-128-10 256`.
//! `shape lenet-max plan` prints the rows of every batch size.

#[path = "shape/nets.rs"]
mod nets;

use dn_circuits::{estimate::estimate, field::CoreFr, Slot};
use dn_prover::{cpu_seconds, peak_rss_mb, Phase, Prover};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, name, slots] = &args[..] else {
        eprintln!("usage: shape NET SLOTS|plan, NET one of {} or N-N-N", nets::NAMES.join(", "));
        std::process::exit(2);
    };
    let graph = nets::graph(name);
    graph.validate().expect("a valid graph");
    if slots == "plan" {
        for slots in (8..=256).step_by(8) {
            let e = estimate(&graph, slots).expect("a plan");
            let per_slot = e.rows / slots;
            println!(
                "{name} B {slots} rows {} ({per_slot} per slot) k {} {:.0}% full",
                e.rows,
                e.k,
                100.0 * e.rows as f64 / f64::from(1 << e.k)
            );
        }
        return;
    }
    let slots: usize = slots.parse().expect("a number of slots");
    let len = graph.input_len();
    let expected = estimate(&graph, slots).expect("a plan");
    let data = std::env::temp_dir().join("dn-shape");
    let prover = Prover::new(graph, slots, &data, name, None).expect("keys");
    let mut noise = nets::Noise(9);
    let tasks: Vec<Slot> = (0..slots)
        .map(|i| Slot {
            input: (0..len).map(|_| noise.next(127)).collect(),
            salt: CoreFr::from(i as u64),
            label: None,
        })
        .collect();
    let mut spent: Vec<(Phase, f64)> = Vec::new();
    let mut observe = |phase| {
        spent.push((phase, cpu_seconds()));
        true
    };
    let proof = prover.prove_observed(&tasks, CoreFr::from(0u8), &mut observe).expect("a proof");
    let ends = spent.iter().skip(1).map(|s| s.1).chain([cpu_seconds()]);
    for ((phase, from), to) in spent.iter().zip(ends) {
        println!("{:6.2} CPU s {phase}", to - from);
    }
    let (plan, stats) = (&prover.keys().plan, prover.keys().stats);
    println!(
        "{name} B {slots} k {} rows {} table {} proof {} B | {:.2} CPU s, {:.1} ms per inference, wall {:.2} s, \
         {:.0} MiB | keygen {:.2} CPU s, fixed {} MiB, vk {} B | expected {:.2} s, {:.0} MiB",
        plan.k,
        plan.rows,
        plan.table.rows.len(),
        proof.bytes.len(),
        proof.usage.cpu_s,
        proof.usage.cpu_s * 1e3 / slots as f64,
        proof.usage.wall_s,
        peak_rss_mb(),
        stats.keygen.cpu_s,
        stats.pk_bytes >> 20,
        stats.vk_bytes,
        expected.cpu_s,
        expected.memory_mb,
    );
}
