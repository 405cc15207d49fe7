//! Rows, memory and time of a batch before anything is built.

use dn_core::commitment::permutation_count;
use dn_core::digest;
use dn_core::quant::Graph;
use dn_core::statement::Form;
use dn_core::{Scoring, Width};

use crate::plan::count_rows;
use crate::plan::frame::{log2_rows, Frame, PlanError, MAX_K};
use crate::system::columns::{advice_columns, fixed_columns};
use crate::system::poseidon;

/// CPU seconds of one proof on one 2-core x86-64 machine with AVX-512 IFMA: what does not depend on its
/// size, per row of the domain, per row of a hash, per other used row. Fitted to fourteen proofs; how far
/// others were off is in docs/book/costs.md.
const CPU_S: (f64, f64, f64, f64) = (0.0755, 3.0e-5, 3.88e-5, 1.01e-5);
/// CPU seconds per row of the domain where fixed columns are transformed again for each proof.
const TRANSFORM_S: f64 = 9.7e-6;
/// What a proof takes with portable arithmetic, in the same proofs.
const PORTABLE: f64 = 3.1;
/// Peak memory in MiB of a process that proves: base, and per row of the domain, besides columns.
const MEMORY_MB: (f64, f64) = (15.3, 2.0e-3);
/// MiB per row of the domain and column, with and without fixed columns that stay.
const COLUMN_MB: (f64, f64) = (6.5e-5, 5.34e-5);
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

/// Rows, time and memory for a validated graph and a positive multiple of the lane count.
///
/// # Errors
/// When the graph does not fit the layout.
pub fn estimate(graph: &Graph, frame: impl Into<Frame>) -> Result<Estimate, PlanError> {
    let frame = frame.into();
    Ok(of_rows(graph, frame, count_rows(graph, &[frame])?[0]))
}

/// What a row of a layout costs of one of the default layout's, for which the constants are: by its columns,
/// by its full-size cells where it is a hash's, and by its advice columns elsewhere.
fn shares(width: Width) -> [f64; 3] {
    let share = |of: &dyn Fn(Width) -> usize| of(width) as f64 / of(Width::Default) as f64;
    let columns = |width| advice_columns(width) + fixed_columns(width);
    [share(&columns), share(&poseidon::full_size), share(&advice_columns)]
}

fn of_rows(graph: &Graph, Frame { slots, width, form, .. }: Frame, rows: usize) -> Estimate {
    let k = log2_rows(rows);
    let domain = (1u64 << k) as f64;
    let messages = [graph.input_len(), graph.output_len()];
    let branches = if form == Form::Digest { digest::branches(slots) } else { 0 };
    let permutations = slots * messages.map(permutation_count).iter().sum::<usize>() + branches;
    let hashes = poseidon::rows(width) * permutations;
    let others = rows.saturating_sub(hashes) as f64;
    let (transforms, per_column) =
        if k > RESIDENT_K { (TRANSFORM_S, COLUMN_MB.1) } else { (0.0, COLUMN_MB.0) };
    let all_columns = (advice_columns(width) + fixed_columns(width)) as f64;
    let [columns, full_size, advice] = shares(width);
    Estimate {
        slots,
        rows,
        k,
        cpu_s: if dn_vector::uses_ifma() { 1.0 } else { PORTABLE }
            * (CPU_S.0
                + (CPU_S.1 + transforms) * domain * columns
                + CPU_S.2 * hashes as f64 * full_size
                + CPU_S.3 * others * advice),
        memory_mb: MEMORY_MB.0 + (MEMORY_MB.1 + per_column * all_columns) * domain,
    }
}

/// What a layout is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// The least CPU time per inference, at each layout's best batch size.
    Cpu,
    /// The least gas per verification.
    Gas,
}

/// The best layout of a graph for batches of up to `limit`.
///
/// # Errors
/// When the graph fits no layout.
pub fn best_width(
    graph: &Graph,
    limit: usize,
    scoring: Scoring,
    objective: Objective,
) -> Result<Width, PlanError> {
    let best = |width| {
        let listed = Frame::of(1, width).scored(scoring);
        Ok((width, best_size(graph, limit, listed)?.1))
    };
    let layouts: Vec<(Width, f64)> =
        Width::ALL.into_iter().map(best).collect::<Result<_, PlanError>>()?;
    let mut fitting = layouts.into_iter().filter(|(_, cost)| cost.is_finite());
    let chosen = match objective {
        // Every column costs gas, and narrow layouts come first.
        Objective::Gas => fitting.next(),
        Objective::Cpu => fitting.min_by(|a, b| a.1.total_cmp(&b.1)),
    };
    Ok(chosen.map_or(Width::Default, |(width, _)| width))
}

/// The batch size up to `limit` with the least CPU per inference, in a frame of any size; larger wins a tie. Sizes
/// whose rows do not fit are passed over.
///
/// # Errors
/// When the graph does not fit the layout.
pub fn best_batch(graph: &Graph, limit: usize, frame: Frame) -> Result<usize, PlanError> {
    Ok(best_size(graph, limit, frame)?.0)
}

/// The best batch size and its CPU seconds per inference, infinite where no size fits.
fn best_size(graph: &Graph, limit: usize, frame: Frame) -> Result<(usize, f64), PlanError> {
    let lanes = frame.width.lanes();
    let sizes: Vec<usize> = (lanes..=limit).step_by(lanes).chain([limit.max(1)]).collect();
    let sized = |n: &usize| Frame { slots: Frame::of(*n, frame.width).slots, ..frame };
    let frames: Vec<Frame> = sizes.iter().map(sized).collect();
    let rows = count_rows(graph, &frames)?;
    let costs = sizes.into_iter().zip(frames.into_iter().zip(rows)).map(|(n, (frame, rows))| {
        let e = of_rows(graph, frame, rows);
        (n, if e.k > MAX_K { f64::INFINITY } else { e.cpu_s / n as f64 })
    });
    let best = costs.reduce(|best, next| if next.1 <= best.1 { next } else { best });
    Ok(best.unwrap_or((1, f64::INFINITY)))
}
