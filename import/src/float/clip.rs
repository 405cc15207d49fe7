//! Clips of the input that no example reaches: codes end about where the examples do, so nothing has
//! to end them again where they end inside.

use super::{FloatModel, Kind, Scalar};
use crate::codes::Codes;

/// A model without some clips of its input.
#[derive(Clone, Debug)]
pub(crate) struct Unclipped {
    /// What is left.
    pub(crate) model: FloatModel,
    /// Between which numbers nothing was cut off; infinite where there was no clip.
    pub(crate) bounds: (f32, f32),
}

impl Unclipped {
    /// Whether no code of the input stands for a number that was cut off, by more than its rounding.
    pub(crate) fn holds(&self, input: &Codes) -> bool {
        let (from, to) = self.bounds;
        input.scale.iter().zip(&input.offset).all(|(step, offset)| {
            let (low, high) = (offset - 128.0 * step, offset + 127.0 * step);
            from - low <= step / 2.0 && high - to <= step / 2.0
        })
    }
}

impl FloatModel {
    /// The same model without clips of the input that change no example.
    pub(crate) fn unclipped(mut self, inputs: &[Vec<f32>]) -> Unclipped {
        let mut bounds = (f32::NEG_INFINITY, f32::INFINITY);
        let all = || inputs.iter().flatten();
        let low = all().copied().fold(f32::INFINITY, f32::min);
        let high = all().copied().fold(f32::NEG_INFINITY, f32::max);
        let is_idle =
            |f: &Scalar| matches!(f, Scalar::Clip(from, to) if *from <= low && high <= *to);
        let mut place: Vec<usize> = vec![0];
        let last = self.ops.len();
        for at in 0..last {
            let op = &mut self.ops[at];
            op.kind.rename(|value| place[value]);
            let mut own = at + 1;
            if let Kind::Scalar { of: 0, chain } = &mut op.kind {
                let idle = chain.iter().take_while(|f| is_idle(f)).count();
                for f in chain.drain(..idle) {
                    if let Scalar::Clip(from, to) = f {
                        bounds = (bounds.0.max(from), bounds.1.min(to));
                    }
                }
                if chain.is_empty() && own < last {
                    own = 0;
                }
            }
            place.push(own);
        }
        self.keep_only(last);
        Unclipped { model: self, bounds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::{Op, Origin};
    use dn_core::quant::Shape;

    #[test]
    fn clips_that_examples_reach_stay() {
        let shape = Shape::vector(1);
        let op = |of: usize, chain: Vec<Scalar>| Op {
            origin: Origin::default(),
            shape,
            kind: Kind::Scalar { of, chain },
        };
        let clip = || vec![Scalar::Clip(-1.0, 1.0)];
        let model = FloatModel { input: shape, ops: vec![op(0, clip()), op(1, vec![Scalar::Abs])] };
        assert_eq!(model.clone().unclipped(&[vec![0.5]]).model.ops, [op(0, vec![Scalar::Abs])]);
        assert_eq!(model.clone().unclipped(&[vec![2.0]]).model.ops, model.ops);
        let alone = FloatModel { input: shape, ops: vec![op(0, clip())] };
        assert_eq!(alone.unclipped(&[vec![0.5]]).model.ops, [op(0, vec![])]);
    }
    #[test]
    fn a_clip_is_left_out_only_where_no_code_is_beyond_it() {
        let shape = Shape::vector(1);
        let clip = Kind::Scalar { of: 0, chain: vec![Scalar::Clip(0.0, 1.0)] };
        let op = Op { origin: Origin::default(), shape, kind: clip };
        let idle = FloatModel { input: shape, ops: vec![op] }.unclipped(&[vec![0.0], vec![1.0]]);
        let codes = |low: f32, high: f32| {
            let scale = (high - low) / 255.0;
            Codes { scale: vec![scale], offset: vec![low + 128.0 * scale] }
        };
        assert!(idle.holds(&codes(0.0, 1.0)) && idle.holds(&codes(-0.001, 1.001)));
        assert!(!idle.holds(&codes(-0.1, 1.0)) && !idle.holds(&codes(0.0, 1.1)));
    }
}
