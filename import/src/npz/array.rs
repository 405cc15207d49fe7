//! One array of numbers: every numeric type of numpy, either byte order, either index order.

use std::io::Read;

use npyz::{DType, Endianness, NpyFile, Order, TypeChar};

use crate::half;

/// Largest number of values in one array.
const MAX_VALUES: u64 = 1 << 28;

/// Numbers in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
}

impl Array {
    /// Numbers per entry of the first axis.
    pub(super) fn width(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
}

/// Why an array cannot be read: its bytes, or what it holds.
pub(super) enum ArrayError {
    Io(std::io::Error),
    Reason(String),
}

/// Reads the array behind a header.
pub(super) fn read<R: Read>(file: NpyFile<R>) -> Result<Array, ArrayError> {
    let reason = |text: String| Err(ArrayError::Reason(text));
    let count = file.shape().iter().try_fold(1u64, |n, d| n.checked_mul(*d));
    let Some(count) = count.filter(|n| *n <= MAX_VALUES) else {
        return reason("it is too large".to_owned());
    };
    let dtype = file.dtype();
    let number = match &dtype {
        DType::Plain(plain) => Number::of(plain),
        _ => None,
    };
    let Some(number) = number else {
        return reason(format!("type {} is not one of numbers", dtype.descr()));
    };
    // MAX_VALUES fits usize.
    let shape: Vec<usize> = file.shape().iter().map(|d| *d as usize).collect();
    let is_fortran = file.order() == Order::Fortran;
    let size = number.size as u64;
    let mut bytes = Vec::new();
    file.into_inner().take(count * size).read_to_end(&mut bytes).map_err(ArrayError::Io)?;
    if bytes.len() as u64 != count * size {
        return reason("it ends early".to_owned());
    }
    let values: Vec<f64> = bytes.chunks_exact(number.size).map(|b| number.value(b)).collect();
    let values = if is_fortran { row_major(&shape, &values) } else { values };
    Ok(Array { shape, values })
}

/// Values of column-major order in row-major order.
fn row_major(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let mut strides = Vec::new();
    shape.iter().fold(1, |stride, d| {
        strides.push(stride);
        stride * d
    });
    let mut index = vec![0; shape.len()];
    let mut out = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        out.push(values[index.iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>()]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    out
}

/// How a number lies in the file.
struct Number {
    kind: TypeChar,
    size: usize,
    is_big_endian: bool,
}

impl Number {
    /// `None` for what is not a number.
    fn of(plain: &npyz::TypeStr) -> Option<Self> {
        let (kind, size) = (plain.type_char(), plain.size_field());
        let is_number = match kind {
            TypeChar::Float => [2, 4, 8].contains(&size),
            TypeChar::Int | TypeChar::Uint => [1, 2, 4, 8].contains(&size),
            TypeChar::Bool => size == 1,
            _ => false,
        };
        let is_big_endian = plain.endianness() == Endianness::Big;
        is_number.then_some(Self { kind, size: size as usize, is_big_endian })
    }

    fn value(&self, bytes: &[u8]) -> f64 {
        let mut word = [0u8; 8];
        for (i, byte) in bytes.iter().enumerate() {
            word[if self.is_big_endian { bytes.len() - 1 - i } else { i }] = *byte;
        }
        let bits = u64::from_le_bytes(word);
        let unused = 64 - 8 * self.size as u32;
        match (self.kind, self.size) {
            (TypeChar::Float, 2) => f64::from(half::float16(bits as u16)),
            (TypeChar::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (TypeChar::Float, _) => f64::from_bits(bits),
            (TypeChar::Int, _) => ((bits << unused) as i64 >> unused) as f64,
            _ => bits as f64,
        }
    }
}
