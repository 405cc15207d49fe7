//! Images at other sizes: nearest neighbours are moved, linear interpolation is a linear map.

use super::axes::{axis, product};
use super::moves::Row;
use super::select::Selection;
use super::view::View;
use super::Reader;
use crate::onnx;

/// How one axis is resized.
struct Side {
    from: usize,
    to: usize,
    scale: f32,
}

/// Where an output's centre lies in the input.
fn coordinate(mode: &str, side: &Side, at: usize) -> Result<f64, String> {
    // Runtimes compute in single precision, which decides ties.
    let (x, scale) = (at as f32, side.scale);
    Ok(f64::from(match mode {
        "" | "half_pixel" => (x + 0.5) / scale - 0.5,
        "pytorch_half_pixel" if side.to > 1 => (x + 0.5) / scale - 0.5,
        "pytorch_half_pixel" => 0.0,
        "half_pixel_symmetric" => {
            let adjusted = side.to as f32 / (side.from as f32 * scale);
            let centre = side.from as f32 / 2.0;
            centre * (1.0 - adjusted) + (x + 0.5) / scale - 0.5
        }
        "asymmetric" => x / scale,
        "align_corners" if side.to > 1 => x * (side.from as f32 - 1.0) / (side.to as f32 - 1.0),
        "align_corners" => 0.0,
        mode => return Err(format!("coordinate_transformation_mode {mode:?} is not supported")),
    }))
}

/// The neighbour of a coordinate.
fn nearest(mode: &str, x: f64) -> Result<f64, String> {
    Ok(match mode {
        "" | "round_prefer_floor" => (x - 0.5).ceil(),
        "round_prefer_ceil" => (x + 0.5).floor(),
        "floor" => x.floor(),
        "ceil" => x.ceil(),
        mode => return Err(format!("nearest_mode {mode:?} is not supported")),
    })
}

impl Reader {
    pub(super) fn resize(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let is_old = node.op_type == "Upsample" || self.opset < 11;
        let sides = self.sides(node, &view.dims, is_old)?;
        self.afford(sides.iter().map(|s| s.to))?;
        let mode = if is_old { "asymmetric" } else { node.text("coordinate_transformation_mode") };
        if node.int("antialias", 0) != 0 && sides.iter().any(|s| s.to < s.from) {
            return Err("antialias is not supported".to_owned());
        }
        match node.text("mode") {
            "" | "nearest" => {
                let rule = if is_old { "floor" } else { node.text("nearest_mode") };
                let line = |s: &Side| -> Result<Vec<usize>, String> {
                    let at = |i: usize| {
                        // Until operator set 10 runtimes take the upper neighbour where images shrink.
                        let rule = if is_old && s.scale < 1.0 { "ceil" } else { rule };
                        let x = nearest(rule, coordinate(mode, s, i)?)?;
                        Ok(x.clamp(0.0, s.from as f64 - 1.0) as usize)
                    };
                    if s.from == s.to && s.scale == 1.0 {
                        return Ok((0..s.to).collect());
                    }
                    (0..s.to).map(at).collect()
                };
                let lines: Vec<Vec<usize>> = sides.iter().map(line).collect::<Result<_, _>>()?;
                let chosen = Selection::lines(&view.dims, &lines);
                let index = chosen.index.unwrap_or_default();
                self.pick(&view, &index, chosen.dims, 0.0)
            }
            kind @ ("linear" | "bilinear" | "cubic") => {
                let mut rows = Vec::new();
                for side in &sides {
                    let map = match (side.from == side.to && side.scale == 1.0, kind) {
                        (true, _) => None,
                        (_, "cubic") => Some(cubic(node, mode, side)?),
                        _ => Some(linear(mode, side)?),
                    };
                    rows.push(map);
                }
                self.along(&view, rows)
            }
            mode => Err(format!("mode {mode:?} is not supported")),
        }
    }

