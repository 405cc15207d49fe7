//! Rows of the nodes: activations, windows, pooled values, spilled coefficients.

use dn_core::quant::{Geometry, Graph, Node, Part, Source};
use dn_core::{Scoring, Width};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::exponents::{coordinate, phases, readers, taps, Exponents, Reading};
use super::kernel::Program;
use super::sections::NodeRows;
use super::tasks::{copy_program, word_program};
use super::writer::{Move, Moves, Writer};
use crate::field::signed;
use crate::system::rows::{activation, pooled, product, spill, window};
use crate::system::table::Table;

/// What every tensor's rows are written from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) table: &'a Table,
    pub(crate) exponents: &'a Exponents,
}

/// A coefficient of a channel's outputs.
#[derive(Clone, Copy, Debug)]
enum Item {
    /// The output at this position.
    Output(usize),
    /// The factors of the output at this position.
    Factors(usize),
    /// The spilled coefficient of this index.
    Spilled(usize),
}

impl Item {
    fn output(&self) -> Option<usize> {
        match self {
            Self::Output(p) => Some(*p),
            Self::Factors(_) | Self::Spilled(_) => None,
        }
    }
}

/// A phase of a tensor, and where the last value of a channel stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) tensor: usize,
    pub(crate) phase: [usize; 2],
    pub(crate) channel: usize,
    /// Row and column in the image.
    pub(crate) position: [usize; 2],
    /// The row.
    pub(crate) row: usize,
}

