//! Merged openings: which columns share a commitment.
//!
//! A group of at most `t` columns `f_a` is committed to as `F(X) = sum_a X^a f_a(X^t)`, so that its values at a
//! point `x` are the remainder of `F` modulo `X^t - x`. A column's index in its group is its *place*.
//!
//! Groups stand in the order of their commitments: of each phase the columns that are opened at `x` and
//! `x / omega`, then those opened at `x` alone; the fixed columns, which the key commits to; the quotient. A fixed column
//! is there once for each of its queries, shifted by the query's rotation, so that all are opened at `x` alone.
//!
//! Prover, verifiers and the generated contracts take groups and places from here.

use ark_bn254::Fr;
use ark_ff::PrimeField as _;
use sha3::{Digest as _, Keccak256};

use crate::protocol::{Protocol, Query, Word};
use crate::scheme::Scheme;
use crate::system::{openings, Opening, System, SystemError};

/// Pieces that the quotient is cut into.
pub const PIECES: usize = 2;
/// Most columns to a commitment.
const MAX_PLACES: usize = 64;
/// Places that a prover fills at the price of one commitment more for the verifier.
const PLACES_PER_GROUP: usize = 3;

/// What a group's columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Advice columns of a phase, counted from 0.
    Phase(usize),
    /// Fixed columns.
    Fixed,
    /// The pieces of the quotient.
    Quotient,
}

/// One column of a group. Values are counted over advice queries, then fixed queries, then that of the quotient's
/// second piece, which the proof has too, and its first piece, which the gates determine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The column among its kind, or the piece.
    pub column: usize,
    /// The row of the column that stands in row 0.
    pub rotation: i32,
    /// Its value at `x`.
    pub here: usize,
    /// Its value at `x / omega`, where the group is opened there.
    pub before: Option<usize>,
}

/// Columns with one commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they are.
    pub part: Part,
    /// Whether they are opened at `x / omega`, too.
    pub is_pair: bool,
    /// At most `t` columns.
    pub places: Vec<Place>,
}

/// The columns of every kind, in the order of the groups.
fn kinds(p: &Protocol) -> Result<Vec<(Part, bool, Vec<Place>)>, SystemError> {
    let system = System::of(p)?;
    let place = |o: &Opening| Place {
        column: o.column as usize,
        rotation: 0,
        here: o.here,
        before: o.before,
    };
    if system.advice.len() != p.advice_columns() {
        return Err(SystemError { what: "column without a query" });
    }
    let mut all = Vec::new();
    let [first, _] = system.advice_columns;
    for phase in 0..2 {
        for is_pair in [true, false] {
            let of_kind = |o: &&Opening| {
                usize::from(o.column as usize >= first) == phase && o.before.is_some() == is_pair
            };
            let places = system.advice.iter().filter(of_kind).map(place).collect();
            all.push((Part::Phase(phase), is_pair, places));
        }
    }
    let advice = p.advice_queries.len();
    let query = |(i, q): (usize, &Query)| Place {
        column: q.column as usize,
        rotation: q.rotation,
        here: advice + i,
        before: None,
    };
    openings(&p.fixed_queries, advice)?;
    all.push((Part::Fixed, false, p.fixed_queries.iter().enumerate().map(query).collect()));
    if p.quotient_pieces as usize != PIECES {
        return Err(SystemError { what: "degree of the gates" });
    }
    let values = advice + p.fixed_queries.len();
    let piece = |(column, here)| Place { column, rotation: 0, here, before: None };
    all.push((Part::Quotient, false, [(0, values + 1), (1, values)].map(piece).to_vec()));
    all.retain(|(_, _, places)| !places.is_empty());
    Ok(all)
}

/// The groups of a merged protocol, which must have passed [`Protocol::check`].
///
/// # Errors
/// When columns are not merged, or the shape is none that can be.
pub fn groups(p: &Protocol) -> Result<Vec<Group>, SystemError> {
    let t = p.places.map_or(0, |t| t as usize);
    if !(PIECES..=MAX_PLACES).contains(&t) {
        return Err(SystemError { what: "number of columns to a commitment" });
    }
    let mut all = Vec::new();
    for (part, is_pair, places) in kinds(p)? {
        let group = |places: &[Place]| Group { part, is_pair, places: places.to_vec() };
        all.extend(places.chunks(t).map(group));
    }
    let fixed = all.iter().filter(|g| g.part == Part::Fixed).count();
    if fixed != p.fixed.len() {
        return Err(SystemError { what: "number of fixed commitments" });
    }
    Ok(all)
}

