//! Provers of merged openings that do not follow the protocol: who commits to what the verifier does not look for, or opens it
//! elsewhere, has no proof.

use std::path::PathBuf;

use dn_circuits::field::CoreFr;
use dn_circuits::{Frame, Scheme, Slot, Width};
use dn_core::commitment::to_bytes;
use dn_core::groups::{groups, Group, Part};
use dn_core::protocol::Word;
use dn_core::quant::{Activation, Graph, Node, Shape};
use dn_vector::column::powers_in_order;
use dn_vector::msm::{decode, multiples};
use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine};
use halo2_proofs::halo2curves::serde::SerdeObject as _;
use rand_core::{OsRng, SeedableRng as _};

use super::arithmetic::Plain;
use super::grid::Grid;
use super::merged::Merged;
use super::*;
use crate::ptau::PRIME;
use crate::srs::development_secret;
use crate::{ProveError, Prover, SrsError};

/// What a prover makes of the groups.
type Change = fn(&mut Vec<Group>);

fn graph() -> Graph {
    let input = Shape::vector(4);
    let weights = vec![3, -1, 4, 1, -5, 9, 2, 6];
    let node = Node::dense((0, input), weights, vec![1, 2], 4, Activation::relu());
    Graph { input, nodes: vec![node] }
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("dn-forged-{name}-{}", std::process::id()))
}

/// Whether proofs are accepted that are made with other groups than the key's.
fn accepts(prover: &Prover, bases: &[u8], change: Change) -> bool {
    let (plan, protocol) = (&prover.keys().plan, prover.keys().protocol());
    let (mut forged, places) = (groups(protocol).unwrap(), protocol.places.unwrap() as usize);
    change(&mut forged);
    let grid = Grid::<Plain>::from_bytes(bases, plan.k, places).unwrap();
    let engine = Engine::new(Circuit::new(plan, protocol.clone()), Merged::new(grid, forged));
    let task = Slot { input: vec![1, -2, 3, 100], salt: CoreFr::from(9u8), label: Some(1) };
    let witness = Witness::new(&graph(), plan, &[task], CoreFr::from(5u8)).unwrap();
    let instances: Vec<Word> = witness.statement.instances().into_iter().map(to_bytes).collect();
    let rng = ChaCha20Rng::from_seed([3; 32]);
    let proof = engine.prove(plan, witness, rng, &mut |_| Ok(())).unwrap();
    dn_verifier::verify(protocol, &instances, &proof).is_ok()
}

/// The first group with room behind its last place, and more than one.
fn roomy(groups: &mut [Group]) -> &mut Group {
    groups.iter_mut().find(|g| g.part == Part::Phase(1) && g.places.len() > 1).unwrap()
}

#[test]
fn merged_commitments_to_other_columns_than_the_key_s_are_refused() {
    let data = folder("groups");
    let frame = Frame::of(8, Width::Default).opened(Scheme::Merged);
    let prover = Prover::new(graph(), frame, &data, "forged", None).unwrap();
    let changes: [(&str, Change); 5] = [
        ("a column in a spare place, opened", |groups| {
            let group = roomy(groups);
            group.places.push(group.places[0]);
        }),
        ("columns at each other's places", |groups| roomy(groups).places.swap(0, 1)),
        ("values at x and x / omega exchanged", |groups| {
            let place = &mut groups.iter_mut().find(|g| g.is_pair).unwrap().places[0];
            let before = place.before.unwrap();
            (place.before, place.here) = (Some(place.here), before);
        }),
        ("a neighbour's value", |groups| {
            let places = &mut roomy(groups).places;
            places[1].here = places[0].here;
        }),
        ("pieces of the quotient at each other's places", |groups| {
            groups.last_mut().unwrap().places.swap(0, 1);
        }),
    ];
    let (tau, g1) = (development_secret(), G1Affine::generator());
    let places = prover.keys().protocol().places.unwrap() as usize;
    let grid = Grid::<Plain>::of_secret(tau, &g1, prover.keys().plan.k, places).unwrap();
    let bases = grid.to_bytes();
    assert!(accepts(&prover, &bases, |_| {}));
    for (what, change) in changes {
        assert!(!accepts(&prover, &bases, change), "{what}");
    }
    std::fs::remove_dir_all(data).unwrap();
}

