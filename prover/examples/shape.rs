//! Proves random dense nets of a given shape: `shape 64-32-10 64`.
use dn_circuits::{field::CoreFr, Slot};
use dn_core::quant::{Activation, Dense, Graph};
use dn_prover::{peak_rss_mb, Prover};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dims: Vec<usize> = args[1].split('-').map(|d| d.parse().expect("a number")).collect();
    let slots: usize = args[2].parse().expect("a number");
    let mut seed = 1u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((seed >> 40) % 81) as i8 - 40
    };
    let layers = dims
        .windows(2)
        .map(|d| Dense {
            inputs: d[0],
            outputs: d[1],
            weights: (0..d[0] * d[1]).map(|_| next()).collect(),
            bias: vec![0; d[1]],
            shift: 9,
            activation: Activation::relu(),
        })
        .collect();
    let graph = Graph { layers };
    graph.validate().expect("a valid graph");
    let data = std::env::temp_dir().join("dn-shape");
    let prover = Prover::new(graph, slots, &data, &args[1], None).expect("keys");
    let tasks: Vec<Slot> = (0..slots)
        .map(|i| Slot { input: vec![i as i8; dims[0]], salt: CoreFr::from(i as u64), label: None })
        .collect();
    let proof = prover.prove(&tasks, CoreFr::from(0u8)).expect("a proof");
    let plan = &prover.keys().plan;
    println!(
        "{} B {slots} k {} rows {} table {} proof {} B, {:?}, {:.1} ms/inference, {:.0} MiB, {:?}",
        args[1],
        plan.k,
        plan.rows,
        plan.table.rows.len(),
        proof.bytes.len(),
        proof.usage,
        proof.usage.cpu_s * 1e3 / slots as f64,
        peak_rss_mb(),
        prover.keys().stats
    );
}