    /// Sizes along each axis.
    fn sides(&self, node: &onnx::Node, dims: &[usize], is_old: bool) -> Result<Vec<Side>, String> {
        let rank = dims.len();
        let policy = node.text("keep_aspect_ratio_policy");
        if !matches!(policy, "" | "stretch") {
            return Err(format!("keep_aspect_ratio_policy {policy:?} is not supported"));
        }
        let scales: Vec<f32> = if node.op_type == "Upsample" && node.operand(1).is_none() {
            node.floats("scales").to_vec()
        } else {
            let at = if is_old { 1 } else { 2 };
            let numbers = node.operand(at).map(|name| self.numbers(name)).transpose()?.flatten();
            numbers.map(|n| n.values.iter().map(|s| *s as f32).collect()).unwrap_or_default()
        };
        let sizes = if is_old { None } else { self.integers_at(node, 3) };
        let given = match node.ints("axes") {
            Some(all) => all.iter().map(|a| axis(*a, rank)).collect::<Result<Vec<_>, _>>()?,
            None => (0..rank).collect(),
        };
        let mut sides: Vec<Side> =
            dims.iter().map(|d| Side { from: *d, to: *d, scale: 1.0 }).collect();
        for (i, at) in given.iter().enumerate() {
            let side = &mut sides[*at];
            match (&sizes, scales.get(i)) {
                (Some(sizes), _) if sizes.len() == given.len() => {
                    let first = *at == 0 && side.from == 1;
                    let size = usize::try_from(sizes[i]).map_err(|_| "a size is negative")?;
                    side.to = if first { 1 } else { size };
                    side.scale = side.to as f32 / side.from as f32;
                }
                (_, Some(scale)) if scales.len() == given.len() && *scale > 0.0 => {
                    side.scale = *scale;
                    side.to = (side.from as f32 * scale).floor() as usize;
                }
                _ => return Err("neither scales nor sizes are constants".to_owned()),
            }
        }
        Ok(sides)
    }

    /// Linear maps along up to two axes; `None` leaves one as it is.
    fn along(&mut self, view: &View, maps: Vec<Option<Vec<Row>>>) -> Result<View, String> {
        let rank = view.dims.len();
        let moved: Vec<usize> = (0..rank).filter(|a| maps[*a].is_some()).collect();
        if moved.len() > 2 {
            return Err("more than two axes change".to_owned());
        }
        let last = if moved.is_empty() { Vec::new() } else { moved.clone() };
        let order: Vec<usize> =
            (0..rank).filter(|a| !last.contains(a)).chain(last.iter().copied()).collect();
        let turned = self.transposed(view, &order)?;
        let sides = &turned.dims[rank - last.len()..];
        let kept = view.len() / product(sides);
        let image = match sides {
            [] => return Ok(view.clone()),
            [columns] => [kept, 1, *columns],
            [rows, columns, ..] => [kept, *rows, *columns],
        };
        let mut value = self.whole(&turned, image)?;
        let mut dims = turned.dims.clone();
        for (i, at) in last.iter().enumerate() {
            let Some(rows) = &maps[*at] else { continue };
            let axis = i + 2 - last.len();
            value = self.axis_map(value, axis, rows)?;
            dims[rank - last.len() + i] = rows.len();
        }
        self.restored(&View::stack(vec![value], dims), &order)
    }
}

/// Weights of the two neighbours of each output; the border is repeated.
fn linear(mode: &str, side: &Side) -> Result<Vec<Row>, String> {
    let row = |o: usize| -> Result<Row, String> {
        let last = side.from as f64 - 1.0;
        let x = coordinate(mode, side, o)?.clamp(0.0, last);
        let low = x.floor();
        let share = (x - low) as f32;
        let high = (low + 1.0).min(last) as usize;
        let both = [(0, low as usize, 1.0 - share), (0, high, share)];
        Ok(both.into_iter().filter(|(_, _, w)| *w != 0.0).collect())
    };
    (0..side.to).map(row).collect()
}

/// Weights of the four neighbours of each output.
fn cubic(node: &onnx::Node, mode: &str, side: &Side) -> Result<Vec<Row>, String> {
    let a = f64::from(node.float("cubic_coeff_a", -0.75));
    let excludes = node.int("exclude_outside", 0) != 0;
    let weight = |t: f64| {
        let t = t.abs();
        if t <= 1.0 {
            ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
        } else {
            ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a
        }
    };
    let row = |o: usize| -> Result<Row, String> {
        let x = coordinate(mode, side, o)?;
        let low = x.floor();
        let last = side.from as f64 - 1.0;
        let all = (-1..=2).map(|i| (low + f64::from(i), weight(low + f64::from(i) - x)));
        let kept: Vec<(f64, f64)> =
            all.filter(|(at, _)| !excludes || (0.0..=last).contains(at)).collect();
        let sum: f64 = kept.iter().map(|(_, w)| w).sum();
        let entry = |(at, w): (f64, f64)| (0, at.clamp(0.0, last) as usize, (w / sum) as f32);
        Ok(kept.into_iter().map(entry).collect())
    };
    (0..side.to).map(row).collect()
}
