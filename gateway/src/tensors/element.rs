//! Types of numbers.

use half::{bf16, f16};
use serde_json::Value;

/// Type of a tensor's elements, as KServe names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
}

impl Element {
    const ALL: [Self; 13] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp16,
        Self::Bf16,
        Self::Fp32,
        Self::Fp64,
    ];

    /// The type of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.name() == name)
    }

    /// KServe's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Bf16 => "BF16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
        }
    }

    /// Every name.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Bytes of one element.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => 2,
            Self::Uint32 | Self::Int32 | Self::Fp32 => 4,
            Self::Uint64 | Self::Int64 | Self::Fp64 => 8,
        }
    }

    /// Numbers of little-endian elements, rounded to the nearest `f32`. What is left behind whole elements is not read.
    pub(crate) fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::Bool => bytes.iter().map(|b| f32::from(u8::from(*b != 0))).collect(),
            Self::Uint8 => bytes.iter().map(|b| f32::from(*b)).collect(),
            Self::Int8 => bytes.iter().map(|b| f32::from(*b as i8)).collect(),
            Self::Uint16 => each(bytes, |b| f32::from(u16::from_le_bytes(b))),
            Self::Int16 => each(bytes, |b| f32::from(i16::from_le_bytes(b))),
            Self::Fp16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::Uint32 => each(bytes, |b| u32::from_le_bytes(b) as f32),
            Self::Int32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
            Self::Fp32 => each(bytes, f32::from_le_bytes),
            Self::Uint64 => each(bytes, |b| u64::from_le_bytes(b) as f32),
            Self::Int64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
            Self::Fp64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        }
    }

    /// A number of JSON as one of this type. `None` where the type has no such number.
    pub(crate) fn of_json(self, value: &Value) -> Option<f32> {
        let integer = || value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
        let within = |low: i128, high: i128| {
            integer().filter(|n| (low..=high).contains(n)).map(|n| n as f32)
        };
        match self {
            Self::Bool => value.as_bool().map(|b| f32::from(u8::from(b))).or(within(0, 1)),
            Self::Uint8 => within(0, u8::MAX.into()),
            Self::Uint16 => within(0, u16::MAX.into()),
            Self::Uint32 => within(0, u32::MAX.into()),
            Self::Uint64 => within(0, u64::MAX.into()),
            Self::Int8 => within(i8::MIN.into(), i8::MAX.into()),
            Self::Int16 => within(i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => within(i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => within(i64::MIN.into(), i64::MAX.into()),
            Self::Fp16 | Self::Bf16 | Self::Fp32 | Self::Fp64 => value.as_f64().map(|x| x as f32),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|b| number(*b)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_is_read_from_its_bytes() {
        let read = |e: Element, bytes: &[u8]| e.read(bytes);
        assert_eq!(read(Element::Bool, &[0, 1, 7]), [0.0, 1.0, 1.0]);
        assert_eq!(read(Element::Uint8, &[0, 255]), [0.0, 255.0]);
        assert_eq!(read(Element::Int8, &[0x80, 0x7f]), [-128.0, 127.0]);
        assert_eq!(read(Element::Uint16, &[1, 1]), [257.0]);
        assert_eq!(read(Element::Int16, &(-2i16).to_le_bytes()), [-2.0]);
        assert_eq!(read(Element::Uint32, &u32::MAX.to_le_bytes()), [4_294_967_296.0]);
        assert_eq!(read(Element::Int32, &(-7i32).to_le_bytes()), [-7.0]);
        assert_eq!(read(Element::Uint64, &9u64.to_le_bytes()), [9.0]);
        assert_eq!(read(Element::Int64, &(-9i64).to_le_bytes()), [-9.0]);
        assert_eq!(read(Element::Fp16, &f16::from_f32(1.5).to_le_bytes()), [1.5]);
        assert_eq!(read(Element::Bf16, &bf16::from_f32(-2.5).to_le_bytes()), [-2.5]);
        assert_eq!(read(Element::Fp32, &0.1f32.to_le_bytes()), [0.1]);
        assert_eq!(read(Element::Fp64, &1e300f64.to_le_bytes()), [f32::INFINITY]);
        for element in Element::ALL {
            assert_eq!(Element::parse(element.name()), Some(element));
            assert_eq!(element.read(&vec![0; 3 * element.size()]), [0.0; 3]);
        }
    }

    #[test]
    fn numbers_of_json_are_those_of_the_type() {
        assert_eq!(Element::Uint8.of_json(&json!(255)), Some(255.0));
        assert_eq!(Element::Int8.of_json(&json!(-128)), Some(-128.0));
        assert_eq!(Element::Fp32.of_json(&json!(3)), Some(3.0));
        assert_eq!(Element::Bool.of_json(&json!(true)), Some(1.0));
        let none = [
            (Element::Uint8, json!(256)),
            (Element::Uint8, json!(-1)),
            (Element::Uint8, json!(1.5)),
            (Element::Int8, json!(128)),
            (Element::Fp32, json!("1")),
            (Element::Fp32, json!(null)),
            (Element::Bool, json!(2)),
        ];
        for (element, value) in none {
            assert_eq!(element.of_json(&value), None, "{element:?} {value}");
        }
    }
}
