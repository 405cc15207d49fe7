//! Copies of numbers that are convolutions.

use dn_core::quant::{Geometry, Shape};

use super::layout::{afford_moves, Moves, MAX_MOVES};
use super::view::Cell;
use super::Reader;

/// One number per output: a kernel with one tap per channel, if strides and offsets allow that.
///
/// ```text
/// y[c, i, j] = x[channel(c), i s_h + a(c), j s_w + b(c)]          or 0 outside of x
/// ```
pub(super) fn window(moves: &Moves<'_>) -> Option<(Geometry, Vec<f32>)> {
    let Moves { from, to, .. } = *moves;
    let stride = strides(moves)?;
    let origins: Vec<[i64; 3]> =
        (0..to.channels).map(|c| origin(moves, c, stride)).collect::<Option<_>>()?;
    let outputs = [to.height, to.width];
    let extents = [from.height as i64, from.width as i64];
    let (mut low, mut high) = ([0i64; 2], [0i64; 2]);
    for axis in 0..2 {
        low[axis] = origins.iter().map(|o| o[axis + 1]).min()?;
        high[axis] = origins.iter().map(|o| o[axis + 1]).max()?;
    }
    for (c, origin) in origins.iter().enumerate() {
        for (i, j) in (0..outputs[0]).flat_map(|i| (0..outputs[1]).map(move |j| (i, j))) {
            let at = [(i * stride[0]) as i64 + origin[1], (j * stride[1]) as i64 + origin[2]];
            let inside = (0..2).all(|a| (0..extents[a]).contains(&at[a]));
            let expected = inside.then(|| [origin[0] as usize, at[0] as usize, at[1] as usize]);
            if moves.source([c, i, j]) != expected {
                return None;
            }
        }
    }
    kernel(&origins, (low, high), stride, (from, to))
}

/// Distances between what neighbouring outputs read, rows first; 1 where there is one output.
fn strides(moves: &Moves<'_>) -> Option<[usize; 2]> {
    let to = moves.to;
    let mut stride = [1; 2];
    for (axis, extent) in [to.height, to.width].into_iter().enumerate() {
        let pair = |c: usize, i: usize, j: usize| {
            let next = if axis == 0 { [c, i + 1, j] } else { [c, i, j + 1] };
            let (a, b) = (moves.source([c, i, j])?, moves.source(next)?);
            b[axis + 1].checked_sub(a[axis + 1]).filter(|s| *s > 0)
        };
        if extent > 1 {
            let (rows, columns) =
                (to.height - usize::from(axis == 0), to.width - usize::from(axis == 1));
            let mut all = (0..to.channels)
                .flat_map(|c| (0..rows).flat_map(move |i| (0..columns).map(move |j| [c, i, j])));
            stride[axis] = all.find_map(|[c, i, j]| pair(c, i, j))?;
        }
    }
    Some(stride)
}

/// What output 0 of a channel would read: channel, row and column, which may lie outside.
fn origin(moves: &Moves<'_>, c: usize, stride: [usize; 2]) -> Option<[i64; 3]> {
    let to = moves.to;
    let mut all = (0..to.height).flat_map(|i| (0..to.width).map(move |j| [c, i, j]));
    let (at, found) = all.find_map(|at| moves.source(at).map(|found| (at, found)))?;
    let first = |axis: usize| found[axis] as i64 - (at[axis] * stride[axis - 1]) as i64;
    Some([found[0] as i64, first(1), first(2)])
}

/// The kernel whose taps reach from the lowest to the highest origin.
fn kernel(
    origins: &[[i64; 3]],
    (low, high): ([i64; 2], [i64; 2]),
    stride: [usize; 2],
    (from, to): (Shape, Shape),
) -> Option<(Geometry, Vec<f32>)> {
    let mut geometry = Geometry { stride, ..Geometry::plain([1, 1]) };
    for axis in 0..2 {
        let first = low[axis].min(0);
        geometry.pad[axis] = usize::try_from(-first).ok()?;
        geometry.kernel[axis] = usize::try_from(high[axis] - first + 1).ok()?;
    }
    let same = origins.iter().enumerate().all(|(c, o)| o[0] == c as i64);
    let inputs = if same && from.channels == to.channels { 1 } else { from.channels };
    geometry.groups = from.channels / inputs;
    let taps = geometry.taps();
    let len = origins.len().checked_mul(inputs)?.checked_mul(taps)?;
    if len > MAX_MOVES {
        return None;
    }
    let mut weights = vec![0.0; len];
    for (c, [channel, row, column]) in origins.iter().enumerate() {
        let channel = if inputs == 1 { 0 } else { *channel as usize };
        let [i, j] = [row + geometry.pad[0] as i64, column + geometry.pad[1] as i64];
        weights[(c * inputs + channel) * taps + i as usize * geometry.kernel[1] + j as usize] = 1.0;
    }
    Some((geometry, weights))
}

/// What one output along an axis sums: channel within the group, index along the axis, weight.
pub(super) type Row = Vec<(usize, usize, f32)>;

