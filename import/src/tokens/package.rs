//! A package of a sequence model: one safetensors file, as those of graphs, with a version of its own.
//!
//! The metadata entry `deepnode` holds a JSON header with extents and shifts; tensors `layer{i}.weight` (I16,
//! `[outputs, inputs]`), `.bias` (I32), `.positions` (I32, `[tokens, channels]`), `.table` (I16, `[vocabulary,
//! channels]`), `.function` (I8), `.roots` and `.exponentials` (U16) and `.inverses` (U32) hold the numbers.

use std::collections::HashMap;
use std::path::Path;

use dn_core::quant::sequence::{
    Attention, Embedding, Function, Layer, Linear, Norm, Residual, Sequence, SequenceError,
};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::codes::Codes;
use crate::error::PackageError;
use crate::package::{Package, HEADER, SEQUENCES};

/// A quantised model of tokens with everything that its users share.
#[derive(Clone, Debug, PartialEq)]
pub struct SequencePackage {
    /// Name for people.
    pub name: String,
    /// The integer model.
    pub model: Sequence,
    /// Float values of the output's codes: one scale and one offset.
    pub output: Codes,
}

/// A package of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// Of a graph.
    Graph(Box<Package>),
    /// Of a model of tokens.
    Sequence(Box<SequencePackage>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    name: String,
    tokens: usize,
    vocabulary: usize,
    output: Codes,
    layers: Vec<LayerHeader>,
}

/// A layer without its arrays.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum LayerHeader {
    Embedding { channels: usize },
    Linear { tensor: usize, shift: Vec<u32>, first: i32 },
    Residual { shortcut: (usize, i32), branch: Option<usize>, shift: u32, bits: u32 },
    Norm { tensor: usize, square_shift: u32, shift: u32 },
    Attention(AttentionHeader),
    ArgMax { tensor: usize },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttentionHeader {
    query: usize,
    key: usize,
    value: usize,
    heads: usize,
    is_causal: bool,
    score_shift: u32,
    context_shift: u32,
    shift: u32,
}

/// One array of the file.
type Array = (String, Dtype, Vec<usize>, Vec<u8>);

impl Stored {
    /// Reads and checks a package's file; gives the package and its id.
    ///
    /// # Errors
    /// [`PackageError::Io`] when the file cannot be read, else as [`Stored::from_bytes`].
    pub fn read(path: &Path) -> Result<(Self, [u8; 32]), PackageError> {
        let io = |source| PackageError::Io { path: path.to_path_buf(), source };
        let bytes = std::fs::read(path).map_err(io)?;
        Ok((Self::from_bytes(&bytes)?, Package::model_id(&bytes)))
    }

    /// Reads and checks a package.
    ///
    /// # Errors
    /// On anything that is not a valid package.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackageError> {
        match Package::from_bytes(bytes) {
            Ok(package) => Ok(Self::Graph(Box::new(package))),
            Err(PackageError::IsSequence) => {
                SequencePackage::from_bytes(bytes).map(|package| Self::Sequence(Box::new(package)))
            }
            Err(e) => Err(e),
        }
    }
}

impl SequencePackage {
    /// Codes of ids, which are ids of the model.
    #[must_use]
    pub fn quantize_ids(&self, ids: &[usize]) -> Vec<i8> {
        ids.iter().map(|id| i8::try_from(*id).unwrap_or(i8::MAX)).collect()
    }

    /// Float value of an output's code.
    #[must_use]
    pub fn value(&self, q: i16) -> f64 {
        f64::from(self.output.offset[0]) + f64::from(self.output.scale[0]) * f64::from(q)
    }

    /// Float values of an answer, which is `[channels, tokens]`, as `[tokens, channels]`.
    #[must_use]
    pub fn values(&self, q: &[i8]) -> Vec<f32> {
        let tokens = self.model.tokens;
        let row = |n: usize| q.iter().skip(n).step_by(tokens);
        (0..tokens).flat_map(row).map(|q| self.value((*q).into()) as f32).collect()
    }

