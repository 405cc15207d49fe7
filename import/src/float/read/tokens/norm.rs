//! Norms: operators, and what exporters write for them.

use super::seen::{Part, Seen};
use super::sums::is_square;
use super::TokenReader;
use crate::float::{apply_all, Scalar};
use crate::onnx::Node;
use crate::tokens::{Kind, Norm};

/// Mean squares at which a root is recognised: far apart, so that one that is cut off somewhere is none.
const SQUARES: [f32; 9] = [1e-4, 1e-2, 0.5, 1.0, 4.0, 30.0, 1e3, 1e5, 1e8];

/// What is added to the mean square below a root; `None` if functions are no root of the kind. The inverse root with
/// `is_inverse`.
fn epsilon(chain: &[Scalar], is_inverse: bool) -> Option<f64> {
    let root = |x: f32| {
        let y = f64::from(apply_all(chain, x));
        if is_inverse {
            y.recip()
        } else {
            y
        }
    };
    let epsilon = root(0.0).powi(2);
    let fits = SQUARES.iter().all(|x| {
        let square = root(*x).powi(2);
        (square - f64::from(*x) - epsilon).abs() < 1e-5 * square
    });
    // Where nothing is added the inverse root of 0 is infinite, so its square's inverse is 0.
    (fits && epsilon.is_finite() && epsilon >= 0.0).then_some(epsilon)
}

impl TokenReader {
    /// A mean over channels.
    pub(super) fn mean(&mut self, node: &Node) -> Result<Seen, String> {
        let x = self.operand(node, 0)?;
        let axes = self.reader.axes_of(node, "axes", 1).unwrap_or_default();
        let [axis] = axes[..] else {
            return Err(format!("a mean over axes {axes:?}; means over channels are read"));
        };
        self.last_axis(axis, &x)?;
        let channels = x.dims.last().copied().unwrap_or(0);
        let of = match self.parts[x.part] {
            Part::Value(value) | Part::Centred(value)
                if x.index.is_none() && self.model.channels(value) == channels =>
            {
                value
            }
            _ => return Err("it is the mean of what is no row of channels".to_owned()),
        };
        let is_centred = matches!(self.parts[x.part], Part::Centred(_));
        let part = if is_square(&x.chain) {
            Part::Moment { of, is_centred }
        } else if x.chain.is_empty() && !is_centred {
            Part::Mean(of)
        } else {
            return Err("means of channels and of their squares are read, in norms".to_owned());
        };
        let mut dims = x.dims;
        dims.pop();
        dims.extend((node.int("keepdims", 1) != 0).then_some(1));
        Ok(Seen::all(self.part(part), dims))
    }

    /// A step of a norm that two tensors take, if they do.
    pub(super) fn normalising(
        &mut self,
        op: &str,
        a: &Seen,
        b: &Seen,
    ) -> Option<Result<Seen, String>> {
        let is_row = |x: &Seen| x.dims.last() == Some(&1) && x.index.is_none();
        let (x, row, is_swapped) = if is_row(b) { (a, b, false) } else { (b, a, true) };
        if !is_row(row) || x.index.is_some() || !x.chain.is_empty() {
            return None;
        }
        match (&self.parts[x.part], &self.parts[row.part], op) {
            (Part::Value(v), Part::Mean(of), "Sub")
                if v == of && !is_swapped && row.chain.is_empty() =>
            {
                let part = Part::Centred(*v);
                Some(Ok(Seen { part: self.part(part), ..x.clone() }))
            }
            (Part::Value(v), Part::Moment { of, is_centred: false }, "Div" | "Mul") if v == of => {
                self.divided((*v, false), x, row, (op, is_swapped))
            }
            (Part::Centred(v), Part::Moment { of, is_centred: true }, "Div" | "Mul") if v == of => {
                self.divided((*v, true), x, row, (op, is_swapped))
            }
            _ => None,
        }
    }

    fn divided(
        &mut self,
        (of, is_centred): (usize, bool),
        x: &Seen,
        row: &Seen,
        (op, is_swapped): (&str, bool),
    ) -> Option<Result<Seen, String>> {
        if op == "Div" && is_swapped {
            return None;
        }
        let epsilon = epsilon(&row.chain, op == "Mul")?;
        Some(self.norm(of, is_centred, epsilon).map(|value| self.under(value, x.dims.clone())))
    }

    fn norm(&mut self, of: usize, is_centred: bool, epsilon: f64) -> Result<usize, String> {
        let channels = self.model.channels(of);
        let (gain, shift) = (vec![1.0; channels], vec![0.0; channels]);
        self.push(channels, Kind::Norm(Norm { of, is_centred, epsilon, gain, shift }))
    }

    /// `LayerNormalization` and `RMSNormalization`.
    pub(super) fn normalised(&mut self, node: &Node) -> Result<Seen, String> {
        if node.results().count() > 1 {
            return Err("its statistics are no outputs that can be imported".to_owned());
        }
        let x = self.operand(node, 0)?;
        self.last_axis(node.int("axis", -1), &x)?;
        let of = self.settled(&x)?;
        let channels = self.model.channels(of);
        let vector = |at: usize, default: f64| match self.constant(node, at)? {
            Some(c) if c.is_row_of(channels) && c.values.iter().all(|v| v.is_finite()) => {
                Ok(c.values.clone())
            }
            Some(c) => Err(format!("operand {at} of {:?} is no number for each channel", c.dims)),
            None if node.operand(at).is_some() => Err(format!("operand {at} is computed")),
            None => Ok(vec![default; channels]),
        };
        let (gain, shift) = (vector(1, 1.0)?, vector(2, 0.0)?);
        let is_centred = node.op_type == "LayerNormalization";
        let epsilon = f64::from(node.float("epsilon", 1e-5));
        let norm = Norm { of, is_centred, epsilon, gain, shift };
        let value = self.push(channels, Kind::Norm(norm))?;
        Ok(self.under(value, x.dims))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_recognised_by_what_they_compute() {
        let added = Scalar::Affine(1.0, 1e-5);
        let root = vec![added.clone(), Scalar::Sqrt];
        assert!((epsilon(&root, false).unwrap() - 1e-5).abs() < 1e-9);
        let inverse = vec![added.clone(), Scalar::Power(-0.5)];
        assert!((epsilon(&inverse, true).unwrap() - 1e-5).abs() < 1e-9);
        assert_eq!(epsilon(&[Scalar::Sqrt], false), Some(0.0));
        assert_eq!(epsilon(&[added], false), None);
        assert_eq!(epsilon(&root, true), None);
        let cut = [&root[..], &[Scalar::Clip(0.0, 2.1)]].concat();
        assert_eq!(epsilon(&cut, false), None);
    }
}