#[test]
fn merged_bases_that_are_damaged_are_refused() {
    let data = folder("bases");
    let frame = Frame::of(8, Width::Narrow).opened(Scheme::Merged);
    let open = || Prover::new(graph(), frame, &data, "bases", None);
    assert!(open().unwrap().keys().stats.bases.cpu_s > 0.0);
    let stats = open().unwrap().keys().stats;
    assert!(stats.bases.cpu_s == 0.0 && stats.cached);
    let files = std::fs::read_dir(data.join("srs")).unwrap().map(|e| e.unwrap().path());
    let path = files.filter(|p| p.extension().is_some_and(|e| e == "bases")).last().unwrap();
    let good = std::fs::read(&path).unwrap();
    assert_eq!(good.len() as u64, stats.bases_bytes);
    let swap = |bytes: &mut Vec<u8>, a: usize, b: usize| {
        for i in 0..64 {
            bytes.swap(64 * a + i, 64 * b + i);
        }
    };
    for case in 0..5 {
        let mut bytes = good.clone();
        match case {
            0 => bytes.truncate(good.len() - 64),
            1 => bytes[1000] ^= 1,
            2 => bytes[..64].fill(0),
            3 => swap(&mut bytes, 5, 6),
            _ => bytes.rotate_left(64),
        }
        std::fs::write(&path, &bytes).unwrap();
        let refused = open().unwrap_err();
        assert!(matches!(&refused, ProveError::Srs(SrsError::Bases { .. })), "{case}");
    }
    std::fs::write(&path, &good).unwrap();
    assert!(open().is_ok());
    std::fs::remove_dir_all(data).unwrap();
}

/// Bases of a ceremony's powers are those of its secret, and pass the check; a `.ptau` that is too small says how many powers are
/// missing.
#[test]
fn merged_bases_of_powers_are_those_of_the_secret() {
    let (k, places) = (4, 5);
    let (tau, g1) = (development_secret(), G1Affine::generator());
    let powers = powers_in_order(tau, places << k);
    let points: Vec<G1Affine> = powers.iter().map(|x| (g1 * x).into()).collect();
    let known = Grid::<Plain>::of_secret(tau, &g1, k, places).unwrap();
    let secret = Grid::<Plain>::of_powers(&points, k, places).unwrap();
    assert_eq!(known.to_bytes(), secret.to_bytes());
    let srs = crate::Srs::UnsafeDev { cache: PathBuf::new() };
    let string = srs.generators().unwrap();
    assert!(secret.is_of(&string, &mut OsRng));
    let other = Grid::<Plain>::of_secret(tau + Fr::ONE, &g1, k, places).unwrap();
    assert!(!other.is_of(&string, &mut OsRng));

    let ptau = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/small.ptau"));
    let frame = Frame::of(8, Width::Narrow).opened(Scheme::Merged);
    let refused = Prover::new(graph(), frame, &folder("ptau"), "ptau", Some(&ptau)).unwrap_err();
    let ProveError::Srs(SrsError::Ptau { source, .. }) = refused else {
        panic!("{refused}");
    };
    let needed = 13 << prover_k(frame);
    let missing = needed - 63;
    let says = format!("the file has 63 powers, the circuit needs {needed}: {missing} are missing");
    assert_eq!(source.to_string(), says);
}

/// A `.ptau` file of powers of the development secret.
fn ceremony(count: usize) -> Vec<u8> {
    let (tau, g1, g2) = (development_secret(), G1Affine::generator(), G2Affine::generator());
    let points = multiples::<<Plain as Arithmetic>::Fq>(&g1, &powers_in_order(tau, count)).unwrap();
    let points: Vec<G1Affine> = points.iter().map(decode::<<Plain as Arithmetic>::Fq>).collect();
    let power = count.next_power_of_two().trailing_zeros();
    let header = [&32u32.to_le_bytes()[..], &PRIME, &power.to_le_bytes()].concat();
    let in_g1: Vec<u8> = points.iter().flat_map(|p| p.to_raw_bytes()).collect();
    let in_g2 = [g2, (g2 * tau).into()].map(|p: G2Affine| p.to_raw_bytes()).concat();
    let mut file = [&b"ptau"[..], &1u32.to_le_bytes(), &3u32.to_le_bytes()].concat();
    for (kind, body) in (1u32..).zip([header, in_g1, in_g2]) {
        file.extend(kind.to_le_bytes());
        file.extend((body.len() as u64).to_le_bytes());
        file.extend(body);
    }
    file
}

