//! Why a model, a package or an array file cannot be used.

use std::path::PathBuf;

use dn_core::quant::sequence::SequenceError;
use dn_core::quant::GraphError;
use thiserror::Error;

use crate::examples::ExampleError;

/// Failure of an import.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The bytes are not an ONNX model.
    #[error("not an ONNX model")]
    Decode(#[source] prost::DecodeError),
    /// The graph as a whole is unsupported.
    #[error("unsupported graph: {reason}")]
    Graph {
        /// Why.
        reason: String,
    },
    /// A node is malformed or unsupported.
    #[error("node {node:?} ({op}): {reason}")]
    Node {
        /// Name of the node, or of its first output.
        node: String,
        /// Its operator.
        op: String,
        /// Why.
        reason: String,
    },
    /// Several nodes are malformed or unsupported.
    #[error("{}", list(failures))]
    Nodes {
        /// The nodes, in their order.
        failures: Vec<Failed>,
    },
    /// The calibration data does not fit the model.
    #[error("calibration data: {reason}")]
    Calibration {
        /// Why.
        reason: String,
    },
    /// The calibration examples are no inputs of the model.
    #[error("calibration data")]
    Examples(#[from] ExampleError),
    /// The quantised model breaks a rule of the integer semantics.
    #[error("the quantised model is invalid")]
    Quantized(#[from] GraphError),
    /// The quantised layers of a transformer break a rule of the integer semantics.
    #[error("the quantised model of tokens is invalid")]
    Sequence(#[from] SequenceError),
    /// The package cannot be written.
    #[error("write the package")]
    Package(#[from] PackageError),
}

/// A node that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Name of the node, or of its first output.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Why.
    pub reason: String,
    /// The form of the operator that is supported; empty if that is not known.
    pub form: String,
}

/// Most groups of nodes that one message lists.
const MAX_LISTED: usize = 24;

/// One line per operator and reason, with the nodes that share them.
fn list(failures: &[Failed]) -> String {
    let mut groups: Vec<(&Failed, Vec<&str>)> = Vec::new();
    for failed in failures {
        let same = |(first, _): &&mut (&Failed, Vec<&str>)| {
            (&first.op, &first.reason) == (&failed.op, &failed.reason)
        };
        match groups.iter_mut().find(same) {
            Some((_, nodes)) => nodes.push(&failed.node),
            None => groups.push((failed, vec![&failed.node])),
        }
    }
    let line = |(failed, nodes): &(&Failed, Vec<&str>)| {
        let more =
            if nodes.len() > 1 { format!(" and {} more", nodes.len() - 1) } else { String::new() };
        format!("\n  {} {:?}{more}: {}", failed.op, failed.node, failed.told())
    };
    let lines: String = groups.iter().take(MAX_LISTED).map(line).collect();
    let rest = groups.len().saturating_sub(MAX_LISTED);
    let rest = if rest > 0 { format!("\n  and {rest} other kinds") } else { String::new() };
    format!("{} nodes cannot be imported:{lines}{rest}", failures.len())
}

impl Failed {
    /// The reason, with the form that is supported.
    fn told(&self) -> String {
        if self.form.is_empty() {
            self.reason.clone()
        } else {
            format!("{} (supported: {})", self.reason, self.form)
        }
    }
}

impl ImportError {
    /// Stable identifier that programs print.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode(_) => "onnx_malformed",
            Self::Graph { .. } | Self::Node { .. } | Self::Nodes { .. } => "onnx_unsupported",
            Self::Calibration { .. } | Self::Examples(_) => "calibration",
            Self::Quantized(_) | Self::Sequence(_) => "quantization",
            Self::Package(_) => "package",
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Decode(_) => {
                "give an ONNX file, as torch.onnx.export or tf2onnx writes it; a checkpoint is none"
            }
            Self::Graph { .. } => "change what the message names when the model is exported",
            Self::Node { .. } | Self::Nodes { .. } => {
                "replace what the message names; deepnode model operators lists what is supported"
            }
            Self::Calibration { .. } => "give raw model inputs as array x, one row per example",
            Self::Examples(e) => e.hint(),
            Self::Quantized(_) => {
                "the model is too wide for exact int32 arithmetic; split the layer"
            }
            Self::Sequence(_) => {
                "give it fewer channels or tokens, or train it with smaller weights: a sum must stay exact"
            }
            Self::Package(_) => "report this model: its package cannot be written",
        }
    }

    /// The error of nodes that failed, at least one.
    pub(crate) fn of(failures: Vec<Failed>) -> Self {
        match &failures[..] {
            [one] => {
                let reason = one.told();
                Self::Node { node: one.node.clone(), op: one.op.clone(), reason }
            }
            _ => Self::Nodes { failures },
        }
    }
}

/// A file that is not a model package.
#[derive(Debug, Error)]
pub enum PackageError {
    /// The file cannot be read.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The container is malformed.
    #[error("not a safetensors file")]
    Container(#[source] safetensors::SafeTensorError),
    /// The header is missing or malformed.
    #[error("the header is missing or malformed")]
    Header(#[source] Option<serde_json::Error>),
    /// The version is another one.
    #[error("package version {got}, expected {expected}")]
    Version {
        /// What the file says.
        got: u32,
        /// What this program reads.
        expected: u32,
    },
    /// A tensor is missing or has another type or shape.
    #[error("tensor {name}: missing, or not of the expected type and shape")]
    Tensor {
        /// Its name.
        name: String,
    },
    /// A scale is not a positive finite number, or there is neither one for all values, nor one per
    /// channel or per value.
    #[error("the scales or offsets of the input or the output are wrong in number or value")]
    Scale,
    /// The outputs' lengths are not those of the numbers, or one is zero.
    #[error(
        "the outputs have {got} numbers in all, the model has another number, or one has none"
    )]
    Outputs {
        /// Sum of the lengths.
        got: usize,
    },
    /// More inputs than numbers.
    #[error("there are {got} inputs, more than the model takes numbers")]
    Inputs {
        /// Number of the names.
        got: usize,
    },
    /// What was written reads back as something else.
    #[error("the package reads back as another one")]
    Changed,
    /// The graph breaks a rule of the integer semantics.
    #[error("the graph is invalid")]
    Graph(#[from] GraphError),
    /// The layers of a model of tokens break a rule of the integer semantics.
    #[error("the model of tokens is invalid")]
    Sequence(#[from] SequenceError),
    /// It is a valid file of another kind.
    #[error("it holds a model of token sequences, which cannot be registered or served yet")]
    IsSequence,
}

impl PackageError {
    /// Stable identifier that programs print.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "file",
            Self::IsSequence => "sequence_package",
            _ => "package",
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check the path and its permissions",
            Self::IsSequence => {
                "use deepnode model inspect, run, prove and verify; give a package of another kind of model here"
            }
            _ => "make the package again with deepnode model import",
        }
    }
}
