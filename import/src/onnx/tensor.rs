//! The numbers of a tensor.

use std::path::Path;

use super::{
    Element, Tensor, BFLOAT16, DOUBLE, FLOAT, FLOAT16, INT16, INT32, INT64, INT8, UINT32, UINT64,
};
use crate::half::{bfloat16, float16};

/// Most numbers of one tensor.
const MAX_NUMBERS: usize = 1 << 28;

/// Extents, and values in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) dims: Vec<usize>,
    /// Integers beyond 2^53 are rounded; they only stand for "to the end".
    pub(crate) values: Vec<f64>,
    /// What the values are: division of integers is another one than that of real numbers.
    pub(crate) element: Element,
}

impl Numbers {
    /// Whether it is one number for each of so many channels, along the last axis.
    pub(crate) fn is_row_of(&self, channels: usize) -> bool {
        self.values.len() == channels && self.dims.last() == Some(&channels)
    }
}

/// The value of little-endian bits.
fn value(data_type: i32, bits: u64) -> f64 {
    match data_type {
        FLOAT => f64::from(f32::from_bits(bits as u32)),
        DOUBLE => f64::from_bits(bits),
        FLOAT16 => f64::from(float16(bits as u16)),
        BFLOAT16 => f64::from(bfloat16(bits as u16)),
        INT8 => f64::from(bits as u8 as i8),
        INT16 => f64::from(bits as u16 as i16),
        INT32 => f64::from(bits as u32 as i32),
        INT64 => bits as i64 as f64,
        _ => bits as f64,
    }
}

impl Tensor {
    /// Its numbers, or why they cannot be read. `folder` is that of the model's file.
    pub(crate) fn numbers(&self, folder: Option<&Path>) -> Result<Numbers, String> {
        let Some(element) = Element::of(self.data_type) else {
            return Err(format!("data type {} is not supported", self.data_type));
        };
        let size = element.size();
        let (dims, count) = self.extents()?;
        let values: Vec<f64> = if self.data_location != 0 {
            self.unpack(&self.external(folder, count * size)?, size)
        } else if self.raw_data.is_empty() {
            self.typed()
        } else if self.raw_data.len() == count * size {
            self.unpack(&self.raw_data, size)
        } else {
            let bytes = self.raw_data.len();
            return Err(format!("it has {bytes} bytes for dimensions {dims:?}"));
        };
        if values.len() != count {
            return Err(format!("it has {} values for dimensions {dims:?}", values.len()));
        }
        Ok(Numbers { dims, values, element })
    }

    fn extents(&self) -> Result<(Vec<usize>, usize), String> {
        let dims: Result<Vec<usize>, _> = self.dims.iter().map(|d| usize::try_from(*d)).collect();
        let dims = dims.map_err(|_| "a dimension is negative".to_owned())?;
        // Extents of a tensor without numbers are bounded as those of one that has some.
        let count = dims.iter().try_fold(1usize, |n, d| n.checked_mul((*d).max(1)));
        match count.filter(|n| *n <= MAX_NUMBERS) {
            Some(_) => Ok((dims.clone(), dims.iter().product())),
            None => Err(format!("dimensions {dims:?} are too large")),
        }
    }

    fn unpack(&self, bytes: &[u8], size: usize) -> Vec<f64> {
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..size].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        };
        bytes.chunks_exact(size).map(|b| value(self.data_type, word(b))).collect()
    }

    /// Values of the field that belongs to the type.
    fn typed(&self) -> Vec<f64> {
        match self.data_type {
            FLOAT => self.float_data.iter().map(|v| f64::from(*v)).collect(),
            DOUBLE => self.double_data.clone(),
            INT64 => self.int64_data.iter().map(|v| *v as f64).collect(),
            UINT32 | UINT64 => self.uint64_data.iter().map(|v| *v as f64).collect(),
            FLOAT16 | BFLOAT16 => {
                let bits = |v: &i32| value(self.data_type, u64::from(*v as u16));
                self.int32_data.iter().map(bits).collect()
            }
            _ => self.int32_data.iter().map(|v| f64::from(*v)).collect(),
        }
    }
}
