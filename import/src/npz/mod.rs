//! Arrays in numpy's `.npz` and `.npy` formats.

mod array;
mod header;
mod tokens;

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use npyz::npz::NpzWriter;
use npyz::{AutoSerialize, WriterBuilder};
use thiserror::Error;
use zip::result::ZipError;
use zip::write::FileOptions;
use zip::{DateTime, ZipArchive};

use array::{Array, ArrayError};
pub use tokens::{read_tokens, write_token_outputs, TokenExtents};

use crate::{Calibration, ExampleError, Package};

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
    #[error("there is no array {name:?}; the file has: {found}")]
    Missing {
        /// Its name.
        name: String,
        /// Names of the arrays that are there.
        found: String,
    },
    /// The array has an unsupported type or shape.
    #[error("array {name:?}: {reason}")]
    Array {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The examples are no inputs of the model.
    #[error(transparent)]
    Example(#[from] ExampleError),
}

impl NpzError {
    /// Stable identifier that programs print.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Example(ExampleError::NotFinite { .. } | ExampleError::Id { .. }) => {
                "input_value"
            }
            Self::Example(_) => "input_shape",
            Self::Io { .. } | Self::Missing { .. } | Self::Array { .. } => "npz",
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Example(e) => e.hint(),
            Self::Io { .. } => "check the path; numpy.savez(file, x=..., y=...) writes such a file",
            Self::Missing { .. } => "name the arrays: numpy.savez(file, x=..., y=...)",
            Self::Array { .. } => {
                "x holds numbers, one example per entry of its first axis; y, which may be left out, one integer per example"
            }
        }
    }
}

/// An archive, and the length of its file.
struct Archive {
    zip: ZipArchive<BufReader<File>>,
    len: u64,
}

impl Archive {
    fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { zip: ZipArchive::new(BufReader::new(file)).map_err(std::io::Error::from)?, len })
    }

    /// Names of the arrays.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.zip.file_names().filter_map(|name| name.strip_suffix(".npy"))
    }
}

/// Reads `x`, flattened to one row per example, and `y` if it is there. A file named `.npy` holds
/// `x` alone.
///
/// # Errors
/// When the file is malformed or an array has an unsupported type.
pub fn read(path: &Path) -> Result<Calibration, NpzError> {
    read_named(path, &[])
}

/// As [`read`]; where there is no `x`, the arrays of these names are joined, example by example,
/// one behind the other.
///
/// # Errors
/// As [`read`].
pub fn read_named(path: &Path, names: &[String]) -> Result<Calibration, NpzError> {
    let io = |source| NpzError::Io { path: path.to_path_buf(), source };
    if is_npy(path).map_err(io)? {
        let file = BufReader::new(File::open(path).map_err(io)?);
        return examples(&[checked("x", array::read(file, None), io)?], None);
    }
    let mut archive = Archive::open(path).map_err(io)?;
    let all: Vec<String> = archive.names().map(str::to_owned).collect();
    let has_all = names.len() > 1 && names.iter().all(|name| all.contains(name));
    let is_input = has_all && names.iter().any(|name| name == "y");
    let y = if is_input { None } else { find(&mut archive, "y", io)? };
    if let (Some(x), false) = (find(&mut archive, "x", io)?, has_all) {
        return examples(&[x], y);
    }
    let mut parts = Vec::new();
    for name in names {
        parts.push(find(&mut archive, name, io)?.ok_or_else(|| missing(&archive, name))?);
    }
    if parts.is_empty() {
        return Err(missing(&archive, "x"));
    }
    examples(&parts, y)
}

fn missing(archive: &Archive, name: &str) -> NpzError {
    let mut found: Vec<String> = archive.names().map(str::to_owned).collect();
    found.sort_unstable();
    NpzError::Missing { name: name.to_owned(), found: found.join(", ") }
}

/// Whether the file holds one array. It must then be named so.
fn is_npy(path: &Path) -> std::io::Result<bool> {
    let mut start = [0; 6];
    let mut file = File::open(path)?;
    let is_array = file.read_exact(&mut start).is_ok() && start == header::MAGIC;
    if is_array && path.extension().is_none_or(|e| e != "npy") {
        let reason =
            "it holds a single array: name it .npy, or write it with numpy.savez(file, x=...)";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
    }
    Ok(is_array)
}

/// Rows of the arrays side by side.
fn examples(parts: &[Array], y: Option<Array>) -> Result<Calibration, NpzError> {
    let bad = |name: &str, reason: String| NpzError::Array { name: name.to_owned(), reason };
    let rows = parts[0].shape.first().copied().unwrap_or(0);
    if rows == 0 || parts.iter().any(|p| p.values.is_empty()) {
        return Err(bad("x", "it is empty".to_owned()));
    }
    if parts.iter().any(|p| p.shape.first() != Some(&rows)) {
        return Err(bad("x", "the inputs' arrays do not have as many examples".to_owned()));
    }
    let row = |i: usize| {
        let part = |p: &Array| p.values[i * p.width()..(i + 1) * p.width()].to_vec();
        parts.iter().flat_map(part).map(|v| v as f32).collect()
    };
    if y.as_ref().is_some_and(|y| y.values.len() != rows) {
        return Err(bad("y", format!("it does not have {rows} entries")));
    }
    let has_quantities = y.as_ref().is_some_and(|y| y.values.iter().any(|v| v.fract() != 0.0));
    let classes = y.filter(|_| !has_quantities);
    let y = classes.map(|y| y.values.into_iter().map(|v| v as i64).collect());
    let extents = if let [one] = parts { one.shape[1..].to_vec() } else { Vec::new() };
    Ok(Calibration { x: (0..rows).map(row).collect(), y, has_quantities, extents })
}

