//! The reference executor of `dn_core` as a backend.

use dn_core::quant::{execute_batch, Graph};

use super::{check_lengths, Backend, BackendError};

/// Runs the integer semantics themselves.
#[derive(Clone, Debug)]
pub struct Reference {
    graph: Graph,
}

impl Reference {
    /// Checks `graph` and keeps a copy.
    ///
    /// # Errors
    /// [`BackendError::Model`] when the graph is invalid.
    pub fn load(graph: &Graph) -> Result<Self, BackendError> {
        graph.validate()?;
        Ok(Self { graph: graph.clone() })
    }
}

impl Backend for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn device(&self) -> &'static str {
        "cpu"
    }

    fn run(&self, inputs: &[Vec<i8>]) -> Result<Vec<Vec<i8>>, BackendError> {
        check_lengths(inputs, self.graph.input_len())?;
        Ok(execute_batch(&self.graph, inputs))
    }
}