    /// Products of one inference: those of weights, of scores and of weighed values.
    #[must_use]
    pub fn macs(&self) -> u64 {
        let model = &self.model;
        let of = |(i, layer): (usize, &Layer)| match layer {
            Layer::Embedding(_) | Layer::ArgMax { .. } => 0,
            Layer::Linear(l) => model.tokens * l.weights.len(),
            Layer::Residual(r) => model.tokens * r.branch.as_ref().map_or(0, |b| b.1.len()),
            Layer::Norm(_) => 2 * model.tokens * model.channels(i + 1),
            Layer::Attention(_) => 2 * model.tokens * model.tokens * model.channels(i + 1),
        };
        model.layers.iter().enumerate().map(of).map(|n| n as u64).sum()
    }

    /// The file's bytes, which [`SequencePackage::from_bytes`] reads as this package.
    ///
    /// # Errors
    /// When the package is invalid or the container cannot hold the tensors.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackageError> {
        self.model.validate()?;
        let (headers, arrays): (Vec<_>, Vec<_>) =
            self.model.layers.iter().enumerate().map(|(i, layer)| self.parts(i, layer)).unzip();
        let header = Header {
            version: SEQUENCES,
            name: self.name.clone(),
            tokens: self.model.tokens,
            vocabulary: self.model.vocabulary,
            output: self.output.clone(),
            layers: headers,
        };
        let json = serde_json::to_string(&header).map_err(|e| PackageError::Header(Some(e)))?;
        let arrays: Vec<Array> = arrays.concat();
        let views: Result<Vec<_>, _> = arrays
            .iter()
            .map(|(name, dtype, shape, data)| {
                TensorView::new(*dtype, shape.clone(), data).map(|view| (name.clone(), view))
            })
            .collect();
        let metadata = HashMap::from([(HEADER.to_owned(), json)]);
        let views = views.map_err(PackageError::Container)?;
        let bytes =
            safetensors::serialize(views, Some(metadata)).map_err(PackageError::Container)?;
        if Self::from_bytes(&bytes)? != *self {
            return Err(PackageError::Changed);
        }
        Ok(bytes)
    }

    fn parts(&self, i: usize, layer: &Layer) -> (LayerHeader, Vec<Array>) {
        let model = &self.model;
        let array =
            |part: &str, dtype, shape: Vec<usize>, bytes| (name(i, part), dtype, shape, bytes);
        let list = |part: &str, dtype, len: usize, bytes| array(part, dtype, vec![len], bytes);
        match layer {
            Layer::Embedding(e) => {
                let shape = vec![model.vocabulary, e.channels];
                let table = array("table", Dtype::I16, shape, words(&e.table));
                (LayerHeader::Embedding { channels: e.channels }, vec![table])
            }
            Layer::Linear(l) => {
                let (n, f) = (l.bias.len(), &l.function);
                let values = f.values.iter().map(|v| v.to_le_bytes()[0]).collect();
                let shape = vec![n, model.channels(l.tensor)];
                let arrays = vec![
                    array("weight", Dtype::I16, shape, words(&l.weights)),
                    list("bias", Dtype::I32, n, longs(&l.bias)),
                    list("function", Dtype::I8, f.values.len(), values),
                ];
                let (tensor, shift, first) = (l.tensor, l.shift.clone(), f.first);
                (LayerHeader::Linear { tensor, shift, first }, arrays)
            }
            Layer::Residual(r) => {
                let n = r.bias.len();
                let mut arrays = vec![list("bias", Dtype::I32, n, longs(&r.bias))];
                if let Some((tensor, weights)) = &r.branch {
                    let shape = vec![n, model.channels(*tensor)];
                    arrays.push(array("weight", Dtype::I16, shape, words(weights)));
                }
                if !r.positions.is_empty() {
                    let shape = vec![model.tokens, n];
                    arrays.push(array("positions", Dtype::I32, shape, longs(&r.positions)));
                }
                let branch = r.branch.as_ref().map(|b| b.0);
                let (shortcut, shift, bits) = (r.shortcut, r.shift, r.bits);
                (LayerHeader::Residual { shortcut, branch, shift, bits }, arrays)
            }
            Layer::Norm(norm) => {
                let (tensor, square_shift, shift) = (norm.tensor, norm.square_shift, norm.shift);
                let roots = norm.roots.iter().flat_map(|r| r.to_le_bytes()).collect();
                let roots = list("roots", Dtype::U16, norm.roots.len(), roots);
                (LayerHeader::Norm { tensor, square_shift, shift }, vec![roots])
            }
            Layer::Attention(a) => {
                let exponentials = a.exponentials.iter().flat_map(|e| e.to_le_bytes()).collect();
                let inverses = a.inverses.iter().flat_map(|v| v.to_le_bytes()).collect();
                let arrays = vec![
                    list("exponentials", Dtype::U16, a.exponentials.len(), exponentials),
                    list("inverses", Dtype::U32, a.inverses.len(), inverses),
                ];
                (LayerHeader::Attention(AttentionHeader::of(a)), arrays)
            }
            Layer::ArgMax { tensor } => (LayerHeader::ArgMax { tensor: *tensor }, Vec::new()),
        }
    }

    /// Reads and checks a package of a sequence model.
    ///
    /// # Errors
    /// On anything that is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackageError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(PackageError::Container)?;
        let json = metadata.metadata().as_ref().and_then(|m| m.get(HEADER));
        let json = json.ok_or(PackageError::Header(None))?;
        let header: Header =
            serde_json::from_str(json).map_err(|e| PackageError::Header(Some(e)))?;
        let Header { version, name, tokens, vocabulary, output, layers } = header;
        if version != SEQUENCES {
            return Err(PackageError::Version { got: version, expected: SEQUENCES });
        }
        let file = SafeTensors::deserialize(bytes).map_err(PackageError::Container)?;
        let mut model = Sequence { tokens, vocabulary, layers: Vec::new() };
        let mut arrays = Arrays { file: &file, layer: 0, read: 0 };
        for (i, layer) in layers.into_iter().enumerate() {
            arrays.layer = i;
            let layer = layer.read(&mut arrays, &model)?;
            // Channels of a tensor are those of what it reads, so nothing may read itself.
            if let Some(tensor) = layer.reads().into_iter().find(|t| *t > i) {
                let what = "it is not computed before";
                return Err(SequenceError::Reads { layer: i, tensor, what }.into());
            }
            model.layers.push(layer);
        }
        if let Some(name) = file.names().into_iter().nth(arrays.read) {
            return Err(PackageError::Tensor { name: name.to_owned() });
        }
        model.validate()?;
        if output.scale.len() != 1 || !output.fits(1, 1) {
            return Err(PackageError::Scale);
        }
        Ok(Self { name, model, output })
    }
}

