//! Why a model, a package or an array file cannot be used.

use std::path::PathBuf;

use dn_core::quant::GraphError;
use thiserror::Error;

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
    /// The calibration data does not fit the model.
    #[error("calibration data: {reason}")]
    Calibration {
        /// Why.
        reason: String,
    },
    /// The quantised model breaks a rule of the integer semantics.
    #[error("the quantised model is invalid")]
    Quantized(#[from] GraphError),
    /// The package cannot be written.
    #[error("write the package")]
    Package(#[from] PackageError),
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
    /// A scale is not a positive finite number.
    #[error("a scale is not a positive finite number")]
    Scale,
    /// The graph breaks a rule of the integer semantics.
    #[error("the graph is invalid")]
    Graph(#[from] GraphError),
}

impl PackageError {
    /// Stable identifier that programs print.
    #[must_use]
    pub fn code(&self) -> &'static str {
        if matches!(self, Self::Io { .. }) {
            "file"
        } else {
            "package"
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        if matches!(self, Self::Io { .. }) {
            "check the path and its permissions"
        } else {
            "make the package again with deepnode model import"
        }
    }
}
