//! Rows of residual sums: token by token, a token's root behind its values.

use dn_core::quant::sequence::{Layer, Residual};

use super::check::norm_of;
use super::model::Model;
use crate::field::signed;
use crate::plan::kernel::Program;
use crate::plan::writer::Writer;
use crate::system::rows::{root, sum};
use crate::system::sequence::Looked;

impl Model<'_> {
    /// Rows of a residual sum; returns the first one of each token.
    pub(super) fn sums(&self, w: &mut Writer, layer: usize, r: &Residual) -> Vec<usize> {
        let Looked::Values { division, zero } = &self.looked[layer] else { return Vec::new() };
        let tensor = layer + 1;
        let norm = norm_of(self.sequence, tensor).and_then(|norm| match &self.looked[norm] {
            Looked::Norm { tag, squares, division } => Some((norm, *tag, *squares, division)),
            _ => None,
        });
        let of = sum::Of {
            tags: (division.tag_hi, self.table.tag_lo),
            lo_bits: self.table.lo_bits,
            offset: division.offset(0, 0),
            zero: *zero,
            squares: norm.map(|(_, _, squares, _)| squares),
        };
        w.flush();
        let (lanes, mut rows) = (w.width.lanes(), Vec::new());
        let mut end = w.row;
        for n in 0..w.slots * self.sequence.tokens {
            rows.push(w.row);
            let constants = constants(r, n % self.sequence.tokens, division.scale(0));
            for (i, lanes) in constants.chunks_exact(lanes).enumerate() {
                sum::marks(&mut w.draft, w.row, i == 0, &of, lanes);
                w.row += 1;
            }
            end = w.row - 1;
            sum::end(&mut w.draft, end, n == 0);
            if let Some((_, tag, _, products)) = norm {
                let tags = (tag, self.table.tag_lo);
                let scale = products.scale(0).unsigned_abs();
                root::marks(&mut w.draft, w.row, n == 0, (tags, of.lo_bits), scale);
                w.row += 1;
            }
        }
        w.channel(end, true);
        w.flush();
        if let Some((norm, ..)) = norm {
            w.bare(0, self.moves(tensor, norm));
        }
        for (reader, l) in self.sequence.layers.iter().enumerate() {
            let Layer::Residual(r) = l else { continue };
            let Looked::Values { division, .. } = &self.looked[reader] else { continue };
            if r.shortcut.0 == tensor && r.shortcut.1 != 0 {
                let weight = signed(i64::from(r.shortcut.1) * division.scale(0));
                let program = Program::dense(&[weight], self.moves(tensor, reader), w.width);
                w.product(&program, false, end);
            }
        }
        rows
    }
}

/// Constants of a token's accumulators, scaled.
fn constants(r: &Residual, token: usize, scale: i64) -> Vec<i64> {
    let channels = r.bias.len();
    let position = r.positions.get(token * channels..(token + 1) * channels);
    let of = |(channel, bias): (usize, &i32)| {
        let position = position.map_or(0, |p| i64::from(p[channel]));
        (i64::from(*bias) + position) * scale
    };
    r.bias.iter().enumerate().map(of).collect()
}
