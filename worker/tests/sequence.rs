//! Sequence models on libtorch against the integer semantics, bit for bit.

#![cfg(feature = "torch")]

use std::path::Path;

use dn_core::quant::sequence::{Layer, Sequence};
use dn_import::npz::{self, TokenExtents};
use dn_import::{Reading, Transformer};
use dn_testing::Random;
use dn_worker::backend::{BackendError, TorchSequence};

/// Random models, with 12 inputs each.
const MODELS: u64 = 300;
/// As many for `make test-all`.
const MANY_MODELS: u64 = 20_000;

#[test]
fn random_sequences_equal_the_reference() {
    tch::set_num_threads(1);
    let is_exhaustive = std::env::var_os("DN_EXHAUSTIVE").is_some();
    for seed in 0..if is_exhaustive { MANY_MODELS } else { MODELS } {
        let mut random = Random::seeded(seed);
        let model = random.sequence();
        let inputs = random.inputs(model.tokens);
        let outputs = TorchSequence::load(&model).unwrap().run(&inputs).unwrap();
        let expected: Vec<Vec<i8>> = inputs.iter().map(|x| model.execute(x)).collect();
        assert_eq!(outputs, expected, "seed {seed}");
    }
}

/// Extents of a small language model: products of matrices take other ways than those of a few numbers.
#[test]
fn a_sequence_of_64_tokens_equals_the_reference() {
    for seed in 0..4 {
        let mut random = Random::seeded(seed);
        let model = random.sequence_of(64, (4, 16));
        let inputs = random.inputs(model.tokens);
        let outputs = TorchSequence::load(&model).unwrap().run(&inputs).unwrap();
        let expected: Vec<Vec<i8>> = inputs.iter().map(|x| model.execute(x)).collect();
        assert_eq!(outputs, expected, "seed {seed}");
    }
}

/// Sequences of the trained net that are run.
const HELD_OUT: usize = 24;

/// The trained text model, from its ONNX file.
#[test]
fn an_imported_transformer_equals_the_reference() {
    tch::set_num_threads(1);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/text");
    let onnx = std::fs::read(folder.join("text.onnx")).unwrap();
    let model = Transformer::read(&onnx, &Reading::default()).unwrap().unwrap();
    let extents = TokenExtents { tokens: model.tokens(), vocabulary: model.vocabulary() };
    let read = |name: &str| npz::read_tokens(&folder.join(name), model.input(), extents).unwrap();
    let (calibration, held_out) = (read("calibration.npz"), read("heldout.npz"));
    let package = model.quantise(&calibration, "text").unwrap().package;
    let ids = held_out.ids.iter().take(HELD_OUT);
    let inputs: Vec<Vec<i8>> = ids.map(|ids| package.quantize_ids(ids)).collect();
    let outputs = TorchSequence::load(&package.model).unwrap().run(&inputs).unwrap();
    let expected: Vec<Vec<i8>> = inputs.iter().map(|x| package.model.execute(x)).collect();
    assert_eq!(outputs, expected);
}

#[test]
fn refuses_what_is_no_model_and_rows_of_another_length() {
    let mut model = Random::seeded(1).sequence();
    let torch = TorchSequence::load(&model).unwrap();
    assert_eq!(torch.run(&[]).unwrap(), Vec::<Vec<i8>>::new());
    let error = torch.run(&[vec![0; model.tokens + 1]]);
    assert!(matches!(error, Err(BackendError::InputLength { row: 0, .. })));
    model.layers = vec![Layer::ArgMax { tensor: 0 }];
    let Sequence { tokens, vocabulary, layers } = model;
    let error = TorchSequence::load(&Sequence { tokens, vocabulary, layers });
    assert_eq!(error.unwrap_err().code(), "package");
}
