//! A model package: one safetensors file with the quantised graph and its scales.
//!
//! The metadata entry `deepnode` holds a JSON header; tensors `layer{i}.weight` (I8,
//! `[outputs, inputs]`) and `layer{i}.bias` (I32, `[outputs]`) hold the numbers. The model's id is
//! the keccak256 of the file, so it covers scales and tables too.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use dn_core::quant::{Activation, Dense, Graph};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

use crate::error::PackageError;
use crate::quantize::to_int8;

const VERSION: u32 = 1;
const HEADER: &str = "deepnode";

/// A quantised model with everything that its users share.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// Name for people.
    pub name: String,
    /// The integer model.
    pub graph: Graph,
    /// Float value of one input step.
    pub input_scale: f32,
    /// Float value of one output step.
    pub output_scale: f32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    name: String,
    input_scale: f32,
    output_scale: f32,
    layers: Vec<LayerHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerHeader {
    inputs: usize,
    outputs: usize,
    shift: u32,
    activation: Activation,
}

impl Package {
    /// Quantises a float input: nearest step, halves up, saturated.
    #[must_use]
    pub fn quantize_input(&self, x: &[f32]) -> Vec<i8> {
        x.iter().map(|v| to_int8(v / self.input_scale)).collect()
    }

    /// Float values of an output.
    #[must_use]
    pub fn dequantize_output(&self, q: &[i8]) -> Vec<f32> {
        q.iter().map(|q| f32::from(*q) * self.output_scale).collect()
    }

    /// keccak256 of the package's bytes.
    #[must_use]
    pub fn model_id(bytes: &[u8]) -> [u8; 32] {
        Keccak256::digest(bytes).into()
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// When the container cannot hold the tensors.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackageError> {
        let header = Header {
            version: VERSION,
            name: self.name.clone(),
            input_scale: self.input_scale,
            output_scale: self.output_scale,
            layers: self.graph.layers.iter().map(LayerHeader::of).collect(),
        };
        let json = serde_json::to_string(&header).map_err(|e| PackageError::Header(Some(e)))?;
        let arrays: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = self
            .graph
            .layers
            .iter()
            .enumerate()
            .flat_map(|(i, l)| {
                let weights = l.weights.iter().map(|w| w.to_le_bytes()[0]).collect();
                let bias = l.bias.iter().flat_map(|b| b.to_le_bytes()).collect();
                [
                    (weight_name(i), Dtype::I8, vec![l.outputs, l.inputs], weights),
                    (bias_name(i), Dtype::I32, vec![l.outputs], bias),
                ]
            })
            .collect();
        let views: Result<Vec<_>, _> = arrays
            .iter()
            .map(|(name, dtype, shape, data)| {
                TensorView::new(*dtype, shape.clone(), data).map(|view| (name.clone(), view))
            })
            .collect();
        let metadata = HashMap::from([(HEADER.to_owned(), json)]);
        let views = views.map_err(PackageError::Container)?;
        safetensors::serialize(views, Some(metadata)).map_err(PackageError::Container)
    }

    /// Reads and checks a package's file; gives the package and its id.
    ///
    /// # Errors
    /// [`PackageError::Io`] when the file cannot be read, else as [`Package::from_bytes`].
    pub fn read(path: &Path) -> Result<(Self, [u8; 32]), PackageError> {
        let io = |source| PackageError::Io { path: path.to_path_buf(), source };
        let bytes = fs::read(path).map_err(io)?;
        Ok((Self::from_bytes(&bytes)?, Self::model_id(&bytes)))
    }

    /// Reads and checks a package.
    ///
    /// # Errors
    /// On anything that is not a valid package.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackageError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(PackageError::Container)?;
        let json = metadata.metadata().as_ref().and_then(|m| m.get(HEADER));
        let json = json.ok_or(PackageError::Header(None))?;
        let header: Header =
            serde_json::from_str(json).map_err(|e| PackageError::Header(Some(e)))?;
        if header.version != VERSION {
            return Err(PackageError::Version { got: header.version, expected: VERSION });
        }
        let scales = [header.input_scale, header.output_scale];
        if !scales.iter().all(|s| s.is_finite() && *s > 0.0) {
            return Err(PackageError::Scale);
        }
        let file = SafeTensors::deserialize(bytes).map_err(PackageError::Container)?;
        let Header { name, input_scale, output_scale, layers, .. } = header;
        let layers: Result<Vec<Dense>, PackageError> =
            layers.into_iter().enumerate().map(|(i, l)| l.read(i, &file)).collect();
        let graph = Graph { layers: layers? };
        graph.validate()?;
        Ok(Self { name, graph, input_scale, output_scale })
    }
}

fn weight_name(i: usize) -> String {
    format!("layer{i}.weight")
}

fn bias_name(i: usize) -> String {
    format!("layer{i}.bias")
}

impl LayerHeader {
    fn of(layer: &Dense) -> Self {
        let Dense { inputs, outputs, shift, .. } = *layer;
        Self { inputs, outputs, shift, activation: layer.activation.clone() }
    }

    fn read(self, i: usize, file: &SafeTensors<'_>) -> Result<Dense, PackageError> {
        let tensor = |name: String, dtype: Dtype, shape: &[usize]| match file.tensor(&name) {
            Ok(t) if t.dtype() == dtype && t.shape() == shape => Ok(t.data()),
            _ => Err(PackageError::Tensor { name }),
        };
        let weights = tensor(weight_name(i), Dtype::I8, &[self.outputs, self.inputs])?;
        let bias = tensor(bias_name(i), Dtype::I32, &[self.outputs])?;
        Ok(Dense {
            inputs: self.inputs,
            outputs: self.outputs,
            weights: weights.iter().map(|b| i8::from_le_bytes([*b])).collect(),
            bias: bias
                .chunks_exact(4)
                .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            shift: self.shift,
            activation: self.activation,
        })
    }
}
