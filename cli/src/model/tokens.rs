//! Models of token sequences: what `import`, `inspect` and `run` do for them.

mod prove;

use std::path::Path;

use dn_core::quant::sequence::{Layer, Sequence};
use dn_import::npz::{self, TokenExtents};
use dn_import::{Package, SequencePackage, TokenFidelity, Transformer};
use dn_prover::Usage;
use dn_service::Report;
use serde_json::{json, Value};

use super::fidelity::{layer, FAIL, WARN, WORST};
use super::provable::Provable;
use super::{id_text, write};
use crate::args::{Import, Run};
use crate::error::Failure;
use crate::output::{spinner, thousandths, warn};
pub(super) use prove::prove;

/// Nats of cross entropy above those of the float model at which an import warns.
const WARN_LOSS: f64 = 0.01;
/// The same at which it fails unless that is accepted.
const FAIL_LOSS: f64 = 0.1;
/// Share of tokens with the same largest score below which an import warns where there is nothing to predict.
const WARN_AGREEMENT: f64 = 0.95;
/// The same below which it fails.
const FAIL_AGREEMENT: f64 = 0.8;
/// Fewer calibration sequences say little about what inputs reach.
const FEW_EXAMPLES: usize = 16;

/// Quantises a transformer and reports its loss.
pub(super) fn import(args: &Import, model: Transformer) -> Result<Report, Failure> {
    check_options(args)?;
    let progress = spinner("reading the examples");
    let extents = TokenExtents { tokens: model.tokens(), vocabulary: model.vocabulary() };
    let read = |path: &Path| npz::read_tokens(path, model.input(), extents);
    let calibration = read(&args.calibration)?;
    let held_out = args.heldout.as_deref().map(read).transpose()?;
    let notes = model.notes().to_vec();
    let name = args.onnx.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    progress.set_message("quantising");
    let imported = model.quantise(&calibration, &name)?;
    let bytes = imported.package.to_bytes()?;
    progress.set_message("comparing integers with floats");
    let fidelity = imported.fidelity(held_out.as_ref().unwrap_or(&calibration))?;
    progress.finish_and_clear();
    judge(&fidelity, imported.names_classes(), calibration.ids.len(), args.accept_error)?;
    write(&args.output, &bytes)?;

    let mut report = Report::default();
    report
        .set("model_id", id_text(&Package::model_id(&bytes)))
        .set("name", name)
        .set("package_bytes", bytes.len());
    extents_of(&mut report, &imported.package);
    report.set("examples", fidelity.examples);
    if !notes.is_empty() {
        report.set("notes", notes.join("; "));
    }
    if let Some(loss) = fidelity.loss {
        report
            .set("predictions", loss.count)
            .set("loss_float", ten_thousandths(loss.float))
            .set("loss", ten_thousandths(loss.integers));
    }
    let worst: Vec<Value> = fidelity.worst(WORST).into_iter().map(layer).collect();
    report
        .set("agreement", thousandths(fidelity.agreement))
        .set("error", thousandths(fidelity.error))
        .set("worst_layers", worst)
        .set("next", NEXT);
    Ok(report)
}

/// What a package of this kind is good for.
const NEXT: &str = "deepnode model inspect, run, prove and verify read it; no contract verifies its proofs yet, so it cannot \
    be registered or served";

