//! Rows, memory and time of a batch before anything is built.

use dn_core::commitment::permutation_count;
use dn_core::quant::Graph;

use crate::columns::LANES;
use crate::plan::{count_rows, log2_rows, PlanError, MAX_K};
use crate::poseidon::ROWS;

/// CPU seconds of one proof on one 2-core x86-64 machine: what does not depend on its size, per row of
/// the domain, per row of a hash, per other used row. Fitted to the nets of `make bench`.
const CPU_S: (f64, f64, f64, f64) = (0.10, 9.5e-5, 8.5e-5, 2.0e-5);
/// CPU seconds per row of the domain where fixed columns are transformed again for each proof.
const TRANSFORM_S: f64 = 3.5e-5;
/// Peak memory in MiB of a process that proves: base, and per row of the domain with and without
/// fixed columns that stay.
const MEMORY_MB: (f64, f64, f64) = (18.0, 8.2e-3, 6.7e-3);
/// log2 of the largest domain whose fixed columns stay in memory on all cosets, where they take 1 GiB.
pub const RESIDENT_K: u32 = 18;

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
///
/// # Errors
/// When the graph does not fit the layout.
pub fn estimate(graph: &Graph, slots: usize) -> Result<Estimate, PlanError> {
    Ok(of_rows(graph, slots, count_rows(graph, &[slots])?[0]))
}

fn of_rows(graph: &Graph, slots: usize, rows: usize) -> Estimate {
    let k = log2_rows(rows);
    let domain = (1u64 << k) as f64;
    let messages = [graph.input_len(), graph.output_len()];
    let hashes = slots * ROWS * messages.map(permutation_count).iter().sum::<usize>();
    let others = rows.saturating_sub(hashes) as f64;
    let (transforms, per_row) =
        if k > RESIDENT_K { (TRANSFORM_S, MEMORY_MB.2) } else { (0.0, MEMORY_MB.1) };
    Estimate {
        slots,
        rows,
        k,
        cpu_s: CPU_S.0
            + (CPU_S.1 + transforms) * domain
            + CPU_S.2 * hashes as f64
            + CPU_S.3 * others,
        memory_mb: MEMORY_MB.0 + per_row * domain,
    }
}

/// The batch size up to `limit` with the least CPU per inference; larger wins a tie. Sizes whose
/// rows do not fit are passed over.
///
/// # Errors
/// When the graph does not fit the layout.
pub fn best_batch(graph: &Graph, limit: usize) -> Result<usize, PlanError> {
    let sizes: Vec<usize> = (LANES..=limit).step_by(LANES).chain([limit.max(1)]).collect();
    let slots: Vec<usize> = sizes.iter().map(|n| slots_for(*n)).collect();
    let rows = count_rows(graph, &slots)?;
    let costs = sizes.into_iter().zip(slots.into_iter().zip(rows)).map(|(n, (slots, rows))| {
        let e = of_rows(graph, slots, rows);
        (n, if e.k > MAX_K { f64::INFINITY } else { e.cpu_s / n as f64 })
    });
    let best = costs.reduce(|best, next| if next.1 <= best.1 { next } else { best });
    Ok(best.map_or(1, |(n, _)| n))
}
