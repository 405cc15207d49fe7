//! Functions of one number between linear operations.

use std::sync::Arc;

use crate::onnx::wrapped;

/// A scalar function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    /// `a x + b`
    Affine(f32, f32),
    Relu,
    LeakyRelu(f32),
    Sigmoid,
    Tanh,
    Clip(f32, f32),
    Elu(f32),
    /// Slope and scale.
    Selu(f32, f32),
    HardSigmoid(f32, f32),
    HardSwish,
    Softplus,
    Softsign,
    Abs,
    Exp,
    Erf,
    Sqrt,
    Power(f32),
    Log,
    Sin,
    Cos,
    Tan,
    Atan,
    Floor,
    Ceil,
    /// Halves to the even neighbour.
    Round,
    /// Without the fraction, towards zero; what lies at most so far below a whole number counts as
    /// that number.
    Trunc(f32),
    /// A whole number as an integer of so many bits, with a sign if that is set.
    Wrap(u32, bool),
    Sign,
    Celu(f32),
    /// `x` above the threshold, else 0.
    ThresholdedRelu(f32),
    /// Threshold and bias: numbers near 0 become 0, others come closer to it.
    Shrink(f32, f32),
    /// 1 above the threshold, else 0.
    Above(f32),
    /// 1 from the threshold on, else 0.
    AtLeast(f32),
    /// Entry of a table at the nearest index, from its end where that is negative; beyond its ends,
    /// the last one.
    Lookup(Arc<[f32]>),
    Mish,
    /// With the error function.
    Gelu,
    /// With the tangent.
    GeluTanh,
    /// Product of two chains on the same number.
    Product(Vec<Scalar>, Vec<Scalar>),
    /// Sum of two chains on the same number, the second times a factor.
    Sum(Vec<Scalar>, Vec<Scalar>, f32),
    /// The first chain divided by the second.
    Quotient(Vec<Scalar>, Vec<Scalar>),
    /// The larger of two chains.
    Larger(Vec<Scalar>, Vec<Scalar>),
    /// The second chain where the first is not 0, else the third.
    Select(Vec<Scalar>, Vec<Scalar>, Vec<Scalar>),
}

/// Number of functions in a chain, those inside of products and sums included.
pub(crate) fn size(chain: &[Scalar]) -> usize {
    let one = |f: &Scalar| match f {
        Scalar::Product(f, g)
        | Scalar::Sum(f, g, _)
        | Scalar::Quotient(f, g)
        | Scalar::Larger(f, g) => 1 + size(f) + size(g),
        Scalar::Select(c, f, g) => 1 + size(c) + size(f) + size(g),
        _ => 1,
    };
    chain.iter().map(one).sum()
}

/// Applies functions from first to last.
pub(crate) fn apply_all(chain: &[Scalar], x: f32) -> f32 {
    chain.iter().fold(x, |x, f| f.apply(x))
}

