//! Convolutions and pools in two spatial dimensions.

use super::reference::{floats, int, ints};
use super::tensor::{indices, Tensor};
use dn_import::onnx::Node;

/// Windows of an image.
struct Windows {
    kernel: [usize; 2],
    strides: [usize; 2],
    pads: [usize; 4],
    dilations: [usize; 2],
    out: [usize; 2],
}

impl Windows {
    fn of(node: &Node, kernel: [usize; 2], image: [usize; 2]) -> Option<Self> {
        let pair = |name: &str, default: usize| match &ints(node, name)[..] {
            [] => Some([default; 2]),
            [a, b] => Some([*a as usize, *b as usize]),
            _ => None,
        };
        let (strides, dilations) = (pair("strides", 1)?, pair("dilations", 1)?);
        let pads = match &ints(node, "pads")[..] {
            [] => [0; 4],
            [a, b, c, d] => [*a, *b, *c, *d].map(|p| p as usize),
            _ => return None,
        };
        let extent = |axis: usize| {
            let span = (kernel[axis] - 1) * dilations[axis] + 1;
            let room = (image[axis] + pads[axis] + pads[axis + 2]).checked_sub(span)?;
            let ceil = int(node, "ceil_mode", 0) != 0;
            let mut count = room / strides[axis] + 1;
            // A window must begin inside the image or its front padding.
            if ceil && room % strides[axis] != 0 && count * strides[axis] < image[axis] + pads[axis]
            {
                count += 1;
            }
            Some(count)
        };
        let out = [extent(0)?, extent(1)?];
        Some(Self { kernel, strides, pads, dilations, out })
    }

    /// Places in the image that a window sees; `None` outside. With them, whether they lie in the
    /// padding that the node asks for rather than beyond it.
    fn taps(&self, at: [usize; 2], image: [usize; 2]) -> Vec<(Option<[usize; 2]>, bool)> {
        let place = |axis: usize, tap: usize| {
            (at[axis] * self.strides[axis] + tap * self.dilations[axis]) as i64
                - self.pads[axis] as i64
        };
        let inside = |axis: usize, i: i64| (0..image[axis] as i64).contains(&i);
        let padded = |axis: usize, i: i64| i < (image[axis] + self.pads[axis + 2]) as i64;
        let one = |tap: Vec<usize>| {
            let (i, j) = (place(0, tap[0]), place(1, tap[1]));
            let is_in = inside(0, i) && inside(1, j);
            (is_in.then_some([i as usize, j as usize]), padded(0, i) && padded(1, j))
        };
        indices(&self.kernel).into_iter().map(one).collect()
    }
}

pub(crate) fn conv(node: &Node, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Option<Tensor> {
    let ([n, c, h, width], [m, per, kh, kw]) = (&x.dims[..], &w.dims[..]) else { return None };
    let groups = int(node, "group", 1) as usize;
    if groups == 0 || c % groups != 0 || m % groups != 0 || *per != c / groups {
        return None;
    }
    let image = [*h, *width];
    let windows = Windows::of(node, [*kh, *kw], image)?;
    let mut values = Vec::new();
    let dims = vec![*n, *m, windows.out[0], windows.out[1]];
    for index in indices(&dims) {
        let [n, o, i, j] = index[..] else { return None };
        let group = o / (m / groups);
        let mut sum = b.map_or(0.0, |b| b.values[o]);
        for channel in 0..*per {
            for (tap, (place, _)) in windows.taps([i, j], image).into_iter().enumerate() {
                if let Some([row, column]) = place {
                    let weight = w.at(&[o, channel, tap / kw, tap % kw]);
                    sum += weight * x.at(&[n, group * per + channel, row, column]);
                }
            }
        }
        values.push(sum);
    }
    Tensor::new(x.data_type, dims, values)
}

pub(crate) fn pool(node: &Node, x: &Tensor) -> Option<Tensor> {
    let [n, c, h, w] = x.dims[..] else { return None };
    let [kh, kw] = ints(node, "kernel_shape")[..] else { return None };
    let image = [h, w];
    let windows = Windows::of(node, [kh as usize, kw as usize], image)?;
    let dims = vec![n, c, windows.out[0], windows.out[1]];
    let counts_pads = int(node, "count_include_pad", 0) != 0;
    let mut values = Vec::new();
    for index in indices(&dims) {
        let taps = windows.taps([index[2], index[3]], image);
        let seen: Vec<f64> = taps
            .iter()
            .filter_map(|(place, _)| place.map(|[i, j]| x.at(&[index[0], index[1], i, j])))
            .collect();
        if seen.is_empty() {
            return None;
        }
        values.push(if node.op_type == "MaxPool" {
            seen.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        } else {
            let padded = taps.iter().filter(|(_, is_padded)| *is_padded).count();
            let count = if counts_pads { padded } else { seen.len() };
            seen.iter().sum::<f64>() / count as f64
        });
    }
    Tensor::new(x.data_type, dims, values)
}

pub(crate) fn batch_norm(node: &Node, x: &Tensor, p: &[&Tensor]) -> Option<Tensor> {
    let channels = *x.dims.get(1)?;
    let [scale, bias, mean, variance] = p else { return None };
    if p.iter().any(|t| t.values.len() != channels) {
        return None;
    }
    let epsilon = f64::from(floats(node, "epsilon", 1e-5));
    let places = indices(&x.dims);
    let values = places.iter().map(|i| {
        let c = i[1];
        (x.at(i) - mean.values[c]) / (variance.values[c] + epsilon).sqrt() * scale.values[c]
            + bias.values[c]
    });
    Tensor::new(x.data_type, x.dims.clone(), values.collect())
}