fn ten_thousandths(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

/// Refuses options about proofs, of which such a model has one kind.
fn check_options(args: &Import) -> Result<(), Failure> {
    let given = [
        ("--score", args.score.is_some()),
        ("--layout", args.layout.is_some()),
        ("--optimize", args.optimize.is_some()),
        ("--report", args.report.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Failure::new(
            "sequence_option",
            format!("{option} chooses among proofs, and models of token sequences have one kind"),
            "leave the option out",
        )),
        None => Ok(()),
    }
}

/// Warns of what is bad and refuses what is too bad to be used without a word.
fn judge(
    fidelity: &TokenFidelity,
    names_classes: bool,
    examples: usize,
    accept: bool,
) -> Result<(), Failure> {
    let same = 100.0 * fidelity.agreement;
    let (is_bad, is_lost, message) = match fidelity.loss {
        Some(loss) => {
            let more = loss.integers - loss.float;
            let message = format!(
                "the integers predict with {:.4} nats, {more:.4} more than the float model, and name the same token for \
                 {same:.1} %",
                loss.integers
            );
            (more > WARN_LOSS, more > FAIL_LOSS, message)
        }
        None => {
            let error = if names_classes { 0.0 } else { fidelity.error };
            let message = format!(
                "the integers name the same channel as the float model for {same:.1} % of the tokens, and are {:.1} % of \
                 the outputs' spread away from it",
                100.0 * error
            );
            let is_bad = fidelity.agreement < WARN_AGREEMENT || error > WARN;
            (is_bad, fidelity.agreement < FAIL_AGREEMENT || error > FAIL, message)
        }
    };
    if !is_bad {
        return Ok(());
    }
    let worst = fidelity.worst(1).first().map_or_else(String::new, |layer| {
        format!(
            "node {:?} ({}) adds the most, {:.1} %: ",
            layer.node,
            layer.op,
            100.0 * layer.added
        )
    });
    let cure = if examples < FEW_EXAMPLES {
        "give more calibration sequences, at least 16 that are like real inputs"
    } else {
        "train with less different magnitudes in it"
    };
    if is_lost && !accept {
        return Err(Failure::new("quantization_error", format!("{message}; {worst}{cure}"), HINT));
    }
    warn(&format!("{message}; {worst}{cure}"));
    Ok(())
}

const HINT: &str = "change what the message names, or accept the error with --accept-error";

fn extents_of(report: &mut Report, package: &SequencePackage) {
    let model = &package.model;
    report
        .set("kind", "sequence")
        .set("tokens", model.tokens)
        .set("vocabulary", model.vocabulary)
        .set("outputs", model.channels(model.layers.len()))
        .set("macs", package.macs());
}

/// Shows a package's layers and scales.
pub(super) fn inspect(provable: &Provable, package: &SequencePackage) -> Report {
    let model = &package.model;
    let layers: Vec<Value> = (0..model.layers.len()).map(|at| described(model, at)).collect();
    let mut report = Report::default();
    report.set("model_id", id_text(&provable.id)).set("name", package.name.clone());
    extents_of(&mut report, package);
    report
        .set("layers", layers)
        .set("output_scale", package.output.scale.clone())
        .set("output_offset", package.output.offset.clone())
        .set("plans", prove::plans(provable))
        .set("next", NEXT);
    report
}

fn described(model: &Sequence, at: usize) -> Value {
    let layer = &model.layers[at];
    let kind = match layer {
        Layer::Embedding(_) => "embedding",
        Layer::Linear(_) => "linear",
        Layer::Residual(_) => "residual",
        Layer::Norm(_) => "norm",
        Layer::Attention(_) => "attention",
        Layer::ArgMax { .. } => "arg-max",
    };
    let bounds: Vec<Value> = model.bounds(at).iter().map(|b| json!(b.largest)).collect();
    let mut told = json!({
        "kind": kind,
        "reads": layer.reads(),
        "channels": model.channels(at + 1),
        "bounds": bounds,
    });
    if let Layer::Attention(attention) = layer {
        told["heads"] = json!(attention.heads);
        told["causal"] = json!(attention.is_causal);
    }
    told
}

/// Runs the integer reference executor over every sequence.
pub(super) fn run(args: &Run, package: &SequencePackage) -> Result<Report, Failure> {
    let model = &package.model;
    let extents = TokenExtents { tokens: model.tokens, vocabulary: model.vocabulary };
    let examples = npz::read_tokens(&args.inputs, "x", extents)?;
    let answer = |ids: &Vec<usize>| model.execute(&package.quantize_ids(ids));
    let (outputs, usage) = Usage::of(|| examples.ids.iter().map(answer).collect::<Vec<Vec<i8>>>());
    npz::write_token_outputs(&args.output, package, &outputs)?;
    let mut report = Report::default();
    report
        .set("batch", outputs.len())
        .set("cpu_s", thousandths(usage.cpu_s))
        .set("wall_s", thousandths(usage.wall_s));
    Ok(report)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use dn_import::Stored;

    use super::super::model;
    use crate::args::{Cli, Command};
    use crate::error::Failure;

    fn done(words: &[&str]) -> Result<dn_service::Report, Failure> {
        let cli = Cli::parse_from(["deepnode", "model"].iter().chain(words));
        let Command::Model(command) = &cli.command else { panic!("a command about models") };
        model(command, &cli.global)
    }

    #[test]
    fn a_transformer_is_imported_inspected_and_run() {
        let (from, to) = (env!("CARGO_MANIFEST_DIR"), tempfile::tempdir().unwrap());
        let file = |name: &str| format!("{from}/../models/text/{name}");
        let made = |name: &str| to.path().join(name).display().to_string();
        let (onnx, calibration) = (file("text.onnx"), file("calibration.npz"));
        let (package, answers) = (made("text.dnpkg"), made("answers.npz"));
        let import = ["import", &onnx, "--calibration", &calibration, "-o", &package];
        done(&import).unwrap();
        let layout = [&import[..], &["--layout", "wide"]].concat();
        assert!(format!("{:?}", done(&layout)).contains("sequence_option"));
        let Stored::Sequence(read) = Stored::read(package.as_ref()).unwrap().0 else {
            panic!("another kind of package")
        };
        assert_eq!((read.model.tokens, read.model.vocabulary), (64, 96));
        done(&["inspect", &package]).unwrap();
        done(&["run", &package, "--inputs", &calibration, "-o", &answers]).unwrap();
        assert!(std::fs::metadata(answers).unwrap().len() > 64 * 96 * 32);
        let proof = made("proof");
        let wine = file("../tabular/wine_heldout.npz");
        let wrong = done(&["run", &package, "--inputs", &wine, "-o", &proof]);
        assert!(format!("{wrong:?}").contains("input_shape"), "{wrong:?}");
    }
}
