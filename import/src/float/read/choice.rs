//! Comparisons, truth, and choices by it.

use super::arithmetic::{copy, Operand};
use super::axes::{broadcast, spread_index};
use super::view::{Cell, View};
use super::Reader;
use crate::float::Scalar;
use crate::onnx::{self, Numbers};

impl Reader {
    /// Comparisons: 1 where they hold, else 0.
    pub(super) fn compare(&mut self, node: &onnx::Node) -> Result<Vec<View>, String> {
        let operand =
            |at: usize| node.operand(at).ok_or_else(|| format!("operand {at} is missing"));
        let (a, b) = (self.either(operand(0)?)?, self.either(operand(1)?)?);
        let op = node.op_type.as_str();
        let swap = matches!(op, "Less" | "LessOrEqual");
        let difference = self.sum("Sub", &if swap { [b, a] } else { [a, b] })?;
        let step = if op.ends_with("OrEqual") { Scalar::AtLeast(0.0) } else { Scalar::Above(0.0) };
        Ok(vec![self.function(&difference, &[step])?])
    }

    /// `And`, `Or` and `Not` of numbers 0 and 1.
    pub(super) fn logic(&mut self, node: &onnx::Node) -> Result<Vec<View>, String> {
        let operands: Vec<Operand> =
            node.operands().map(|n| self.either(n)).collect::<Result<_, _>>()?;
        let result = match (node.op_type.as_str(), &operands[..]) {
            ("Not", [Operand::View(view)]) => self.function(view, &[Scalar::Affine(-1.0, 1.0)])?,
            (op, [_, _]) => {
                let sum = self.sum("Add", &operands)?;
                self.function(&sum, &[Scalar::Above(if op == "And" { 1.5 } else { 0.5 })])?
            }
            _ => return Err("it needs two operands".to_owned()),
        };
        Ok(vec![result])
    }

    /// One operand or the other, by a constant, or by a condition on the same numbers.
    pub(super) fn choose(&mut self, node: &onnx::Node) -> Result<Vec<View>, String> {
        let operand =
            |at: usize| node.operand(at).ok_or_else(|| format!("operand {at} is missing"));
        let condition = self.either(operand(0)?)?;
        let (a, b) = (self.either(operand(1)?)?, self.either(operand(2)?)?);
        let condition = match condition {
            Operand::Constant(mask) => return self.masked(&mask, &a, &b).map(|v| vec![v]),
            Operand::View(view) => view,
        };
        let mut dims = condition.dims.clone();
        for operand in [&a, &b] {
            dims = broadcast(&dims, operand.dims())?;
        }
        let condition = self.spread_to(&condition, &dims)?;
        let (x, y) = (self.choice(&condition, &a, &dims)?, self.choice(&condition, &b, &dims)?);
        let (Some(x), Some(y)) = (x, y) else {
            return self.by_gate(&condition, &a, &b).map(|v| vec![v]);
        };
        self.replaced(&condition, |reader, value| {
            let (root, test) = reader.chain(value);
            reader.push_scalar(root, &[Scalar::Select(test, x(reader, value), y(reader, value))])
        })
        .map(|v| vec![v])
    }

    /// `b + condition (a - b)`, with a condition that is 0 or 1.
    fn by_gate(&mut self, condition: &View, a: &Operand, b: &Operand) -> Result<View, String> {
        let difference = match (a, b) {
            (Operand::Constant(a), Operand::Constant(b)) => {
                let difference = super::numbers::binary("Sub", a, b)?;
                self.with_constant("Mul", condition, &difference, false)?
            }
            _ => {
                let difference = self.sum("Sub", &[copy(a), copy(b)])?;
                self.multiplied(&difference, condition)?
            }
        };
        self.sum("Add", &[Operand::View(difference), copy(b)])
    }

    /// The functions, by value of the condition, that an operand is; `None` if it is none of these.
    #[allow(clippy::type_complexity, reason = "one use, above")]
    fn choice(
        &mut self,
        condition: &View,
        operand: &Operand,
        dims: &[usize],
    ) -> Result<Option<Box<dyn Fn(&Self, usize) -> Vec<Scalar>>>, String> {
        match operand {
            Operand::Constant(c) => match c.values[..] {
                [c] => Ok(Some(Box::new(move |_, _| vec![Scalar::Affine(0.0, c as f32)]))),
                _ => Ok(None),
            },
            Operand::View(view) => {
                let view = self.spread_to(view, dims)?;
                let Some(pairs) = self.alike(condition, &view) else { return Ok(None) };
                Ok(Some(Box::new(move |reader, value| {
                    let other = pairs.iter().find(|(v, _)| *v == value).map_or(value, |(_, w)| *w);
                    reader.chain(other).1
                })))
            }
        }
    }

    fn masked(&mut self, mask: &Numbers, a: &Operand, b: &Operand) -> Result<View, String> {
        let dims = broadcast(&broadcast(&mask.dims, a.dims())?, b.dims())?;
        self.afford(dims.iter().copied())?;
        let mut cells = Vec::new();
        for operand in [a, b] {
            let index = spread_index(operand.dims(), &dims);
            let all: Vec<Cell> = match operand {
                Operand::Constant(c) => {
                    index.iter().map(|i| Cell::number(c.values[*i] as f32)).collect()
                }
                Operand::View(view) => {
                    let cells = self.cells(view)?;
                    index.iter().map(|i| cells[*i]).collect()
                }
            };
            cells.push(all);
        }
        let mask = spread_index(&mask.dims, &dims).into_iter().map(|i| mask.values[i] != 0.0);
        let chosen = mask.enumerate().map(|(i, m)| cells[usize::from(!m)][i]).collect();
        self.view_of(chosen, dims)
    }
}
