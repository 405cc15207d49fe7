//! Rows, memory and time of a batch before anything is built.

use dn_core::commitment::permutation_count;
use dn_core::digest;
use dn_core::protocol::Protocol;
use dn_core::quant::sequence::Sequence;
use dn_core::quant::Graph;
use dn_core::statement::Form;
use dn_core::{Scheme, Scoring, Width};

use crate::gas;
use crate::plan::frame::{log2_rows, Frame, PlanError, MAX_K};
use crate::plan::{count_rows, Plan};
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
/// CPU seconds of a term of the two opening polynomials, which are full-size.
const TERM_S: f64 = 1.35e-6;
/// CPU seconds of a base of merged commitments: of the development string, and for each layer of the transform of a ceremony's
/// powers.
const BASE_S: (f64, f64) = (2.0e-6, 5.9e-6);
/// MiB of a base in memory; of what merged openings keep besides, in all and for each place and row.
const BASE_MB: (f64, f64, f64) = (6.1e-5, 14.0, 8.7e-5);
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
    /// Gas of a transaction that verifies the proof, roughly, without a floor for its calldata.
    pub gas: u64,
    /// The bases of merged commitments.
    pub bases: Option<BasesEstimate>,
}

/// What the bases of merged commitments take, once for a reference string and a domain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BasesEstimate {
    /// Powers of tau that the reference string must have, exact.
    pub powers: usize,
    /// MiB of their file, and in memory.
    pub memory_mb: f64,
    /// CPU seconds to make those of the development string.
    pub cpu_s: f64,
    /// CPU seconds to make those of a ceremony.
    pub ceremony_cpu_s: f64,
}

/// Rows, time and memory for a validated graph and a positive multiple of the lane count.
///
/// # Errors
/// When the graph does not fit the layout.
pub fn estimate(graph: &Graph, frame: impl Into<Frame>) -> Result<Estimate, PlanError> {
    let frame = frame.into();
    let rows = count_rows(graph, &[frame])?[0];
    let layout = gas::layout(frame.width, frame.scheme);
    Ok(of_rows([graph.input_len(), graph.output_len()], frame, rows, &layout))
}

/// The same of a sequence model that is laid out.
#[must_use]
pub fn of_sequence(model: &Sequence, plan: &Plan) -> Estimate {
    let layout = gas::layout(plan.width, plan.scheme);
    of_rows([model.tokens, model.output_len()], plan.frame(), plan.rows, &layout)
}

/// What a row of a layout costs of one of the default layout's, for which the constants are: by its columns,
/// by its full-size cells where it is a hash's, and by its advice columns elsewhere.
fn shares(width: Width) -> [f64; 3] {
    let share = |of: &dyn Fn(Width) -> usize| of(width) as f64 / of(Width::Default) as f64;
    let columns = |width| advice_columns(width) + fixed_columns(width);
    [share(&columns), share(&poseidon::full_size), share(&advice_columns)]
}

/// `messages` are the lengths of an input and an output.
fn of_rows(messages: [usize; 2], frame: Frame, rows: usize, layout: &Protocol) -> Estimate {
    let Frame { slots, width, form, .. } = frame;
    let k = log2_rows(rows);
    let domain = (1u64 << k) as f64;
    let branches = if form == Form::Digest { digest::branches(slots) } else { 0 };
    let permutations = slots * messages.map(permutation_count).iter().sum::<usize>() + branches;
    let hashes = poseidon::rows(width) * permutations;
    let others = rows.saturating_sub(hashes) as f64;
    let (transforms, per_column) =
        if k > RESIDENT_K { (TRANSFORM_S, COLUMN_MB.1) } else { (0.0, COLUMN_MB.0) };
    let all_columns = (advice_columns(width) + fixed_columns(width)) as f64;
    let [columns, full_size, advice] = shares(width);
    let arithmetic = if dn_vector::uses_ifma() { 1.0 } else { PORTABLE };
    let places = layout.places.map_or(1.0, f64::from);
    let bases = layout.places.map(|t| bases(t as usize, k, arithmetic));
    // Of the two points of the opening, plain ones have the rows' number of terms.
    let openings = TERM_S * 2.0 * (places - 1.0) * domain;
    let opened = if bases.is_some() { BASE_MB.1 + BASE_MB.2 * places * domain } else { 0.0 };
    Estimate {
        slots,
        rows,
        k,
        cpu_s: arithmetic
            * (CPU_S.0
                + (CPU_S.1 + transforms) * domain * columns
                + CPU_S.2 * hashes as f64 * full_size
                + CPU_S.3 * others * advice
                + openings),
        memory_mb: MEMORY_MB.0
            + (MEMORY_MB.1 + per_column * all_columns) * domain
            + bases.map_or(0.0, |b| b.memory_mb)
            + opened,
        gas: gas::estimate(layout, form.instances(slots)),
        bases,
    }
}

