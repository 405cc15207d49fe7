//! A verifying key as plain data: all that a verifier of batch proofs needs.
//!
//! Numbers are 32-byte big-endian words. The proof system is halo2's (KZG over BN254, SHPLONK)
//! without permutation and lookup arguments, with one instance column that the verifier
//! interpolates itself. `docs/book/protocol.md` has the protocol.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A big-endian field element.
pub type Word = [u8; 32];

/// Format of the encoding.
const FORMAT: &str = "deepnode-protocol/1";
/// Largest encoding that is read.
const MAX_BYTES: usize = 1 << 22;
/// Largest domain: the order of BN254's scalar field minus one is divisible by `2^28`.
const MAX_K: u32 = 28;
/// Most entries in any list.
const MAX_LEN: usize = 1 << 16;

/// A column and the row offset at which it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Index of the column among its kind.
    pub column: u32,
    /// Offset in rows.
    pub rotation: i32,
}

/// One step of evaluating the gates. Operands are indices of earlier steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// Entry of [`Protocol::constants`].
    Constant(u32),
    /// Evaluation of a fixed query.
    Fixed(u32),
    /// Evaluation of an advice query.
    Advice(u32),
    /// Evaluation of the instance column at the current row.
    Instance,
    /// A challenge.
    Challenge(u32),
    /// `-a`
    Neg(u32),
    /// `a + b`
    Sum(u32, u32),
    /// `a * b`
    Product(u32, u32),
}

/// The columns and challenges of one phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Advice columns, in the order in which their commitments are sent.
    pub advice: Vec<u32>,
    /// Challenges drawn after them, in order.
    pub challenges: Vec<u32>,
}

/// A verifying key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// log2 of the rows.
    pub k: u32,
    /// The generator of the domain.
    pub omega: Word,
    /// Digest of the verifying key, absorbed first.
    pub digest: Word,
    /// Number of public inputs.
    pub instances: u32,
    /// Generator of G1: x, y.
    pub g1: [Word; 2],
    /// Generator of G2: x.c0, x.c1, y.c0, y.c1.
    pub g2: [Word; 4],
    /// tau times the generator of G2.
    pub s_g2: [Word; 4],
    /// Commitments to the fixed columns, or to groups of them; zeros stand for the point at infinity.
    pub fixed: Vec<[Word; 2]>,
    /// Two phases.
    pub phases: Vec<Phase>,
    /// Advice evaluations, in order.
    pub advice_queries: Vec<Query>,
    /// Fixed evaluations, in order.
    pub fixed_queries: Vec<Query>,
    /// Pieces of the quotient.
    pub quotient_pieces: u32,
    /// Columns to a commitment, where openings are merged ([`crate::groups`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<u32>,
    /// Constants of the gates.
    pub constants: Vec<Word>,
    /// Steps of evaluating the gates.
    #[serde(rename = "nodes")]
    pub ops: Vec<Op>,
    /// The constraints, in the order in which powers of `y` separate them.
    pub constraints: Vec<u32>,
}

/// Why bytes are not a protocol.
#[derive(Debug, Error)]
pub enum ProtocolError {
    /// The bytes are not the expected JSON.
    #[error("malformed protocol")]
    Json(#[source] serde_json::Error),
    /// The format is another one.
    #[error("format {got:?}, expected {FORMAT:?}")]
    Format {
        /// What the file says.
        got: String,
    },
    /// A field is out of range.
    #[error("field {field} is invalid")]
    Field {
        /// Its name.
        field: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    protocol: Protocol,
}

impl Protocol {
    /// Encodes the protocol.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let file = File { format: FORMAT.into(), protocol: self.clone() };
        serde_json::to_vec(&file).expect("plain data serialises")
    }

    /// Decodes and checks a protocol.
    ///
    /// # Errors
    /// On anything but the encoding of a protocol that [`Self::check`] accepts.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProtocolError> {
        if bytes.len() > MAX_BYTES {
            return Err(ProtocolError::Field { field: "length" });
        }
        let file: File = serde_json::from_slice(bytes).map_err(ProtocolError::Json)?;
        if file.format != FORMAT {
            return Err(ProtocolError::Format { got: file.format });
        }
        file.protocol.check()?;
        Ok(file.protocol)
    }

    /// Checks that every index is in range, so that a verifier can index without care.
    ///
    /// # Errors
    /// Names the first field that is wrong.
    pub fn check(&self) -> Result<(), ProtocolError> {
        let ensure =
            |ok: bool, field| if ok { Ok(()) } else { Err(ProtocolError::Field { field }) };
        ensure((1..=MAX_K).contains(&self.k), "k")?;
        ensure(u64::from(self.instances) < 1 << self.k, "instances")?;
        ensure((1..=8).contains(&self.quotient_pieces), "quotient_pieces")?;
        let lens = [
            self.fixed.len(),
            self.advice_queries.len(),
            self.fixed_queries.len(),
            self.constants.len(),
            self.ops.len(),
            self.constraints.len(),
        ];
        ensure(lens.iter().all(|l| *l <= MAX_LEN), "length")?;
        let advice = in_order(self.phases.iter().map(|p| &p.advice));
        let challenges = in_order(self.phases.iter().map(|p| &p.challenges));
        let (advice, challenges) = match (advice, challenges) {
            (Some(a), Some(c)) => (a, c),
            _ => return Err(ProtocolError::Field { field: "phases" }),
        };
        let queries_fit = |queries: &[Query], columns: usize| {
            let fits = |q: &Query| {
                (q.column as usize) < columns && q.rotation.unsigned_abs() < 1 << self.k
            };
            queries.iter().all(fits)
        };
        ensure(queries_fit(&self.advice_queries, advice), "advice_queries")?;
        // The columns of groups are as many as their queries need.
        let fixed = self.places.map_or(self.fixed.len(), |_| MAX_LEN);
        ensure(queries_fit(&self.fixed_queries, fixed), "fixed_queries")?;
        let op_fits = |(i, op): (usize, &Op)| {
            let below = |x: u32, n: usize| (x as usize) < n;
            match *op {
                Op::Constant(c) => below(c, self.constants.len()),
                Op::Fixed(q) => below(q, self.fixed_queries.len()),
                Op::Advice(q) => below(q, self.advice_queries.len()),
                Op::Instance => true,
                Op::Challenge(c) => below(c, challenges),
                Op::Neg(a) => below(a, i),
                Op::Sum(a, b) | Op::Product(a, b) => below(a, i) && below(b, i),
            }
        };
        ensure(self.ops.iter().enumerate().all(op_fits), "nodes")?;
        let in_ops = |c: &u32| (*c as usize) < self.ops.len();
        ensure(self.constraints.iter().all(in_ops), "constraints")
    }

    /// Number of advice columns.
    #[must_use]
    pub fn advice_columns(&self) -> usize {
        self.phases.iter().map(|p| p.advice.len()).sum()
    }

    /// Number of challenges that the phases draw.
    #[must_use]
    pub fn challenges(&self) -> usize {
        self.phases.iter().map(|p| p.challenges.len()).sum()
    }
}

/// The number of indices, when together they are each number below it once.
fn in_order<'a>(lists: impl Iterator<Item = &'a Vec<u32>>) -> Option<usize> {
    let mut all: Vec<u32> = lists.flatten().copied().collect();
    all.sort_unstable();
    all.iter().enumerate().all(|(i, x)| i == *x as usize).then_some(all.len())
}
