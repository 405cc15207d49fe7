//! Reads an ONNX graph into a [`FloatModel`].
//!
//! One example is computed at a time: the batch is an axis of extent 1. Every ONNX tensor that
//! depends on the input is a [`View`]; all others are computed here.

mod arithmetic;
mod axes;
mod blocks;
mod build;
mod choice;
mod codes;
mod convolution;
mod dense;
mod fold;
mod functions;
mod input;
mod integers;
mod join;
mod layout;
mod learned;
mod moves;
mod normalise;
mod numbers;
mod operators;
mod pointwise;
mod pool;
mod prepare;
mod product;
mod quantised;
mod recurrent;
mod reduce;
mod refusal;
mod reshape;
mod resize;
mod rewrite;
mod rows;
mod select;
mod signs;
mod statistics;
mod tokens;
mod transposed;
mod trees;
mod triangle;
mod view;
mod volume;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

use dn_core::quant::{Shape, MAX_LEN};
use prost::Message;

use super::{geometry, FloatModel, Linear, Origin};
use crate::error::{Failed, ImportError};
use crate::onnx::{self, Element, Numbers};
use crate::readout::Readout;

pub use input::Input;
pub use operators::{operators, Group, Operator};
use prepare::{prepare, Prepared};
use quantised::Coding;
pub(crate) use tokens::{read as read_tokens, TokenFacts};
pub(super) use view::View;

/// Most functions between two linear operations.
const MAX_FUNCTIONS: usize = 256;
/// Most numbers of one view.
const MAX_VIEW: usize = 1 << 24;
/// Most numbers of all views, constants and weights together that reading makes.
const MAX_WORK: usize = 1 << 28;

/// A constant: extents and values.
type Constant = (Vec<usize>, Vec<f32>);

/// How a file is read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Folder of the file, where it may keep its weights.
    pub folder: Option<PathBuf>,
    /// Extents for symbolic dimensions, by symbol or by `input.axis`.
    pub sizes: HashMap<String, usize>,
    /// Names of the outputs, in order; all outputs of the graph if empty.
    pub outputs: Vec<String>,
}

/// What a file says about a model, beside the operations.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// Inputs, which lie one behind the other.
    pub(crate) inputs: Vec<Input>,
    /// Outputs, likewise: name and dimensions with the batch.
    pub(crate) outputs: Vec<(String, Vec<usize>)>,
    /// How each of them is read.
    pub(crate) readouts: Vec<Readout>,
    /// Whether the file ends in what orders or names classes, as a softmax.
    pub(crate) has_classes: bool,
    /// What was dropped or changed, for people.
    pub(crate) notes: Vec<String>,
}

impl FloatModel {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// [`ImportError::Decode`], [`ImportError::Graph`], [`ImportError::Node`] or
    /// [`ImportError::Nodes`] with what is malformed or not supported.
    pub(crate) fn read(bytes: &[u8], reading: &Reading) -> Result<(Self, Facts), ImportError> {
        if bytes.is_empty() {
            return Err(unsupported("the file is empty"));
        }
        let model = onnx::Model::decode(bytes).map_err(ImportError::Decode)?;
        Reader::read(prepare(model, &reading.outputs)?, reading)
    }
}

fn unsupported(reason: impl Into<String>) -> ImportError {
    ImportError::Graph { reason: reason.into() }
}

struct Reader {
    model: FloatModel,
    folder: Option<PathBuf>,
    /// Version of ONNX's own operator set.
    opset: i64,
    /// The batch that the file is made for; 1 if it is open.
    batch: usize,
    /// Which axis of a computed tensor that batch is, if it is larger than 1.
    batch_axes: HashMap<String, usize>,
    initializers: HashMap<String, onnx::Tensor>,
    constants: HashMap<String, Rc<Numbers>>,
    /// Types of computed tensors.
    elements: HashMap<String, Element>,
    views: HashMap<String, View>,
    /// Computed tensors that hold codes in the file; here, the numbers that these stand for.
    quantised: HashMap<String, Coding>,
    /// Constants that stand for scales which each example has by itself.
    own_scales: HashSet<String>,
    /// Results of layers on codes of such a scale, which is still to be multiplied.
    unscaled: HashSet<String>,
    /// Tensors behind which nothing is computed.
    ends: HashSet<String>,
    /// Number of outputs.
    outputs: usize,
    /// Tensors that could not be computed.
    failed: HashSet<String>,
    failures: Vec<Failed>,
    /// Of outputs whose end is left to their reader.
    readouts: HashMap<String, Readout>,
    notes: Vec<String>,
    /// Numbers made so far.
    work: usize,
    /// The node that is being read.
    origin: Origin,
}

