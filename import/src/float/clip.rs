//! Clips of the input that no example reaches: codes end about where the examples do, so nothing has
//! to end them again.

use super::{FloatModel, Kind, Scalar};

impl FloatModel {
    /// The same model without clips of the input that change no example.
    pub(crate) fn unclipped(mut self, inputs: &[Vec<f32>]) -> Self {
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
                chain.drain(..idle);
                if chain.is_empty() && own < last {
                    own = 0;
                }
            }
            place.push(own);
        }
        self.keep_only(last);
        self
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
        assert_eq!(model.clone().unclipped(&[vec![0.5]]).ops, [op(0, vec![Scalar::Abs])]);
        assert_eq!(model.clone().unclipped(&[vec![2.0]]).ops, model.ops);
        let alone = FloatModel { input: shape, ops: vec![op(0, clip())] };
        assert_eq!(alone.unclipped(&[vec![0.5]]).ops, [op(0, vec![])]);
    }
}
