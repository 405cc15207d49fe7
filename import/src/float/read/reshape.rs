//! New dimensions for the same numbers.

use super::axes::{axes, axis, product};
use super::Reader;
use crate::onnx;

impl Reader {
    /// Dimensions behind a `Flatten`, `Reshape`, `Squeeze` or `Unsqueeze`.
    pub(super) fn reshaped(&self, node: &onnx::Node, dims: &[usize]) -> Result<Vec<usize>, String> {
        let rank = dims.len();
        match node.op_type.as_str() {
            "Flatten" => {
                let at = node.int("axis", 1);
                let at = if at == rank as i64 { rank } else { axis(at, rank)? };
                Ok(vec![product(&dims[..at]), product(&dims[at..])])
            }
            "Reshape" => {
                let name = node.operand(1).ok_or("the new shape is missing")?;
                let target = self.integers(name);
                let target = target.ok_or_else(|| format!("shape {name:?} is not a constant"))?;
                self.target(dims, &target, node.int("allowzero", 0) != 0)
            }
            op => squeezed(dims, self.axes_of(node, "axes", 1).as_deref(), op == "Squeeze"),
        }
    }

    /// The file may be made for a fixed batch; every example is computed by itself, so that number
    /// is 1 here.
    fn target(
        &self,
        dims: &[usize],
        target: &[i64],
        allow_zero: bool,
    ) -> Result<Vec<usize>, String> {
        let found = resolved(dims, target, allow_zero);
        let batch = self.batch as i64;
        match target.iter().position(|t| *t == batch) {
            Some(at) if found.is_err() && batch > 1 => {
                let mut single = target.to_vec();
                single[at] = 1;
                resolved(dims, &single, allow_zero).or(found)
            }
            _ => found,
        }
    }

    /// Extents of a shape that `dims` spreads to, with the file's batch as 1.
    pub(super) fn extents(&self, target: &[i64], dims: &[usize]) -> Result<Vec<usize>, String> {
        let extent = |(i, t): (usize, &i64)| match *t {
            -1 if target.len() <= dims.len() => Ok(dims[i + dims.len() - target.len()]),
            t if i == 0 && self.batch > 1 && t == self.batch as i64 && dims.first() == Some(&1) => {
                Ok(1)
            }
            t => usize::try_from(t).map_err(|_| format!("extent {t} is negative")),
        };
        target.iter().enumerate().map(extent).collect()
    }
}

fn resolved(dims: &[usize], target: &[i64], allow_zero: bool) -> Result<Vec<usize>, String> {
    let len = product(dims);
    let mut out = Vec::new();
    let mut open = None;
    for (i, t) in target.iter().enumerate() {
        out.push(match *t {
            0 if !allow_zero => {
                *dims.get(i).ok_or("the new shape copies an axis that does not exist")?
            }
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            n => usize::try_from(n).map_err(|_| format!("extent {n} is negative"))?,
        });
    }
    let count = |dims: &[usize]| dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    let known = count(&out).unwrap_or(0);
    if let (Some(i), true) = (open, known > 0 && len.is_multiple_of(known.max(1))) {
        out[i] = len / known;
    }
    if count(&out) != Some(len) {
        return Err(format!(
            "{dims:?} cannot become {target:?}; one example is computed at a time"
        ));
    }
    Ok(out)
}

fn squeezed(dims: &[usize], given: Option<&[i64]>, remove: bool) -> Result<Vec<usize>, String> {
    if !remove {
        let given = given.ok_or("the axes are not given")?;
        let rank = dims.len() + given.len();
        let given = axes(given, rank)?;
        let mut old = dims.iter();
        let next = |a| if given.contains(&a) { Some(1) } else { old.next().copied() };
        let out: Option<Vec<usize>> = (0..rank).map(next).collect();
        return out.ok_or_else(|| "an axis is given twice".to_owned());
    }
    let given = match given {
        Some(given) => axes(given, dims.len())?,
        // The batch, if it is there, stays.
        None => (1..dims.len()).filter(|a| dims[*a] == 1).collect(),
    };
    if given.iter().any(|a| dims[*a] != 1) {
        return Err("an axis to be removed has more than one value".to_owned());
    }
    Ok((0..dims.len()).filter(|a| !given.contains(a)).map(|a| dims[a]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_resolved() {
        let resolved = |dims: &[usize], target: &[i64]| resolved(dims, target, false);
        assert_eq!(resolved(&[1, 16, 5, 5], &[-1, 400]).unwrap(), [1, 400]);
        assert_eq!(resolved(&[1, 400], &[0, 16, -1, 5]).unwrap(), [1, 16, 5, 5]);
        assert!(resolved(&[1, 400], &[399]).is_err());
        assert!(resolved(&[1, 400], &[1, 3, -1]).is_err());
        assert!(resolved(&[1, 400], &[1, i64::MAX, i64::MAX]).is_err());
        assert_eq!(squeezed(&[1, 8, 1, 1], Some(&[2, -1]), true).unwrap(), [1, 8]);
        assert_eq!(squeezed(&[1, 8], Some(&[-1, 2]), false).unwrap(), [1, 8, 1, 1]);
        assert!(squeezed(&[1, 8], Some(&[1]), true).is_err());
    }
}
