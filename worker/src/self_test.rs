//! The comparison of a backend with the integer semantics, before it serves anything.

use dn_core::quant::{execute, Graph};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use thiserror::Error;

use crate::backend::{Backend, BackendError};

/// Seed of the random inputs: every start of every worker tests the same ones.
const SEED: u64 = 0x00de_e900_de5e_1f7e;

/// Most random inputs of a test. The extreme ones come on top.
const RANDOM_INPUTS: u64 = 64;

/// Multiply-accumulates that the reference spends on random inputs, about a second of one core. A
/// model above this runs a single one.
const MACS: u64 = 1 << 30;

/// Largest absolute value of the small random inputs. Uniform bytes drive a layer into saturation;
/// small ones reach the values between, where the rounding shows.
const SMALL: u32 = 8;

/// Why a backend is not to be used.
#[derive(Debug, Error)]
pub enum SelfTestError {
    /// The backend failed.
    #[error("the {backend} backend failed on the self-test's inputs")]
    Run {
        /// Name of the backend.
        backend: &'static str,
        /// The cause.
        #[source]
        source: Box<BackendError>,
    },
    /// The backend gave another number of rows, or a row of another length.
    #[error("{backend} on {device} gave {got} values for {rows} inputs, expected {expected}")]
    Shape {
        /// Name of the backend.
        backend: &'static str,
        /// Where it computed.
        device: &'static str,
        /// Inputs of the test.
        rows: usize,
        /// Values found.
        got: usize,
        /// Values required.
        expected: usize,
    },
    /// A value differs from the reference.
    #[error("{backend} on {device}, input {input}: output {output} is {got}, the reference says {expected}")]
    Mismatch {
        /// Name of the backend.
        backend: &'static str,
        /// Where it computed.
        device: &'static str,
        /// Which input, in words.
        input: String,
        /// Index of the value in the output.
        output: usize,
        /// Value found.
        got: i8,
        /// Value required.
        expected: i8,
    },
}

/// Runs `backend`, which holds `graph`, on extreme and pseudo-random inputs as one batch, and
/// compares every value with [`execute`].
///
/// # Errors
/// [`SelfTestError::Mismatch`] names the first value that differs.
///
/// # Panics
/// If the graph was not validated.
pub fn self_test(backend: &dyn Backend, graph: &Graph) -> Result<(), SelfTestError> {
    let (names, inputs): (Vec<String>, Vec<Vec<i8>>) = cases(graph).into_iter().unzip();
    let (name, device) = (backend.name(), backend.device());
    let outputs = backend
        .run(&inputs)
        .map_err(|e| SelfTestError::Run { backend: name, source: Box::new(e) })?;
    let width = graph.output_len();
    if outputs.len() != inputs.len() || outputs.iter().any(|row| row.len() != width) {
        return Err(SelfTestError::Shape {
            backend: name,
            device,
            rows: inputs.len(),
            got: outputs.iter().map(Vec::len).sum(),
            expected: inputs.len() * width,
        });
    }
    for ((input, x), row) in names.into_iter().zip(&inputs).zip(&outputs) {
        let reference = execute(graph, x);
        let differs = row.iter().zip(&reference).position(|(got, expected)| got != expected);
        if let Some(output) = differs {
            let (got, expected) = (row[output], reference[output]);
            let backend = name;
            return Err(SelfTestError::Mismatch { backend, device, input, output, got, expected });
        }
    }
    Ok(())
}

/// The inputs with their names.
fn cases(graph: &Graph) -> Vec<(String, Vec<i8>)> {
    let len = graph.input_len();
    let (lowest, highest) = (i8::MIN, i8::MAX);
    let alternate = |even, odd| (0..len).map(|i| if i % 2 == 0 { even } else { odd }).collect();
    let mut cases: Vec<(String, Vec<i8>)> = vec![
        ("all -128".into(), vec![lowest; len]),
        ("all 127".into(), vec![highest; len]),
        ("all 0".into(), vec![0; len]),
        ("-128 and 127 in turn".into(), alternate(lowest, highest)),
        ("127 and -128 in turn".into(), alternate(highest, lowest)),
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    for i in 0..(MACS / graph.macs().max(1)).clamp(1, RANDOM_INPUTS) {
        let mut x: Vec<i8> = vec![0; len];
        if i % 2 == 0 {
            x.fill_with(|| rng.next_u32().to_le_bytes()[0] as i8);
        } else {
            // At most 2 * SMALL, so the casts are lossless.
            x.fill_with(|| (rng.next_u32() % (2 * SMALL + 1)) as i8 - SMALL as i8);
        }
        cases.push((format!("random {i}"), x));
    }
    cases
}

#[cfg(test)]
mod tests {
    use dn_core::quant::{Activation, Node, Shape};

    use super::*;
    use crate::backend::Reference;

    /// Answers as the reference does, then spoils the answers.
    #[derive(Debug)]
    struct FakeBackend {
        reference: Reference,
        spoil: fn(&mut Vec<Vec<i8>>),
    }

    impl Backend for FakeBackend {
        fn name(&self) -> &'static str {
            "fake"
        }

        fn device(&self) -> &'static str {
            "cpu"
        }

        fn run(&self, inputs: &[Vec<i8>]) -> Result<Vec<Vec<i8>>, BackendError> {
            let mut outputs = self.reference.run(inputs)?;
            (self.spoil)(&mut outputs);
            Ok(outputs)
        }
    }

    fn graph() -> Graph {
        let input = Shape::vector(3);
        let (weights, bias) = (vec![1, -2, 3, -4, 5, -6], vec![7, -8]);
        let node = Node::dense((0, input), weights, bias, 2, Activation::identity());
        Graph { input, nodes: vec![node] }
    }

    fn verdict(spoil: fn(&mut Vec<Vec<i8>>)) -> Result<(), SelfTestError> {
        let reference = Reference::load(&graph()).unwrap();
        self_test(&FakeBackend { reference, spoil }, &graph())
    }

    #[test]
    fn accepts_the_reference() {
        assert!(verdict(|_| ()).is_ok());
    }

    #[test]
    fn names_the_one_value_that_differs() {
        let error = verdict(|rows| rows[2][1] += 1).unwrap_err();
        let text = "fake on cpu, input all 0: output 1 is -1, the reference says -2";
        assert_eq!(error.to_string(), text);
        assert!(verdict(|rows| rows[5 + 63][0] ^= 1)
            .unwrap_err()
            .to_string()
            .contains("random 63"));
    }

    #[test]
    fn rejects_missing_rows_and_values() {
        let spoils: [fn(&mut Vec<Vec<i8>>); 2] = [|rows| rows.truncate(1), |rows| rows[0].clear()];
        for spoil in spoils {
            assert!(matches!(verdict(spoil).unwrap_err(), SelfTestError::Shape { .. }));
        }
    }

    #[test]
    fn a_large_model_is_tested_on_fewer_inputs() {
        let mut large = graph();
        large.nodes[0].shape.height = 1 << 29;
        assert_eq!((MACS / large.macs()).clamp(1, RANDOM_INPUTS), 1);
        assert_eq!(cases(&graph()).len(), 5 + 64);
    }
}
