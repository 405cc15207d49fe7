//! Arrays in numpy's `.npz` format.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use npyz::npz::{NpzArchive, NpzWriter};
use npyz::{DType, NpyFile, TypeChar, WriterBuilder};
use thiserror::Error;
use zip::write::FileOptions;
use zip::DateTime;

use crate::{Calibration, Package};

/// Largest number of values in one array.
const MAX_VALUES: u64 = 1 << 28;

/// Why an array file cannot be used.
#[derive(Debug, Error)]
pub enum NpzError {
    /// The file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The array is missing.
    #[error("there is no array {name:?}")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// The array has an unsupported type or shape.
    #[error("array {name:?}: {reason}")]
    Array {
        /// Its name.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// The examples do not have the model's length.
    #[error("an example has {got} values, the model takes {expected}")]
    InputLength {
        /// Length found.
        got: usize,
        /// Length required.
        expected: usize,
    },
}

impl NpzError {
    /// Stable identifier that programs print.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InputLength { .. } => "input_shape",
            Self::Io { .. } | Self::Missing { .. } | Self::Array { .. } => "npz",
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::InputLength { .. } => "give array x with one row of that length per example",
            Self::Io { .. } | Self::Missing { .. } | Self::Array { .. } => {
                "write the arrays with numpy.savez(file, x=..., y=...)"
            }
        }
    }
}

type Archive = NpzArchive<BufReader<File>>;

/// Reads `x`, flattened to one row per example, and `y` if it is there.
///
/// # Errors
/// When the file is malformed or an array has an unsupported type.
pub fn read(path: &Path) -> Result<Calibration, NpzError> {
    let io = |source| NpzError::Io { path: path.to_path_buf(), source };
    let mut archive = NpzArchive::open(path).map_err(io)?;
    let (shape, values) = array(&mut archive, "x", io)?.ok_or(NpzError::Missing { name: "x" })?;
    let rows = usize::try_from(shape.first().copied().unwrap_or(0)).unwrap_or(0);
    if rows == 0 || values.is_empty() {
        return Err(NpzError::Array { name: "x", reason: "it is empty".into() });
    }
    let width = values.len() / rows;
    let x = values.chunks_exact(width).map(|r| r.iter().map(|v| *v as f32).collect()).collect();
    let labels = array(&mut archive, "y", io)?;
    let y = labels.map(|(_, values)| values.into_iter().map(|v| v as i64).collect::<Vec<_>>());
    if y.as_ref().is_some_and(|y| y.len() != rows) {
        let reason = format!("it does not have {rows} entries");
        return Err(NpzError::Array { name: "y", reason });
    }
    Ok(Calibration { x, y })
}

/// Reads examples for a model: [`read`], and every row has the length of the model's input.
///
/// # Errors
/// As [`read`], and [`NpzError::InputLength`].
pub fn read_for(path: &Path, package: &Package) -> Result<Calibration, NpzError> {
    let examples = read(path)?;
    let expected = package.graph.input_len();
    match examples.x.iter().find(|row| row.len() != expected) {
        None => Ok(examples),
        Some(row) => Err(NpzError::InputLength { got: row.len(), expected }),
    }
}

type Shaped = (Vec<u64>, Vec<f64>);

fn array(
    archive: &mut Archive,
    name: &'static str,
    io: impl Fn(std::io::Error) -> NpzError + Copy,
) -> Result<Option<Shaped>, NpzError> {
    let Some(file) = archive.by_name(name).map_err(io)? else { return Ok(None) };
    let shape = file.shape().to_vec();
    let count = shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d));
    if count.is_none_or(|n| n > MAX_VALUES) {
        return Err(NpzError::Array { name, reason: "it is too large".into() });
    }
    if file.header().order() == npyz::Order::Fortran && shape.len() > 1 {
        let reason = "it is in Fortran order; save numpy.ascontiguousarray of it".into();
        return Err(NpzError::Array { name, reason });
    }
    Ok(Some((shape, values(file, name, io)?)))
}

fn values<R: std::io::Read>(
    file: NpyFile<R>,
    name: &'static str,
    io: impl Fn(std::io::Error) -> NpzError + Copy,
) -> Result<Vec<f64>, NpzError> {
    let dtype = file.dtype();
    let unsupported =
        || NpzError::Array { name, reason: format!("type {} is not supported", dtype.descr()) };
    let DType::Plain(plain) = &dtype else { return Err(unsupported()) };
    macro_rules! read_as {
        ($t:ty) => {
            file.into_vec::<$t>().map_err(io)?.into_iter().map(|v| v as f64).collect()
        };
    }
    Ok(match (plain.type_char(), plain.size_field()) {
        (TypeChar::Float, 4) => read_as!(f32),
        (TypeChar::Float, 8) => read_as!(f64),
        (TypeChar::Int, 1) => read_as!(i8),
        (TypeChar::Int, 4) => read_as!(i32),
        (TypeChar::Int, 8) => read_as!(i64),
        (TypeChar::Uint, 1) => read_as!(u8),
        _ => return Err(unsupported()),
    })
}

/// Writes examples of equal length as `x` (float32, `[examples, values]`).
///
/// # Errors
/// When the file cannot be written.
pub fn write_examples(path: &Path, x: &[Vec<f32>]) -> Result<(), NpzError> {
    let io = |source| NpzError::Io { path: path.to_path_buf(), source };
    let shape = [x.len() as u64, x.first().map_or(0, Vec::len) as u64];
    let options = FileOptions::default().last_modified_time(DateTime::default());
    let mut npz = NpzWriter::new(BufWriter::new(File::create(path).map_err(io)?));
    let write = |npz: &mut NpzWriter<BufWriter<File>>| -> std::io::Result<()> {
        let mut array = npz.array("x", options)?.default_dtype().shape(&shape).begin_nd()?;
        array.extend(x.iter().flatten().copied())?;
        array.finish()?;
        npz.zip_writer().finish()?.flush()
    };
    write(&mut npz).map_err(io)
}

/// Writes the outputs `q` of a package as `logits` (float32) and `q` (int8), both
/// `[examples, outputs]`.
///
/// The same outputs give the same bytes: entries carry no time.
///
/// # Errors
/// When the file cannot be written.
pub fn write_outputs(path: &Path, package: &Package, q: &[Vec<i8>]) -> Result<(), NpzError> {
    let io = |source| NpzError::Io { path: path.to_path_buf(), source };
    let width = q.first().map_or(0, Vec::len) as u64;
    let shape = [q.len() as u64, width];
    let options = FileOptions::default().last_modified_time(DateTime::default());
    let file = BufWriter::new(File::create(path).map_err(io)?);
    let mut npz = NpzWriter::new(file);
    let write = |npz: &mut NpzWriter<BufWriter<File>>| -> std::io::Result<()> {
        let mut array = npz.array("logits", options)?.default_dtype().shape(&shape).begin_nd()?;
        array.extend(q.iter().flat_map(|row| package.dequantize_output(row)))?;
        array.finish()?;
        let mut array = npz.array("q", options)?.default_dtype().shape(&shape).begin_nd()?;
        array.extend(q.iter().flatten().copied())?;
        array.finish()?;
        npz.zip_writer().finish()?.flush()
    };
    write(&mut npz).map_err(io)
}