impl Reader {
    fn read(prepared: Prepared, reading: &Reading) -> Result<(FloatModel, Facts), ImportError> {
        let Prepared { graph, opset, outputs, readouts, has_classes, notes } = prepared;
        let mut reader = Self {
            ends: ends(&graph.node, &outputs),
            outputs: outputs.len(),
            readouts,
            notes,
            ..Self::of(graph.initializer, opset, reading)
        };
        let inputs = reader.inputs(&graph.input, &graph.node, reading)?;
        for node in &graph.node {
            reader.node(node);
        }
        let (model, facts) = reader.finish(inputs, &outputs)?;
        Ok((model, Facts { has_classes, ..facts }))
    }

    /// A reader that has read nothing but constants.
    fn of(initializers: Vec<onnx::Tensor>, opset: i64, reading: &Reading) -> Self {
        Self {
            model: FloatModel { input: Shape::vector(1), ops: Vec::new() },
            folder: reading.folder.clone(),
            opset,
            batch: 1,
            batch_axes: HashMap::new(),
            initializers: initializers.into_iter().map(|t| (t.name.clone(), t)).collect(),
            constants: HashMap::new(),
            elements: HashMap::new(),
            views: HashMap::new(),
            quantised: HashMap::new(),
            own_scales: HashSet::new(),
            unscaled: HashSet::new(),
            ends: HashSet::new(),
            outputs: 0,
            failed: HashSet::new(),
            failures: Vec::new(),
            readouts: HashMap::new(),
            notes: Vec::new(),
            work: 0,
            origin: Origin::default(),
        }
    }

    /// Lays the inputs one behind the other.
    fn inputs(
        &mut self,
        all: &[onnx::ValueInfo],
        nodes: &[onnx::Node],
        reading: &Reading,
    ) -> Result<Vec<Input>, ImportError> {
        let read: HashSet<&str> = nodes.iter().flat_map(onnx::Node::operands).collect();
        let mut declared = Vec::new();
        for info in all.iter().filter(|i| !self.initializers.contains_key(&i.name)) {
            match input::declared(info, &reading.sizes) {
                Ok(found) => declared.push(found),
                Err(_) if !read.contains(info.name.as_str()) => {}
                Err(e) => return Err(e),
            }
        }
        let total: usize = declared.iter().map(|d| d.input.dims.iter().product::<usize>()).sum();
        if declared.is_empty() || total > MAX_LEN {
            return Err(unsupported("there is no input, or the inputs are too large"));
        }
        self.batch = declared.iter().map(|d| d.batch).max().unwrap_or(1);
        if self.batch > 1 {
            let with_batch = declared.iter().filter(|d| d.dims.len() > d.input.dims.len());
            self.batch_axes.extend(with_batch.map(|d| (d.input.name.clone(), 0)));
        }
        self.elements.extend(declared.iter().map(|d| (d.input.name.clone(), d.element)));
        if let [only] = &declared[..] {
            let view = View::stack(vec![0], only.dims.clone());
            let [channels, rows, columns] = view.image_dims().unwrap_or([total, 1, 1]);
            self.model.input = geometry::shape(channels, [rows, columns]).map_err(unsupported)?;
            self.views.insert(only.input.name.clone(), view);
        } else {
            self.model.input = Shape::vector(total);
            let whole = View::stack(vec![0], vec![total]);
            let mut first = 0;
            for d in &declared {
                let index: Vec<usize> =
                    (first..first + d.input.dims.iter().product::<usize>()).collect();
                first += index.len();
                let view = self.pick(&whole, &index, d.dims.clone(), 0.0).map_err(unsupported)?;
                self.views.insert(d.input.name.clone(), view);
            }
        }
        Ok(declared.into_iter().map(|d| d.input).collect())
    }

