//! Views: what the graph sees as one tensor.
//!
//! A view is a list of cells, each a number of some value of the model, or a constant, under
//! dimensions that the graph chose. Operators that only move numbers make views and no operations.

use std::rc::Rc;

use super::Reader;

/// One number of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    value: u32,
    index: u32,
}

/// The `value` of cells that hold a constant: its bits are the index.
const NUMBER: u32 = u32::MAX;

impl Cell {
    pub(super) fn of(value: usize, index: usize) -> Self {
        // Operations and the lengths of values are bounded far below.
        Self { value: value as u32, index: index as u32 }
    }

    pub(super) fn number(number: f32) -> Self {
        // Positive and negative zero are the same constant.
        Self { value: NUMBER, index: (number + 0.0).to_bits() }
    }

    /// The value that is read and the index in it; `None` for a constant.
    pub(super) fn source(self) -> Option<(usize, usize)> {
        (self.value != NUMBER).then_some((self.value as usize, self.index as usize))
    }

    /// The constant, 0 for a cell that reads a value.
    pub(super) fn constant(self) -> f32 {
        if self.value == NUMBER {
            f32::from_bits(self.index)
        } else {
            0.0
        }
    }
}

/// Where the numbers of a view come from, in row-major order of its dimensions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// All of some values, one behind the other.
    Stack(Vec<usize>),
    /// Any choice.
    Cells(Rc<Vec<Cell>>),
}

/// A tensor of the graph.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::float) struct View {
    pub(super) body: Body,
    /// With the batch, which is 1.
    pub(super) dims: Vec<usize>,
}

impl View {
    pub(super) fn stack(values: Vec<usize>, dims: Vec<usize>) -> Self {
        Self { body: Body::Stack(values), dims }
    }

    pub(super) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// The same numbers under other dimensions.
    pub(super) fn under(&self, dims: Vec<usize>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), self.len());
        Self { body: self.body.clone(), dims }
    }

    /// Extents of an image or a signal: dimensions without a leading 1, if there are at most three.
    pub(super) fn image_dims(&self) -> Option<[usize; 3]> {
        let dims = match &self.dims[..] {
            [1, rest @ ..] => rest,
            all => all,
        };
        Some(match *dims {
            [] => [1, 1, 1],
            [channels] => [channels, 1, 1],
            [channels, columns] => [channels, 1, columns],
            [channels, rows, columns] => [channels, rows, columns],
            _ => return None,
        })
    }
}

impl Reader {
    /// The cells of a view.
    pub(super) fn cells(&mut self, view: &View) -> Result<Rc<Vec<Cell>>, String> {
        match &view.body {
            Body::Cells(cells) => Ok(cells.clone()),
            Body::Stack(values) => {
                self.spend(view.len())?;
                let cells = |v: &usize| {
                    let v = *v;
                    (0..self.model.shape(v).len()).map(move |i| Cell::of(v, i))
                };
                Ok(Rc::new(values.iter().flat_map(cells).collect()))
            }
        }
    }

    /// A view of cells; a stack where they are all numbers of some values in order.
    pub(super) fn view_of(&mut self, cells: Vec<Cell>, dims: Vec<usize>) -> Result<View, String> {
        self.spend(cells.len())?;
        let body = match self.as_stack(&cells) {
            Some(values) => Body::Stack(values),
            None => Body::Cells(Rc::new(cells)),
        };
        Ok(View { body, dims })
    }

    fn as_stack(&self, cells: &[Cell]) -> Option<Vec<usize>> {
        let mut values = Vec::new();
        let mut rest = cells;
        while let Some(first) = rest.first() {
            let (value, _) = first.source()?;
            let (whole, behind) = rest.split_at_checked(self.model.shape(value).len())?;
            if whole.iter().enumerate().any(|(i, c)| *c != Cell::of(value, i)) {
                return None;
            }
            values.push(value);
            rest = behind;
        }
        Some(values)
    }

    /// Numbers of a view chosen by index, under new dimensions. Indices beyond the view stand for
    /// `fill`.
    pub(super) fn pick(
        &mut self,
        view: &View,
        index: &[usize],
        dims: Vec<usize>,
        fill: f32,
    ) -> Result<View, String> {
        let cells = self.cells(view)?;
        let fill = Cell::number(fill);
        let picked = index.iter().map(|i| cells.get(*i).copied().unwrap_or(fill)).collect();
        self.view_of(picked, dims)
    }

    /// The values that a view reads, in the order of their first use.
    pub(super) fn values(&self, view: &View) -> Vec<usize> {
        let mut found = Vec::new();
        match &view.body {
            Body::Stack(values) => found.clone_from(values),
            Body::Cells(cells) => {
                let mut last = None;
                for (value, _) in cells.iter().filter_map(|c| c.source()) {
                    if last != Some(value) && !found.contains(&value) {
                        found.push(value);
                    }
                    last = Some(value);
                }
            }
        }
        found
    }

    /// The constants that a view holds.
    pub(super) fn constants_of(&self, view: &View) -> Vec<f32> {
        match &view.body {
            Body::Stack(_) => Vec::new(),
            Body::Cells(cells) => {
                let constants = cells.iter().filter(|c| c.source().is_none());
                constants.map(|c| c.constant()).collect()
            }
        }
    }

    /// The same view with each value replaced by one of the same length.
    pub(super) fn replaced(
        &mut self,
        view: &View,
        mut with: impl FnMut(&mut Self, usize) -> Result<usize, String>,
    ) -> Result<View, String> {
        let old = self.values(view);
        let mut new = Vec::new();
        for value in &old {
            new.push(with(self, *value)?);
        }
        let other = |value: usize| old.iter().position(|v| *v == value).map(|at| new[at]);
        let body = match &view.body {
            Body::Stack(values) => Body::Stack(values.iter().filter_map(|v| other(*v)).collect()),
            Body::Cells(cells) => {
                let cells: Vec<Cell> = cells
                    .iter()
                    .map(|cell| match cell.source() {
                        Some((value, index)) => Cell::of(other(value).unwrap_or(value), index),
                        None => *cell,
                    })
                    .collect();
                self.spend(cells.len())?;
                Body::Cells(Rc::new(cells))
            }
        };
        Ok(View { body, dims: view.dims.clone() })
    }
}
