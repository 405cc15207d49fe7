//! The terms of a sum: scalars, none of them zero, and their bases.

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::{Fq, Fr};

use super::sums::{Indexed, Runs, Scratch};
use crate::Octet;

/// Limbs of a scalar.
const LIMBS: usize = 4;

/// A scalar, little-endian, and the index of its base.
type Term = ([u64; LIMBS], u32);

/// Bits of a scalar that counts as small.
const SMALL_BITS: usize = 16;

/// Scalars limb by limb, and the indices of their bases.
pub(super) struct Terms {
    pub(super) limbs: Vec<Vec<u64>>,
    pub(super) bases: Vec<u32>,
}

impl Terms {
    /// All scalars, zeros too.
    pub(super) fn whole(scalars: &[Fr]) -> Self {
        Self::from((0..).zip(scalars).map(|(i, s)| (limbs(s), i)).collect::<Vec<Term>>())
    }

    pub(super) fn len(&self) -> usize {
        self.bases.len()
    }

    /// Bits of the largest scalar, or a few more.
    pub(super) fn bits(&self) -> usize {
        let bits = |limbs: &Vec<u64>| 64 - limbs.iter().fold(0, |or, l| or | l).leading_zeros();
        let top = self.limbs.iter().map(bits).enumerate().rfind(|(_, bits)| *bits > 0);
        top.map_or(0, |(i, bits)| 64 * i + bits as usize)
    }
}

impl From<Vec<Term>> for Terms {
    fn from(terms: Vec<Term>) -> Self {
        let limbs = |i: usize| terms.iter().map(|t| t.0[i]).collect();
        Self { limbs: (0..LIMBS).map(limbs).collect(), bases: terms.iter().map(|t| t.1).collect() }
    }
}

/// Terms with small scalars, which have one limb, and others.
pub(super) fn split(scalars: &[Fr]) -> (Terms, Vec<Term>) {
    let (mut small, mut bases, mut large) = (Vec::new(), Vec::new(), Vec::new());
    for (i, scalar) in (0..).zip(scalars).filter(|(_, s)| **s != Fr::ZERO) {
        let limbs = limbs(scalar);
        if limbs[0] >> SMALL_BITS == 0 && limbs[1..] == [0; LIMBS - 1] {
            small.push(limbs[0]);
            bases.push(i);
        } else {
            large.push((limbs, i));
        }
    }
    (Terms { limbs: vec![small], bases }, large)
}

fn limbs(scalar: &Fr) -> [u64; LIMBS] {
    let bytes = scalar.to_repr();
    let (limbs, _) = bytes.as_ref().as_chunks::<8>();
    std::array::from_fn(|i| u64::from_le_bytes(limbs[i]))
}

/// Leaves one term per distinct scalar; returns the sum of the bases of each, if any are equal.
pub(super) fn merge<V: Octet<Field = Fq>>(
    terms: &mut Vec<Term>,
    bases: &[V::Pair],
) -> Option<Vec<V::Pair>> {
    terms.sort_unstable();
    let lens: Vec<u32> = terms.chunk_by(|a, b| a.0 == b.0).map(|run| run.len() as u32).collect();
    if lens.len() == terms.len() {
        return None;
    }
    let indices: Vec<Indexed> = terms.iter().map(|t| Indexed::new(t.1, false)).collect();
    terms.dedup_by_key(|t| t.0);
    let sums = Scratch::<V>::default().sum_runs(bases, Runs::in_order(&indices, lens));
    // Sums at infinity have no coordinates: their terms add nothing.
    let (mut points, mut kept) = (Vec::with_capacity(sums.len()), Vec::with_capacity(sums.len()));
    for (sum, term) in sums.into_iter().zip(&*terms) {
        if let Some(point) = sum {
            kept.push((term.0, points.len() as u32));
            points.push(point);
        }
    }
    *terms = kept;
    Some(points)
}
