//! Token ids, and what models of tokens answer.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use npyz::npz::NpzWriter;
use npyz::{AutoSerialize, WriterBuilder};
use zip::write::FileOptions;
use zip::DateTime;

use super::array::{self, Array};
use super::{checked, find, is_npy, missing, Archive, NpzError};
use crate::{ExampleError, SequencePackage, TokenExamples};

/// Extents of a model of tokens, as far as its inputs need them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenExtents {
    /// Tokens of a sequence.
    pub tokens: usize,
    /// Token ids are below it.
    pub vocabulary: usize,
}

/// Reads `x`, or the array called `input`, one sequence of ids per row, and `y` if it is there: the id to be predicted
/// at each token, negative where there is none. A file named `.npy` holds `x` alone.
///
/// # Errors
/// When the file is malformed, or what it holds are no sequences of a model of these extents.
pub fn read_tokens(
    path: &Path,
    input: &str,
    extents: TokenExtents,
) -> Result<TokenExamples, NpzError> {
    let io = |source| NpzError::Io { path: path.to_path_buf(), source };
    if is_npy(path).map_err(io)? {
        let file = BufReader::new(File::open(path).map_err(io)?);
        let x = checked("x", array::read(file, None), io)?;
        return Ok(TokenExamples { ids: ids(&x, extents)?, next: None });
    }
    let mut archive = Archive::open(path).map_err(io)?;
    let x = match find(&mut archive, "x", io)? {
        Some(x) => x,
        None => find(&mut archive, input, io)?.ok_or_else(|| missing(&archive, "x"))?,
    };
    let y = find(&mut archive, "y", io)?;
    let ids = ids(&x, extents)?;
    let next = y.map(|y| next(&y, ids.len(), extents)).transpose()?;
    Ok(TokenExamples { ids, next })
}

/// Rows of so many tokens; a single sequence may lie there without a batch.
fn rows(array: &Array, tokens: usize) -> Result<Vec<&[f64]>, ExampleError> {
    let width = if array.shape.len() < 2 { array.values.len() } else { array.width() };
    if width != tokens || tokens == 0 {
        return Err(ExampleError::Length { got: width, expected: tokens });
    }
    Ok(array.values.chunks_exact(tokens).collect())
}

fn ids(x: &Array, extents: TokenExtents) -> Result<Vec<Vec<usize>>, NpzError> {
    let vocabulary = extents.vocabulary;
    let rows = rows(x, extents.tokens)?;
    if rows.is_empty() {
        return Err(NpzError::Array { name: "x".to_owned(), reason: "it is empty".to_owned() });
    }
    let id = |row: usize, v: &f64| {
        let is_id = v.fract() == 0.0 && *v >= 0.0 && *v < vocabulary as f64;
        let wrong = ExampleError::Id { row, id: *v as i64, vocabulary };
        is_id.then_some(*v as usize).ok_or(wrong)
    };
    let row = |(n, row): (usize, &&[f64])| row.iter().map(|v| id(n, v)).collect();
    let all: Result<Vec<Vec<usize>>, ExampleError> = rows.iter().enumerate().map(row).collect();
    Ok(all?)
}

fn next(
    y: &Array,
    count: usize,
    extents: TokenExtents,
) -> Result<Vec<Vec<Option<usize>>>, NpzError> {
    let wrong = || NpzError::Array {
        name: "y".to_owned(),
        reason: "it does not hold one id for each token, to be predicted there".to_owned(),
    };
    let rows = rows(y, extents.tokens).map_err(|_| wrong())?;
    let is_label = |v: &f64| v.fract() == 0.0 && *v < extents.vocabulary as f64;
    if rows.len() != count || !y.values.iter().all(is_label) {
        return Err(wrong());
    }
    let label = |v: &f64| (*v >= 0.0).then_some(*v as usize);
    Ok(rows.iter().map(|row| row.iter().map(label).collect()).collect())
}

/// Writes answers of a package of a sequence model: their values as `logits` (float32, `[examples, tokens, channels]`)
/// and the codes as `q` (int8, `[examples, channels, tokens]`, as they are answered).
///
/// # Errors
/// When the file cannot be written.
pub fn write_token_outputs(
    path: &Path,
    package: &SequencePackage,
    q: &[Vec<i8>],
) -> Result<(), NpzError> {
    let io = |source| NpzError::Io { path: path.to_path_buf(), source };
    let tokens = package.model.tokens;
    let channels = package.model.output_len() / tokens;
    let values: Vec<f32> = q.iter().flat_map(|row| package.values(row)).collect();
    let codes: Vec<i8> = q.concat();
    let mut npz = NpzWriter::new(BufWriter::new(File::create(path).map_err(io)?));
    let mut write = || -> std::io::Result<()> {
        write(&mut npz, "logits", [q.len(), tokens, channels], values.iter().copied())?;
        write(&mut npz, "q", [q.len(), channels, tokens], codes.iter().copied())?;
        npz.zip_writer().finish()?.flush()
    };
    write().map_err(io)
}

fn write<T: AutoSerialize>(
    npz: &mut NpzWriter<BufWriter<File>>,
    name: &str,
    shape: [usize; 3],
    values: impl Iterator<Item = T>,
) -> std::io::Result<()> {
    let shape = shape.map(|n| n as u64);
    let options = FileOptions::default().last_modified_time(DateTime::default());
    let mut array = npz.array(name, options)?.default_dtype().shape(&shape).begin_nd()?;
    array.extend(values)?;
    array.finish()
}
