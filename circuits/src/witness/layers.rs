//! Cells of the layers' rows.

use dn_core::quant::{Graph, Node, Trace};
use rayon::prelude::*;

use super::error::WitnessError;
use super::filler::Filler;
use crate::plan::exponents::products;
use crate::plan::Plan;
use crate::system::columns::MAX_LANES;
use crate::system::rows::small::Small;
use crate::system::rows::{activation, pooled, product, spill, window};

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
    let index = plan.exponents.spilled(node);
    let width = plan.exponents.grids[node].width;
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
    pub(super) fn layer(
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
        self.factors(node, traces);
        let count = self.plan.exponents.grids[node].spilled.len();
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
        let tags = activation::tags(&plan.table, node);
        for (value, first) in plan.sections.nodes[node].accumulators.iter().enumerate() {
            let channel = value / n.shape.positions();
            for (chunk, items) in traces.chunks(self.lanes).enumerate() {
                let mut small = Small::default();
                for (lane, item) in items.iter().enumerate() {
                    let split = division.split(channel, item.accumulators[node][value]);
                    activation::fill(&mut small, lane, split, item.tensors[node + 1][value]);
                }
                self.lookup_row(first + chunk, tags, &small)?;
            }
        }
        Ok(())
    }

    /// Rows of the factors of a node's products.
    fn factors(&mut self, node: usize, traces: &[Trace]) {
        let lanes = self.lanes;
        for (value, first) in self.plan.sections.nodes[node].factors.iter().enumerate() {
            for (chunk, items) in traces.chunks(lanes).enumerate() {
                let cells = &mut self.cells[first + chunk];
                for (lane, item) in items.iter().enumerate() {
                    let [left, right] = &item.factors[node];
                    cells[lane] = product::fill(left[value]);
                    cells[lanes + lane] = product::fill(right[value]);
                }
            }
        }
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
                let mut small = Small::default();
                for (lane, item) in items.iter().enumerate() {
                    pooled::fill(&mut small, lane, largest[lane], item.tensors[node + 1][value]);
                }
                self.lookup_row(first + chunk, pooled::tags(&plan.table, node), &small)?;
                let mut open = [true; MAX_LANES];
                for at in &window {
                    let mut small = Small::default();
                    for (lane, item) in items.iter().enumerate() {
                        let (hi, lo) = split(item, at);
                        let difference = largest[lane] - hi;
                        let is_chosen = open[lane] && difference == 0;
                        window::fill(&mut small, lane, difference, lo, is_chosen.then_some(pool));
                        open[lane] &= !is_chosen;
                    }
                    let tags = window::tags(&plan.table, node);
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
                    *cell = spill::fill(value);
                }
            }
        }
    }
}