fn name(i: usize, part: &str) -> String {
    format!("layer{i}.{part}")
}

fn words(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn longs(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The arrays of a file, and how many of them have been read.
struct Arrays<'a, 'b> {
    file: &'a SafeTensors<'b>,
    layer: usize,
    read: usize,
}

impl Arrays<'_, '_> {
    /// Bytes of an array of this type whose extents fit.
    fn bytes(
        &mut self,
        part: &str,
        dtype: Dtype,
        fits: impl Fn(&[usize]) -> bool,
    ) -> Result<&[u8], PackageError> {
        let name = name(self.layer, part);
        self.read += 1;
        match self.file.tensor(&name) {
            Ok(t) if t.dtype() == dtype && fits(t.shape()) => Ok(t.data()),
            _ => Err(PackageError::Tensor { name }),
        }
    }

    fn words(&mut self, part: &str, shape: [usize; 2]) -> Result<Vec<i16>, PackageError> {
        let bytes = self.bytes(part, Dtype::I16, |s| s == shape)?;
        Ok(bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect())
    }

    fn longs(&mut self, part: &str, shape: &[usize]) -> Result<Vec<i32>, PackageError> {
        let bytes = self.bytes(part, Dtype::I32, |s| s == shape)?;
        Ok(bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// A list of any length.
    fn shorts(&mut self, part: &str) -> Result<Vec<u16>, PackageError> {
        let bytes = self.bytes(part, Dtype::U16, |s| s.len() == 1)?;
        Ok(bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect())
    }

    /// The length of a list of biases.
    fn channels(&self) -> usize {
        let bias = self.file.tensor(&name(self.layer, "bias"));
        bias.ok().and_then(|t| t.shape().first().copied()).unwrap_or(0)
    }
}

impl LayerHeader {
    /// The layer behind those of `model`, not validated beyond what reading needs.
    fn read(self, arrays: &mut Arrays<'_, '_>, model: &Sequence) -> Result<Layer, PackageError> {
        let known = |tensor: usize| {
            let wrong = || PackageError::Header(None);
            (tensor <= model.layers.len()).then_some(tensor).ok_or_else(wrong)
        };
        Ok(match self {
            Self::Embedding { channels } => {
                let table = arrays.words("table", [model.vocabulary, channels])?;
                Layer::Embedding(Embedding { channels, table })
            }
            Self::Linear { tensor, shift, first } => {
                let (n, inputs) = (arrays.channels(), model.channels(known(tensor)?));
                let weights = arrays.words("weight", [n, inputs])?;
                let bias = arrays.longs("bias", &[n])?;
                let values = arrays.bytes("function", Dtype::I8, |s| s.len() == 1)?;
                let values = values.iter().map(|b| i8::from_le_bytes([*b])).collect();
                let function = Function { first, values };
                Layer::Linear(Linear { tensor, weights, bias, shift, function })
            }
            Self::Residual { shortcut, branch, shift, bits } => {
                let n = arrays.channels();
                let bias = arrays.longs("bias", &[n])?;
                let branch = match branch {
                    None => None,
                    Some(tensor) => {
                        let inputs = model.channels(known(tensor)?);
                        Some((tensor, arrays.words("weight", [n, inputs])?))
                    }
                };
                let has_positions = arrays.file.tensor(&name(arrays.layer, "positions")).is_ok();
                let positions = match has_positions {
                    true => arrays.longs("positions", &[model.tokens, n])?,
                    false => Vec::new(),
                };
                Layer::Residual(Residual { shortcut, branch, bias, positions, shift, bits })
            }
            Self::Norm { tensor, square_shift, shift } => {
                let roots = arrays.shorts("roots")?;
                Layer::Norm(Norm { tensor, square_shift, roots, shift })
            }
            Self::Attention(header) => {
                let exponentials = arrays.shorts("exponentials")?;
                let bytes = arrays.bytes("inverses", Dtype::U32, |s| s.len() == 1)?;
                let inverses = bytes.chunks_exact(4);
                let inverses = inverses.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                Layer::Attention(header.with(exponentials, inverses.collect()))
            }
            Self::ArgMax { tensor } => Layer::ArgMax { tensor },
        })
    }
}

impl AttentionHeader {
    fn of(a: &Attention) -> Self {
        Self {
            query: a.query,
            key: a.key,
            value: a.value,
            heads: a.heads,
            is_causal: a.is_causal,
            score_shift: a.score_shift,
            context_shift: a.context_shift,
            shift: a.shift,
        }
    }

    fn with(self, exponentials: Vec<u16>, inverses: Vec<u32>) -> Attention {
        Attention {
            query: self.query,
            key: self.key,
            value: self.value,
            heads: self.heads,
            is_causal: self.is_causal,
            score_shift: self.score_shift,
            exponentials,
            inverses,
            context_shift: self.context_shift,
            shift: self.shift,
        }
    }
}
