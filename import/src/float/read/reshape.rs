//! Operators that only change how values are seen: no arithmetic.

use dn_core::quant::Geometry;

use super::{view, Reader, View};
use crate::float::{Linear, Term, Window};
use crate::onnx;

/// An axis that may count from the end, of `rank` axes with the batch.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let at = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let at = usize::try_from(at).ok().filter(|a| *a < rank);
    at.ok_or_else(|| format!("axis {axis} is not one of {rank}"))
}

fn product(dims: &[usize]) -> usize {
    dims.iter().product()
}

impl Reader {
    pub(super) fn reshape(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let dims = match node.op_type.as_str() {
            "Flatten" => {
                let rank = view.dims.len() + 1;
                let at = node.int("axis", 1);
                if at == rank as i64 || axis(at, rank)? != 1 {
                    return Err(format!("axis {at} does not keep the batch"));
                }
                vec![product(&view.dims)]
            }
            "Reshape" => {
                let name = node.operand(1).ok_or("the new shape is missing")?;
                let target = self.integers(name);
                let target = target.ok_or_else(|| format!("shape {name:?} is not a constant"))?;
                reshaped(&view.dims, &target)?
            }
            op => {
                let axes = self.axes(node, "axes", 1);
                squeezed(&view.dims, axes.as_deref(), op == "Squeeze")?
            }
        };
        Ok(View { dims, ..view })
    }

    pub(super) fn concat(&mut self, node: &onnx::Node) -> Result<View, String> {
        if node.input.is_empty() {
            return Err("there are no operands".to_owned());
        }
        let views: Result<Vec<View>, String> = node.input.iter().map(|n| self.view(n)).collect();
        let views = views?;
        let rank = views[0].dims.len() + 1;
        let at = axis(node.int("axis", 1), rank)?;
        if rank < 2 || at != 1 {
            return Err("tensors are concatenated along the channels, axis 1, only".to_owned());
        }
        if views.iter().any(|v| v.dims.len() + 1 != rank || v.dims[1..] != views[0].dims[1..]) {
            return Err("the operands have different extents".to_owned());
        }
        let mut dims = views[0].dims.clone();
        dims[0] = views.iter().map(|v| v.dims[0]).sum();
        view::image_shape(&dims)?;
        Ok(View { parts: views.into_iter().flat_map(|v| v.parts).collect(), dims })
    }

    /// Zeros around an image: a convolution with one tap, which joins the next one.
    pub(super) fn pad(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        if !matches!(node.text("mode"), "" | "constant") {
            return Err(format!("mode {:?} is not supported", node.text("mode")));
        }
        let fill = match self.optional(node, 2)? {
            Some((_, values)) => values.first().copied().unwrap_or(0.0),
            None => node.float("value", 0.0),
        };
        if fill != 0.0 || node.operand(3).is_some() {
            return Err("only zeros around the image are supported".to_owned());
        }
        let pads = self.axes(node, "pads", 1).ok_or("the padding is not a constant")?;
        let rank = view.dims.len() + 1;
        let extent = |n: &i64| usize::try_from(*n).map_err(|_| "a padding is negative".to_owned());
        let pads: Vec<usize> = pads.iter().map(extent).collect::<Result<_, _>>()?;
        if pads.len() != 2 * rank || rank < 3 {
            return Err(format!("{} paddings for {rank} dimensions", pads.len()));
        }
        if [0, 1, rank, rank + 1].iter().any(|i| pads[*i] > 0) {
            return Err("batch and channels cannot be padded".to_owned());
        }
        let (begin, end) = (&pads[2..rank], &pads[rank + 2..]);
        let sides = |s: &[usize]| if s.len() == 1 { [0, s[0]] } else { [s[0], s[1]] };
        let shape = self.image(&view)?;
        let window = Window { pad: sides(begin), pad_end: sides(end), ..Window::plain([1, 1]) };
        let out = window.output(shape)?;
        let padded = self.each(&view, |reader, value| {
            let channels = reader.model.shape(value).channels;
            let geometry: Geometry = window.geometry(channels);
            let terms = vec![Term { value, geometry, weights: vec![1.0; channels] }];
            let shape = crate::float::geometry::shape(channels, out)?;
            reader.push_linear(shape, Linear { terms, bias: vec![0.0; channels] })
        })?;
        let shape = crate::float::geometry::shape(shape.channels, out)?;
        Ok(View { dims: view::image_dims(&view.dims, shape), ..padded })
    }
}

/// Dimensions without the batch behind a `Reshape` to `target`.
fn reshaped(dims: &[usize], target: &[i64]) -> Result<Vec<usize>, String> {
    let [_batch, target @ ..] = target else {
        return Err("the new shape is empty".to_owned());
    };
    let len = product(dims);
    let mut out = Vec::new();
    let mut open = None;
    for (i, t) in target.iter().enumerate() {
        out.push(match *t {
            0 => *dims.get(i).ok_or("the new shape copies an axis that does not exist")?,
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            n => usize::try_from(n).map_err(|_| format!("extent {n} is negative"))?,
        });
    }
    let known = out.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).unwrap_or(0);
    if let (Some(i), true) = (open, known > 0 && len.is_multiple_of(known)) {
        out[i] = len / known;
    }
    if out.iter().try_fold(1usize, |n, d| n.checked_mul(*d)) != Some(len) {
        return Err(format!("{dims:?} per example cannot become {target:?}: the batch must stay"));
    }
    Ok(out)
}

/// Dimensions without the batch behind a `Squeeze` or `Unsqueeze`.
fn squeezed(dims: &[usize], axes: Option<&[i64]>, remove: bool) -> Result<Vec<usize>, String> {
    let axes = axes.ok_or("the axes are not given")?;
    let rank = dims.len() + 1 + if remove { 0 } else { axes.len() };
    let axes: Vec<usize> = axes.iter().map(|a| axis(*a, rank)).collect::<Result<_, _>>()?;
    if axes.contains(&0) {
        return Err("the batch must stay".to_owned());
    }
    if remove {
        if axes.iter().any(|a| dims[a - 1] != 1) {
            return Err("an axis to be removed has more than one value".to_owned());
        }
        return Ok((1..rank).filter(|a| !axes.contains(a)).map(|a| dims[a - 1]).collect());
    }
    let mut old = dims.iter();
    let next = |a| if axes.contains(&a) { Some(1) } else { old.next().copied() };
    let out: Option<Vec<usize>> = (1..rank).map(next).collect();
    out.ok_or_else(|| "an axis is given twice".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_stays_first() {
        assert_eq!(reshaped(&[16, 5, 5], &[-1, 400]).unwrap(), [400]);
        assert_eq!(reshaped(&[16, 5, 5], &[1, -1]).unwrap(), [400]);
        assert_eq!(reshaped(&[400], &[0, 16, -1, 5]).unwrap(), [16, 5, 5]);
        assert!(reshaped(&[400], &[400]).is_err());
        assert!(reshaped(&[400], &[1, 3, -1]).is_err());
        assert!(reshaped(&[400], &[1, i64::MAX, i64::MAX]).is_err());
        assert_eq!(squeezed(&[8, 1, 1], Some(&[2, -1]), true).unwrap(), [8]);
        assert_eq!(squeezed(&[8], Some(&[-1, 2]), false).unwrap(), [8, 1, 1]);
        assert!(squeezed(&[8], Some(&[0]), false).is_err());
    }
}
