//! The verifying key as the content of a data contract, for the Solidity verifier.
//!
//! ```text
//! 0x00                                   so that the contract cannot be called
//! 29 words                               k, omega, 1/omega, 1/n, digest, public inputs, proof length,
//!                                        advice columns of phase 1, challenges, advice columns of phase 2,
//!                                        quotient pieces, advice values, fixed values, fixed columns,
//!                                        constants, operations, constraints, openings, kind of the first opening,
//!                                        G1 (x, y), G2 and tau G2 (x.c1, x.c0, y.c1, y.c0)
//! fixed commitments                      two words each
//! constants                              one word each
//! operations                             op (0 neg, 1 add, 2 mul), a, b: 1 + 2 + 2 bytes
//! constraints                            2 bytes each
//! openings                               kind (0 at x, 1 at x and x/omega), commitment, value, previous value
//! ```
//!
//! Operands are entries of one list: constants, the instance's value, challenges, advice values,
//! fixed values, results of operations. Commitments count advice columns, then fixed columns.

use ark_bn254::Fr;
use ark_ff::{BigInteger, Field, PrimeField};
use thiserror::Error;

use crate::protocol::{Node, Protocol, Query, Word};

/// EIP-170's limit on a contract's code.
const MAX_CODE: usize = 24_576;

/// Why a protocol has no data contract.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VkDataError {
    /// The contract would be too large.
    #[error("{got} bytes; a contract holds at most {MAX_CODE}")]
    Size {
        /// Bytes needed.
        got: usize,
    },
    /// The Solidity verifier does not know this shape.
    #[error("the layout has an unsupported {what}")]
    Shape {
        /// Which part.
        what: &'static str,
    },
}

fn number(n: usize) -> Word {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&(n as u64).to_be_bytes());
    word
}

fn word(x: Fr) -> Word {
    let mut word = [0; 32];
    word.copy_from_slice(&x.into_bigint().to_bytes_be());
    word
}

/// Operands of every node, and the operations that are not leaves.
struct Flat {
    operands: Vec<u16>,
    operations: Vec<u8>,
    count: usize,
}

fn flatten(p: &Protocol) -> Result<Flat, VkDataError> {
    let instance = p.constants.len();
    let challenges = instance + 1;
    let advice = challenges + p.challenges();
    let fixed = advice + p.advice_queries.len();
    let results = fixed + p.fixed_queries.len();
    let index = |i: usize| u16::try_from(i).map_err(|_| VkDataError::Shape { what: "size" });
    let mut flat = Flat { operands: Vec::new(), operations: Vec::new(), count: 0 };
    for node in &p.nodes {
        let (op, a, b) = match *node {
            Node::Constant(i) => {
                flat.operands.push(index(i as usize)?);
                continue;
            }
            Node::Instance => {
                flat.operands.push(index(instance)?);
                continue;
            }
            Node::Challenge(i) => {
                flat.operands.push(index(challenges + i as usize)?);
                continue;
            }
            Node::Advice(i) => {
                flat.operands.push(index(advice + i as usize)?);
                continue;
            }
            Node::Fixed(i) => {
                flat.operands.push(index(fixed + i as usize)?);
                continue;
            }
            Node::Neg(a) => (0, a, a),
            Node::Sum(a, b) => (1, a, b),
            Node::Product(a, b) => (2, a, b),
        };
        flat.operations.push(op);
        flat.operations.extend(flat.operands[a as usize].to_be_bytes());
        flat.operations.extend(flat.operands[b as usize].to_be_bytes());
        flat.operands.push(index(results + flat.count)?);
        flat.count += 1;
    }
    Ok(flat)
}

