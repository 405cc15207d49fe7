//! Exports verifying keys as the plain data of [`dn_core::protocol`].

use std::collections::HashMap;

use dn_core::protocol::{Op, Phase, Protocol, Query, Word};
use dn_core::system::SystemError;
use dn_core::Width;
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::{Bn256, Fq, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::CurveAffine;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Expression, VerifyingKey};
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;

use crate::circuit::BatchCircuit;

fn word<F: PrimeField<Repr = R>, R: AsRef<[u8]>>(x: F) -> Word {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(x.to_repr().as_ref());
    bytes.reverse();
    bytes
}

/// Affine coordinates; zeros for the point at infinity.
fn point(p: G1Affine) -> [Word; 2] {
    let coordinates: Option<_> = p.coordinates().into();
    coordinates.map_or([[0; 32]; 2], |c: halo2_proofs::halo2curves::Coordinates<G1Affine>| {
        [word(*c.x()), word(*c.y())]
    })
}

fn point_g2(p: G2Affine) -> [Word; 4] {
    let half = |x: Fq| word(x);
    [half(p.x.c0), half(p.x.c1), half(p.y.c0), half(p.y.c1)]
}

/// The points of a reference string that a verifier needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generators {
    /// Generator of G1.
    pub g1: G1Affine,
    /// Generator of G2.
    pub g2: G2Affine,
    /// tau times the generator of G2.
    pub s_g2: G2Affine,
}

/// The hash by which contracts know a reference string, whatever its length.
#[must_use]
pub fn reference_string(string: &Generators) -> Word {
    let Generators { g1, g2, s_g2 } = *string;
    dn_core::vk_data::reference_string(&point(g1), &point_g2(g2), &point_g2(s_g2))
}

/// The protocol of a key with merged openings, whose groups of fixed columns have these commitments.
///
/// # Errors
/// When the constraint system cannot be merged.
///
/// # Panics
/// If there are not as many commitments as groups.
pub fn export_merged(
    (width, k, instances): (Width, u32, usize),
    string: &Generators,
    fixed: &[G1Affine],
) -> Result<Protocol, SystemError> {
    let merged = layout(width).merged()?;
    assert_eq!(merged.fixed.len(), fixed.len(), "commitments to the groups of fixed columns");
    let mut protocol = Protocol {
        k,
        omega: word(root_of_unity(k)),
        instances: instances as u32,
        g1: point(string.g1),
        g2: point_g2(string.g2),
        s_g2: point_g2(string.s_g2),
        fixed: fixed.iter().map(|c| point(*c)).collect(),
        ..merged
    };
    protocol.digest = protocol.merged_digest()?;
    Ok(protocol)
}

