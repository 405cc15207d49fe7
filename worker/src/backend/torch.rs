//! Dense chains on libtorch, exact to the bit in floating point.
//!
//! ```text
//! acc   = x · Wᵀ + (bias + 2^(s−1))                      integers in f32 or f64
//! q     = clamp(floor(acc · 2^−s), −128, 127)
//! y     = table[q + 128]
//! ```
//!
//! Every number is an integer, or one divided by a power of two, below the significand of the
//! type that [`exact_kind`] picks. So no operation rounds, and the order in which libtorch sums,
//! its fused multiply-adds and its number of threads do not matter. The only rounding is `floor`,
//! which is the one that `dn_core::quant::requantize` does.

use std::sync::OnceLock;

use dn_core::quant::{Dense, Graph, ZERO_POINT};
use libloading::Library;
use tch::{Cuda, Device, Kind, TchError, Tensor};

use super::{check_lengths, Backend, BackendError};

/// Integers up to this absolute value are exact in f32, which has 24 bits of significand.
const F32_EXACT: i64 = 1 << f32::MANTISSA_DIGITS;

/// Rows that one pass takes, which bounds memory: a layer of 4096 outputs needs 64 MiB.
const ROWS_PER_PASS: usize = 4096;

/// A model in libtorch's memory, on the GPU if there is one.
#[derive(Debug)]
pub struct Torch {
    device: Device,
    layers: Vec<Layer>,
    input_len: usize,
    output_len: usize,
}

#[derive(Debug)]
struct Layer {
    /// `[inputs, outputs]`.
    weights: Tensor,
    /// `[outputs]`, the rounding term `2^(shift-1)` included.
    bias: Tensor,
    /// `2^-shift`.
    scale: f64,
    /// `[256]`, in the type that the next layer takes.
    table: Tensor,
}

impl Torch {
    /// Copies a valid `graph` to the GPU, or to libtorch's own memory where there is none.
    ///
    /// # Errors
    /// [`BackendError::Model`] when the graph is invalid, [`BackendError::Torch`] when libtorch
    /// fails.
    pub fn load(graph: &Graph) -> Result<Self, BackendError> {
        graph.validate()?;
        let device = device();
        let next = graph.layers.iter().skip(1).map(exact_kind).chain([Kind::Int8]);
        let layers: Result<Vec<Layer>, TchError> =
            graph.layers.iter().zip(next).map(|(l, next)| Layer::load(l, next, device)).collect();
        let layers =
            layers.map_err(|source| BackendError::Torch { operation: "load the model", source })?;
        let (input_len, output_len) = (graph.input_len(), graph.output_len());
        Ok(Self { device, layers, input_len, output_len })
    }

    fn pass(&self, rows: &[Vec<i8>]) -> Result<Vec<Vec<i8>>, TchError> {
        let shape = [rows.len() as i64, self.input_len as i64];
        let x = Tensor::f_from_slice(&rows.concat())?.f_view(shape)?.f_to_device(self.device)?;
        let mut x = x.f_to_kind(self.layers[0].weights.f_kind()?)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        let mut flat = vec![0i8; rows.len() * self.output_len];
        let count = flat.len();
        x.f_to_device(Device::Cpu)?.f_contiguous()?.f_copy_data(&mut flat, count)?;
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
        for rows in inputs.chunks(ROWS_PER_PASS) {
            let done = self.pass(rows);
            outputs.extend(
                done.map_err(|source| BackendError::Torch { operation: "run a batch", source })?,
            );
        }
        Ok(outputs)
    }
}

impl Layer {
    fn load(layer: &Dense, next: Kind, device: Device) -> Result<Self, TchError> {
        let kind = exact_kind(layer);
        let half = rounding_term(layer.shift);
        let bias: Vec<i64> = layer.bias.iter().map(|b| i64::from(*b) + half).collect();
        let shape = [layer.outputs as i64, layer.inputs as i64];
        let place = |t: Tensor, kind| t.f_to_device(device)?.f_to_kind(kind);
        let weights = Tensor::f_from_slice(&layer.weights)?.f_view(shape)?.f_tr()?;
        Ok(Self {
            weights: place(weights.f_contiguous()?, kind)?,
            bias: place(Tensor::f_from_slice(&bias)?, kind)?,
            scale: f64::from(layer.shift).exp2().recip(),
            table: place(Tensor::f_from_slice(&layer.activation.0)?, next)?,
        })
    }

