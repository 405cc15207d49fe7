//! Several tensors as one.

use super::arithmetic::Operand;
use super::axes::{axis, product};
use super::view::{Body, Cell, View};
use super::Reader;
use crate::onnx;

impl Reader {
    pub(super) fn concat(&mut self, node: &onnx::Node) -> Result<View, String> {
        let mut views = Vec::new();
        for name in node.operands() {
            views.push(match self.either(name)? {
                Operand::View(view) => view,
                Operand::Constant(c) => {
                    let cells = c.values.iter().map(|v| Cell::number(*v as f32)).collect();
                    self.view_of(cells, c.dims)?
                }
            });
        }
        let first = views.first().ok_or("there are no operands")?;
        let at = axis(node.int("axis", 1), first.dims.len())?;
        self.joined_along(&views, at)
    }

    /// Views one behind the other along an axis.
    pub(super) fn joined_along(&mut self, views: &[View], at: usize) -> Result<View, String> {
        let mut dims = views[0].dims.clone();
        let fits = |v: &View| {
            v.dims.len() == dims.len() && (0..dims.len()).all(|a| a == at || v.dims[a] == dims[a])
        };
        if !views.iter().all(fits) {
            return Err("the operands have different extents".to_owned());
        }
        dims[at] = views.iter().map(|v| v.dims[at]).sum();
        self.afford(dims.iter().copied())?;
        let rows = product(&dims[..at]);
        let stacks: Option<Vec<Vec<usize>>> = views
            .iter()
            .map(|v| match &v.body {
                Body::Stack(values) => Some(values.clone()),
                Body::Cells(_) => None,
            })
            .collect();
        if let (1, Some(stacks)) = (rows, stacks) {
            return Ok(View::stack(stacks.concat(), dims));
        }
        let mut parts = Vec::new();
        for view in views {
            parts.push((self.cells(view)?, view.len() / rows));
        }
        let mut cells = Vec::with_capacity(product(&dims));
        for row in 0..rows {
            for (part, len) in &parts {
                cells.extend_from_slice(&part[row * len..(row + 1) * len]);
            }
        }
        self.view_of(cells, dims)
    }

    /// The model's output: one view as it is, several one behind the other.
    pub(super) fn output(&mut self, views: &[View]) -> Result<usize, String> {
        let view = match views {
            [view] => view.clone(),
            _ => {
                let flat: Vec<View> = views.iter().map(|v| v.under(vec![1, v.len()])).collect();
                self.joined_along(&flat, 1)?
            }
        };
        if let Body::Stack(values) = &view.body {
            if let [value] = values[..] {
                return Ok(value);
            }
            let first = self.model.shape(values[0]);
            if self.is_stacked(values, first) {
                let channels = view.len() / first.positions();
                return self.whole(&view, [channels, first.height, first.width]);
            }
        }
        match view.image_dims() {
            Some(dims) => self.whole(&view, dims),
            None => self.whole(&view, [view.len(), 1, 1]),
        }
    }
}
