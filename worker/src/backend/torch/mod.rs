//! Graphs on libtorch, exact to the bit in floating point.
//!
//! ```text
//! acc   = Σ (w · 2^−s) · patches + (bias + 2^(s−1)) · 2^−s      integers times 2^−s, f32 or f64
//! q     = clamp(floor(max of acc over each window), −128, 127)
//! y     = table[q + 128]
//! ```
//!
//! Every number is an integer below the significand of the type that [`exact::exact_kind`] picks,
//! times a power of two. So no operation rounds, and the order in which libtorch sums, its fused
//! multiply-adds and its number of threads do not matter. The only rounding is `floor`, which is
//! the one that `dn_core::quant::requantize` does. Convolutions are products of matrices
//! ([`patches`]): libtorch's own may take fast algorithms that are exact on reals only.

mod device;
mod exact;
mod memory;
mod patches;
mod sequence;
mod step;

use dn_core::quant::Graph;
use tch::{Device, Kind, TchError, Tensor};

use super::{check_lengths, Backend, BackendError};
use exact::exact_kind;
pub use sequence::TorchSequence;
use step::Step;

/// A model in libtorch's memory, on the GPU if there is one.
#[derive(Debug)]
pub struct Torch {
    device: Device,
    steps: Vec<Step>,
    /// For each step the tensors that no later one reads.
    last_reads: Vec<Vec<usize>>,
    /// Type of the input.
    input: Kind,
    input_len: usize,
    output_len: usize,
    /// Examples of one pass.
    rows: usize,
}

impl Torch {
    /// Copies a valid `graph` to the GPU, or to libtorch's own memory where there is none.
    ///
    /// # Errors
    /// [`BackendError::Model`] when the graph is invalid, [`BackendError::Memory`] when one example
    /// takes too much, [`BackendError::Torch`] when libtorch fails.
    pub fn load(graph: &Graph) -> Result<Self, BackendError> {
        graph.validate()?;
        let device = device::device();
        let last_reads = memory::last_reads(graph);
        let rows = memory::rows_per_pass(graph, &last_reads, device)?;
        let kinds = kinds(graph);
        let steps: Result<Vec<Step>, TchError> =
            (0..graph.nodes.len()).map(|i| Step::load(graph, i, kinds[i + 1], device)).collect();
        let steps =
            steps.map_err(|source| BackendError::Torch { operation: "load the model", source })?;
        let (input_len, output_len) = (graph.input_len(), graph.output_len());
        Ok(Self { device, steps, last_reads, input: kinds[0], input_len, output_len, rows })
    }

    fn pass(&self, rows: &[Vec<i8>]) -> Result<Vec<Vec<i8>>, TchError> {
        let batch = rows.len() as i64;
        let x = Tensor::f_from_slice(&rows.concat())?.f_view([batch, -1])?;
        let x = x.f_to_device(self.device)?.f_tr()?.f_contiguous()?.f_to_kind(self.input)?;
        let mut tensors = vec![x];
        for (step, last) in self.steps.iter().zip(&self.last_reads) {
            tensors.push(step.forward(&tensors, batch)?);
            for tensor in last {
                tensors[*tensor] = Tensor::new();
            }
        }
        let mut flat = vec![0i8; rows.len() * self.output_len];
        let count = flat.len();
        let y = tensors.pop().unwrap_or_default().f_view([-1, batch])?.f_tr()?;
        y.f_contiguous()?.f_to_device(Device::Cpu)?.f_copy_data(&mut flat, count)?;
        Ok(flat.chunks_exact(self.output_len).map(<[i8]>::to_vec).collect())
    }
}

impl Backend for Torch {
    fn name(&self) -> &'static str {
        "torch"
    }

    fn device(&self) -> &'static str {
        if self.device == Device::Cpu {
            "cpu"
        } else {
            "cuda:0"
        }
    }

    fn run(&self, inputs: &[Vec<i8>]) -> Result<Vec<Vec<i8>>, BackendError> {
        check_lengths(inputs, self.input_len)?;
        let mut outputs = Vec::with_capacity(inputs.len());
        for rows in inputs.chunks(self.rows) {
            let done = self.pass(rows);
            outputs.extend(
                done.map_err(|source| BackendError::Torch { operation: "run a batch", source })?,
            );
        }
        Ok(outputs)
    }
}

/// The type that each tensor is kept in: that of its first reader, int8 without one.
fn kinds(graph: &Graph) -> Vec<Kind> {
    let mut kinds = vec![Kind::Int8; graph.nodes.len() + 1];
    for node in graph.nodes.iter().rev() {
        for source in &node.sources {
            kinds[source.tensor] = exact_kind(node);
        }
    }
    kinds
}
