//! Rows, memory and time of a batch before anything is built.

use dn_core::commitment::permutation_count;
use dn_core::quant::{Dense, Graph};

use crate::columns::{LANES, WEIGHT_LANES};
use crate::gates::CLASSES;
use crate::plan::{
    class_rows, folded_words, input_shift, input_span, input_weight_rows, log2_rows,
};
use crate::poseidon::ROWS;
use crate::table::Table;

/// CPU seconds of one proof that do not depend on its size, per row of the domain and per row that
/// is used beside the table, on one 2-core x86-64 machine: fitted to the shapes of
/// `docs/decisions/0007`.
const CPU_S: (f64, f64, f64) = (0.11, 5.9e-5, 1.1e-4);
/// Peak memory in MiB of a process that proves: base, and per row of the domain.
const MEMORY_MB: (f64, f64) = (20.0, 1.05e-2);

/// What proving a batch takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Slots in the batch.
    pub slots: usize,
    /// Used rows, exact.
    pub rows: usize,
    /// log2 of the circuit's rows, exact.
    pub k: u32,
    /// CPU seconds of one proof, roughly.
    pub cpu_s: f64,
    /// Peak memory in MiB, roughly.
    pub memory_mb: f64,
}

/// Slots for `batch` inferences: the next multiple of the lane count.
#[must_use]
pub fn slots_for(batch: usize) -> usize {
    batch.max(1).next_multiple_of(LANES)
}

/// Rows, time and memory for a validated graph and a positive multiple of the lane count.
#[must_use]
pub fn estimate(graph: &Graph, slots: usize) -> Estimate {
    let (inputs, outputs) = (graph.input_len(), graph.output_len());
    let chunks = slots / LANES;
    let hashes = slots * ROWS * (permutation_count(inputs) + permutation_count(outputs));
    let quality = slots * (class_rows(outputs) + 1);
    let held = if inputs.is_multiple_of(2) { input_weight_rows(graph) } else { 0 };
    let pairs = inputs.div_ceil(2) * input_span(graph, slots) + held + input_shift(graph);
    let rows_of = |l: &Dense| l.inputs * chunks.max(l.outputs.div_ceil(WEIGHT_LANES));
    let hidden: usize = graph.layers.iter().skip(1).map(rows_of).sum();
    let last = outputs * chunks.max((class_rows(outputs) * CLASSES).div_ceil(WEIGHT_LANES));
    let words = outputs * folded_words(outputs).div_ceil(WEIGHT_LANES);
    let used = 1 + hashes + quality + pairs + hidden + last + words;
    let rows = used.max(Table::new(graph).rows.len());
    let k = log2_rows(rows);
    let domain = (1u64 << k) as f64;
    Estimate {
        slots,
        rows,
        k,
        cpu_s: CPU_S.0 + CPU_S.1 * domain + CPU_S.2 * used as f64,
        memory_mb: MEMORY_MB.0 + MEMORY_MB.1 * domain,
    }
}

/// The batch size up to `limit` with the least CPU per inference; larger wins a tie.
#[must_use]
pub fn best_batch(graph: &Graph, limit: usize) -> usize {
    let cost = |n: usize| estimate(graph, slots_for(n)).cpu_s / n as f64;
    let sizes = (LANES..=limit).step_by(LANES).chain([limit.max(1)]);
    sizes
        .map(|n| (n, cost(n)))
        .reduce(|best, next| if next.1 <= best.1 { next } else { best })
        .map_or(1, |(n, _)| n)
}
