//! Proofs of sequences.

use dn_circuits::Slot;
use dn_core::statement::Form;
use dn_import::npz::{self, TokenExtents};
use dn_import::SequencePackage;
use dn_service::Report;
use serde_json::{json, Value};

use super::super::provable::Provable;
use super::super::prove::{enough, form, prove_tasks, random_salt};
use crate::args::{Batch, Global, Prove};
use crate::error::Failure;
use crate::output::thousandths;

/// Batch sizes that are looked at: larger ones take more memory than they save time.
const SIZES: [usize; 4] = [1, 2, 3, 4];

/// Proves the first sequences of ids as one batch.
pub(crate) fn prove(
    args: &Prove,
    global: &Global,
    provable: &Provable,
    package: &SequencePackage,
) -> Result<Report, Failure> {
    if args.labels {
        let hint = "leave --labels out: proofs of sequences have no score";
        return Err(Failure::new("sequence_option", "outputs of sequences are no classes", hint));
    }
    let model = &package.model;
    let extents = TokenExtents { tokens: model.tokens, vocabulary: model.vocabulary };
    let examples = npz::read_tokens(&args.inputs, "x", extents)?;
    let batch = match args.batch {
        Batch::Auto => cheapest(provable, examples.ids.len(), form(args))?,
        Batch::Exactly(batch) => enough(batch, examples.ids.len())?,
    };
    let task = |ids: &Vec<usize>| Slot {
        input: package.quantize_ids(ids),
        salt: random_salt(),
        label: None,
    };
    let tasks: Vec<Slot> = examples.ids[..batch].iter().map(task).collect();
    let frame = provable.frame(batch, form(args));
    let (mut report, _) = prove_tasks(args, global, provable, (frame, &tasks))?;
    report.set("tokens", batch * model.tokens);
    Ok(report)
}

/// The batch that costs least per sequence, of those that can be laid out.
fn cheapest(provable: &Provable, inputs: usize, form: Form) -> Result<usize, Failure> {
    let (mut best, mut failed) = (None, None);
    for batch in SIZES.into_iter().filter(|batch| *batch <= inputs) {
        match provable.estimate(provable.frame(batch, form)) {
            Ok(estimate) => {
                let each = estimate.cpu_s / batch as f64;
                if best.is_none_or(|(least, _)| each < least) {
                    best = Some((each, batch));
                }
            }
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    match (best, failed) {
        (Some((_, batch)), _) => Ok(batch),
        (None, Some(failure)) => Err(failure),
        (None, None) => enough(1, inputs),
    }
}

/// What proofs of each batch size take, or why there are none.
pub(crate) fn plans(provable: &Provable) -> Vec<Value> {
    let plan = |batch: usize| match provable.estimate(provable.frame(batch, Form::Listed)) {
        Ok(e) => json!({
            "batch": batch,
            "rows": e.rows,
            "k": e.k,
            "estimated_cpu_s": thousandths(e.cpu_s),
            "estimated_memory_mb": e.memory_mb.round(),
        }),
        Err(failure) => json!({ "batch": batch, "not_proven": failure.message() }),
    };
    SIZES.into_iter().map(plan).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use dn_core::quant::sequence::{Embedding, Function, Layer, Linear, Sequence};
    use dn_import::Codes;

    use super::super::super::model;
    use super::*;
    use crate::args::{Cli, Command};

    fn done(data: &std::path::Path, words: &[&str]) -> Result<Report, Failure> {
        let data = data.display().to_string();
        let global = ["deepnode", "--data-dir", &data, "model"];
        let cli = Cli::parse_from(global.iter().chain(words));
        let Command::Model(command) = &cli.command else { panic!("a command about models") };
        model(command, &cli.global)
    }

    /// Eight tokens of four ids, and a score for each id.
    fn package() -> SequencePackage {
        let weights = (0..4 * 8).map(|i| i % 7 - 3).collect();
        let linear = Linear {
            tensor: 1,
            weights,
            bias: vec![3, -2, 1, 0],
            shift: vec![2; 4],
            function: Function::saturate(),
        };
        let table = (0..4 * 8).map(|i| i * 3 % 50 - 20).collect();
        let layers =
            vec![Layer::Embedding(Embedding { channels: 8, table }), Layer::Linear(linear)];
        let model = Sequence { tokens: 8, vocabulary: 4, layers };
        SequencePackage { name: "small".into(), model, output: Codes::uniform(1.0) }
    }

    #[test]
    fn a_proof_of_sequences_is_of_its_package_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (file, other, proof) = (path("a.dnpkg"), path("b.dnpkg"), path("proof"));
        let mut changed = package();
        std::fs::write(&file, changed.to_bytes().expect("a package")).expect("written");
        if let Layer::Linear(linear) = &mut changed.model.layers[1] {
            linear.bias[0] += 1;
        }
        std::fs::write(&other, changed.to_bytes().expect("a package")).expect("written");
        let ids = path("ids.npz");
        let rows: Vec<Vec<f32>> =
            (0..3).map(|i| (0..8).map(|j| ((i + j) % 4) as f32).collect()).collect();
        npz::write_examples(ids.as_ref(), &rows).expect("written");
        let prove = ["prove", &file, "--inputs", &ids, "--batch", "2", "-o", &proof];
        done(folder.path(), &prove).expect("a proof");
        done(folder.path(), &["verify", &file, &proof]).expect("verified");
        let evm = done(folder.path(), &["verify", &file, &proof, "--evm"]);
        assert!(format!("{evm:?}").contains("sequence_option"));
        assert!(done(folder.path(), &["verify", &other, &proof]).is_err());
        let labelled = [&prove[..], &["--labels"]].concat();
        assert!(format!("{:?}", done(folder.path(), &labelled)).contains("sequence_option"));
        // A digest has an even number of slots.
        let digest = ["prove", &file, "--inputs", &ids, "--digest", "-o", &proof];
        done(folder.path(), &digest).expect("a proof with a digest");
        done(folder.path(), &["verify", &file, &proof]).expect("verified");
        let many = ["prove", &file, "--inputs", &ids, "--batch", "9", "-o", &proof];
        assert!(format!("{:?}", done(folder.path(), &many)).contains("needs 9 inputs"));
    }
}
