//! Compares what is read with the definition.

use std::collections::BTreeMap;

use dn_import::{import_onnx, Calibration, OnnxModel, Package, Reading};
use prost::Message;

use super::generate::{Case, Random};

/// Largest difference, as a share of the largest output.
const BOUND: f64 = 1e-3;
/// What rounding may leave of a quotient, as a share of it.
const OFF: f64 = 3e-7;
/// Every so many graphs one is quantised, too.
const QUANTISED: u64 = 8;

/// What became of a graph.
#[derive(Debug, PartialEq)]
enum Outcome {
    Equal,
    Refused(String),
    /// The rounding of floats decides what comes out.
    Fragile,
    /// With the graph, for people.
    Different(String),
}

fn check(seed: u64) -> Outcome {
    let case = Case::new(&mut Random::new(seed));
    let bytes = case.model.encode_to_vec();
    let read = match OnnxModel::read(&bytes, &Reading::default()) {
        Ok(read) => read,
        Err(e) => return Outcome::Refused(e.to_string()),
    };
    let mut largest = 0f64;
    let mut pairs = Vec::new();
    for x in &case.inputs {
        let exact = case.evaluate(x, 0.0).unwrap();
        let others = [OFF, -OFF].map(|off| case.evaluate(x, off).unwrap());
        let scale = exact.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
        let differs =
            |(a, b): (&f64, &f64)| (a - b).is_nan() || (a - b).abs() > BOUND / 8.0 * scale;
        if others.iter().any(|other| exact.iter().zip(other).any(differs)) {
            return Outcome::Fragile;
        }
        largest = largest.max(scale);
        pairs.push((exact, read.run(x)));
    }
    // Such a model has no codes: to quantise it is refused.
    if pairs.iter().flat_map(|(_, got)| got).any(|v| !v.is_finite()) {
        return Outcome::Refused("a value is not finite".to_owned());
    }
    for (exact, got) in &pairs {
        let far = exact.iter().zip(got).any(|(a, b)| {
            let difference = (a - f64::from(*b)).abs();
            difference.is_nan() || difference > BOUND * largest
        });
        if far || exact.len() != got.len() {
            return Outcome::Different(format!(
                "seed {seed}: {exact:?} and {got:?} of\n{}",
                case.told()
            ));
        }
    }
    if seed.is_multiple_of(QUANTISED) {
        let calibration = Calibration { x: case.inputs.clone(), ..Calibration::default() };
        match import_onnx(&bytes, &calibration, "random") {
            Ok(imported) => {
                let package = imported.package.to_bytes().unwrap();
                assert!(Package::from_bytes(&package).unwrap() == imported.package);
                assert!(!imported.fidelity(&calibration).error.is_nan(), "seed {seed}");
            }
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
    Outcome::Equal
}

#[test]
fn random_graphs_compute_what_onnx_defines_or_are_refused() {
    let count = u64::from(dn_testing::cases(1_500, 200_000).cases);
    let first = std::env::var("DN_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let (mut equal, mut refused, mut different) = (0, BTreeMap::new(), Vec::new());
    for seed in first..first + count {
        match check(seed) {
            Outcome::Equal => equal += 1,
            Outcome::Refused(reason) => *refused.entry(reason).or_insert(0) += 1,
            Outcome::Fragile => {}
            Outcome::Different(told) => different.push(told),
        }
    }
    let mut refused: Vec<(String, u64)> = refused.into_iter().collect();
    refused.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    println!("{equal} of {count} graphs are read and equal; refused:");
    refused.iter().take(40).for_each(|(reason, n)| println!("{n:6} {reason}"));
    different.iter().take(8).for_each(|told| println!("{told}"));
    assert!(different.is_empty(), "{} graphs compute something else", different.len());
    assert!(2 * equal > count, "{equal} of {count}");
}