/// Reads examples for a model: [`read_named`] with the model's inputs, and every row is an input of the
/// model.
///
/// # Errors
/// As [`read`], and [`NpzError::Example`].
pub fn read_for(path: &Path, package: &Package) -> Result<Calibration, NpzError> {
    let examples = read_named(path, &package.inputs)?.or_one(package.graph.input_len());
    examples.check(package.graph.input)?;
    Ok(examples)
}

fn find(
    archive: &mut Archive,
    name: &str,
    io: impl Fn(std::io::Error) -> NpzError + Copy,
) -> Result<Option<Array>, NpzError> {
    let file = match archive.zip.by_name(&format!("{name}.npy")) {
        Ok(file) => file,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(e) => return Err(io(e.into())),
    };
    let packed = file.compressed_size().min(archive.len);
    checked(name, array::read(file, Some(packed)), io).map(Some)
}

fn checked(
    name: &str,
    array: Result<Array, ArrayError>,
    io: impl Fn(std::io::Error) -> NpzError,
) -> Result<Array, NpzError> {
    array.map_err(|e| match e {
        ArrayError::Io(e) => io(e),
        ArrayError::Reason(reason) => NpzError::Array { name: name.to_owned(), reason },
    })
}

/// Writes examples of equal length as `x` (float32, `[examples, values]`).
///
/// # Errors
/// When the file cannot be written.
pub fn write_examples(path: &Path, x: &[Vec<f32>]) -> Result<(), NpzError> {
    let io = |source| NpzError::Io { path: path.to_path_buf(), source };
    let mut npz = NpzWriter::new(BufWriter::new(File::create(path).map_err(io)?));
    let rows: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
    let mut write = || -> std::io::Result<()> {
        write_array(&mut npz, "x", &rows)?;
        npz.zip_writer().finish()?.flush()
    };
    write().map_err(io)
}

/// Writes the outputs `q` of a package, `[examples, values]` each: their values as float32 under
/// their names, where the file has several; those of the first one as `logits` too; and all codes as
/// `q` (int8). Names that are no names of files are changed until they are, all different.
///
/// The same outputs give the same bytes: entries carry no time.
///
/// # Errors
/// When the file cannot be written.
pub fn write_outputs(path: &Path, package: &Package, q: &[Vec<i8>]) -> Result<(), NpzError> {
    let io = |source| NpzError::Io { path: path.to_path_buf(), source };
    let values: Vec<Vec<Vec<f32>>> = q.iter().map(|row| package.values(row)).collect();
    let names = entries(package.outputs.iter().map(|output| output.name.as_str()));
    let several = names.iter().enumerate().filter(|_| package.outputs.len() > 1);
    let several = several.filter_map(|(at, name)| Some((at, name.as_deref()?)));
    let mut npz = NpzWriter::new(BufWriter::new(File::create(path).map_err(io)?));
    let write = || -> std::io::Result<()> {
        for (at, name) in std::iter::once((0, "logits")).chain(several) {
            let rows: Vec<&[f32]> = values.iter().map(|row| &row[at][..]).collect();
            write_array(&mut npz, name, &rows)?;
        }
        let rows: Vec<&[i8]> = q.iter().map(Vec::as_slice).collect();
        write_array(&mut npz, "q", &rows)?;
        npz.zip_writer().finish()?.flush()
    };
    write().map_err(io)
}

/// The entry of each output; none for one that has the name of another array.
fn entries<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Option<String>> {
    let mut taken = vec!["logits".to_owned(), "q".to_owned()];
    let entry = |name: &str| {
        if taken.iter().take(2).any(|reserved| reserved == name) {
            return None;
        }
        let plain = |c: char| if c.is_control() || "/\\:".contains(c) { '_' } else { c };
        let base: String = name.trim_start_matches(['/', '.', '\\']).chars().map(plain).collect();
        let base = if base.is_empty() { "output".to_owned() } else { base };
        let number = |n: usize| if n == 1 { base.clone() } else { format!("{base}_{n}") };
        let free = (1..).map(number).find(|name| !taken.contains(name))?;
        taken.push(free.clone());
        Some(free)
    };
    names.map(entry).collect()
}

fn write_array<T: AutoSerialize + Copy>(
    npz: &mut NpzWriter<BufWriter<File>>,
    name: &str,
    rows: &[&[T]],
) -> std::io::Result<()> {
    let shape = [rows.len() as u64, rows.first().map_or(0, |row| row.len()) as u64];
    let options = FileOptions::default().last_modified_time(DateTime::default());
    let mut array = npz.array(name, options)?.default_dtype().shape(&shape).begin_nd()?;
    array.extend(rows.iter().flat_map(|row| row.iter().copied()))?;
    array.finish()
}

#[cfg(test)]
mod tests {
    use super::entries;

    /// Names that graphs have, and some that would leave the folder or hide each other.
    #[test]
    fn entries_are_names_of_files_and_all_different() {
        let names = ["/fc/Gemm_output_0", "a", "a", "../../a", "logits", "", "Call:0", "a_2"];
        let entries = entries(names.into_iter());
        let entries: Vec<&str> = entries.iter().flatten().map(String::as_str).collect();
        let expected = ["fc_Gemm_output_0", "a", "a_2", "a_3", "output", "Call_0", "a_2_2"];
        assert_eq!(entries, expected);
    }
}
