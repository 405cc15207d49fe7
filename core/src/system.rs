//! The part of a protocol that all models share: columns, queries and gates, as the Solidity
//! verifier needs them.
//!
//! That verifier knows two phases with challenges after the first, columns numbered in the order
//! of the proof, and values at `x` or at `x` and `x / omega`. Every other shape is refused here.

use sha3::{Digest, Keccak256};
use thiserror::Error;

use crate::protocol::{Protocol, Query, Word};

/// The Solidity verifier does not know this shape.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the constraint system has an unsupported {what}")]
pub struct SystemError {
    /// Which part.
    pub what: &'static str,
}

/// The claimed values of one column. Values are counted over advice queries, then fixed queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The column among its kind.
    pub column: u32,
    /// Its value at `x`.
    pub here: usize,
    /// Its value at `x / omega`, where the gates read it.
    pub before: Option<usize>,
}

/// A supported constraint system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Hash of everything that the generated code depends on.
    pub hash: Word,
    /// Advice columns of both phases.
    pub advice_columns: [usize; 2],
    /// Advice columns in the order in which they are first queried.
    pub advice: Vec<Opening>,
    /// Fixed columns in the order in which they are first queried.
    pub fixed: Vec<Opening>,
}

impl System {
    /// The system of `protocol`, which must have passed [`Protocol::check`].
    ///
    /// # Errors
    /// Names the first unsupported part.
    pub fn of(protocol: &Protocol) -> Result<Self, SystemError> {
        let [first, second] = &protocol.phases[..] else {
            return Err(SystemError { what: "number of phases" });
        };
        let columns = first.advice.iter().chain(&second.advice);
        let in_order = columns.enumerate().all(|(i, c)| i == *c as usize);
        if !in_order || !second.challenges.is_empty() {
            return Err(SystemError { what: "order of columns" });
        }
        let advice = openings(&protocol.advice_queries, 0)?;
        let fixed = openings(&protocol.fixed_queries, protocol.advice_queries.len())?;
        if advice.is_empty() {
            return Err(SystemError { what: "lack of advice columns" });
        }
        let advice_columns = [first.advice.len(), second.advice.len()];
        Ok(Self { hash: hash(protocol), advice_columns, advice, fixed })
    }

    /// Whether the first set of openings, to which scales are relative, is `{x, x / omega}`.
    #[must_use]
    pub fn first_set_is_pair(&self) -> bool {
        self.advice[0].before.is_some()
    }
}

/// One opening per queried column.
pub(crate) fn openings(queries: &[Query], values_at: usize) -> Result<Vec<Opening>, SystemError> {
    let unsupported = SystemError { what: "rotation" };
    let mut all: Vec<Opening> = Vec::new();
    for Query { column, .. } in queries {
        if all.iter().any(|o| o.column == *column) {
            continue;
        }
        let position = |rotation| {
            let wanted = Query { column: *column, rotation };
            queries.iter().position(|q| *q == wanted).map(|i| values_at + i)
        };
        let here = position(0).ok_or(unsupported.clone())?;
        let before = position(-1);
        let known = 1 + usize::from(before.is_some());
        if queries.iter().filter(|q| q.column == *column).count() != known {
            return Err(unsupported);
        }
        all.push(Opening { column: *column, here, before });
    }
    Ok(all)
}

fn hash(p: &Protocol) -> Word {
    let columns = (&p.phases, p.fixed.len(), p.quotient_pieces);
    let parts = (columns, &p.advice_queries, &p.fixed_queries, &p.constants, &p.ops);
    let parts = (parts, &p.constraints);
    let bytes = match p.places {
        None => serde_json::to_vec(&parts),
        Some(places) => serde_json::to_vec(&(parts, places)),
    };
    Keccak256::digest(bytes.expect("plain data serialises")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_queries_by_column_in_order() {
        let query = |column, rotation| Query { column, rotation };
        let queries = [query(2, -1), query(0, 0), query(2, 0)];
        let expected = [
            Opening { column: 2, here: 12, before: Some(10) },
            Opening { column: 0, here: 11, before: None },
        ];
        assert_eq!(openings(&queries, 10).unwrap(), expected);
    }

    #[test]
    fn refuses_other_rotations() {
        let query = |rotation| Query { column: 0, rotation };
        for queries in [&[query(1)][..], &[query(-1)], &[query(0), query(1)]] {
            assert_eq!(openings(queries, 0).unwrap_err().what, "rotation");
        }
    }
}
