//! Rounds the weights of a unit to integers.
//!
//! The shift is one per channel, so every channel has weights as fine as its own largest one and
//! the accumulator's bound allow, up to the largest shift of the model.

use dn_core::quant::{Part, Source, MAX_ABS_ACCUMULATOR};

use crate::error::ImportError;
use crate::float::Term;
use crate::lower::{Lowered, Unit};

/// Largest weight that a channel's shift aims at. With eleven bits it is the rounding of
/// activations that limits accuracy.
const WEIGHT_LIMIT: f64 = 2047.0;
/// A channel that inputs cannot move further may have no weights.
const FEW_CODES: f64 = 4.0;
/// Largest weight of any term.
const ANY_LIMIT: f64 = 16_384.0;

/// Sources, biases and shifts of a node.
pub(super) type Integers = (Vec<Source>, Vec<i32>, Vec<u32>);

/// Rounds the weights of one unit.
pub(super) struct Rounding<'a> {
    pub(super) model: &'a Lowered,
    pub(super) unit: &'a Unit,
    /// Scales of all earlier tensors.
    pub(super) scales: &'a [f32],
    /// Scale of the pre-activation.
    pub(super) inner: f32,
    /// Largest shift of any channel.
    pub(super) largest_shift: u32,
}

impl Rounding<'_> {
    pub(super) fn node(&self) -> Result<Integers, ImportError> {
        let channels = self.unit.shape.channels;
        let terms: Vec<&Term> = self.unit.terms().collect();
        let mut weights: Vec<Vec<i16>> = vec![Vec::new(); terms.len()];
        let (mut bias, mut shift) = (Vec::new(), Vec::new());
        for channel in 0..channels {
            let chosen = (0..=self.first_shift(channel))
                .rev()
                .find_map(|s| self.channel(channel, s).map(|rounded| (s, rounded)));
            let (s, (rows, b)) = chosen.ok_or_else(|| {
                self.unit.origin.error("its outputs are too small for its weights")
            })?;
            let sums = self.unit.linear.terms.len();
            let moving = &rows[..sums + usize::from(self.unit.factors.is_some())];
            if moving.iter().flatten().all(|w| *w == 0) && self.moves(channel) {
                return Err(self.unit.origin.error(
                    "the weights of a channel all round to zero: there are too many of them for their sum",
                ));
            }
            weights.iter_mut().zip(rows).for_each(|(all, row)| all.extend(row));
            bias.push(b);
            shift.push(s);
        }
        let sums = self.unit.linear.terms.len();
        let source = |(i, (term, weights)): (usize, (&Term, Vec<i16>))| Source {
            part: Part::ALL[(i + 1).saturating_sub(sums)],
            tensor: term.value,
            geometry: term.geometry,
            weights,
        };
        Ok((terms.into_iter().zip(weights).enumerate().map(source).collect(), bias, shift))
    }

    /// Weights of one channel as multiples of the pre-activation's step, per input code.
    fn row<'b>(&self, term: &'b Term, channel: usize) -> impl Iterator<Item = f64> + 'b {
        let len = term.weights.len() / self.unit.shape.channels;
        let factor = f64::from(self.scales[term.value]) / f64::from(self.inner);
        let exact = self.unit.exact.is_some();
        let factor = if exact { 1.0 } else { factor * self.other(term) };
        term.weights[channel * len..][..len].iter().map(move |w| f64::from(*w) * factor)
    }

    /// What a factor's weights are multiplied by besides: the left one's by the other scale, the right
    /// one's by what leaves them as they are.
    fn other(&self, term: &Term) -> f64 {
        let Some([left, right]) = &self.unit.factors else { return 1.0 };
        if std::ptr::eq(term, left) {
            f64::from(self.scales[right.value])
        } else if std::ptr::eq(term, right) {
            f64::from(self.inner) / f64::from(self.scales[right.value])
        } else {
            1.0
        }
    }

    /// Whether the inputs can move a channel by more than a few codes.
    fn moves(&self, channel: usize) -> bool {
        let reach = |t: &Term| self.row(t, channel).map(f64::abs).sum::<f64>();
        let sums: f64 = self.unit.linear.terms.iter().map(reach).sum();
        let products = self.unit.factors.as_ref().map_or(0.0, |[left, _]| 127.0 * reach(left));
        127.0 * (sums + products) > FEW_CODES
    }

    /// The largest shift that the sizes of the weights allow.
    fn first_shift(&self, channel: usize) -> u32 {
        if self.unit.exact.is_some() {
            return 0;
        }
        let left = self.unit.factors.as_ref().map(|[left, _]| left);
        let terms: Vec<&Term> = self.unit.linear.terms.iter().chain(left).collect();
        let alone = left.is_none() && terms.iter().all(|t| self.is_light(t));
        let limit = |t: &Term| if self.is_light(t) && !alone { ANY_LIMIT } else { WEIGHT_LIMIT };
        let largest = |t: &Term| self.row(t, channel).fold(0.0, |m: f64, w| m.max(w.abs()));
        let room = terms.iter().map(|t| (limit(t) + 0.49) / largest(t)).fold(f64::MAX, f64::min);
        room.log2().floor().clamp(0.0, f64::from(self.largest_shift)) as u32
    }

    /// Whether a term only scales channels or takes means: its weights do not limit others.
    fn is_light(&self, term: &Term) -> bool {
        let channels = self.model.shape(term.value).channels;
        let taps = term.geometry.taps();
        term.geometry.groups == channels
            && self.unit.shape.channels == channels
            && term.weights.chunks_exact(taps).all(|plane| plane.iter().all(|w| *w == plane[0]))
    }

    /// What puts the border between two codes onto the threshold of a step: numbers on either side of
    /// it are decided as floats are, however coarse the codes are. `least` is the accumulator's unit.
    fn to_threshold(&self, least: f64) -> f64 {
        let Some((threshold, is_above)) = self.unit.step() else { return 0.0 };
        let threshold = f64::from(threshold) / f64::from(self.inner);
        if is_above {
            threshold.ceil() - 0.5 - threshold
        } else {
            threshold.floor() + 0.5 - threshold - least
        }
    }

    /// Rows of weights, one per term, and the bias at a shift, if they keep all bounds.
    fn channel(&self, channel: usize, shift: u32) -> Option<(Vec<Vec<i16>>, i32)> {
        let step = f64::from(1u32 << shift);
        let round = |v: f64| (v * step + 0.5).floor();
        let small = |w: f64| (w.abs() <= ANY_LIMIT).then_some(w as i16);
        // Where a kernel takes a mean, what is rounded off a tap goes to the next one, so that the sum over it is
        // as fine as that of one weight. Other kernels keep equal weights equal: their values share an image.
        let row = |t: &Term| -> Option<Vec<i16>> {
            let exact: Vec<f64> = self.row(t, channel).collect();
            let plane = |plane: &[f64]| {
                let is_mean = plane.len() > 1 && plane.iter().all(|w| *w == plane[0]);
                let mut rest = 0.0;
                let one = |w: &f64| {
                    let wanted = w + if is_mean { rest } else { 0.0 };
                    let rounded = round(wanted);
                    rest = wanted - rounded / step;
                    small(rounded)
                };
                plane.iter().map(one).collect::<Vec<_>>()
            };
            exact.chunks_exact(t.geometry.taps()).flat_map(plane).collect()
        };
        let mut rows: Vec<Vec<i16>> =
            self.unit.linear.terms.iter().map(row).collect::<Option<_>>()?;
        let bias = match self.unit.exact {
            Some(bias) => f64::from(bias),
            None => {
                let steps = f64::from(self.unit.linear.bias[channel]) / f64::from(self.inner);
                round(steps + self.to_threshold(1.0 / step))
            }
        };
        let sum: i64 = rows.iter().flatten().map(|w| i64::from(*w).abs()).sum();
        let mut product = 0;
        if let Some([left, right]) = &self.unit.factors {
            let (left, ones) =
                (row(left)?, self.row(right, channel).map(|w| w.round() as i16).collect());
            // Each place sees one tap.
            product = 128 * left.iter().map(|w| i64::from(*w).abs()).max().unwrap_or(0);
            rows.extend([left, ones]);
        }
        let reach = (128 * (sum + product)) as f64 + bias.abs() + step;
        (reach <= MAX_ABS_ACCUMULATOR as f64).then_some((rows, bias as i32))
    }
}
