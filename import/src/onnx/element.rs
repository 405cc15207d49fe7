//! Types of numbers, and what becomes of a number that another type takes over.

use super::{
    BFLOAT16, BOOL, DOUBLE, FLOAT, FLOAT16, INT16, INT32, INT64, INT8, UINT16, UINT32, UINT64,
    UINT8,
};

/// The type of a tensor's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// Of so many bits in all and bits of precision, the hidden one included.
    Float {
        bits: u32,
        precision: u32,
    },
    Integer {
        bits: u32,
        is_signed: bool,
    },
    /// 0 or 1.
    Bool,
}

impl Element {
    /// Numbers of single precision.
    pub(crate) const FLOAT: Self = Self::Float { bits: 32, precision: 24 };
    /// Extents, axes and indices.
    pub(crate) const INT64: Self = Self::Integer { bits: 64, is_signed: true };
    /// Accumulators of layers on codes.
    pub(crate) const INT32: Self = Self::Integer { bits: 32, is_signed: true };
    /// Codes whose type is not given.
    pub(crate) const UINT8: Self = Self::Integer { bits: 8, is_signed: false };

    /// The type of a `TensorProto.DataType`; `None` for what is no number or not supported.
    pub(crate) fn of(data_type: i32) -> Option<Self> {
        let integer = |bits, is_signed| Some(Self::Integer { bits, is_signed });
        match data_type {
            FLOAT => Some(Self::FLOAT),
            DOUBLE => Some(Self::Float { bits: 64, precision: 53 }),
            FLOAT16 => Some(Self::Float { bits: 16, precision: 11 }),
            BFLOAT16 => Some(Self::Float { bits: 16, precision: 8 }),
            BOOL => Some(Self::Bool),
            INT8 => integer(8, true),
            INT16 => integer(16, true),
            INT32 => integer(32, true),
            INT64 => integer(64, true),
            UINT8 => integer(8, false),
            UINT16 => integer(16, false),
            UINT32 => integer(32, false),
            UINT64 => integer(64, false),
            _ => None,
        }
    }

    /// Bytes of one number in a file.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Float { bits, .. } | Self::Integer { bits, .. } => bits as usize / 8,
            Self::Bool => 1,
        }
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::Float { .. })
    }

    /// Smallest and largest integer. 64 bits are rounded to the nearest float.
    pub(crate) fn range(self) -> Option<(f64, f64)> {
        match self {
            Self::Float { .. } => None,
            Self::Bool => Some((0.0, 1.0)),
            Self::Integer { bits, is_signed: false } => Some((0.0, f64::from(bits).exp2() - 1.0)),
            Self::Integer { bits, is_signed: true } => {
                let half = f64::from(bits - 1).exp2();
                Some((-half, half - 1.0))
            }
        }
    }

    /// Whether integers of this type may be beyond what a circuit's numbers ever reach, so that they
    /// never wrap around.
    pub(crate) fn is_wide(self) -> bool {
        matches!(self, Self::Integer { bits: 32.., .. })
    }

    /// Whether every integer of another type is one of this type.
    pub(crate) fn holds(self, other: Self) -> bool {
        match (self.range(), other.range()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((low, high)), Some((from, to))) => low <= from && to <= high,
        }
    }

    /// What a number of another type becomes: integers lose fractions and what lies above their
    /// bits, truth is what is not 0, floats lose precision.
    pub(crate) fn cast(self, x: f64) -> f64 {
        match self {
            Self::Bool => f64::from(u8::from(x != 0.0)),
            Self::Integer { bits: 64, .. } => x.trunc(),
            Self::Integer { bits, is_signed } => wrapped(x.trunc(), bits, is_signed),
            Self::Float { bits: 64, .. } => x,
            Self::Float { bits: 32, .. } => f64::from(x as f32),
            Self::Float { precision: 11, .. } => rounded(x, 11, -14, 65_504.0),
            Self::Float { precision, .. } => {
                rounded(f64::from(x as f32), precision, -126, f64::MAX)
            }
        }
    }
}

/// The integer of so many bits that differs by a multiple of `2^bits`.
pub(crate) fn wrapped(x: f64, bits: u32, is_signed: bool) -> f64 {
    let period = f64::from(bits).exp2();
    let x = x.rem_euclid(period);
    if is_signed && x >= period / 2.0 {
        x - period
    } else {
        x
    }
}

/// The nearest float with so many bits of precision, halves to even; infinite beyond the largest.
fn rounded(x: f64, precision: u32, smallest: i32, largest: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = (x.abs().log2().floor() as i32).max(smallest);
    let unit = f64::from(exponent - precision as i32 + 1).exp2();
    let near = (x / unit).round_ties_even() * unit;
    if near.abs() > largest {
        f64::INFINITY.copysign(x)
    } else {
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(data_type: i32, x: f64) -> f64 {
        Element::of(data_type).unwrap().cast(x)
    }

    #[test]
    fn numbers_are_cut_wrapped_compared_and_rounded() {
        for (data_type, x, y) in [
            (INT32, -2.7, -2.0),
            (INT64, 2.7, 2.0),
            (INT8, 200.0, -56.0),
            (INT8, -129.9, 127.0),
            (UINT8, -1.0, 255.0),
            (UINT8, 256.0, 0.0),
            (UINT16, 65_537.0, 1.0),
            (BOOL, 0.3, 1.0),
            (BOOL, -0.0, 0.0),
            (FLOAT16, 1.0 + 1.0 / 2048.0, 1.0),
            (FLOAT16, 0.1, 0.099_975_585_937_5),
            (FLOAT16, 70_000.0, f64::INFINITY),
            (BFLOAT16, 0.1, 0.100_097_656_25),
            (FLOAT, 0.1, 0.100_000_001_490_116_12),
            (DOUBLE, 0.1, 0.1),
        ] {
            assert_eq!(cast(data_type, x), y, "{data_type} {x}");
        }
    }

    #[test]
    fn wider_types_hold_narrower_ones() {
        let of = |data_type| Element::of(data_type).unwrap();
        assert!(
            of(INT16).holds(of(UINT8)) && of(INT32).holds(of(BOOL)) && of(FLOAT).holds(of(INT8))
        );
        assert!(!of(INT8).holds(of(UINT8)) && !of(UINT32).holds(of(INT8)));
        assert!(!of(INT64).holds(of(FLOAT)));
    }
}
