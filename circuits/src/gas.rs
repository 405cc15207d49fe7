//! Gas of a verification before anything is proven, as measured in `docs/book/costs.md`, within a few hundredths.

use dn_core::groups::groups;
use dn_core::protocol::Protocol;
use dn_core::{Scheme, Width};

use crate::protocol;

/// A transaction that does nothing.
const BASE: f64 = 21_000.0;
/// A pairing of two pairs (EIP-1108).
const PAIRING: f64 = 113_000.0;
/// A multiplication and an addition of points, and the calls.
const MULTIPLICATION: f64 = 6_400.0;
/// Gates and sums, by value.
const VALUE: f64 = 230.0;
/// Interpolating a public input.
const INSTANCE: f64 = 161.0;
/// Transcript, key and memory.
const REST: f64 = 29_000.0;
/// A byte of calldata: nearly none of a proof is zero, but those of lengths are.
const BYTE: f64 = 15.6;
/// Bytes of calldata besides proof and public inputs.
const HEAD_BYTES: usize = 164;

/// What models of a layout share, by scheme.
///
/// # Panics
/// If the layout's columns cannot share commitments, which a test of each layout would find.
#[must_use]
pub fn layout(width: Width, scheme: Scheme) -> Protocol {
    let plain = protocol::layout(width);
    match scheme {
        Scheme::Plain => plain,
        Scheme::Merged => plain.merged().expect("columns of a layout can share commitments"),
    }
}

/// Multiplications on the curve: one for each commitment, the generator and the two points of the opening, of which the
/// first has the factor 1.
fn multiplications(layout: &Protocol) -> usize {
    let commitments = match layout.scheme() {
        Scheme::Plain => {
            layout.advice_columns() + layout.fixed.len() + layout.quotient_pieces as usize + 1
        }
        Scheme::Merged => groups(layout).map_or(0, |groups| groups.len()),
    };
    commitments + 2
}

/// Gas of a transaction that only verifies a proof with so many public inputs, without a floor for calldata.
#[must_use]
pub fn estimate(layout: &Protocol, instances: usize) -> u64 {
    let values = layout.advice_queries.len() + layout.fixed_queries.len() + 1;
    let calldata = layout.proof_len() + 32 * instances + HEAD_BYTES;
    let gas = BASE
        + PAIRING
        + MULTIPLICATION * multiplications(layout) as f64
        + VALUE * values as f64
        + INSTANCE * instances as f64
        + REST
        + BYTE * calldata as f64;
    gas.round() as u64
}
