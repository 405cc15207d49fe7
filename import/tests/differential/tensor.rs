//! Tensors in doubles, and how they spread.

use dn_import::onnx::{BOOL, FLOAT, INT32, INT64, INT8, UINT8};

/// Numbers of a type, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) data_type: i32,
    pub(crate) dims: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Tensor {
    pub(crate) fn new(data_type: i32, dims: Vec<usize>, values: Vec<f64>) -> Option<Self> {
        (dims.iter().product::<usize>() == values.len() && !values.is_empty()).then_some(Self {
            data_type,
            dims,
            values,
        })
    }

    pub(crate) fn is_float(&self) -> bool {
        self.data_type == FLOAT
    }

    pub(crate) fn integers(&self) -> Vec<i64> {
        self.values.iter().map(|v| *v as i64).collect()
    }

    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        let values = self.values.iter().map(|v| fit(self.data_type, f(*v))).collect();
        Self { values, ..self.clone() }
    }

    /// The entry at an index along each axis.
    pub(crate) fn at(&self, index: &[usize]) -> f64 {
        let flat = index.iter().zip(&self.dims).fold(0, |flat, (i, d)| flat * d + i);
        self.values[flat]
    }

    /// A tensor whose entry at each index is the one of this tensor at `from(index)`.
    pub(crate) fn gather(
        &self,
        dims: Vec<usize>,
        from: impl Fn(&[usize]) -> Vec<usize>,
    ) -> Option<Self> {
        let values = indices(&dims).iter().map(|i| self.at(&from(i))).collect();
        Self::new(self.data_type, dims, values)
    }

    pub(crate) fn spread(&self, dims: &[usize]) -> Option<Self> {
        let skip = dims.len().checked_sub(self.dims.len())?;
        let fits = |(d, to): (&usize, &usize)| *d == 1 || d == to;
        if !self.dims.iter().zip(&dims[skip..]).all(fits) {
            return None;
        }
        self.gather(dims.to_vec(), |index| {
            let own = index[skip..].iter().zip(&self.dims);
            own.map(|(i, d)| if *d == 1 { 0 } else { *i }).collect()
        })
    }
}

/// All indices of a tensor, in order.
pub(crate) fn indices(dims: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for d in dims {
        let longer = |index: &Vec<usize>| {
            let index = index.clone();
            (0..*d).map(move |i| index.iter().copied().chain([i]).collect::<Vec<usize>>())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// The dimensions to which two tensors spread.
pub(crate) fn common(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], i: usize| (i + dims.len()).checked_sub(rank).map_or(1, |j| dims[j]);
    let one = |i: usize| match (at(a, i), at(b, i)) {
        (x, y) if x == y => Some(x),
        (1, y) => Some(y),
        (x, 1) => Some(x),
        _ => None,
    };
    (0..rank).map(one).collect()
}

/// A number as one of a type: cut and wrapped around, or compared with zero.
pub(crate) fn fit(data_type: i32, x: f64) -> f64 {
    match data_type {
        BOOL => f64::from(u8::from(x != 0.0)),
        INT64 => (x as i64) as f64,
        INT32 => f64::from((x as i64) as i32),
        INT8 => f64::from((x as i64) as i8),
        UINT8 => f64::from((x as i64) as u8),
        _ => x,
    }
}