fn bases(places: usize, k: u32, arithmetic: f64) -> BasesEstimate {
    let powers = places << k;
    let seconds = arithmetic * powers as f64;
    BasesEstimate {
        powers,
        memory_mb: BASE_MB.0 * powers as f64,
        cpu_s: BASE_S.0 * seconds,
        // Half as many butterflies as points in each layer, and a factor for each point.
        ceremony_cpu_s: BASE_S.1 * seconds * f64::from(k + 2),
    }
}

/// What work is worth, in dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prices {
    /// A unit of gas, in 10^-9 ether.
    pub gas_gwei: f64,
    /// An ether.
    pub ether_usd: f64,
    /// An hour of a core.
    pub core_hour_usd: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self { gas_gwei: 0.01, ether_usd: 3_000.0, core_hour_usd: 0.02 }
    }
}

impl Prices {
    /// What proof and verification cost together.
    #[must_use]
    pub fn usd(&self, estimate: &Estimate) -> f64 {
        estimate.gas as f64 * self.gas_gwei * 1e-9 * self.ether_usd
            + estimate.cpu_s / 3_600.0 * self.core_hour_usd
    }
}

/// The scheme with which batches of a frame's size and layout cost least in all.
///
/// # Errors
/// When the graph does not fit the layout.
pub fn best_scheme(graph: &Graph, frame: Frame, prices: &Prices) -> Result<Scheme, PlanError> {
    let cost = |scheme| Ok((scheme, prices.usd(&estimate(graph, frame.opened(scheme))?)));
    let all: Vec<(Scheme, f64)> =
        Scheme::ALL.into_iter().map(cost).collect::<Result<_, PlanError>>()?;
    let best = all.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    Ok(best.map_or(Scheme::Plain, |(scheme, _)| scheme))
}

/// What a layout is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// The least CPU time per inference, at each layout's best batch size.
    Cpu,
    /// The least gas per verification.
    Gas,
}

/// The best layout and scheme of a graph for batches of up to `limit`.
///
/// # Errors
/// When the graph fits no layout.
pub fn best_layout(
    graph: &Graph,
    limit: usize,
    scoring: Scoring,
    objective: Objective,
) -> Result<(Width, Scheme), PlanError> {
    let best = |width| {
        let listed = Frame::of(1, width).scored(scoring);
        Ok((width, best_size(graph, limit, listed)?.1))
    };
    let layouts: Vec<(Width, f64)> =
        Width::ALL.into_iter().map(best).collect::<Result<_, PlanError>>()?;
    let fitting = layouts.into_iter().filter(|(_, cost)| cost.is_finite());
    let chosen = match objective {
        Objective::Gas => {
            let all = fitting.flat_map(|(width, _)| Scheme::ALL.map(|scheme| (width, scheme)));
            all.min_by_key(|(width, scheme)| gas::estimate(&gas::layout(*width, *scheme), 0))
        }
        Objective::Cpu => {
            let best = fitting.min_by(|a, b| a.1.total_cmp(&b.1));
            best.map(|(width, _)| (width, Scheme::Plain))
        }
    };
    Ok(chosen.unwrap_or_default())
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
    let (lanes, layout) = (frame.width.lanes(), gas::layout(frame.width, frame.scheme));
    let sizes: Vec<usize> = (lanes..=limit).step_by(lanes).chain([limit.max(1)]).collect();
    let of = |n: &usize| Frame { slots: n.next_multiple_of(lanes), ..frame };
    let frames: Vec<Frame> = sizes.iter().map(of).collect();
    let rows = count_rows(graph, &frames)?;
    let costs = sizes.into_iter().zip(frames.into_iter().zip(rows)).map(|(n, (frame, rows))| {
        let messages = [graph.input_len(), graph.output_len()];
        let e = of_rows(messages, frame, rows, &layout);
        (n, if e.k > MAX_K { f64::INFINITY } else { e.cpu_s / n as f64 })
    });
    let best = costs.reduce(|best, next| if next.1 <= best.1 { next } else { best });
    Ok(best.unwrap_or((1, f64::INFINITY)))
}