impl<'a> Model<'a> {
    /// Weights with which input `channel` enters every output of a node through a tap.
    fn raw_weights<'s>(
        &self,
        node: &'s Node,
        s: &'s Source,
        channel: usize,
        tap: usize,
    ) -> impl Iterator<Item = i16> + 's {
        let taps = s.geometry.taps();
        let inputs = self.graph.shape(s.tensor).channels / s.geometry.groups;
        let outputs = node.shape.channels / s.geometry.groups;
        (0..node.shape.channels).map(move |o| {
            if o / outputs == channel / inputs {
                s.weights[(o * inputs + channel % inputs) * taps + tap]
            } else {
                0
            }
        })
    }

    /// The same, scaled to the remainders' range; those of factors negated.
    fn weights(&self, node: usize, s: &Source, channel: usize, tap: usize) -> Vec<Fr> {
        let division = &self.table.divisions[node];
        let weights = self.raw_weights(&self.graph.nodes[node], s, channel, tap);
        let sign = if s.part == Part::Sum { 1 } else { -1 };
        weights.enumerate().map(|(o, w)| signed(sign * i64::from(w) * division.scale(o))).collect()
    }

    /// Adds the products of a complete value, or a complete image, with everything that reads it.
    pub(crate) fn products(&self, w: &mut Writer, ended: Ended, held: bool) {
        let tensor = ended.tensor;
        for (node, n) in self.graph.nodes.iter().enumerate() {
            for s in n.sources.iter().filter(|s| s.tensor == tensor) {
                let claim = self.exponents.claim(self.graph, (node, s.part));
                let claims = self.exponents.depth - (claim - self.exponents.levels[tensor]);
                let g = &s.geometry;
                let weights = |tap| self.weights(node, s, ended.channel, tap);
                let program = match self.exponents.readings[tensor] {
                    Reading::Dense => {
                        let Some(tap) = dense_tap(g, ended.position) else { continue };
                        let weights = weights(tap);
                        if is_nothing(&weights) {
                            continue;
                        }
                        Program::dense(&weights, claims, w.width)
                    }
                    Reading::Image { width, .. } => {
                        let x = coordinate(g, 0, ended.position[0]) * width
                            + coordinate(g, 1, ended.position[1]);
                        let last = self.exponents.grids[node].last;
                        let mut all: Vec<(i64, Vec<Fr>)> = taps(g, ended.phase)
                            .into_iter()
                            .map(|(tap, [d0, d1])| (last - x + d0 * width + d1, weights(tap)))
                            .filter(|(_, weights)| !is_nothing(weights))
                            .collect();
                        if all.is_empty() {
                            continue;
                        }
                        all.sort_by_key(|t| -t.0);
                        Program::taps(&all, claims, w.width)
                    }
                };
                w.product(&program, held, ended.row);
            }
        }
    }

    /// Whether every dense reader of a tensor weighs two positions of a channel alike, so that they
    /// can share an image.
    fn weighs_alike(&self, tensor: usize, channel: usize, a: [usize; 2], b: [usize; 2]) -> bool {
        let shape = self.graph.shape(tensor);
        let is_inner = tensor < self.graph.nodes.len() && shape.positions() > 1;
        is_inner
            && readers(self.graph, tensor).iter().all(|r| {
                let node = &self.graph.nodes[r.node];
                let weights = |p: [usize; 2]| {
                    let tap = dense_tap(&r.source.geometry, p)?;
                    Some(self.raw_weights(node, r.source, channel, tap))
                };
                match (weights(a), weights(b)) {
                    (Some(a), Some(b)) => a.eq(b),
                    (a, b) => a.is_none() && b.is_none(),
                }
            })
    }

    /// Rows of a node.
    pub(crate) fn node(&self, w: &mut Writer, node: usize) -> NodeRows {
        let n = &self.graph.nodes[node];
        let mut rows = NodeRows {
            accumulators: vec![0; n.shape.len()],
            pooled: vec![0; if n.pool > 1 { n.output().len() } else { 0 }],
            factors: vec![0; if n.is_product() { n.shape.len() } else { 0 }],
            spilled: Vec::new(),
        };
        if n.is_product() {
            w.claim();
            w.claim();
        }
        w.begin_claim();
        let stride = match self.exponents.readings[node + 1] {
            _ if n.pool > 1 => [n.pool; 2],
            Reading::Image { stride, .. } => stride,
            Reading::Dense => [1; 2],
        };
        for phase in phases(stride) {
            self.accumulators(w, node, (phase, stride), &mut rows);
        }
        w.flush();
        if n.pool > 1 {
            self.pooled(w, node, &mut rows);
        }
        rows
    }

    /// Width of the grid on which a node's values are an image.
    fn image_width(&self, node: usize) -> Option<i64> {
        let n = &self.graph.nodes[node];
        match self.exponents.readings[node + 1] {
            _ if n.pool > 1 => Some(n.output().width as i64),
            Reading::Image { width, .. } => Some(width),
            Reading::Dense => None,
        }
    }

    /// Outputs and spilled coefficients of a phase, ascending.
    fn items(&self, node: usize, phase: [usize; 2], stride: [usize; 2]) -> Vec<(i64, Item)> {
        let (shape, grid) = (self.graph.nodes[node].shape, &self.exponents.grids[node]);
        let mut items: Vec<(i64, Item)> = Vec::new();
        for i in (phase[0]..shape.height).step_by(stride[0]) {
            for j in (phase[1]..shape.width).step_by(stride[1]) {
                let (e, p) = (i as i64 * grid.width + j as i64, i * shape.width + j);
                items.push((e, Item::Output(p)));
                if self.graph.nodes[node].is_product() {
                    items.push((e, Item::Factors(p)));
                }
            }
        }
        for (index, e) in grid.spilled.iter().enumerate() {
            let at = [e.div_euclid(grid.width), e.rem_euclid(grid.width)];
            let here =
                |axis: usize| at[axis].rem_euclid(stride[axis] as i64) as usize == phase[axis];
            if here(0) && here(1) {
                items.push((*e, Item::Spilled(index)));
            }
        }
        items.sort_by_key(|i| i.0);
        items
    }

    fn accumulators(
        &self,
        w: &mut Writer,
        node: usize,
        (phase, stride): ([usize; 2], [usize; 2]),
        rows: &mut NodeRows,
    ) {
        let n = &self.graph.nodes[node];
        let (shape, grid) = (n.shape, &self.exponents.grids[node]);
        let items = self.items(node, phase, stride);
        let Some((last, _)) = items.last().copied() else { return };
        let image_width = self.image_width(node);
        for channel in 0..shape.channels {
            let (mut before, mut image, mut ended, mut shares) = (None, None, None, false);
            for (at, (e, item)) in items.iter().enumerate() {
                let outputs = Move::to(&mut before, *e);
                let is_last = at + 1 == items.len();
                let complete = match *item {
                    Item::Spilled(index) => {
                        let (first, row) = self.spill(w, (node, channel), outputs, is_last);
                        rows.spilled.push((channel, index, first));
                        row
                    }
                    Item::Factors(p) => {
                        let (first, row) = self.factors(w, (node, channel), is_last);
                        rows.factors[channel * shape.positions() + p] = first;
                        row
                    }
                    Item::Output(p) => {
                        let position = [p / shape.width, p % shape.width];
                        let is_shared = std::mem::take(&mut shares);
                        let begun = if is_shared { Move::Steps(0) } else { Move::Reset };
                        let image = image_width.map_or(begun, |width| {
                            let [a, b] = [0, 1].map(|axis| (position[axis] / stride[axis]) as i64);
                            Move::to(&mut image, a * width + b)
                        });
                        let moves = Moves { image, outputs, rows: 0 };
                        let (first, row) = self.output(w, (node, channel), moves, is_last);
                        rows.accumulators[channel * shape.positions() + p] = first;
                        let tensor = node + 1;
                        let value = Ended { tensor, phase, channel, position, row };
                        ended = Some(value);
                        let next = items[at + 1..].iter().find_map(|(_, item)| item.output());
                        shares = image_width.is_none()
                            && next.is_some_and(|next| {
                                let next = [next / shape.width, next % shape.width];
                                self.weighs_alike(tensor, channel, position, next)
                            });
                        if image_width.is_none() && !shares {
                            self.products(w, value, false);
                            self.last(w, value);
                        }
                        row
                    }
                };
                if is_last {
                    w.channel(complete, channel == 0);
                }
            }
            if let Some(ended) = ended.filter(|_| image_width.is_some()) {
                if n.pool > 1 {
                    let claims = self.exponents.depth - 1;
                    let one_hot = one_hot(channel, shape.channels, claims, w.width);
                    w.product(&one_hot, false, ended.row);
                } else {
                    self.products(w, ended, false);
                }
            }
        }
        w.close(grid.last - last, self.exponents.depth);
    }

    fn spill(
        &self,
        w: &mut Writer,
        (node, channel): (usize, usize),
        outputs: Move,
        is_last: bool,
    ) -> (usize, usize) {
        let chunks = w.chunks().div_ceil(3);
        if is_last {
            w.await_tensor(chunks);
        }
        let (first, row) = w.position(chunks, Moves { image: Move::Steps(0), outputs, rows: 0 });
        for r in first..=row {
            let scale = self.table.divisions[node].scale(channel);
            spill::marks(&mut w.draft, r, r == first, scale);
        }
        (first, row)
    }

    /// The factors of the output in front of them.
    fn factors(
        &self,
        w: &mut Writer,
        (node, channel): (usize, usize),
        is_last: bool,
    ) -> (usize, usize) {
        let chunks = w.chunks();
        if is_last {
            w.await_tensor(chunks);
        }
        let stays = Move::Steps(0);
        let (first, row) = w.position(chunks, Moves { image: stays, outputs: stays, rows: 0 });
        for r in first..=row {
            let scale = self.table.divisions[node].scale(channel);
            product::marks(&mut w.draft, r, r == first, scale);
        }
        (first, row)
    }

    fn output(
        &self,
        w: &mut Writer,
        (node, channel): (usize, usize),
        moves: Moves,
        is_last: bool,
    ) -> (usize, usize) {
        let (n, division) = (&self.graph.nodes[node], &self.table.divisions[node]);
        let chunks = w.chunks();
        if is_last {
            w.await_tensor(chunks);
        }
        let (first, row) = w.position(chunks, moves);
        let offset = division.offset(channel, n.bias[channel]);
        let marks = if n.pool > 1 { window::marks } else { activation::marks };
        for r in first..=row {
            marks(&mut w.draft, r, r == first, (self.table, node), offset);
        }
        (first, row)
    }

    /// Rows of the largest quotients of a pooled node's windows.
    fn pooled(&self, w: &mut Writer, node: usize, rows: &mut NodeRows) {
        let n = &self.graph.nodes[node];
        let (shape, grid, tensor) = (n.output(), &self.exponents.grids[node], node + 1);
        let (stride, image_width) = match self.exponents.readings[tensor] {
            Reading::Image { stride, width } => (stride, Some(width)),
            Reading::Dense => ([1; 2], None),
        };
        w.begin_claim();
        for phase in phases(stride) {
            let positions: Vec<[usize; 2]> = (phase[0]..shape.height)
                .step_by(stride[0])
                .flat_map(|i| (phase[1]..shape.width).step_by(stride[1]).map(move |j| [i, j]))
                .collect();
            for channel in 0..shape.channels {
                let (mut before, mut image, mut ended, mut shares) = (None, None, None, false);
                for (at, position) in positions.iter().copied().enumerate() {
                    let [i, j] = position;
                    let e = (i * n.pool) as i64 * grid.width + (j * n.pool) as i64;
                    let begun = if shares { Move::Steps(0) } else { Move::Reset };
                    let image = image_width.map_or(begun, |width| {
                        let [a, b] = [0, 1].map(|axis| (position[axis] / stride[axis]) as i64);
                        Move::to(&mut image, a * width + b)
                    });
                    let moves = Moves { image, outputs: Move::to(&mut before, e), rows: 0 };
                    let (first, row) = self.pooled_rows(w, node, moves);
                    rows.pooled[channel * shape.positions() + i * shape.width + j] = first;
                    let value = Ended { tensor, phase, channel, position, row };
                    let next = positions.get(at + 1).filter(|_| image_width.is_none());
                    shares = next
                        .is_some_and(|next| self.weighs_alike(tensor, channel, position, *next));
                    if image_width.is_none() && !shares {
                        self.products(w, value, false);
                        self.last(w, value);
                    }
                    ended = Some((value, e));
                }
                let Some((ended, e)) = ended else { continue };
                w.product(&self.windows(node, channel, e, w.width), true, ended.row);
                if image_width.is_some() {
                    self.products(w, ended, false);
                }
            }
        }
        w.flush();
    }

    fn pooled_rows(&self, w: &mut Writer, node: usize, moves: Moves) -> (usize, usize) {
        let (first, row) = w.position(w.chunks(), moves);
        for r in first..=row {
            pooled::marks(&mut w.draft, r, r == first, (self.table, node));
        }
        (first, row)
    }

    /// The kernel that takes largest quotients, folded up to exponent `e`, to their windows, negated.
    fn windows(&self, node: usize, channel: usize, e: i64, width: Width) -> Program {
        let (n, grid) = (&self.graph.nodes[node], &self.exponents.grids[node]);
        let mut weights = vec![Fr::ZERO; n.shape.channels];
        weights[channel] = -Fr::ONE;
        let mut taps: Vec<(i64, Vec<Fr>)> = phases([n.pool; 2])
            .map(|[u, v]| (grid.last - e - (u as i64 * grid.width + v as i64), weights.clone()))
            .collect();
        taps.sort_by_key(|t| -t.0);
        Program::taps(&taps, self.exponents.depth + 1, width)
    }

    /// The products of an output of the model: with the quality rows, if there are any, and with its words.
    fn last(&self, w: &mut Writer, ended: Ended) {
        if ended.tensor < self.graph.nodes.len() {
            return;
        }
        let shape = self.graph.shape(ended.tensor);
        let n =
            ended.channel * shape.positions() + ended.position[0] * shape.width + ended.position[1];
        if w.scoring == Scoring::Classes {
            w.product(&copy_program(shape.len(), n, w.width), false, ended.row);
        }
        w.product(&word_program(shape.len(), n, w.width), false, ended.row);
    }
}

/// Whether a product with these weights adds nothing to a claim.
fn is_nothing(weights: &[Fr]) -> bool {
    weights.iter().all(|w| *w == Fr::ZERO)
}

/// The tap through which the only output of a dense reader reads a position.
fn dense_tap(g: &Geometry, position: [usize; 2]) -> Option<usize> {
    let at = |axis: usize| {
        let a = position[axis] + g.pad[axis];
        let tap = a / g.dilation[axis];
        (a.is_multiple_of(g.dilation[axis]) && tap < g.kernel[axis]).then_some(tap)
    };
    at(0).zip(at(1)).map(|(u, v)| u * g.kernel[1] + v)
}

fn one_hot(channel: usize, channels: usize, claims: usize, width: Width) -> Program {
    let mut weights = vec![Fr::ZERO; channels];
    weights[channel] = Fr::ONE;
    Program::dense(&weights, claims, width)
}