    /// `x` is `[rows, inputs]` in the type of the weights; gives `[rows, outputs]` in that of the
    /// table.
    fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let mut y = self.bias.f_addmm(x, &self.weights)?;
        let _ = y.f_mul_scalar_(self.scale)?;
        let _ = y.f_floor_()?;
        let _ = y.f_clamp_(f64::from(i8::MIN), f64::from(i8::MAX))?;
        let _ = y.f_add_scalar_(f64::from(ZERO_POINT))?;
        let index = y.f_to_kind(Kind::Int)?.f_view(-1)?;
        self.table.f_index_select(0, &index)?.f_view_as(&y)
    }
}

/// `2^(shift-1)`, in units of the accumulator; 0 for a shift of 0, which only saturates.
fn rounding_term(shift: u32) -> i64 {
    (1 << shift) >> 1
}

/// The cheapest type in which the layer's arithmetic is exact.
///
/// `128·Σ|w| + |bias| + 2^(shift−1)` bounds every partial sum in every order. It can exceed `2^24`
/// for a valid graph: `Graph::validate` bounds whole accumulators, where the bias may cancel a part
/// of the sum, and a partial sum may lack the bias. f64 holds whatever a valid graph reaches.
fn exact_kind(layer: &Dense) -> Kind {
    let rows = layer.weights.chunks_exact(layer.inputs).zip(&layer.bias);
    let bound = rows.map(|(row, bias)| {
        let weights: i64 = row.iter().map(|w| i64::from(w.unsigned_abs())).sum();
        i64::from(i8::MIN.unsigned_abs()) * weights + i64::from(bias.unsigned_abs())
    });
    if bound.max().unwrap_or(0) + rounding_term(layer.shift) <= F32_EXACT {
        Kind::Float
    } else {
        Kind::Double
    }
}

/// The GPU if libtorch can use one, else the CPU. The first call decides for the process.
fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    *DEVICE.get_or_init(|| {
        load_cuda();
        if Cuda::is_available() {
            Device::Cuda(0)
        } else {
            Device::Cpu
        }
    })
}

/// Loads libtorch's CUDA half, which a program linked without it needs before it first asks for a
/// GPU. Does nothing where libtorch came without it.
#[expect(unsafe_code, reason = "loading a library runs its initialisers")]
fn load_cuda() {
    // SAFETY: the library belongs to the libtorch that this program is linked with; its
    // initialisers register CUDA there and rely on nothing that this program sets up.
    if let Ok(library) = unsafe { Library::new("libtorch_cuda.so") } {
        // It stays for the life of the process: libtorch keeps pointers into it.
        std::mem::forget(library);
    }
}

#[cfg(test)]
mod tests {
    use dn_core::quant::Activation;

    use super::*;

    fn layer(inputs: usize, weight: i8, bias: i32, shift: u32) -> Dense {
        let weights = vec![weight; inputs];
        let activation = Activation::identity();
        Dense { inputs, outputs: 1, weights, bias: vec![bias], shift, activation }
    }

    #[test]
    fn f32_is_used_up_to_the_bound_and_no_further() {
        let exact = (1 << 24) - 128 * 127 - 1;
        assert_eq!(exact_kind(&layer(1, 127, exact, 1)), Kind::Float);
        assert_eq!(exact_kind(&layer(1, 127, exact + 1, 1)), Kind::Double);
        assert_eq!(exact_kind(&layer(1, -127, -exact, 1)), Kind::Float);
        assert_eq!(exact_kind(&layer(1, -127, -exact - 1, 1)), Kind::Double);
        assert_eq!(exact_kind(&layer(1, -128, (1 << 24) - 128 * 128, 0)), Kind::Float);
    }

    #[test]
    fn a_shift_of_zero_has_no_rounding_term() {
        assert_eq!([0, 1, 2, 16].map(rounding_term), [0, 1, 2, 1 << 15]);
    }
}
