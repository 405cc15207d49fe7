//! Products of two computed tensors.

use super::axes::{broadcast, spread_index};
use super::view::{Body, View};
use super::Reader;
use crate::float::{self, geometry, Kind, Term};

impl Reader {
    /// Both views multiplied, value by value; one that has fewer numbers spreads.
    pub(super) fn multiplied(&mut self, a: &View, b: &View) -> Result<View, String> {
        let dims = broadcast(&a.dims, &b.dims)?;
        let is_whole = |v: &View| v.len() == dims.iter().product::<usize>();
        let swap = !is_whole(a) || (is_whole(b) && self.native(a).is_none());
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let lead = self.spread_to(a, &dims)?;
        let (lead, native) = self.compact(&lead)?;
        self.afford(dims.iter().copied())?;
        let spread = spread_index(&b.dims, &dims);
        // By number of the values behind the first factor: its place in the second one.
        let index: Vec<usize> = match &native.place {
            Some(place) => place.iter().map(|at| spread[*at]).collect(),
            None => spread,
        };
        let (mut first, mut products) = (0, Vec::new());
        for value in &native.values {
            let len = self.model.shape(*value).len();
            products.push(self.factors(*value, b, &index[first..first + len])?);
            first += len;
        }
        let old = native.values;
        match &lead.body {
            Body::Stack(_) => Ok(View::stack(products, dims)),
            Body::Cells(_) => {
                let view = View { body: lead.body.clone(), dims };
                self.replaced(&view, |_, v| {
                    Ok(old.iter().position(|o| *o == v).map_or(v, |at| products[at]))
                })
            }
        }
    }

    /// A value times the numbers of a view at `index`; one number for each channel is not repeated.
    fn factors(&mut self, value: usize, view: &View, index: &[usize]) -> Result<usize, String> {
        let shape = self.model.shape(value);
        let channels = index.chunks_exact(shape.positions());
        let is_gate = channels.clone().all(|c| c.iter().all(|i| *i == c[0]));
        let right = if is_gate && shape.positions() > 1 {
            let gates: Vec<usize> = channels.map(|c| c[0]).collect();
            let gates = self.pick(view, &gates, vec![shape.channels], 0.0)?;
            let gate = self.whole(&gates, [shape.channels, 1, 1])?;
            float::broadcast(gate, shape)
        } else {
            let dims = [shape.channels, shape.height, shape.width];
            let part = self.pick(view, index, dims.to_vec(), 0.0)?;
            let other = self.whole(&part, dims)?;
            float::pointwise(other, vec![1.0; shape.channels])
        };
        // The input may have taken other extents.
        let (shape, other) = (self.model.shape(value), self.model.shape(right.value));
        let fits = |term: &Term| {
            let [rows, columns] = term.geometry.kernel;
            (other.channels, other.height * rows, other.width * columns)
                == (shape.channels, shape.height, shape.width)
        };
        if !fits(&right) {
            return Err("its factors cannot be laid out alike".to_owned());
        }
        let left = float::pointwise(value, vec![1.0; shape.channels]);
        geometry::shape(shape.channels, [shape.height, shape.width])?;
        self.push(shape, Kind::Product([left, right]))
    }
}
