//! Integer arithmetic on shapes, as exporters emit it in front of a `Reshape` or a `Pad`.

use super::Reader;
use crate::onnx;

/// Most entries of an integer tensor that is computed.
const MAX_ENTRIES: usize = 64;

/// Integers in rows. A vector is one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Integers {
    columns: usize,
    values: Vec<i64>,
}

impl Integers {
    fn vector(values: Vec<i64>) -> Self {
        Self { columns: 1, values }
    }

    fn rows(&self) -> impl DoubleEndedIterator<Item = &[i64]> {
        self.values.chunks(self.columns)
    }

    fn transposed(&self) -> Option<Self> {
        let rows = self.values.len().checked_div(self.columns)?.max(1);
        let column = |c: usize| self.rows().filter_map(move |row| row.get(c).copied());
        Some(Self { columns: rows, values: (0..self.columns).flat_map(column).collect() })
    }
}

/// The index that `at` means in a sequence of `len`, counting from the end if it is negative.
fn index(at: i64, len: usize) -> Option<usize> {
    let len = i64::try_from(len).ok()?;
    usize::try_from(if at < 0 { at.checked_add(len)? } else { at.min(len) }).ok()
}

impl Reader {
    /// Integers under a name: computed ones or a constant.
    pub(super) fn integers(&self, name: &str) -> Option<Vec<i64>> {
        self.table(name).map(|t| t.values)
    }

    fn table(&self, name: &str) -> Option<Integers> {
        let constant = || self.constants.get(name).and_then(|t| t.integers().ok());
        let computed = self.integers.get(name).cloned();
        computed.or_else(|| constant().map(Integers::vector))
    }

    /// The integers of an attribute or, in later operator sets, of an operand.
    pub(super) fn axes(&self, node: &onnx::Node, name: &str, at: usize) -> Option<Vec<i64>> {
        let attribute = node.ints(name).map(<[i64]>::to_vec);
        attribute.or_else(|| self.integers(node.operand(at)?))
    }

    /// The result of a node that computes with shapes only.
    pub(super) fn fold_integers(&self, node: &onnx::Node) -> Option<Integers> {
        let first = node.operand(0)?;
        match node.op_type.as_str() {
            "Shape" => {
                let dims = &self.views.get(first)?.dims;
                let dims = dims.iter().map(|d| i64::try_from(*d).ok());
                let values: Option<Vec<i64>> = std::iter::once(Some(0)).chain(dims).collect();
                values.map(Integers::vector)
            }
            "Cast" | "Squeeze" | "Unsqueeze" | "Identity" => self.table(first),
            "Concat" => {
                let parts: Option<Vec<_>> = node.input.iter().map(|n| self.integers(n)).collect();
                parts.map(|p| Integers::vector(p.concat()))
            }
            "ConstantOfShape" => {
                let [len] = self.integers(first)?[..] else { return None };
                let len = usize::try_from(len).ok().filter(|n| *n <= MAX_ENTRIES)?;
                let value = node.tensor("value").map_or(Some(vec![0]), |t| t.integers().ok())?;
                Some(Integers::vector(vec![*value.first()?; len]))
            }
            "Reshape" => {
                let table = self.table(first)?;
                match self.integers(node.operand(1)?)?[..] {
                    [_] => Some(Integers { columns: 1, ..table }),
                    [_, columns] if columns > 0 => {
                        Some(Integers { columns: usize::try_from(columns).ok()?, ..table })
                    }
                    _ => None,
                }
            }
            "Transpose" => self.table(first)?.transposed(),
            "Gather" => {
                let values = self.integers(first)?;
                let pick = |i: i64| values.get(index(i, values.len())?).copied();
                let picked = self.integers(node.operand(1)?)?.into_iter().map(pick);
                picked.collect::<Option<Vec<i64>>>().map(Integers::vector)
            }
            "Slice" => self.slice(node, &self.table(first)?),
            _ => None,
        }
    }

    /// A range of rows, or all rows from last to first.
    fn slice(&self, node: &onnx::Node, table: &Integers) -> Option<Integers> {
        let number = |at: usize| match self.integers(node.operand(at)?)?[..] {
            [n] => Some(n),
            _ => None,
        };
        let (start, end) = (number(1)?, number(2)?);
        if node.operand(3).is_some() && number(3)? != 0 {
            return None;
        }
        let rows: Vec<&[i64]> = table.rows().collect();
        let step = if node.operand(4).is_some() { number(4)? } else { 1 };
        let rows = match step {
            1 => rows.get(index(start, rows.len())?..index(end, rows.len())?)?.concat(),
            -1 if start == -1 && end < -i64::try_from(rows.len()).ok()? => {
                rows.into_iter().rev().collect::<Vec<_>>().concat()
            }
            _ => return None,
        };
        Some(Integers { columns: table.columns, values: rows })
    }
}
