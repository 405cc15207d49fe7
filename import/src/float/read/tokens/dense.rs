//! Tables that ids look up, and dense layers.

use super::seen::{Part, Seen};
use super::TokenReader;
use crate::onnx::{Node, Numbers};
use crate::tokens::{Dense, Kind};

fn finite(numbers: &Numbers) -> Result<(), String> {
    if numbers.values.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err("a weight is not finite".to_owned())
}

impl TokenReader {
    /// Rows of a table by token id.
    pub(super) fn embedding(&mut self, node: &Node) -> Result<Seen, String> {
        let table = self.constant(node, 0)?.ok_or("the table is not a constant")?;
        let ids = self.operand(node, 1)?;
        let is_ids = matches!(self.parts[ids.part], Part::Ids)
            && ids.index.is_none()
            && ids.chain.is_empty();
        if !is_ids {
            return Err("a table is looked up by what is not the token ids as they come".to_owned());
        }
        let [rows, channels] = table.dims[..] else {
            return Err(format!(
                "its table has dimensions {:?}, not rows and channels",
                table.dims
            ));
        };
        if node.int("axis", 0) != 0 {
            return Err(
                "columns are looked up; export the table with one row for each id".to_owned()
            );
        }
        super::check_vocabulary(rows)?;
        finite(&table)?;
        if self.model.vocabulary > 0 && self.model.vocabulary != rows {
            return Err(format!(
                "its table has {rows} rows, the first one {}",
                self.model.vocabulary
            ));
        }
        self.model.vocabulary = rows;
        let value = self.push(channels, Kind::Embedding { table: table.values.clone() })?;
        let dims = ids.dims.iter().copied().chain([channels]).collect();
        Ok(self.under(value, dims))
    }

    /// A dense layer, or a product of an attention.
    pub(super) fn mat_mul(&mut self, node: &Node) -> Result<Seen, String> {
        match (self.constant(node, 0)?, self.constant(node, 1)?) {
            (None, None) => {
                let (a, b) = (self.operand(node, 0)?, self.operand(node, 1)?);
                self.attended(&a, &b)
            }
            (Some(_), _) => {
                Err("a constant matrix stands in front of the tokens and mixes them".to_owned())
            }
            (None, Some(weights)) => {
                let x = self.operand(node, 0)?;
                let [inputs, outputs] = weights.dims[..] else {
                    return Err(format!("its weights have dimensions {:?}", weights.dims));
                };
                let at = |o: usize, i: usize| weights.values[i * outputs + o];
                finite(&weights)?;
                self.dense(&x, [inputs, outputs], at, vec![0.0; outputs])
            }
        }
    }

    fn dense(
        &mut self,
        x: &Seen,
        [inputs, outputs]: [usize; 2],
        at: impl Fn(usize, usize) -> f64,
        bias: Vec<f64>,
    ) -> Result<Seen, String> {
        let of = self.settled(x)?;
        if self.model.channels(of) != inputs {
            return Err(format!("its weights of {inputs} inputs read {:?}", x.dims));
        }
        let weights = (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i)));
        let weights = weights.map(|(o, i)| at(o, i)).collect();
        let value = self.push(outputs, Kind::Dense(Dense { of, weights, bias }))?;
        let mut dims = x.dims.clone();
        dims.pop();
        dims.push(outputs);
        Ok(self.under(value, dims))
    }

    pub(super) fn gemm(&mut self, node: &Node) -> Result<Seen, String> {
        let x = self.operand(node, 0)?;
        let weights = self.constant(node, 1)?.ok_or("its weights are not a constant")?;
        if node.int("transA", 0) != 0 {
            return Err("its first operand is transposed".to_owned());
        }
        let [rows, columns] = weights.dims[..] else {
            return Err(format!("its weights have dimensions {:?}", weights.dims));
        };
        finite(&weights)?;
        let is_turned = node.int("transB", 0) != 0;
        let [inputs, outputs] = if is_turned { [columns, rows] } else { [rows, columns] };
        let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
        let at = |o: usize, i: usize| {
            let place = if is_turned { o * columns + i } else { i * columns + o };
            f64::from(alpha) * weights.values[place]
        };
        let bias = match self.constant(node, 2)? {
            None if node.operand(2).is_some() => return Err("its bias is computed".to_owned()),
            None => vec![0.0; outputs],
            Some(c) if c.values.len() == 1 => vec![f64::from(beta) * c.values[0]; outputs],
            Some(c) if c.is_row_of(outputs) => {
                c.values.iter().map(|v| f64::from(beta) * v).collect()
            }
            Some(c) => return Err(format!("its bias has dimensions {:?}", c.dims)),
        };
        self.dense(&x, [inputs, outputs], at, bias)
    }
}
