//! Cells of the nodes' rows.

use dn_core::quant::{Graph, Node, Trace};
use rayon::prelude::*;

use super::{Filler, Small, WitnessError};
use crate::columns::MAX_LANES;
use crate::field::signed;
use crate::layout::{products, SPILL_OFFSET};
use crate::plan::{spill_index, Plan};
use crate::table::{chosen, stored, NOT_CHOSEN};

/// A product that falls on a spilled coefficient: its index, the input position, the tap.
type Product = (usize, usize, usize);

/// Spilled coefficients of a node, `[channels, spilled]`, of one item.
fn spilled(
    graph: &Graph,
    node: &Node,
    terms: &[Vec<Product>],
    count: usize,
    trace: &Trace,
) -> Vec<i32> {
    let mut sums = vec![0i32; node.shape.channels * count];
    if count == 0 {
        return sums;
    }
    for (source, terms) in node.sources.iter().zip(terms) {
        let (input, taps) = (graph.shape(source.tensor), source.geometry.taps());
        let groups = source.geometry.groups;
        let (inputs, outputs) = (input.channels / groups, node.shape.channels / groups);
        for (o, sums) in sums.chunks_exact_mut(count).enumerate() {
            for c in 0..inputs {
                let first = (o / outputs * inputs + c) * input.positions();
                let x = &trace.tensors[source.tensor][first..first + input.positions()];
                let weights = &source.weights[(o * inputs + c) * taps..][..taps];
                for (index, position, tap) in terms {
                    sums[*index] += i32::from(weights[*tap]) * i32::from(x[*position]);
                }
            }
        }
    }
    sums
}

/// The products of each source of a node that fall on spilled coefficients.
fn terms(graph: &Graph, plan: &Plan, node: usize) -> Vec<Vec<Product>> {
    let index = spill_index(&plan.layout, node);
    let width = plan.layout.grids[node].width;
    let n = &graph.nodes[node];
    let of = |s: &dn_core::quant::Source| {
        let mut found = Vec::new();
        if !index.is_empty() {
            products(s, graph.shape(s.tensor), width, |e, position, tap| {
                if let Some(i) = index.get(&e) {
                    found.push((*i, position, tap));
                }
            });
        }
        found
    };
    n.sources.iter().map(of).collect()
}

impl Filler<'_> {
    pub(super) fn node(
        &mut self,
        graph: &Graph,
        node: usize,
        traces: &[Trace],
    ) -> Result<(), WitnessError> {
        if graph.nodes[node].pool > 1 {
            self.windows(&graph.nodes[node], node, traces)?;
        } else {
            self.activations(&graph.nodes[node], node, traces)?;
        }
        let count = self.plan.layout.grids[node].spilled.len();
        let terms = terms(graph, self.plan, node);
        let n = &graph.nodes[node];
        let sums: Vec<Vec<i32>> =
            traces.par_iter().map(|t| spilled(graph, n, &terms, count, t)).collect();
        self.spills(node, count, &sums);
        Ok(())
    }

    fn activations(&mut self, n: &Node, node: usize, traces: &[Trace]) -> Result<(), WitnessError> {
        let plan = self.plan;
        let division = &plan.table.divisions[node];
        let tags = (division.tag_hi, plan.table.tag_lo);
        for (value, first) in plan.sections.nodes[node].accumulators.iter().enumerate() {
            let channel = value / n.shape.positions();
            for (chunk, items) in traces.chunks(self.lanes).enumerate() {
                let mut small = Small::default();
                for (lane, item) in items.iter().enumerate() {
                    small.out[lane] = stored(item.tensors[node + 1][value]);
                    let acc = item.accumulators[node][value];
                    (small.hi[lane], small.lo[lane]) = division.split(channel, acc);
                }
                self.lookup_row(first + chunk, tags, &small)?;
            }
        }
        Ok(())
    }

    /// Rows of a pooled node: windows, then their largest quotients.
    fn windows(&mut self, n: &Node, node: usize, traces: &[Trace]) -> Result<(), WitnessError> {
        let plan = self.plan;
        let (division, rows) = (&plan.table.divisions[node], &plan.sections.nodes[node]);
        let (shape, output, pool) = (n.shape, n.output(), n.pool);
        for (value, first) in rows.pooled.iter().enumerate() {
            let (channel, p) = (value / output.positions(), value % output.positions());
            let (i, j) = (p / output.width * pool, p % output.width * pool);
            let window: Vec<usize> = (0..pool * pool)
                .map(|k| channel * shape.positions() + (i + k / pool) * shape.width + j + k % pool)
                .collect();
            for (chunk, items) in traces.chunks(self.lanes).enumerate() {
                let split = |item: &Trace, at: &usize| {
                    division.split(channel, item.accumulators[node][*at])
                };
                let largest: Vec<u64> = items
                    .iter()
                    .map(|item| window.iter().map(|at| split(item, at).0).max().unwrap_or(0))
                    .collect();
                let mut pooled = Small::default();
                for (lane, item) in items.iter().enumerate() {
                    pooled.hi[lane] = largest[lane];
                    pooled.out[lane] = stored(item.tensors[node + 1][value]);
                }
                self.lookup_row(first + chunk, (division.tag_hi, 0), &pooled)?;
                let mut open = [true; MAX_LANES];
                for at in &window {
                    let mut small = Small::default();
                    for (lane, item) in items.iter().enumerate() {
                        let (hi, lo) = split(item, at);
                        small.hi[lane] = largest[lane] - hi;
                        small.lo[lane] = lo;
                        let is_chosen = open[lane] && small.hi[lane] == 0;
                        small.out[lane] = if is_chosen { chosen(pool) } else { NOT_CHOSEN };
                        open[lane] &= !is_chosen;
                    }
                    let tags = (division.tag_window.unwrap_or(0), plan.table.tag_lo);
                    self.lookup_row(rows.accumulators[*at] + chunk, tags, &small)?;
                }
            }
        }
        Ok(())
    }

    /// Three chunks to a row, the last one in `out`; missing ones in front hold zero.
    fn spills(&mut self, node: usize, count: usize, sums: &[Vec<i32>]) {
        let lanes = self.lanes;
        let chunks = sums.len() / lanes;
        let pad = chunks.next_multiple_of(3) - chunks;
        for (channel, index, first) in &self.plan.sections.nodes[node].spilled {
            for at in 0..pad + chunks {
                let cells = &mut self.cells[first + at / 3][at % 3 * lanes..][..lanes];
                for (lane, cell) in cells.iter_mut().enumerate() {
                    let item = (at * lanes + lane).checked_sub(pad * lanes);
                    let value = item.map_or(0, |i| i64::from(sums[i][channel * count + index]));
                    *cell = signed(value + SPILL_OFFSET as i64);
                }
            }
        }
    }
}
