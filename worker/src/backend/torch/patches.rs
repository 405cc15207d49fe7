//! What a kernel reads, as the columns of a matrix: a convolution becomes a matrix product.
//!
//! ```text
//! tensor   [channels, height, width, batch]
//! patches  [groups, channels / groups · taps, positions · batch]
//! ```
//!
//! With the batch innermost, a column moves as a whole, one product serves all examples, and a
//! kernel that covers its input or has a single tap needs no copy at all.

use dn_core::quant::{Geometry, Shape};
use tch::{Device, TchError, Tensor};

/// How one axis of a tensor becomes taps and outputs.
///
/// Output `o` finds what its tap `t` reads at `o · output_step + t · tap_step` of the axis, once
/// margins of zeros are around it and, if there is an index, positions are selected by it. The
/// index serves geometries that would skip most of the axis: it is at most `taps · outputs` long.
#[derive(Debug)]
struct Axis {
    /// Length before anything is done.
    len: i64,
    taps: i64,
    outputs: i64,
    /// Zeros before and after; a negative number cuts positions off.
    margins: [i64; 2],
    index: Option<Tensor>,
    /// Length with margins and selection.
    padded_len: i64,
    tap_step: i64,
    output_step: i64,
}

/// The geometry of a source, ready to cut patches.
#[derive(Debug)]
pub(super) struct Patches {
    channels: i64,
    groups: i64,
    axes: [Axis; 2],
}

/// Length of an axis with margins, and whether an index is shorter.
fn padded_len(g: &Geometry, axis: usize, outputs: usize) -> (usize, bool) {
    let extent = (outputs - 1) * g.stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1;
    let index = g.kernel[axis] * outputs;
    (extent.min(index), index < extent)
}

/// Most values of one example that [`Patches::cut`] holds at once; saturates.
pub(super) fn values(g: &Geometry, from: Shape, to: Shape) -> usize {
    // An index needs a zero to point at.
    let height = padded_len(g, 0, to.height).0.max(from.height + 1);
    let width = padded_len(g, 1, to.width).0.max(from.width + 1);
    let patches = g.taps().saturating_mul(to.positions());
    let padded = height.saturating_mul(width).saturating_mul(2);
    from.channels.saturating_mul(padded.saturating_add(patches))
}

impl Axis {
    fn load(
        g: &Geometry,
        axis: usize,
        (len, outputs): (usize, usize),
        device: Device,
    ) -> Result<Self, TchError> {
        let (padded_len, is_indexed) = padded_len(g, axis, outputs);
        let [taps, stride, pad, dilation] =
            [g.kernel, g.stride, g.pad, g.dilation].map(|x| x[axis] as i64);
        let (len, outputs, padded_len) = (len as i64, outputs as i64, padded_len as i64);
        if !is_indexed {
            let margins = [pad, padded_len - pad - len];
            let (tap_step, output_step) = (dilation, stride);
            let index = None;
            return Ok(Self {
                len,
                taps,
                outputs,
                margins,
                index,
                padded_len,
                tap_step,
                output_step,
            });
        }
        let reads =
            (0..taps).flat_map(|t| (0..outputs).map(move |o| o * stride + t * dilation - pad));
        // The zero behind the axis stands for all of its surroundings.
        let index: Vec<i64> =
            reads.map(|at| if (0..len).contains(&at) { at } else { len }).collect();
        let margins = [0, i64::from(index.contains(&len))];
        let index = Some(Tensor::f_from_slice(&index)?.f_to_device(device)?);
        let (tap_step, output_step) = (outputs, 1);
        Ok(Self { len, taps, outputs, margins, index, padded_len, tap_step, output_step })
    }
}

impl Patches {
    /// Prepares a valid geometry between a tensor of shape `from` and accumulators of shape `to`.
    pub(super) fn load(
        g: &Geometry,
        from: Shape,
        to: Shape,
        device: Device,
    ) -> Result<Self, TchError> {
        let axes = [
            Axis::load(g, 0, (from.height, to.height), device)?,
            Axis::load(g, 1, (from.width, to.width), device)?,
        ];
        Ok(Self { channels: from.channels as i64, groups: g.groups as i64, axes })
    }

    /// Groups of channels.
    pub(super) fn groups(&self) -> i64 {
        self.groups
    }

    /// Cuts the patches of `x`, which is `[channels, height, width, batch]`.
    pub(super) fn cut(&self, x: &Tensor, batch: i64) -> Result<Tensor, TchError> {
        let [rows, columns] = &self.axes;
        let mut x = x.f_view([self.channels, rows.len, columns.len, batch])?;
        let margins = [[0, 0], columns.margins, rows.margins].concat();
        if margins.iter().any(|m| *m != 0) {
            x = x.f_constant_pad_nd(margins)?;
        }
        for (dim, axis) in [(1, rows), (2, columns)] {
            if let Some(index) = &axis.index {
                x = x.f_index_select(dim, index)?;
            }
        }
        let row = columns.padded_len * batch;
        let sizes = [self.channels, rows.taps, columns.taps, rows.outputs, columns.outputs, batch];
        let steps = [
            rows.padded_len * row,
            rows.tap_step * row,
            columns.tap_step * batch,
            rows.output_step * row,
            columns.output_step * batch,
            1,
        ];
        let patches = x.f_contiguous()?.f_as_strided(sizes, steps, None)?;
        let inputs = self.channels / self.groups * rows.taps * columns.taps;
        patches.f_reshape([self.groups, inputs, rows.outputs * columns.outputs * batch])
    }
}