impl Reader {
    /// Rows and columns apart: each output row reads one input row, each column one column, and
    /// channels are copied or woven into rows and columns.
    pub(super) fn along_axes(
        &mut self,
        value: usize,
        moves: &Moves<'_>,
    ) -> Result<Option<usize>, String> {
        let (from, to) = (moves.from, moves.to);
        for blocks in block_sizes(from, to) {
            let Some(plan) = Plan::of(moves, blocks) else { continue };
            let shape = Shape { channels: plan.channels.len(), ..from };
            let identity = plan.channels.iter().enumerate().all(|(i, c)| i == *c);
            let mut value = value;
            if !identity || shape.channels != from.channels {
                afford_moves(&[shape.channels, from.channels])?;
                let one = |n: usize| {
                    f32::from(u8::from(plan.channels[n / from.channels] == n % from.channels))
                };
                let weights = (0..shape.channels * from.channels).map(one).collect();
                value = self.push_move(shape, value, Geometry::plain([1, 1]), weights)?;
            }
            value = self.axis_map(value, 1, &plan.columns)?;
            value = self.axis_map(value, 0, &plan.rows)?;
            return Ok(Some(value));
        }
        Ok(None)
    }

    /// A linear map along one axis, the same for each group of channels: the output has one channel
    /// per group.
    pub(super) fn axis_map(
        &mut self,
        value: usize,
        axis: usize,
        rows: &[Row],
    ) -> Result<usize, String> {
        let from = self.model.shape(value);
        let extent = if axis == 0 { from.height } else { from.width };
        let block = rows.iter().flatten().map(|(c, ..)| c + 1).max().unwrap_or(1);
        let is_same =
            |(o, row): (usize, &Row)| matches!(row[..], [(0, i, w)] if i == o && w == 1.0);
        if block == 1 && rows.len() == extent && rows.iter().enumerate().all(is_same) {
            return Ok(value);
        }
        let channels = from.channels / block;
        let mut geometry = Geometry { groups: channels, ..Geometry::plain([1, 1]) };
        geometry.kernel[axis] = extent;
        let mut folded = Shape { channels: channels * rows.len(), ..from };
        let mut to = Shape { channels, ..from };
        if axis == 0 {
            (folded.height, to.height) = (1, rows.len());
        } else {
            (folded.width, to.width) = (1, rows.len());
        }
        afford_moves(&[channels, rows.len(), block, extent])?;
        let mut plane = vec![0.0; rows.len() * block * extent];
        for (o, row) in rows.iter().enumerate() {
            row.iter().for_each(|(c, i, w)| plane[(o * block + c) * extent + i] += w);
        }
        let value = self.push_move(folded, value, geometry, plane.repeat(channels))?;
        self.unfold(value, to, axis)
    }
}

/// Sides of the blocks of channels that may be woven into rows and columns.
fn block_sizes(from: Shape, to: Shape) -> Vec<[usize; 2]> {
    let mut all = vec![[1, 1]];
    let sides = |a: usize, b: usize| if a > b && a.is_multiple_of(b) { a / b } else { 1 };
    let woven = [sides(to.height, from.height), sides(to.width, from.width)];
    if woven != [1, 1] && from.channels.is_multiple_of(woven[0] * woven[1]) {
        all.push(woven);
    }
    all
}

/// Channels to take, then maps of columns and rows.
struct Plan {
    channels: Vec<usize>,
    columns: Vec<Row>,
    rows: Vec<Row>,
}

impl Plan {
    /// The plan that makes the moves with blocks of `p` times `q` channels, if there is one.
    fn of(moves: &Moves<'_>, [p, q]: [usize; 2]) -> Option<Self> {
        let to = moves.to;
        let line = |axis: usize, extent: usize| -> Vec<Option<usize>> {
            let at = |n: usize| {
                let mut others = (0..to.channels).flat_map(|c| {
                    let extent = if axis == 1 { to.width } else { to.height };
                    (0..extent).map(move |o| if axis == 1 { [c, n, o] } else { [c, o, n] })
                });
                others.find_map(|at| moves.source(at)).map(|s| s[axis])
            };
            (0..extent).map(at).collect()
        };
        let (rows, columns) = (line(1, to.height), line(2, to.width));
        let mut channels = vec![None; to.channels * p * q];
        for (n, cell) in moves.cells.iter().enumerate() {
            let (c, i, j) = (n / to.positions(), n / to.width % to.height, n % to.width);
            let source = moves.source([c, i, j]);
            match (source, rows[i], columns[j]) {
                (Some([channel, row, column]), Some(a), Some(b)) if (row, column) == (a, b) => {
                    let slot = &mut channels[(c * p + i % p) * q + j % q];
                    if slot.is_some_and(|s| s != channel) {
                        return None;
                    }
                    *slot = Some(channel);
                }
                (None, a, b) if a.is_none() || b.is_none() => {
                    debug_assert!(*cell == Cell::number(0.0))
                }
                _ => return None,
            }
        }
        let channels: Option<Vec<usize>> = channels.into_iter().collect();
        let map = |line: Vec<Option<usize>>, block: usize| -> Vec<Row> {
            let row = |(n, at): (usize, Option<usize>)| {
                at.map(|i| (n % block, i, 1.0)).into_iter().collect()
            };
            line.into_iter().enumerate().map(row).collect()
        };
        Some(Self { channels: channels?, columns: map(columns, q), rows: map(rows, p) })
    }
}
