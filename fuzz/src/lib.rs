//! What may arrive from outside, as bytes that a fuzzer chooses: each function reads them as one kind of file and
//! panics where the reader breaks a promise. A refusal is no fault.
//!
//! `scripts/fuzz.sh` runs them under libFuzzer, `targets/` has one line for each.
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a target fails by panicking")]

use std::io::Read;
use std::sync::OnceLock;

use dn_core::proof_file::ProofFile;
use dn_core::protocol::{Protocol, Word};
use dn_core::quant::execute;
use dn_core::vk_data::vk_data;
use dn_import::{
    npz, Calibration, OnnxModel, Package, Reading, SequencePackage, Stored, TokenExamples,
    Transformer,
};
use dn_prover::read_ptau;
use dn_verifier::verify;

/// Numbers of the largest input that is run or quantised.
const MAX_INPUT: usize = 4_096;

/// Tokens of the longest sequence that is run or quantised.
const MAX_TOKENS: usize = 64;

/// Products of the largest model that is run or quantised.
const MAX_MACS: u64 = 1_000_000;

/// A key, public inputs that it accepts, and their proof.
#[derive(Debug)]
pub struct Proven {
    /// What the key says.
    pub protocol: Protocol,
    /// The public inputs, big-endian.
    pub instances: Vec<Word>,
    /// The transcript.
    pub proof: Vec<u8>,
}

/// A batch of the digits model with merged openings, as the rollup accepted it.
pub fn proven() -> &'static Proven {
    static PROVEN: OnceLock<Proven> = OnceLock::new();
    PROVEN.get_or_init(|| {
        let packed: &[u8] = include_bytes!("../../sdk/js/testdata/merged.json.gz");
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("a packed text");
        let fixture: serde_json::Value = serde_json::from_str(&text).expect("a JSON text");
        let bytes = |value: &serde_json::Value| {
            let digits = value.as_str().expect("hex digits").trim_start_matches("0x");
            hex::decode(digits).expect("hex digits")
        };
        let key = serde_json::to_vec(&fixture["protocol"]).expect("JSON");
        let instances = fixture["instances"].as_array().expect("public inputs");
        let word = |value| Word::try_from(bytes(value)).expect("32 bytes");
        Proven {
            protocol: Protocol::from_bytes(&key).expect("a key"),
            instances: instances.iter().map(word).collect(),
            proof: bytes(&fixture["proof"]),
        }
    })
}

/// An ONNX file: what is read and quantised has a package that reads back.
pub fn model(bytes: &[u8]) {
    if let Ok(Some(model)) = Transformer::read(bytes, &Reading::default()) {
        transformer(model);
    }
    let Ok(model) = OnnxModel::read(bytes, &Reading::default()) else { return };
    let len: usize = model.inputs().iter().map(|i| i.dims.iter().skip(1).product::<usize>()).sum();
    if len == 0 || len > MAX_INPUT {
        return;
    }
    let value = |row: usize, i: usize| row as f32 - (i % 7) as f32 * 0.5;
    let x = (0..4).map(|row| (0..len).map(|i| value(row, i)).collect()).collect();
    let calibration = Calibration { x, ..Calibration::default() };
    let Ok(imported) = model.quantise(&calibration, "fuzzed") else { return };
    let written = imported.package.to_bytes().expect("a package that was made can be written");
    let read = Package::from_bytes(&written).expect("a package that was written can be read");
    assert!(read.graph == imported.package.graph, "a package reads back as another model");
}

/// A transformer: what can be quantised by any ids has a package that reads back, and runs.
fn transformer(model: Transformer) {
    let (tokens, vocabulary) = (model.tokens(), model.vocabulary());
    if tokens > MAX_TOKENS {
        return;
    }
    let ids = (0..2).map(|row| (0..tokens).map(|i| (row + i * 5) % vocabulary).collect());
    let examples = TokenExamples { ids: ids.collect(), next: None };
    let Ok(imported) = model.quantise(&examples, "fuzzed") else { return };
    let written = imported.package.to_bytes().expect("a package that was made can be written");
    let read = Stored::from_bytes(&written).expect("a package that was written can be read");
    let Stored::Sequence(read) = read else { panic!("a package reads back as another kind") };
    assert!(*read == imported.package, "a package reads back as another model");
    sequence(&read);
}

/// Runs a package of a sequence model on ids of which none is one of its own.
fn sequence(package: &SequencePackage) {
    let model = &package.model;
    if model.tokens > MAX_TOKENS || package.macs() > MAX_MACS {
        return;
    }
    let output = model.execute(&vec![i8::MIN; model.tokens]);
    assert_eq!(package.values(&output).len(), model.output_len());
}

/// A file of arrays, `.npz` or `.npy`: all examples have one length.
pub fn arrays(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("arrays");
    std::fs::write(&path, bytes).expect("a file");
    if let Ok(data) = npz::read(&path) {
        assert!(data.x.iter().all(|row| row.len() == data.x[0].len()), "examples differ in length");
    }
}

/// A model package of either kind: what is read is written again as the same bytes' model, and runs.
pub fn package(bytes: &[u8]) {
    let package = match Stored::from_bytes(bytes) {
        Ok(Stored::Graph(package)) => package,
        Ok(Stored::Sequence(package)) => {
            let written = package.to_bytes().expect("a package that was read can be written");
            let again = SequencePackage::from_bytes(&written);
            let again = again.expect("a package that was written can be read");
            assert!(again == *package, "a package reads back as another model");
            return sequence(&package);
        }
        Err(_) => return,
    };
    let written = package.to_bytes().expect("a package that was read can be written");
    let again = Package::from_bytes(&written).expect("a package that was written can be read");
    assert!(again.graph == package.graph, "a package reads back as another model");
    if package.graph.input_len() > MAX_INPUT || package.graph.macs() > MAX_MACS {
        return;
    }
    let input = package.quantize_input(&vec![0.0; package.graph.input_len()]);
    let output = execute(&package.graph, &input);
    assert_eq!(package.dequantize_output(&output).len(), package.graph.output_len());
}

/// A key: what is not the key of a proof does not accept it.
pub fn key(bytes: &[u8]) {
    let Ok(protocol) = Protocol::from_bytes(bytes) else { return };
    let proven = proven();
    // A key that has no data contract may still be read; neither panics.
    let _ = vk_data(&protocol);
    let accepts = verify(&protocol, &proven.instances, &proven.proof).is_ok();
    assert!(!accepts || protocol == proven.protocol, "a key with another meaning accepts");
}

/// A proof file: only the proof that was made is accepted, for its own statement.
pub fn proof(bytes: &[u8]) {
    let Ok(file) = ProofFile::from_bytes(bytes) else { return };
    let proven = proven();
    let is_same = file.instances == proven.instances && file.proof == proven.proof;
    let accepts = verify(&proven.protocol, &file.instances, &file.proof).is_ok();
    assert_eq!(accepts, is_same, "a forged proof");
}

/// A ceremony's `.ptau` file: what is read passed the pairings.
pub fn ceremony(bytes: &[u8]) {
    let _ = read_ptau(bytes, 4);
}