/// The error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26).
fn erf(x: f32) -> f32 {
    let z = f64::from(x).abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let coefficients =
        [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let polynomial = coefficients.iter().fold(0.0, |p, c| p * t + c) * t;
    ((1.0 - polynomial * (-z * z).exp()) as f32).copysign(x)
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl Scalar {
    /// The value at `x`. Not finite where the function is not.
    pub(crate) fn apply(&self, x: f32) -> f32 {
        match self {
            Self::Affine(a, b) => a * x + b,
            Self::Relu => x.max(0.0),
            Self::LeakyRelu(a) if x < 0.0 => a * x,
            Self::LeakyRelu(_) => x,
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Clip(lo, hi) => x.max(*lo).min(*hi),
            Self::Elu(a) if x < 0.0 => a * x.exp_m1(),
            Self::Elu(_) => x,
            Self::Selu(a, scale) => scale * if x < 0.0 { a * x.exp_m1() } else { x },
            Self::HardSigmoid(a, b) => (a * x + b).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Abs => x.abs(),
            Self::Exp => x.exp(),
            Self::Erf => erf(x),
            Self::Sqrt => x.sqrt(),
            Self::Power(p) => x.powf(*p),
            Self::Log => x.ln(),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tan => x.tan(),
            Self::Atan => x.atan(),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Trunc(slack) => (x.abs() + slack).floor().copysign(x),
            Self::Wrap(bits, is_signed) => wrapped(x.into(), *bits, *is_signed) as f32,
            Self::Sign if x == 0.0 => 0.0,
            Self::Sign => x.signum(),
            Self::Celu(a) => x.max(0.0) + (a * (x / a).exp_m1()).min(0.0),
            Self::ThresholdedRelu(a) if x > *a => x,
            Self::ThresholdedRelu(_) => 0.0,
            Self::Shrink(threshold, bias) if x < -threshold => x + bias,
            Self::Shrink(threshold, bias) if x > *threshold => x - bias,
            Self::Shrink(..) => 0.0,
            Self::Above(c) => f32::from(u8::from(x > *c)),
            Self::AtLeast(c) => f32::from(u8::from(x >= *c)),
            Self::Lookup(table) => {
                let (at, len) = (x.round(), table.len() as f32);
                let at = if at < 0.0 { at + len } else { at };
                table.get(at.clamp(0.0, (len - 1.0).max(0.0)) as usize).copied().unwrap_or(0.0)
            }
            Self::Mish => x * softplus(x).tanh(),
            Self::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                let scale = (2.0 / std::f32::consts::PI).sqrt();
                0.5 * x * (1.0 + (scale * (x + 0.044_715 * x * x * x)).tanh())
            }
            Self::Product(f, g) => apply_all(f, x) * apply_all(g, x),
            Self::Sum(f, g, factor) => apply_all(f, x) + factor * apply_all(g, x),
            Self::Quotient(f, g) => apply_all(f, x) / apply_all(g, x),
            Self::Larger(f, g) => apply_all(f, x).max(apply_all(g, x)),
            Self::Select(c, f, _) if apply_all(c, x) != 0.0 => apply_all(f, x),
            Self::Select(_, _, g) => apply_all(g, x),
        }
    }

    /// Whether a larger number never gives a smaller value; `false` when that is not known.
    pub(crate) fn is_monotone(&self) -> bool {
        match self {
            Self::Relu
            | Self::Sigmoid
            | Self::Tanh
            | Self::Softplus
            | Self::Softsign
            | Self::Exp
            | Self::Erf
            | Self::Clip(..)
            | Self::Atan
            | Self::Floor
            | Self::Ceil
            | Self::Round
            | Self::Trunc(_)
            | Self::Sign
            | Self::Above(_)
            | Self::AtLeast(_)
            | Self::Log
            | Self::Sqrt => true,
            Self::Celu(a) => *a > 0.0,
            Self::Affine(a, _) | Self::LeakyRelu(a) | Self::Elu(a) | Self::HardSigmoid(a, _) => {
                *a >= 0.0
            }
            Self::Selu(a, scale) => *a >= 0.0 && *scale >= 0.0,
            Self::Abs
            | Self::HardSwish
            | Self::Power(_)
            | Self::Mish
            | Self::Gelu
            | Self::GeluTanh
            | Self::Sin
            | Self::Cos
            | Self::Tan
            | Self::ThresholdedRelu(_)
            | Self::Shrink(..)
            | Self::Wrap(..)
            | Self::Lookup(_)
            | Self::Product(..)
            | Self::Sum(..)
            | Self::Quotient(..)
            | Self::Larger(..)
            | Self::Select(..) => false,
        }
    }

    /// Whether no value is negative; `false` when that is not known.
    pub(crate) fn is_non_negative(&self) -> bool {
        match self {
            Self::Relu
            | Self::Sigmoid
            | Self::Softplus
            | Self::Abs
            | Self::Exp
            | Self::Sqrt
            | Self::Above(_)
            | Self::AtLeast(_)
            | Self::HardSigmoid(..)
            | Self::Wrap(_, false) => true,
            Self::Clip(lo, hi) => *lo >= 0.0 && *hi >= 0.0,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_meets_known_values() {
        for (x, y) in [(0.0, 0.0), (0.5, 0.520_499_9), (-1.0, -0.842_700_8), (3.0, 0.999_977_9)] {
            assert!((erf(x) - y).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn fractions_are_cut_towards_zero() {
        let cut: Vec<f32> = [2.9, -2.9, -0.5, 3.0].map(|x| Scalar::Trunc(0.0).apply(x)).to_vec();
        assert_eq!(cut, [2.0, -2.0, 0.0, 3.0]);
        assert_eq!([2.9, -2.9].map(|x| Scalar::Trunc(0.2).apply(x)), [3.0, -3.0]);
    }

    #[test]
    fn monotone_functions_do_not_fall() {
        let all = [
            Scalar::Relu,
            Scalar::LeakyRelu(0.1),
            Scalar::Sigmoid,
            Scalar::Tanh,
            Scalar::Clip(-1.0, 2.0),
            Scalar::Elu(1.0),
            Scalar::Selu(1.67, 1.05),
            Scalar::HardSigmoid(0.2, 0.5),
            Scalar::Softplus,
            Scalar::Softsign,
            Scalar::Erf,
        ];
        for f in all {
            assert!(f.is_monotone());
            let values: Vec<f32> = (-80..80).map(|x| f.apply(x as f32 / 10.0)).collect();
            assert!(values.windows(2).all(|w| w[0] <= w[1] + 1e-6), "{f:?}");
        }
    }
}
