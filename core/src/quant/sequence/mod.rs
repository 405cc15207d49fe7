//! Models of token sequences: the integers of a transformer.
//!
//! Tensors are `[tokens, channels]`; what a model answers is its last tensor, `[channels, tokens]`. Tensor 0 holds the token ids, tensor `i + 1` is the output of layer `i`. With
//! `rq(a, s) = floor((a + 2^(s-1)) / 2^s)`, halves up, and `sat_b` the saturation to `b` bits:
//!
//! ```text
//! id[n]          = clamp(input[n], 0, vocabulary - 1)
//! embedding      x[n, c] = table[id[n], c]
//! linear         y[n, o] = function(rq(bias[o] + sum_c w[o, c] x[n, c], shift[o]))
//! residual       x[n, c] = sat_bits(rq(weight old[n, c] + bias[c] + positions[n, c] + sum_i w[c, i] x[n, i], shift))
//! norm           s[n]    = roots[(sum_c x[n, c]^2) div 2^square_shift]
//!                y[n, c] = sat_8(rq(x[n, c] s[n], shift))
//! attention      q[i, j] = rq(sum_d query[i, d] key[j, d], score_shift)                 per head
//!                m[i]    = max of q[i, j] over the keys that i sees: all, or j <= i
//!                E[i, j] = (tokens + 1) exponentials[m[i] - q[i, j]] + [q[i, j] = m[i]], 0 where i does not see j
//!                Z[i]    = sum_j E[i, j]
//!                c[i, d] = rq(sum_j E[i, j] value[j, d], context_shift)
//!                y[i, d] = sat_8(rq(c[i, d] inverses[(Z[i] - 1) div (tokens + 1)], shift))
//! arg-max        y[n]    = the lowest channel whose value is the largest
//! ```
//!
//! `Z mod (tokens + 1)` is the number of keys that attain the maximum, which is how a proof shows that one does. No
//! floating point enters: roots, exponentials, inverses and functions are tables of the model.

mod attention;
mod bounds;
mod error;
mod exec;
mod model;
mod range;
mod rounding;
mod validate;

pub use attention::Attended;
pub use bounds::{Bound, Quantity, MAX_ABS_LONG};
pub use error::SequenceError;
pub use exec::{Inner, SequenceTrace};
pub use model::{
    Attention, Embedding, Function, Layer, Linear, Norm, Residual, Sequence, MAX_BITS, MAX_TOKENS,
    MAX_VOCABULARY,
};