/// One opening per queried column: kind, commitment, positions of its values.
fn openings(p: &Protocol) -> Result<Vec<[u8; 7]>, VkDataError> {
    let advice_at = p.constants.len() + 1 + p.challenges();
    let fixed_at = advice_at + p.advice_queries.len();
    let shape = VkDataError::Shape { what: "rotation" };
    let mut all = Vec::new();
    let lists =
        [(&p.advice_queries, advice_at, 0), (&p.fixed_queries, fixed_at, p.advice_columns())];
    for (queries, values_at, commitments_at) in lists {
        let mut done: Vec<u32> = Vec::new();
        for query in queries {
            if done.contains(&query.column) {
                continue;
            }
            done.push(query.column);
            let position = |rotation: i32| {
                let wanted = Query { column: query.column, rotation };
                queries.iter().position(|q| *q == wanted).map(|i| values_at + i)
            };
            let count = queries.iter().filter(|q| q.column == query.column).count();
            let here = position(0).ok_or(shape.clone())?;
            let before = position(-1);
            if count != 1 + usize::from(before.is_some()) {
                return Err(shape);
            }
            let index = |i: usize| u16::try_from(i).map_err(|_| shape.clone());
            let mut entry = [u8::from(before.is_some()); 7];
            let commitment = commitments_at + query.column as usize;
            entry[1..3].copy_from_slice(&index(commitment)?.to_be_bytes());
            entry[3..5].copy_from_slice(&index(here)?.to_be_bytes());
            entry[5..7].copy_from_slice(&index(before.unwrap_or(here))?.to_be_bytes());
            all.push(entry);
        }
    }
    Ok(all)
}

/// The code of the data contract.
///
/// # Errors
/// When the protocol has a shape that the Solidity verifier does not know, or is too large.
pub fn vk_data(p: &Protocol) -> Result<Vec<u8>, VkDataError> {
    let shape = |what| VkDataError::Shape { what };
    let [first, second] = &p.phases[..] else { return Err(shape("number of phases")) };
    let in_proof_order = first.advice.iter().chain(&second.advice);
    if !in_proof_order.enumerate().all(|(i, c)| i == *c as usize) || !second.challenges.is_empty() {
        return Err(shape("order of columns"));
    }
    let invert = |x: Fr| x.inverse().ok_or(shape("domain"));
    let omega = Fr::from_be_bytes_mod_order(&p.omega);
    let flat = flatten(p)?;
    let openings = openings(p)?;
    let kind = openings.first().map_or(0, |o| o[0]);
    let swap = |w: &[Word; 4]| [w[1], w[0], w[3], w[2]];
    let mut words = vec![
        number(p.k as usize),
        p.omega,
        word(invert(omega)?),
        word(invert(Fr::from(1u64 << p.k))?),
        p.digest,
    ];
    let counts = [
        p.instances as usize,
        p.proof_len(),
        first.advice.len(),
        p.challenges(),
        second.advice.len(),
        p.quotient_pieces as usize,
        p.advice_queries.len(),
        p.fixed_queries.len(),
        p.fixed.len(),
        p.constants.len(),
        flat.count,
        p.constraints.len(),
        openings.len(),
        usize::from(kind),
    ];
    words.extend(counts.map(number));
    words.extend(p.g1);
    words.extend(swap(&p.g2));
    words.extend(swap(&p.s_g2));
    words.extend(p.fixed.iter().flatten());
    words.extend(&p.constants);
    let mut code = vec![0u8];
    code.extend(words.iter().flatten());
    code.extend(&flat.operations);
    code.extend(p.constraints.iter().flat_map(|c| flat.operands[*c as usize].to_be_bytes()));
    code.extend(openings.iter().flatten());
    if code.len() > MAX_CODE {
        return Err(VkDataError::Size { got: code.len() });
    }
    Ok(code)
}

/// Creation code that deploys `code` as it is.
#[must_use]
pub fn creation_code(code: &[u8]) -> Vec<u8> {
    // PUSH2 len, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN (one byte of padding before it)
    let len = u16::try_from(code.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut init = vec![0x61, len[0], len[1], 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3];
    init.extend(code);
    init
}
