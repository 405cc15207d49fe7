//! What an import says about the distance between integers and floats.

use dn_import::{Fidelity, Imported, Layer};
use dn_service::Report;
use serde_json::{json, Value};

use crate::error::Failure;
use crate::output::{thousandths, warn};

/// Error above which an import warns.
pub(crate) const WARN: f64 = 0.05;
/// Error above which an import fails unless it is accepted.
pub(crate) const FAIL: f64 = 0.25;
/// Error over the spread of all outputs below which an import does not fail: what varies from example to
/// example is then little beside what does not.
const SLIGHT: f64 = 0.02;
/// Fewer calibration examples say little about what inputs reach.
const FEW_EXAMPLES: usize = 32;
/// Share of saturated input values above which an import warns.
const SATURATED: f64 = 0.01;
/// Layers that are shown.
pub(super) const WORST: usize = 3;

/// Adds what was compared to a report.
pub(super) fn report(report: &mut Report, fidelity: &Fidelity, imported: &Imported) {
    let outputs: Vec<f64> = fidelity.outputs.iter().map(|e| thousandths(*e)).collect();
    let worst: Vec<Value> = fidelity.worst(WORST).into_iter().map(layer).collect();
    report
        .set("error", thousandths(fidelity.error))
        .set("error_overall", thousandths(fidelity.overall))
        .set("error_by_output", outputs)
        .set("agreement", fidelity.agreement.map(thousandths))
        .set("saturated_inputs", thousandths(fidelity.saturated_inputs))
        .set("worst_layers", worst);
    if !imported.out_of_line().is_empty() {
        report.set("out_of_line", imported.out_of_line());
    }
}

/// A layer's figures.
pub(super) fn layer(layer: &Layer) -> Value {
    json!({
        "node": layer.node,
        "op": layer.op,
        "error": thousandths(layer.error),
        "added": thousandths(layer.added),
        "saturated": thousandths(layer.saturated),
    })
}

/// Warns of what is bad and refuses what is too bad to be used without a word.
pub(super) fn judge(
    fidelity: &Fidelity,
    imported: &Imported,
    examples: usize,
    accept: bool,
) -> Result<(), Failure> {
    let rows = imported.out_of_line();
    if !rows.is_empty() {
        warn(&format!(
            "rows {rows:?} of the calibration data are out of line; no scale follows them"
        ));
    }
    if fidelity.saturated_inputs > SATURATED {
        let share = 100.0 * fidelity.saturated_inputs;
        warn(&format!("{share:.1} % of the input values lie outside of what the codes stand for"));
    }
    // Codes that are all alike are no further from a narrow range than their step.
    let is_lost = fidelity.overall > FAIL;
    if fidelity.error.max(fidelity.overall) <= WARN {
        return Ok(());
    }
    let message = message(fidelity);
    let advice = advice(fidelity, examples);
    if (is_lost || fidelity.error > FAIL && fidelity.overall > SLIGHT) && !accept {
        return Err(Failure::new("quantization_error", format!("{message}; {advice}"), HINT));
    }
    warn(&format!("{message}; {advice}"));
    Ok(())
}

const HINT: &str = "change what the message names, or accept the error with --accept-error";

fn message(fidelity: &Fidelity) -> String {
    let classes = fidelity.agreement.map_or_else(String::new, |share| {
        format!(" and name the same class for {:.1} % of the examples", 100.0 * share)
    });
    // Rows that are alike but for some far ones show in one of the two only.
    let is_far = fidelity.overall > WARN;
    let error = 100.0 * if is_far { fidelity.error.max(fidelity.overall) } else { fidelity.error };
    format!("the int8 outputs are {error:.1} % of their spread away from the float ones{classes}")
}

/// What most likely helps.
fn advice(fidelity: &Fidelity, examples: usize) -> String {
    let worst = fidelity.worst(1).first().map_or_else(String::new, |layer| {
        let (node, op, added) = (&layer.node, &layer.op, 100.0 * layer.added);
        format!("node {node:?} ({op}) adds the most, {added:.1} %: ")
    });
    let saturates = fidelity.worst(1).first().is_some_and(|layer| layer.saturated > SATURATED);
    let cure = if examples < FEW_EXAMPLES {
        "give more calibration examples, at least 32 that are like real inputs"
    } else if saturates || fidelity.saturated_inputs > SATURATED {
        "give calibration examples that reach as far as real inputs do"
    } else {
        "normalise what it reads, or train with less different magnitudes in it"
    };
    format!("{worst}{cure}")
}