/// The powers of the development secret as a ceremony's make the same keys, and proofs that hold.
#[test]
fn merged_proofs_over_a_ceremony_hold() {
    let data = folder("ceremony");
    let frame = Frame::of(8, Width::Narrow).opened(Scheme::Merged);
    let development = Prover::new(graph(), frame, &data.join("dev"), "dev", None).unwrap();
    let (k, places) = (prover_k(frame), development.keys().protocol().places.unwrap() as usize);
    let path = data.join("ceremony.ptau");
    std::fs::write(&path, ceremony(places << k)).unwrap();
    let open = || Prover::new(graph(), frame, &data.join("own"), "own", Some(&path)).unwrap();
    let prover = open();
    assert_eq!(prover.keys().protocol(), development.keys().protocol());
    let task = Slot { input: vec![1, -2, 3, 100], salt: CoreFr::from(9u8), label: Some(1) };
    assert!(prover.prove(&[task], CoreFr::from(5u8)).is_ok());
    assert!(open().keys().stats.bases.cpu_s == 0.0);
    std::fs::remove_dir_all(data).unwrap();
}

fn prover_k(frame: Frame) -> u32 {
    Plan::new(&graph(), frame).unwrap().k
}

/// Rank of a matrix.
fn rank(mut rows: Vec<Vec<Fr>>) -> usize {
    let mut rank = 0;
    for column in 0..rows.first().map_or(0, Vec::len) {
        let Some(pivot) = (rank..rows.len()).find(|i| rows[*i][column] != Fr::ZERO) else {
            continue;
        };
        rows.swap(rank, pivot);
        let inverse = rows[rank][column].invert().unwrap();
        let first = rows[rank].clone();
        for row in &mut rows[rank + 1..] {
            let factor = row[column] * inverse;
            row.iter_mut().zip(&first).for_each(|(x, y)| *x -= factor * y);
        }
        rank += 1;
    }
    rank
}

/// All that is seen of a group, its values and its commitment, are independent linear functions of the random rows
/// of its columns; and of the quotient the value and the commitment are of the two blinders.
#[test]
fn soundness_row_23_merged_blinders_have_full_rank() {
    let (k, mut rng) = (6u32, ChaCha20Rng::from_seed([1; 32]));
    let (n, omega) = (1usize << k, dn_circuits::protocol::root_of_unity(k));
    let random = n - dn_circuits::plan::BLINDING_ROWS..n;
    for width in Width::ALL.into_iter().chain([Width::Sequence]) {
        let protocol = dn_circuits::gas::layout(width, Scheme::Merged);
        let t = protocol.places.unwrap();
        let (x, tau) = (Fr::random(&mut rng), Fr::random(&mut rng));
        let at = |point: Fr| -> Vec<Fr> {
            let scale = point.pow_vartime([n as u64]) - Fr::ONE;
            let value = |w: Fr| scale * w * (point - w).invert().unwrap();
            powers_in_order(omega, n)[random.clone()].iter().map(|w| value(*w)).collect()
        };
        let points = [x, x * omega.invert().unwrap(), tau.pow_vartime([u64::from(t)])].map(at);
        let advice = |g: &&Group| matches!(g.part, Part::Phase(_));
        for group in groups(&protocol).unwrap().iter().filter(advice) {
            let count = group.places.len();
            let row = |place: usize, values: &[Fr]| -> Vec<Fr> {
                let column =
                    |c: usize| values.iter().map(move |v| if c == place { *v } else { Fr::ZERO });
                (0..count).flat_map(column).collect()
            };
            let seen = if group.is_pair { 2 } else { 1 };
            let mut matrix: Vec<Vec<Fr>> =
                (0..seen * count).map(|i| row(i / seen, &points[i % seen])).collect();
            let commitment = powers_in_order(tau, count);
            let commitment = commitment.iter().flat_map(|p| points[2].iter().map(move |v| *p * v));
            matrix.push(commitment.collect());
            assert_eq!(rank(matrix), seen * count + 1);
        }
        // q0 = .. + b X^(n-2) + b' X^(n-1), q1 = .. - b - b' X.
        let power = tau.pow_vartime([u64::from(t)]);
        let of = |b: u64| power.pow_vartime([n as u64 - 2 + b]) - tau * power.pow_vartime([b]);
        assert_eq!(rank(vec![vec![-Fr::ONE, -x], vec![of(0), of(1)]]), 2);
    }
}
