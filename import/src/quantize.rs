//! Quantises a float chain to the integer semantics.
//!
//! For each layer the pre-activation gets a scale `s_v` from the calibration data, and the weight
//! scale `s_w` is chosen so that `s_w s_x / s_v = 2^-shift` holds exactly, with the largest shift
//! whose weights fit int8. The activation becomes a table from pre-activation to output codes.

use dn_core::quant::{Activation, Dense, Graph, MAX_SHIFT};

use crate::error::ImportError;
use crate::float::{FloatModel, Layer};

/// Largest int8 magnitude in use by scales.
const LIMIT: f32 = 127.0;

/// A quantised graph with the scales of its ends.
pub(crate) struct Quantized {
    pub(crate) graph: Graph,
    pub(crate) input_scale: f32,
    pub(crate) output_scale: f32,
}

fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |m, v| m.max(v.abs()))
}

/// `m / 127`, or 1 for a tensor that is zero throughout.
fn scale(m: f32) -> f32 {
    if m > 0.0 {
        m / LIMIT
    } else {
        1.0
    }
}

/// Nearest integer, halves up, saturated to int8.
pub(crate) fn to_int8(x: f32) -> i8 {
    (x + 0.5).floor().clamp(-128.0, 127.0) as i8
}

/// Quantises `model` by the ranges that `inputs` reach.
pub(crate) fn quantize(model: &FloatModel, inputs: &[Vec<f32>]) -> Result<Quantized, ImportError> {
    let runs: Vec<_> = inputs.iter().map(|x| model.run(x)).collect();
    let input_scale = scale(largest(inputs.iter().flatten().copied()));
    let mut x_scale = input_scale;
    let mut layers = Vec::new();
    for (i, layer) in model.layers.iter().enumerate() {
        let affine = || runs.iter().flat_map(|r| r.0[i].iter().copied());
        let (dense, scale) = quantize_layer(layer, x_scale, affine)?;
        layers.push(dense);
        x_scale = scale;
    }
    let graph = Graph { layers };
    graph.validate()?;
    Ok(Quantized { graph, input_scale, output_scale: x_scale })
}

fn quantize_layer<I: Iterator<Item = f32>>(
    layer: &Layer,
    x_scale: f32,
    affine: impl Fn() -> I,
) -> Result<(Dense, f32), ImportError> {
    let is_relu = layer.functions[..] == [crate::float::Scalar::Relu];
    // Codes below zero carry nothing through a Relu: the positive range alone sets the scale.
    let reach = |v: f32| if is_relu { v.max(0.0) } else { v };
    let v_scale = scale(largest(affine().map(reach)));
    let w_max = largest(layer.weights.iter().copied()).max(f32::MIN_POSITIVE);
    let ratio = LIMIT * v_scale / (w_max * x_scale);
    let shift = ratio.log2().floor().clamp(0.0, MAX_SHIFT as f32);
    let w_scale = v_scale / (x_scale * shift.exp2());
    if w_max / w_scale > LIMIT + 0.5 {
        let reason = "the outputs of a layer are too small for its weights".to_owned();
        return Err(ImportError::Calibration { reason });
    }
    let (activation, out_scale) = table(layer, v_scale, is_relu, affine);
    let acc_scale = f64::from(w_scale) * f64::from(x_scale);
    let dense = Dense {
        inputs: layer.inputs,
        outputs: layer.outputs,
        weights: layer.weights.iter().map(|w| to_int8(w / w_scale)).collect(),
        bias: layer.bias.iter().map(|b| (f64::from(*b) / acc_scale + 0.5).floor() as i32).collect(),
        shift: shift as u32,
        activation,
    };
    Ok((dense, out_scale))
}

fn table<I: Iterator<Item = f32>>(
    layer: &Layer,
    v_scale: f32,
    is_relu: bool,
    affine: impl Fn() -> I,
) -> (Activation, f32) {
    if layer.functions.is_empty() {
        return (Activation::identity(), v_scale);
    }
    if is_relu {
        return (Activation::relu(), v_scale);
    }
    let out_scale = scale(largest(affine().map(|v| layer.activate(v))));
    let codes = (i8::MIN..=i8::MAX)
        .map(|q| to_int8(layer.activate(f32::from(q) * v_scale) / out_scale))
        .collect();
    (Activation(codes), out_scale)
}