    /// Reads a node, or notes why it cannot be read.
    fn node(&mut self, node: &onnx::Node) {
        self.origin = Origin { node: node.label(), op: node.op_type.clone() };
        let depends = node.operands().any(|name| self.failed.contains(name));
        let reason = if depends {
            // Its operands are unknown, so only its operator can be judged.
            Self::refusal(node)
        } else {
            self.single(node).err()
        };
        if depends || reason.is_some() {
            self.failed.extend(node.results().map(str::to_owned));
        }
        if let Some(reason) = reason {
            let form = Self::operator(node).map_or("", |o| o.form).to_owned();
            let Origin { node, op } = self.origin.clone();
            self.failures.push(Failed { node, op, reason, form });
        }
    }

    fn single(&mut self, node: &onnx::Node) -> Result<(), String> {
        if node.results().next().is_none() {
            return Err("it has no output".to_owned());
        }
        let node = &*self.on_codes(node)?;
        let is_known = Self::operator(node).is_some();
        if is_known {
            if let Some(results) = self.fold(node)? {
                for (name, numbers) in node.output.iter().zip(results) {
                    self.constants.insert(name.clone(), Rc::new(numbers));
                }
                return Ok(());
            }
        }
        if let Some(reason) = Self::refusal(node) {
            return Err(reason);
        }
        if let Some(nodes) = self.rewritten(node)? {
            // Recurrent layers take the batch as one sequence: their nodes need not know where it is.
            let is_recurrent = matches!(node.op_type.as_str(), "LSTM" | "GRU" | "RNN");
            let axes = self.batch_axes.clone();
            if is_recurrent {
                self.batch_axes.clear();
            }
            nodes.iter().try_for_each(|n| self.single(n))?;
            if is_recurrent && !axes.is_empty() {
                let is_turned = node.int("layout", 0) == 1;
                let places = if is_turned { [0; 3] } else { [2, 1, 1] };
                self.batch_axes = axes;
                self.batch_axes.extend(node.output.iter().cloned().zip(places));
            }
            return Ok(());
        }
        let read = Self::operator(node).and_then(|o| o.read);
        let read = read.ok_or("this operator is not supported")?;
        let element = self.result_element(node)?;
        let results = read(self, node)?;
        let codes = self.coding(node)?;
        for (name, view) in node.output.iter().zip(results) {
            let view = self.in_type(node, view, element)?;
            if let Some(at) = self.batch_axis(node, &view)? {
                self.batch_axes.insert(name.clone(), at);
            }
            self.elements.entry(name.clone()).or_insert(element);
            if let Some(coding) = &codes {
                self.quantised.entry(name.clone()).or_insert_with(|| coding.clone());
            }
            self.views.insert(name.clone(), view);
        }
        Ok(())
    }

    fn finish(
        mut self,
        inputs: Vec<Input>,
        names: &[(String, String)],
    ) -> Result<(FloatModel, Facts), ImportError> {
        if !self.failures.is_empty() {
            return Err(ImportError::of(std::mem::take(&mut self.failures)));
        }
        let (mut views, mut outputs) = (Vec::new(), Vec::new());
        for (base, name) in names {
            let view = self.views.get(base).cloned().ok_or_else(|| {
                unsupported(match self.numbers(base) {
                    Ok(Some(_)) => format!("output {name:?} does not depend on the input"),
                    _ => format!("no node produces the graph's output {name:?}"),
                })
            })?;
            match self.quantised.get(base) {
                Some(coding) if coding.is_dynamic => {
                    return Err(unsupported(format!(
                        "output {name:?} holds codes of a scale that each example has by itself"
                    )))
                }
                Some(_) => self.notes.push(format!(
                    "output {name:?} has the numbers that the file's codes stand for"
                )),
                None if self.unscaled.contains(base) => {
                    return Err(unsupported(format!(
                        "output {name:?} lacks a scale that each example has by itself"
                    )))
                }
                None => {}
            }
            outputs.push((name.clone(), view.dims.clone()));
            views.push(view);
        }
        if views.is_empty() {
            return Err(unsupported("the graph has no output"));
        }
        let last = names.last().map(|(_, name)| name.clone()).unwrap_or_default();
        self.origin = Origin { node: last, op: "output".to_owned() };
        let value = self.output(&views).map_err(|reason| self.origin.error(reason))?;
        let value = match value {
            // The model only chose and ordered numbers, or all of it was dropped.
            0 => self.copied().map_err(|reason| self.origin.error(reason))?,
            value => value,
        };
        self.model.keep_only(value);
        // One list of scores: in groups, a reader would have to know them.
        let is_list = |dims: &[usize]| dims.iter().filter(|n| **n != 1).count() < 2;
        let readout = |((base, _), (_, dims)): (&(String, String), &(String, Vec<usize>))| {
            let known = self.readouts.get(base).filter(|_| is_list(dims));
            known.copied().unwrap_or_default()
        };
        let readouts = names.iter().zip(&outputs).map(readout).collect();
        let notes = self.notes;
        Ok((self.model, Facts { inputs, outputs, readouts, has_classes: false, notes }))
    }

