//! A model package: one safetensors file with the quantised graph and its scales.
//!
//! The metadata entry `deepnode` holds a JSON header with extents, geometries, shifts and tables;
//! tensors `node{i}.source{j}.weight` (I16, `[outputs, inputs / groups, rows, columns]`) and
//! `node{i}.bias` (I32, `[channels]`) hold the numbers. The model's id is the keccak256 of the
//! file, so it covers scales and tables too.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use dn_core::quant::{Activation, Geometry, Graph, GraphError, Node, Part, Shape, Source, MAX_LEN};
use dn_core::{Scheme, Scoring, Width};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

use crate::codes::Codes;
use crate::error::PackageError;
use crate::readout::Output;

/// Version that is written.
const VERSION: u32 = 3;
/// Version of a package whose graph has products; the others keep their bytes, and so their id.
const PRODUCTS: u32 = 4;
/// The version that has one scale for all values of an end and no offsets. It is read, too: models
/// that are registered keep their id.
const UNIFORM: u32 = 2;
/// Version of a package of a sequence model, which is another kind of file.
pub(crate) const SEQUENCES: u32 = 5;
pub(crate) const HEADER: &str = "deepnode";

/// What every header says.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A quantised model with everything that its users share.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// Name for people.
    pub name: String,
    /// The integer model.
    pub graph: Graph,
    /// Float values of the input's codes.
    pub input: Codes,
    /// Float values of the output's codes.
    pub output: Codes,
    /// Layout of its proofs.
    pub width: Width,
    /// How the columns of its proofs are opened.
    pub scheme: Scheme,
    /// What its outputs are, as far as proofs score them.
    pub scoring: Scoring,
    /// Names of the tensors that lie one behind the other in an input; none if it is one tensor.
    pub inputs: Vec<String>,
    /// What lies one behind the other in an output; none if that is one tensor whose numbers are its
    /// values.
    pub outputs: Vec<Output>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    name: String,
    /// Of input and output; absent in a [`UNIFORM`] package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codes: Option<[Codes; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_scale: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_scale: Option<f32>,
    #[serde(default, skip_serializing_if = "Width::is_default")]
    width: Width,
    #[serde(default, skip_serializing_if = "Scheme::is_plain")]
    opening: Scheme,
    #[serde(default, skip_serializing_if = "Scoring::is_default")]
    scoring: Scoring,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<Output>,
    input: Shape,
    nodes: Vec<NodeHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeHeader {
    shape: Shape,
    sources: Vec<SourceHeader>,
    shift: Vec<u32>,
    pool: usize,
    activation: Activation,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceHeader {
    tensor: usize,
    geometry: Geometry,
    #[serde(default, skip_serializing_if = "Part::is_sum")]
    part: Part,
}

/// One array of the file.
type Array = (String, Dtype, Vec<usize>, Vec<u8>);

impl Package {
    /// Quantises a float input: nearest step, halves up, saturated.
    #[must_use]
    pub fn quantize_input(&self, x: &[f32]) -> Vec<i8> {
        self.input.quantize(x)
    }

    /// Float values of an output.
    #[must_use]
    pub fn dequantize_output(&self, q: &[i8]) -> Vec<f32> {
        self.output.dequantize(q)
    }

    /// The outputs' values for one example, as the file that was imported promises them.
    #[must_use]
    pub fn values(&self, q: &[i8]) -> Vec<Vec<f32>> {
        let numbers = self.dequantize_output(q);
        if self.outputs.is_empty() {
            return vec![numbers];
        }
        let mut rest = &numbers[..];
        let read = |output: &Output| {
            let (own, others) = rest.split_at(output.len.min(rest.len()));
            rest = others;
            output.readout.apply(own)
        };
        self.outputs.iter().map(read).collect()
    }

    /// keccak256 of the package's bytes.
    #[must_use]
    pub fn model_id(bytes: &[u8]) -> [u8; 32] {
        Keccak256::digest(bytes).into()
    }

    /// The file's bytes, which [`Package::from_bytes`] reads as this package.
    ///
    /// # Errors
    /// When the package is invalid or the container cannot hold the tensors.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackageError> {
        let bytes = self.packed()?;
        if Self::from_bytes(&bytes)? != *self {
            return Err(PackageError::Changed);
        }
        Ok(bytes)
    }

    /// The file's bytes, of a package that may be invalid in what is not its graph.
    fn packed(&self) -> Result<Vec<u8>, PackageError> {
        self.graph.validate()?;
        let has_products = self.graph.nodes.iter().any(Node::is_product);
        let header = Header {
            version: if has_products { PRODUCTS } else { VERSION },
            name: self.name.clone(),
            codes: Some([self.input.clone(), self.output.clone()]),
            input_scale: None,
            output_scale: None,
            width: self.width,
            opening: self.scheme,
            scoring: self.scoring,
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            input: self.graph.input,
            nodes: self.graph.nodes.iter().map(NodeHeader::of).collect(),
        };
        let json = serde_json::to_string(&header).map_err(|e| PackageError::Header(Some(e)))?;
        let nodes = self.graph.nodes.iter().enumerate();
        let arrays: Vec<Array> = nodes.flat_map(|(i, n)| self.arrays(i, n)).collect();
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

    fn arrays(&self, i: usize, node: &Node) -> Vec<Array> {
        let source = |(j, source): (usize, &Source)| {
            let shape = weight_shape(node.shape, &source.geometry, self.graph.shape(source.tensor));
            let bytes = source.weights.iter().flat_map(|w| w.to_le_bytes()).collect();
            (weight_name(i, j), Dtype::I16, shape.to_vec(), bytes)
        };
        let bias = node.bias.iter().flat_map(|b| b.to_le_bytes()).collect();
        let bias = (bias_name(i), Dtype::I32, vec![node.bias.len()], bias);
        node.sources.iter().enumerate().map(source).chain([bias]).collect()
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
    /// [`PackageError::IsSequence`] for one of a model of tokens, and others on anything that is not a valid package.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackageError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(PackageError::Container)?;
        let json = metadata.metadata().as_ref().and_then(|m| m.get(HEADER));
        let json = json.ok_or(PackageError::Header(None))?;
        let malformed = |e| PackageError::Header(Some(e));
        let Version { version } = serde_json::from_str(json).map_err(malformed)?;
        if version == SEQUENCES {
            return Err(PackageError::IsSequence);
        }
        let header: Header = serde_json::from_str(json).map_err(malformed)?;
        let ends = header.ends()?;
        let file = SafeTensors::deserialize(bytes).map_err(PackageError::Container)?;
        let Header { name, version, width, scoring, opening: scheme, inputs, outputs, .. } = header;
        let (extents, nodes) = (header.input, header.nodes);
        let mut graph = Graph { input: extents, nodes: Vec::new() };
        let mut arrays = 0;
        for (i, node) in nodes.into_iter().enumerate() {
            arrays += node.sources.len() + 1;
            let node = node.read(i, &graph, &file)?;
            graph.nodes.push(node);
        }
        if let Some(name) = file.names().into_iter().nth(arrays) {
            return Err(PackageError::Tensor { name: name.to_owned() });
        }
        graph.validate()?;
        // One graph has one package.
        if graph.nodes.iter().any(dn_core::quant::Node::is_product) != (version == PRODUCTS) {
            return Err(PackageError::Header(None));
        }
        let [input, output] = ends;
        let shapes = [graph.input, graph.shape(graph.nodes.len())];
        if !shapes.iter().zip([&input, &output]).all(|(s, c)| c.fits(s.channels, s.len())) {
            return Err(PackageError::Scale);
        }
        let numbers = outputs.iter().map(|o| o.len).fold(0, usize::saturating_add);
        let fits = numbers == graph.shape(graph.nodes.len()).len();
        // So there are at most as many names as numbers.
        if !outputs.is_empty() && (!fits || outputs.iter().any(|o| o.len == 0)) {
            return Err(PackageError::Outputs { got: numbers });
        }
        if inputs.len() > graph.input_len() {
            return Err(PackageError::Inputs { got: inputs.len() });
        }
        Ok(Self { name, graph, input, output, width, scoring, scheme, inputs, outputs })
    }
}

impl Header {
    /// What the codes of input and output stand for, not checked.
    fn ends(&self) -> Result<[Codes; 2], PackageError> {
        match (self.version, &self.codes, self.input_scale, self.output_scale) {
            (VERSION | PRODUCTS, Some(codes), None, None) => Ok(codes.clone()),
            (UNIFORM, None, Some(input), Some(output)) => Ok([input, output].map(Codes::uniform)),
            (VERSION | PRODUCTS | UNIFORM, ..) => Err(PackageError::Header(None)),
            (got, ..) => Err(PackageError::Version { got, expected: VERSION }),
        }
    }
}

fn weight_name(i: usize, j: usize) -> String {
    format!("node{i}.source{j}.weight")
}

fn bias_name(i: usize) -> String {
    format!("node{i}.bias")
}

/// `[outputs, inputs / groups, rows, columns]`
fn weight_shape(output: Shape, g: &Geometry, input: Shape) -> [usize; 4] {
    [output.channels, input.channels / g.groups.max(1), g.kernel[0], g.kernel[1]]
}

/// Whether the number of values can be computed and held.
fn is_sane(shape: Shape, pool: usize) -> bool {
    let len = shape.height.checked_mul(shape.width).and_then(|n| n.checked_mul(shape.channels));
    len.is_some_and(|n| n <= MAX_LEN) && pool > 0
}

impl NodeHeader {
    fn of(node: &Node) -> Self {
        let source = |s: &Source| {
            let Source { part, tensor, geometry, .. } = *s;
            SourceHeader { tensor, geometry, part }
        };
        Self {
            shape: node.shape,
            sources: node.sources.iter().map(source).collect(),
            shift: node.shift.clone(),
            pool: node.pool,
            activation: node.activation.clone(),
        }
    }

    /// Node `i` behind those of `graph`, not validated beyond what reading needs.
    fn read(self, i: usize, graph: &Graph, file: &SafeTensors<'_>) -> Result<Node, PackageError> {
        let tensor = |name: String, dtype: Dtype, shape: &[usize]| match file.tensor(&name) {
            Ok(t) if t.dtype() == dtype && t.shape() == shape => Ok(t.data()),
            _ => Err(PackageError::Tensor { name }),
        };
        if !is_sane(graph.input, 1) || !is_sane(self.shape, self.pool) {
            let what = "an extent or the pool is zero or too large";
            return Err(PackageError::Graph(GraphError::Geometry { node: i, what }));
        }
        let mut sources = Vec::new();
        for (j, SourceHeader { tensor: t, geometry, part }) in self.sources.into_iter().enumerate()
        {
            if t > i {
                return Err(PackageError::Graph(GraphError::Order { node: i, tensor: t }));
            }
            let shape = weight_shape(self.shape, &geometry, graph.shape(t));
            let bytes = tensor(weight_name(i, j), Dtype::I16, &shape)?;
            let weights = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
            sources.push(Source { part, tensor: t, geometry, weights });
        }
        let bias = tensor(bias_name(i), Dtype::I32, &[self.shape.channels])?;
        let bias = bias.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok(Node {
            shape: self.shape,
            sources,
            bias: bias.collect(),
            shift: self.shift,
            pool: self.pool,
            activation: self.activation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readout::Readout;

    fn package() -> Package {
        let input = Shape::vector(2);
        let node = Node::dense((0, input), vec![1; 4], vec![0; 2], 0, Activation::identity());
        let graph = Graph { input, nodes: vec![node] };
        let codes = |scale: Vec<f32>, offset: Vec<f32>| Codes { scale, offset };
        let input = codes(vec![0.5, 100.0], vec![0.0, 1e4]);
        let output = codes(vec![0.25], vec![1e6]);
        Package {
            name: "two".into(),
            graph,
            inputs: Vec::new(),
            outputs: Vec::new(),
            input,
            output,
            width: Width::Default,
            scheme: Scheme::Merged,
            scoring: Scoring::Classes,
        }
    }

    #[test]
    fn scales_and_offsets_of_single_values_are_kept_and_checked() {
        let bytes = package().to_bytes().unwrap();
        assert_eq!(Package::from_bytes(&bytes).unwrap(), package());
        let mut three = package();
        three.input = Codes { scale: vec![1.0; 3], offset: vec![0.0; 3] };
        let read = Package::from_bytes(&three.packed().unwrap());
        assert!(matches!(read, Err(PackageError::Scale)));
        assert!(matches!(three.to_bytes(), Err(PackageError::Scale)));
    }

    /// Names without numbers would be as many as the file has room for.
    #[test]
    fn every_name_stands_for_a_number() {
        let output = |len| Output { name: "y".into(), len, readout: Readout::Plain };
        let outputs = vec![output(2), output(0)];
        let empty = Package { outputs, ..package() };
        let read = Package::from_bytes(&empty.packed().unwrap());
        assert!(matches!(read, Err(PackageError::Outputs { got: 2 })));
        let many = Package { inputs: vec!["x".into(); 3], ..package() };
        let read = Package::from_bytes(&many.packed().unwrap());
        assert!(matches!(read, Err(PackageError::Inputs { got: 3 })));
    }

    #[test]
    fn what_is_scored_is_kept_and_only_what_is_unusual_is_written() {
        let none = Package { scoring: Scoring::None, ..package() };
        let bytes = none.to_bytes().unwrap();
        assert_eq!(Package::from_bytes(&bytes).unwrap(), none);
        let bytes = package().to_bytes().unwrap();
        assert!(!bytes.windows(7).any(|w| w == b"scoring"));
    }

    /// A header as version 2 had it, in the place of that of this version.
    #[test]
    fn a_package_with_one_scale_for_each_end_is_read() {
        let bytes = package().to_bytes().unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let json = &metadata.metadata().as_ref().unwrap()[HEADER];
        let mut header: serde_json::Value = serde_json::from_str(json).unwrap();
        let fields = header.as_object_mut().unwrap();
        fields.remove("codes");
        fields.insert("version".into(), 2.into());
        fields.insert("input_scale".into(), 0.5.into());
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let pack = |header: &serde_json::Value| {
            let metadata = HashMap::from([(HEADER.to_owned(), header.to_string())]);
            safetensors::serialize(file.tensors(), Some(metadata)).unwrap()
        };
        assert!(matches!(Package::from_bytes(&pack(&header)), Err(PackageError::Header(None))));
        header.as_object_mut().unwrap().insert("output_scale".into(), 2.0.into());
        let read = Package::from_bytes(&pack(&header)).unwrap();
        assert_eq!((read.input, read.output), (Codes::uniform(0.5), Codes::uniform(2.0)));
        header.as_object_mut().unwrap().insert("version".into(), 1.into());
        let read = Package::from_bytes(&pack(&header));
        assert!(matches!(read, Err(PackageError::Version { got: 1, expected: 3 })));
    }
}
