//! Axes and dimensions of tensors, the batch among them.

/// An axis that may count from the end, of `rank` axes.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let at = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let at = usize::try_from(at).ok().filter(|a| *a < rank);
    at.ok_or_else(|| format!("axis {axis} is not one of {rank}"))
}

/// Several axes, in ascending order.
pub(super) fn axes(all: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let mut found: Vec<usize> = all.iter().map(|a| axis(*a, rank)).collect::<Result<_, _>>()?;
    found.sort_unstable();
    if found.windows(2).any(|w| w[0] == w[1]) {
        return Err("an axis is given twice".to_owned());
    }
    Ok(found)
}

pub(super) fn product(dims: &[usize]) -> usize {
    dims.iter().product()
}

/// Distances between neighbours along each axis, row-major.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// The dimensions that both shapes spread to, each axis from 1 to the other's extent.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at =
        |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |i| dims[i]);
    let both = |axis: usize| match (at(a, axis), at(b, axis)) {
        (x, y) if x == y || y == 1 => Ok(x),
        (1, y) => Ok(y),
        _ => Err(format!("{a:?} and {b:?} do not fit each other")),
    };
    (0..rank).map(both).collect()
}

/// Index in a tensor of dimensions `from` of each entry of `to`, to which it spreads.
pub(super) fn spread_index(from: &[usize], to: &[usize]) -> Vec<usize> {
    let skip = to.len() - from.len();
    let strides = strides(from);
    let step = |axis: usize| match axis.checked_sub(skip) {
        Some(i) if from[i] > 1 => strides[i],
        _ => 0,
    };
    let steps: Vec<usize> = (0..to.len()).map(step).collect();
    walk(to, &steps, 0)
}

/// `start + sum of index[a] steps[a]` for all indices of `dims`, row-major.
pub(super) fn walk(dims: &[usize], steps: &[usize], start: usize) -> Vec<usize> {
    let mut out = vec![start];
    for (extent, step) in dims.iter().zip(steps) {
        out = out.iter().flat_map(|at| (0..*extent).map(move |i| at + i * step)).collect();
    }
    out
}

/// Index behind a permutation of the axes.
pub(super) fn permuted_index(dims: &[usize], order: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let strides = strides(dims);
    let to: Vec<usize> = order.iter().map(|a| dims[*a]).collect();
    let steps: Vec<usize> = order.iter().map(|a| strides[*a]).collect();
    let index = walk(&to, &steps, 0);
    (to, index)
}

/// The permutation that undoes `order`.
pub(super) fn inverse(order: &[usize]) -> Vec<usize> {
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, from)| back[*from] = to);
    back
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_spread_as_numpy_says() {
        assert_eq!(broadcast(&[2, 1, 3], &[4, 1]).unwrap(), [2, 4, 3]);
        assert!(broadcast(&[2, 3], &[2]).is_err());
        assert_eq!(spread_index(&[2, 1], &[1, 2, 3]), [0, 0, 0, 1, 1, 1]);
        assert_eq!(permuted_index(&[2, 3], &[1, 0]), (vec![3, 2], vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(inverse(&[2, 0, 1]), [1, 2, 0]);
    }
}
