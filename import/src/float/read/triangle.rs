//! What leaves out or adds up one side of a diagonal: products with constant triangles.

use super::axes::{axis, product};
use super::rewrite::{node as make, with_ints};
use super::Reader;
use crate::onnx::Node;

impl Reader {
    /// The nodes of a running sum: a product with a triangle of ones behind the axis.
    pub(super) fn running_sum(&mut self, node: &Node) -> Result<Vec<Node>, String> {
        let dims = self.operand(node, 0)?.dims;
        let along = self.integers_at(node, 1).ok_or("the axis is not a constant")?;
        let along = axis(along.first().copied().unwrap_or(0), dims.len())?;
        let (n, last) = (dims[along], dims.len() - 1);
        self.afford([n, n])?;
        let (is_exclusive, is_reverse) =
            (node.int("exclusive", 0) != 0, node.int("reverse", 0) != 0);
        let counts = |from: usize, to: usize| {
            let (first, second) = if is_reverse { (to, from) } else { (from, to) };
            first < second || first == second && !is_exclusive
        };
        let ones = (0..n * n).map(|i| f64::from(u8::from(counts(i / n, i % n)))).collect();
        let x = node.operand(0).unwrap_or_default();
        let result = node.output.first().cloned().unwrap_or_default();
        let triangle = self.store(&result, vec![n, n], ones);
        if along == last {
            return Ok(vec![make("MatMul", &[x, &triangle], &result)]);
        }
        let mut order: Vec<i64> = (0..=last as i64).collect();
        order.swap(along, last);
        let name = |part: &str| format!("{result}@{part}");
        let swap = |from: &str, to: &str| with_ints(make("Transpose", &[from], to), "perm", &order);
        Ok(vec![
            swap(x, &name("behind")),
            make("MatMul", &[&name("behind"), &triangle], &name("sums")),
            swap(&name("sums"), &result),
        ])
    }

    /// The nodes of a matrix without what lies on one side of a diagonal.
    pub(super) fn triangle(&mut self, node: &Node) -> Result<Vec<Node>, String> {
        let dims = self.operand(node, 0)?.dims;
        let stays = self.side(node, &dims)?;
        let [.., rows, columns] = dims[..] else {
            return Err("its operand is not a matrix".to_owned());
        };
        self.batch_in_front(node, dims.len() - 2)?;
        let mask = [rows, columns];
        let ones = (0..product(&mask)).map(|i| f64::from(u8::from(stays(i)))).collect();
        let result = node.output.first().cloned().unwrap_or_default();
        let mask = self.store(&result, mask.to_vec(), ones);
        Ok(vec![make("Mul", &[node.operand(0).unwrap_or_default(), &mask], &result)])
    }

    /// Which entries of matrices `dims`, the last two axes, a triangle keeps, by their place.
    pub(super) fn side(
        &self,
        node: &Node,
        dims: &[usize],
    ) -> Result<impl Fn(usize) -> bool, String> {
        let [.., rows, columns] = dims[..] else {
            return Err("its operand is not a matrix".to_owned());
        };
        let diagonal = match node.operand(1) {
            Some(_) => self.integers_at(node, 1).ok_or("the diagonal is not a constant")?,
            None => vec![0],
        };
        let diagonal = diagonal.first().copied().unwrap_or(0);
        let is_upper = node.int("upper", 1) != 0;
        Ok(move |i: usize| {
            let beyond = (i % columns) as i64 - (i / columns % rows) as i64;
            if is_upper {
                beyond >= diagonal
            } else {
                beyond <= diagonal
            }
        })
    }
}