    /// The input, copied.
    fn copied(&mut self) -> Result<usize, String> {
        let shape = self.model.input;
        let terms = vec![super::pointwise(0, vec![1.0; shape.channels])];
        self.push_linear(shape, Linear { terms, bias: vec![0.0; shape.channels] })
    }

    /// Operators that choose and order numbers.
    fn select(&mut self, node: &onnx::Node) -> Result<Vec<View>, String> {
        let view = self.operand(node, 0)?;
        let selections = self.selection(node, &view.dims).ok_or("it moves no numbers")??;
        let mut views = Vec::new();
        for selection in selections {
            self.afford(selection.dims.iter().copied())?;
            views.push(match &selection.index {
                None => view.under(selection.dims),
                Some(index) => self.pick(&view, index, selection.dims, selection.fill as f32)?,
            });
        }
        Ok(views)
    }

    /// Whether a tensor is an output, or only seen in other ways behind.
    fn is_output(&self, name: &str) -> bool {
        self.ends.contains(name)
    }

    /// Whether a `Gather` looks computed indices up in a constant.
    fn is_table(&self, node: &onnx::Node) -> bool {
        node.operand(1).is_some_and(|name| self.views.contains_key(name))
            && node.operand(0).is_some_and(|name| !self.views.contains_key(name))
    }

    fn view(&self, name: &str) -> Result<View, String> {
        self.views.get(name).cloned().ok_or_else(|| {
            if matches!(self.numbers(name), Ok(Some(_))) {
                format!("operand {name:?} must not be a constant")
            } else {
                format!("operand {name:?} is not computed before this node")
            }
        })
    }

    fn operand(&self, node: &onnx::Node, at: usize) -> Result<View, String> {
        self.view(node.operand(at).ok_or_else(|| format!("operand {at} is missing"))?)
    }

    /// A constant operand, whose values are finite.
    fn constant(&self, node: &onnx::Node, at: usize) -> Result<Constant, String> {
        let name = node.operand(at).ok_or_else(|| format!("operand {at} is missing"))?;
        let numbers = self.numbers(name)?;
        let numbers = numbers.ok_or_else(|| format!("{name:?} is not a constant"))?;
        let values: Vec<f32> = numbers.values.iter().map(|v| *v as f32).collect();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(format!("constant {name:?}: a value is not finite"));
        }
        Ok((numbers.dims.clone(), values))
    }

    /// A constant with `len` values; one value stands for all.
    fn per_channel_constant(
        &self,
        node: &onnx::Node,
        at: usize,
        len: usize,
    ) -> Result<Vec<f32>, String> {
        let (dims, values) = self.constant(node, at)?;
        match values.len() {
            1 => Ok(vec![values[0]; len]),
            n if n == len => Ok(values),
            _ => Err(format!("operand {at} has dimensions {dims:?}, {len} values are needed")),
        }
    }
}

/// Outputs, and what is only passed on to them.
fn ends(nodes: &[onnx::Node], outputs: &[(String, String)]) -> HashSet<String> {
    let mut ends: HashSet<String> = outputs.iter().map(|(base, _)| base.clone()).collect();
    for node in nodes.iter().rev() {
        let passes = matches!(node.op_type.as_str(), "Identity" | "Cast" | "Reshape" | "Flatten");
        if passes && node.results().all(|name| ends.contains(name)) {
            ends.extend(node.operand(0).map(str::to_owned));
        }
    }
    ends
}
