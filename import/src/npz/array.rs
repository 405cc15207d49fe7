//! One array of numbers: every numeric type of numpy, either byte order, either index order.

use std::io::Read;

use super::header::Header;
use crate::half;

/// Largest number of values in one array.
const MAX_VALUES: u64 = 1 << 28;
/// Bytes that are unpacked whatever they were packed into.
const FREE_BYTES: u64 = 1 << 26;
/// Beyond them, most bytes that one packed byte may become: numbers of measurements become two.
const MAX_RATIO: u64 = 256;

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

/// Reads an array. `packed` is the number of bytes that hold it, where they are packed.
pub(super) fn read(mut from: impl Read, packed: Option<u64>) -> Result<Array, ArrayError> {
    let reason = |text: String| Err(ArrayError::Reason(text));
    let header = Header::read(&mut from)?;
    let count = header.shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d));
    let Some(count) = count.filter(|n| *n <= MAX_VALUES) else {
        return reason("it is too large".to_owned());
    };
    let Some(number) = Number::of(&header.descr) else {
        return reason(format!("type {:?} is not one of numbers", header.descr));
    };
    let bytes = count * number.size as u64;
    if packed.is_some_and(|n| bytes > FREE_BYTES.max(n.saturating_mul(MAX_RATIO))) {
        return reason(format!(
            "it unpacks to {bytes} bytes, more than {MAX_RATIO} times those that hold it"
        ));
    }
    // MAX_VALUES fits usize.
    let shape: Vec<usize> = header.shape.iter().map(|d| *d as usize).collect();
    let values = numbers(from.take(bytes), &number)?;
    if values.len() as u64 != count {
        return reason("it ends early".to_owned());
    }
    let values = if header.is_fortran { row_major(&shape, &values) } else { values };
    Ok(Array { shape, values })
}

/// All numbers that are there.
fn numbers(mut from: impl Read, number: &Number) -> Result<Vec<f64>, ArrayError> {
    let (mut values, mut buffer, mut kept) = (Vec::new(), vec![0; 1 << 16], 0);
    loop {
        let got = match from.read(&mut buffer[kept..]) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            got => got.map_err(ArrayError::Io)?,
        };
        let filled = kept + got;
        let whole = filled - filled % number.size;
        values.extend(buffer[..whole].chunks_exact(number.size).map(|b| number.value(b)));
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
        if got == 0 {
            return Ok(values);
        }
    }
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
    kind: char,
    size: usize,
    is_big_endian: bool,
}

impl Number {
    /// `None` for what is not a number. `descr` is byte order, kind and size, as `<f4`.
    fn of(descr: &str) -> Option<Self> {
        let mut letters = descr.chars();
        let (order, kind) = (letters.next()?, letters.next()?);
        let size: usize = letters.as_str().parse().ok()?;
        let is_number = match kind {
            'f' => [2, 4, 8].contains(&size),
            'i' | 'u' => [1, 2, 4, 8].contains(&size),
            'b' => size == 1,
            _ => false,
        };
        let is_known = "<>".contains(order) || "|=".contains(order) && size == 1;
        let is_big_endian = order == '>';
        (is_number && is_known).then_some(Self { kind, size, is_big_endian })
    }

    fn value(&self, bytes: &[u8]) -> f64 {
        let mut word = [0u8; 8];
        for (i, byte) in bytes.iter().enumerate() {
            word[if self.is_big_endian { bytes.len() - 1 - i } else { i }] = *byte;
        }
        let bits = u64::from_le_bytes(word);
        let unused = 64 - 8 * self.size as u32;
        match (self.kind, self.size) {
            ('f', 2) => f64::from(half::float16(bits as u16)),
            ('f', 4) => f64::from(f32::from_bits(bits as u32)),
            ('f', _) => f64::from_bits(bits),
            ('i', _) => ((bits << unused) as i64 >> unused) as f64,
            _ => bits as f64,
        }
    }
}