/// The generator of the domain of `2^k` rows.
#[must_use]
pub fn root_of_unity(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

/// The protocol of a verifying key whose instance has `instances` values.
///
/// # Panics
/// If the constraint system is not of the supported shape: a permutation, a lookup, a selector, or
/// an instance query that is not at the current row.
#[must_use]
pub fn export(
    vk: &VerifyingKey<G1Affine>,
    params: &ParamsKZG<Bn256>,
    instances: usize,
) -> Protocol {
    let domain = vk.get_domain();
    Protocol {
        k: domain.k(),
        omega: word(domain.get_omega()),
        digest: word(vk.transcript_repr()),
        instances: instances as u32,
        g1: point(params.get_g()[0]),
        g2: point_g2(params.g2()),
        s_g2: point_g2(params.s_g2()),
        fixed: vk.fixed_commitments().iter().map(|c| point(*c)).collect(),
        quotient_pieces: domain.get_quotient_poly_degree() as u32,
        ..constraints(vk.cs())
    }
}

/// What the protocols of all models of a layout share, with zeros for everything that a key adds.
///
/// # Panics
/// As [`export`].
#[must_use]
pub fn layout(width: Width) -> Protocol {
    let mut cs = ConstraintSystem::default();
    BatchCircuit::configure_with_params(&mut cs, width);
    constraints(&cs)
}

fn constraints(cs: &ConstraintSystem<Fr>) -> Protocol {
    assert!(cs.permutation().get_columns().is_empty() && cs.lookups().is_empty());
    assert!(cs.instance_queries().iter().all(|(c, r)| c.index() == 0 && r.0 == 0));
    let mut program = Program {
        fixed_queries: positions(cs.fixed_queries().iter().map(|(c, r)| (c.index(), r.0))),
        advice_queries: positions(cs.advice_queries().iter().map(|(c, r)| (c.index(), r.0))),
        ..Program::default()
    };
    let constraints = cs
        .gates()
        .iter()
        .flat_map(|gate| gate.polynomials())
        .map(|polynomial| program.expression(polynomial))
        .collect();
    let queries = |column: usize, rotation: i32| Query { column: column as u32, rotation };
    let phases = (0..=1u8)
        .map(|phase| Phase {
            advice: indices(&cs.advice_column_phase(), phase),
            challenges: indices(&cs.challenge_phase(), phase),
        })
        .collect();
    Protocol {
        k: 1,
        omega: [0; 32],
        digest: [0; 32],
        instances: 0,
        g1: [[0; 32]; 2],
        g2: [[0; 32]; 4],
        s_g2: [[0; 32]; 4],
        fixed: vec![[[0; 32]; 2]; cs.num_fixed_columns()],
        phases,
        advice_queries: cs.advice_queries().iter().map(|(c, r)| queries(c.index(), r.0)).collect(),
        fixed_queries: cs.fixed_queries().iter().map(|(c, r)| queries(c.index(), r.0)).collect(),
        quotient_pieces: (cs.degree() - 1) as u32,
        places: None,
        constants: program.constants,
        ops: program.ops,
        constraints,
    }
}

/// Position of each query in its list.
fn positions(queries: impl Iterator<Item = (usize, i32)>) -> HashMap<(usize, i32), u32> {
    queries.zip(0u32..).collect()
}

fn indices(phases: &[u8], phase: u8) -> Vec<u32> {
    (0u32..).zip(phases).filter(|(_, p)| **p == phase).map(|(i, _)| i).collect()
}

/// Gate expressions with common subexpressions shared.
#[derive(Default)]
struct Program {
    ops: Vec<Op>,
    index: HashMap<Op, u32>,
    fixed_queries: HashMap<(usize, i32), u32>,
    advice_queries: HashMap<(usize, i32), u32>,
    constants: Vec<Word>,
}

impl Program {
    fn push(&mut self, op: Op) -> u32 {
        let next = self.ops.len() as u32;
        let index = *self.index.entry(op).or_insert(next);
        if index == next {
            self.ops.push(op);
        }
        index
    }

    fn constant(&mut self, x: Fr) -> u32 {
        let word = word(x);
        let known = self.constants.iter().position(|c| *c == word);
        let index = known.unwrap_or_else(|| {
            self.constants.push(word);
            self.constants.len() - 1
        });
        self.push(Op::Constant(index as u32))
    }

    fn expression(&mut self, e: &Expression<Fr>) -> u32 {
        match e {
            Expression::Constant(x) => self.constant(*x),
            Expression::Selector(_) => panic!("the layout has no selectors"),
            Expression::Fixed(q) => {
                let at = (q.column_index(), q.rotation().0);
                self.push(Op::Fixed(self.fixed_queries[&at]))
            }
            Expression::Advice(q) => {
                let at = (q.column_index(), q.rotation().0);
                self.push(Op::Advice(self.advice_queries[&at]))
            }
            Expression::Instance(_) => self.push(Op::Instance),
            Expression::Challenge(c) => self.push(Op::Challenge(c.index() as u32)),
            Expression::Negated(a) => {
                let a = self.expression(a);
                self.push(Op::Neg(a))
            }
            Expression::Sum(a, b) => {
                let (a, b) = (self.expression(a), self.expression(b));
                self.push(Op::Sum(a, b))
            }
            Expression::Product(a, b) => {
                let (a, b) = (self.expression(a), self.expression(b));
                self.push(Op::Product(a, b))
            }
            Expression::Scaled(a, x) => {
                let a = self.expression(a);
                if *x == Fr::ONE {
                    return a;
                }
                let x = self.constant(*x);
                self.push(Op::Product(a, x))
            }
        }
    }
}