impl Protocol {
    /// How its columns are opened.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.places.map_or(Scheme::Plain, |_| Scheme::Merged)
    }

    /// The protocol of the same constraint system with merged openings. The number of columns to a commitment is the
    /// one with the least cost for verifier and prover together. It has zeros for the key's commitments and digest.
    ///
    /// # Errors
    /// When the shape is none that can be merged.
    pub fn merged(mut self) -> Result<Self, SystemError> {
        let kinds = kinds(&self)?;
        let count = |t: usize| -> usize { kinds.iter().map(|k| k.2.len().div_ceil(t)).sum() };
        let cost = |t: &usize| PLACES_PER_GROUP * count(*t) + t;
        let places = (PIECES..=MAX_PLACES).min_by_key(cost).unwrap_or(PIECES);
        let fixed = self.fixed_queries.len().div_ceil(places);
        self.places = Some(places as u32);
        self.fixed = vec![[[0; 32]; 2]; fixed];
        self.digest = [0; 32];
        Ok(self)
    }

    /// The digest that a merged key must have: a hash of all else that it is, below the field's order.
    ///
    /// # Errors
    /// When the constraint system is none that the verifiers know.
    pub fn merged_digest(&self) -> Result<Word, SystemError> {
        let mut hasher = Keccak256::new();
        hasher.update(System::of(self)?.hash);
        hasher.update(u64::from(self.k).to_be_bytes());
        hasher.update(u64::from(self.instances).to_be_bytes());
        hasher.update(self.omega);
        for word in self.g1.iter().chain(&self.g2).chain(&self.s_g2) {
            hasher.update(word);
        }
        self.fixed.iter().flatten().for_each(|word| hasher.update(word));
        let mut digest: Word = hasher.finalize().into();
        digest[0] &= u8::MAX >> (256 - Fr::MODULUS_BIT_SIZE + 1);
        Ok(digest)
    }

    /// Length of a proof in bytes; of merged openings only if they have [`groups`].
    #[must_use]
    pub fn proof_len(&self) -> usize {
        let (points, scalars) = match self.scheme() {
            Scheme::Plain => (self.advice_columns() + self.quotient_pieces as usize + 3, 1),
            Scheme::Merged => {
                let sent = |g: &Group| g.part != Part::Fixed;
                let groups = groups(self).unwrap_or_default();
                (groups.iter().filter(|g| sent(g)).count() + 2, 1)
            }
        };
        let values = self.advice_queries.len() + self.fixed_queries.len();
        64 * points + 32 * (values + scalars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Phase;

    type Change = fn(&mut Protocol);

    /// Four columns of phase 1, one of them opened at `x` alone, two of phase 2, three fixed queries.
    fn protocol() -> Protocol {
        let query = |column, rotation| Query { column, rotation };
        let phase = |advice: &[u32]| Phase { advice: advice.to_vec(), challenges: Vec::new() };
        let advice = [(2, -1), (2, 0), (0, 0), (4, 0), (1, 0), (1, -1), (3, -1), (3, 0), (5, 0)];
        let plain = Protocol {
            k: 4,
            omega: [0; 32],
            digest: [1; 32],
            instances: 1,
            g1: [[0; 32]; 2],
            g2: [[0; 32]; 4],
            s_g2: [[0; 32]; 4],
            fixed: vec![[[0; 32]; 2]; 2],
            phases: vec![phase(&[0, 1, 2, 3]), phase(&[4, 5])],
            advice_queries: advice.map(|(c, r)| query(c, r)).to_vec(),
            fixed_queries: vec![query(1, 0), query(0, 0), query(1, -1)],
            quotient_pieces: 2,
            places: None,
            constants: Vec::new(),
            ops: Vec::new(),
            constraints: Vec::new(),
        };
        plain.merged().unwrap()
    }

    #[test]
    fn groups_hold_every_value_once() {
        let p = protocol();
        assert_eq!(p.places, Some(3));
        let all = groups(&p).unwrap();
        let found: Vec<_> = all
            .iter()
            .map(|g| (g.part, g.is_pair, g.places.iter().map(|p| p.column).collect::<Vec<_>>()))
            .collect();
        let expected = vec![
            (Part::Phase(0), true, vec![2, 1, 3]),
            (Part::Phase(0), false, vec![0]),
            (Part::Phase(1), false, vec![4, 5]),
            (Part::Fixed, false, vec![1, 0, 1]),
            (Part::Quotient, false, vec![0, 1]),
        ];
        assert_eq!(found, expected);
        let values = |p: &Place| [Some(p.here), p.before];
        let mut values: Vec<usize> =
            all.iter().flat_map(|g| &g.places).flat_map(values).flatten().collect();
        values.sort_unstable();
        assert_eq!(values, (0..14).collect::<Vec<_>>());
        assert_eq!(p.proof_len(), 64 * 6 + 32 * 13);
    }

    #[test]
    fn a_shape_that_cannot_be_merged_is_refused() {
        let changes: [(Change, &str); 7] = [
            (|p| p.places = None, "number of columns to a commitment"),
            (|p| p.places = Some(1), "number of columns to a commitment"),
            (|p| p.places = Some(65), "number of columns to a commitment"),
            (|p| p.places = Some(2), "number of fixed commitments"),
            (|p| p.quotient_pieces = 3, "degree of the gates"),
            (|p| p.advice_queries.truncate(8), "column without a query"),
            (|p| p.fixed_queries[0] = p.fixed_queries[1], "rotation"),
        ];
        for (change, what) in changes {
            let mut p = protocol();
            change(&mut p);
            assert_eq!(groups(&p).unwrap_err().what, what);
        }
    }

    #[test]
    fn the_digest_is_of_all_that_a_key_is() {
        let p = protocol();
        let changes: [Change; 7] = [
            |p| p.k += 1,
            |p| p.instances += 1,
            |p| p.places = Some(4),
            |p| p.fixed[0][1][31] ^= 1,
            |p| p.s_g2[3][31] ^= 1,
            |p| p.g1[0][31] ^= 1,
            |p| p.advice_queries.swap(0, 2),
        ];
        for change in changes {
            let mut other = p.clone();
            change(&mut other);
            assert_ne!(other.merged_digest(), p.merged_digest());
        }
        assert!(p.merged_digest().unwrap() < [0x20; 32]);
    }
}
